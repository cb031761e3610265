//! Traces: the context of a request's trace, the options, and the names of attributes.
//!
//! The gateway role writes the spans when a request is over; [`pipeline`](crate::pipeline) exports them.

use serde::{Deserialize, Serialize};

use crate::callout::Endpoint;

pub mod context;
pub mod messages;
pub mod names;

pub use context::TraceContext;

/// The compiled options of traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How many of a million requests are traced.
    pub sampling: u32,
    /// The convention for the names of attributes.
    pub names: TraceNames,
    /// Whether spans have prompts and responses.
    pub content: bool,
    /// The collector.
    pub collector: Endpoint,
}

/// The convention for the names of a span's attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum TraceNames {
    /// OpenTelemetry's conventions for generative AI: `gen_ai.request.model`.
    #[default]
    OpenTelemetry,
    /// OpenInference, for Arize Phoenix: `llm.model_name`.
    OpenInference,
}
