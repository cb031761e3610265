//! The gateway's metrics: one registry for all of them, with labels.
//!
//! A worker counts into its own [`Recorder`]. Its tick adds the counts to Envoy's shared data ([`pages`]), where the administration
//! listener and the background role read the sums of all workers. A worker that ends abruptly loses what it counted
//! since its last tick.
//!
//! Envoy's own statistics have neither labels nor fractions of a second in their histograms, so metrics of generative AI cannot be
//! expressed there.

pub mod instruments;
mod labels;
pub mod pages;
mod recorder;
mod scaled;
mod settings;

pub use instruments::{Group, Instrument, Kind, Slot};
pub use labels::Labels;
pub(crate) use labels::OTHER;
pub use recorder::{Gauges, Recorder, RequestInFlight, Values};
pub use scaled::Scaled;
pub use settings::{Background, ConfigStatus, Export, Settings};
