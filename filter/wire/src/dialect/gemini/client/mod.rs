//! The client side of `generateContent`, used by tests only: reads what the provider side writes, and writes what it reads.

mod error;
mod read_request;
mod response;
mod stream_out;
mod words;

use crate::dialect::aliases;
use crate::dialect::client::{Asks, ChatClient, Client, Manner, PeekSpec};

/// The client side of `generateContent`.
pub static CLIENT: Client = Client {
    provider: &super::PROVIDER,
    shape: PeekSpec { asked: "contents", ..PeekSpec::CHAT },
    own_names: &[],
    runs_tool: |_| false,
    manner: &Manner {
        forwards: &[],
        filtered: "content_filter",
        status: |error| error.status,
        write_error: |error| {
            let mut out = Vec::with_capacity(256);
            error::write(error, &mut out);
            out
        },
    },
    asks: Asks::Chat(ChatClient {
        ids: aliases::GEMINI.ids,
        read_request: read_request::read,
        field_path: |_, _| None,
        write_response: |response, _| response::write(response),
        stream_writer: |opening| Box::new(stream_out::Writer::new(opening)),
    }),
};
