//! Looks at answers that pass unchanged: the usage, what can be seen, and what failed. Cohere names no model.

use crate::dialect::{Glance, Said, Seen, StreamPeeker};
use crate::error::ApiError;
use crate::framing::sse;

use super::response::Seen as Whole;
use super::seen::{Event, Said as Piece};
use super::{stream_in, words};

/// The stream's peeker.
#[derive(Debug, Default)]
pub(super) struct Peeker {
    glance: Glance,
}

impl StreamPeeker for Peeker {
    fn peek(&mut self, event: &sse::Event<'_>) -> Seen {
        let data = event.data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" {
            return Seen::Other;
        }
        let seen: Event<'_> = match serde_json::from_slice(data) {
            Ok(seen) => seen,
            Err(error) => return Seen::Failed(ApiError::unreadable(&error)),
        };
        if let Some(error) = stream_in::failure(&seen) {
            return Seen::Failed(error);
        }
        let delta = seen.delta.unwrap_or_default();
        if &*seen.r#type.0 == "message-end" {
            let usage = delta.usage.as_ref().and_then(|usage| usage.read());
            self.glance.usage = usage.or(self.glance.usage);
            return match stream_in::ending(&delta) {
                Err(error) => Seen::Failed(error),
                Ok(_) => {
                    self.glance.finished = true;
                    Seen::End
                }
            };
        }
        let said = said(&seen.r#type.0, &delta.message.unwrap_or_default());
        self.glance.said += said;
        if said.pieces > 0 { Seen::Content } else { Seen::Other }
    }

    fn glance(&self) -> &Glance {
        &self.glance
    }
}

/// How much of the answer an event brings.
fn said(kind: &str, piece: &Piece<'_>) -> Said {
    let content = || piece.content.0.as_ref().map_or(0, |content| content.text.0.len() + content.thinking.0.len());
    let arguments = || piece.tool_calls.0.as_ref().map_or(0, |call| call.function.arguments.0.len());
    Said::of(match kind {
        "content-start" | "content-delta" | "tool-plan-delta" => piece.tool_plan.0.len() + content(),
        // That there is a call is something too.
        "tool-call-start" => 1 + arguments(),
        "tool-call-delta" => arguments(),
        _ => 0,
    })
}

/// Looks at a whole answer.
pub(super) fn response(body: &[u8]) -> Result<Glance, ApiError> {
    let (seen, _) = Whole::of(body)?;
    words::finish(&seen.finish_reason.0)?;
    let usage = seen.usage.and_then(|usage| usage.read());
    Ok(Glance { usage, finished: !seen.finish_reason.is_empty(), ..Glance::default() })
}
