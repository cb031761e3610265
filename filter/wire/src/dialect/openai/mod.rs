//! The common parts of OpenAI's formats: their errors and usage, the way their requests are read, pieces of the requests that are written, the
//! answers and the chunks of chat completions and legacy completions. No dialect by itself, and it knows of none.

pub(in crate::dialect) mod answer;
pub(in crate::dialect) mod body;
pub(in crate::dialect) mod carried;
pub(in crate::dialect) mod chunk_out;
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

use super::Id;
use super::client::Manner;
use super::provider::{Departures, EVENTS, Headers, Provider, Serves};

/// What clients of OpenAI's formats read and send.
pub(in crate::dialect) static MANNER: Manner =
    Manner { forwards: &[], filtered: "content_filter", status: error::status, write_error: error::body };

/// The common record of providers of OpenAI's formats, and of most others. `id`, `path` and `serves` are each
/// format's own.
pub(in crate::dialect) const PROVIDER: Provider = Provider {
    id: Id::Stored,
    path: |_, _| String::new(),
    headers: &Headers::OPENAI,
    departs: Departures::NONE,
    envelope: None,
    bytes_per_100_tokens: 400,
    stream_type: EVENTS,
    read_error: |status, _, body| error::read(status, body),
    peek_response: None,
    usage_of: |_| None,
    serves: Serves::PassedThrough,
};
