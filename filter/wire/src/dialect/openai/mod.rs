//! What OpenAI's formats share: their errors and usage, the way their requests are read, the chunks that chat completions
//! and legacy completions are answered with. No dialect by itself, and it knows of none.

pub(in crate::dialect) mod carried;
pub(in crate::dialect) mod chunks;
pub(in crate::dialect) mod error;
pub(in crate::dialect) mod json;
pub(in crate::dialect) mod loose;
pub(in crate::dialect) mod peek;
pub(in crate::dialect) mod reasoning;
pub(in crate::dialect) mod request;
pub(in crate::dialect) mod table;
pub(in crate::dialect) mod usage;
pub(in crate::dialect) mod words;

#[cfg(all(test, not(target_arch = "wasm32")))]
pub(in crate::dialect) mod strategies;

use super::client::Manner;

/// What clients of OpenAI's formats read and send.
pub(in crate::dialect) static MANNER: Manner =
    Manner { forwards: &[], filtered: "content_filter", status: error::status, write_error: error::body };
