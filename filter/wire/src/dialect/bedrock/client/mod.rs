//! The client side of Converse, used by tests only: reads what the provider side writes, and writes what it reads.

mod read_message;
mod read_request;
mod response;
mod stream_out;
mod words;

use crate::dialect::aliases;
use crate::dialect::client::{Asks, ChatClient, Client, Manner, PeekSpec};

/// The client side of Converse.
pub static CLIENT: Client = Client {
    provider: &super::PROVIDER,
    shape: PeekSpec::CHAT,
    own_names: &[],
    runs_tool: |_| false,
    manner: &Manner {
        forwards: &[],
        filtered: "content_filter",
        status: |error| error.status,
        write_error: crate::dialect::aws::client::write_error,
    },
    asks: Asks::Chat(ChatClient {
        ids: aliases::BEDROCK.ids,
        read_request: read_request::read,
        field_path: |_, _| None,
        write_response: |response, _| response::write(response),
        stream_writer: |_| Box::<stream_out::Writer>::default(),
    }),
};
