//! Code that OpenAI's formats share: errors, usage, request parsing, parts of written requests, and the responses and chunks of chat
//! completions and legacy completions. It is not a dialect and knows none.

pub(in crate::dialect) mod answer;
pub(in crate::dialect) mod body;
pub(in crate::dialect) mod carried;
pub(in crate::dialect) mod chunk_out;
pub(in crate::dialect) mod chunks;
pub(in crate::dialect) mod details;
pub(in crate::dialect) mod error;
pub(in crate::dialect) mod json;
pub(in crate::dialect) mod loose;
pub(in crate::dialect) mod peek;
pub(in crate::dialect) mod reasoning;
pub(in crate::dialect) mod request;
pub(in crate::dialect) mod table;
pub(in crate::dialect) mod usage;
pub(in crate::dialect) mod words;

use crate::content_filter;

use super::Id;
use super::client::Manner;
use super::provider::{Departures, EVENTS, Headers, Provider, Serves};

/// Conventions of OpenAI's formats.
pub(in crate::dialect) static MANNER: Manner =
    Manner { forwards: &[], filtered: "content_filter", status: error::status, write_error: error::body };

/// Defaults for providers of OpenAI's formats, and of most others. Each format sets its own `id`, `path` and `serves`.
pub(in crate::dialect) const PROVIDER: Provider = Provider {
    id: Id::Stored,
    path: |_, _| String::new(),
    headers: &Headers::OPENAI,
    departs: Departures::NONE,
    envelope: None,
    bytes_per_100_tokens: 400,
    filters: content_filter::OPENAI,
    stream_type: EVENTS,
    read_error: |status, _, body| error::read(status, body),
    peek_response: None,
    usage_of: |_| None,
    serves: Serves::PassedThrough,
};
