//! The client side of the formats of clouds that host Anthropic's models; used by tests only.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::conversation::{Request, StreamEvent};
use crate::dialect::client::{Asks, ChatClient, Client, Manner, PeekSpec};
use crate::dialect::fields::{Fields, needed};
use crate::dialect::in_turn::InTurn;
use crate::dialect::{Buffered, Opening, StreamWriter, aliases, aws};
use crate::error::ApiError;
use crate::framing::sse;

use super::hosted_stream::{Chunk, SMALL};
use super::{hosted, read_request, response, stream_out};

/// The client side of the format on AWS Bedrock.
pub static BEDROCK: Client = Client {
    provider: &hosted::BEDROCK,
    shape: PeekSpec::CHAT,
    own_names: &[],
    runs_tool: |_| false,
    manner: &Manner { write_error: aws::client::write_error, ..PLAIN },
    asks: chat(|opening| Box::new(Writer::new(opening))),
};

/// The client side of the format on Vertex AI.
pub static VERTEX: Client = Client {
    provider: &hosted::VERTEX,
    shape: PeekSpec::CHAT,
    own_names: &[],
    runs_tool: |_| false,
    manner: &PLAIN,
    asks: chat(|opening| Box::new(InTurn::new(stream_out::Writer::new(opening)))),
};

const PLAIN: Manner =
    Manner { forwards: &[], filtered: "content_filter", status: |error| error.status, write_error: super::error::body };

const fn chat(stream_writer: fn(Opening) -> Box<dyn StreamWriter>) -> Asks {
    Asks::Chat(ChatClient {
        ids: aliases::ANTHROPIC.ids,
        read_request: read,
        field_path: |_, _| None,
        write_response: |response, _| response::write(response),
        stream_writer,
    })
}

/// Reads a body for a cloud: the body names the version, the path names the model.
fn read(body: &[u8]) -> Result<Request, ApiError> {
    let mut fields = Fields::of(body)?;
    let _: String = needed(fields.take("", "anthropic_version")?, "anthropic_version")?;
    read_request::rest(fields, String::new())
}

#[derive(Debug)]
struct Writer {
    inner: InTurn<stream_out::Writer>,
    /// The inner writer's output, which `cutter` splits into events.
    text: Vec<u8>,
    cutter: sse::Decoder,
    over: bool,
}

impl Writer {
    fn new(opening: Opening) -> Self {
        let inner = InTurn::new(stream_out::Writer::new(opening));
        Self { inner, text: Vec::new(), cutter: sse::Decoder::default(), over: false }
    }
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        self.over = matches!(event, StreamEvent::Error(_) | StreamEvent::End);
        if let StreamEvent::Error(failure) = event {
            return aws::client::write_failure(failure, out);
        }
        self.inner.write(event, &mut self.text);
        // Splitting our own output cannot fail.
        let _ = self.cutter.feed::<sse::TooLong>(&self.text, |event| {
            aws::client::write_event("chunk", &Chunk { bytes: STANDARD.encode(&event.data).into() }, out);
            Ok(())
        });
        if self.text.capacity() > SMALL {
            self.text = Vec::new();
        }
        self.text.clear();
    }

    fn buffered(&self) -> Buffered {
        let begun = self.text.capacity().saturating_add(self.cutter.held());
        Buffered { begun, ..self.inner.buffered() }
    }
}
