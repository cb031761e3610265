//! Prepared answers for benchmarks: model `bench`, with `+tokens=N`, `+every=MS`, `+stall-after=K` and `+burst` for
//! streams. In a paced stream (`+every`) the text of each event starts with its send time: see [`stamp`].
//!
//! The simulator records, checks and cuts nothing here: it uses one buffer for an answer, and one chunk and one write
//! for an event (of 40 bytes of content), so that a benchmark's upstream costs as little as possible.

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::{Sleep, sleep};

use super::fault::{Fault, Faults};
use super::order;
use super::reply::Event;

/// The model's name.
pub const MODEL: &str = "bench";
/// The size of a whole answer's body.
pub const BODY: usize = 1024;
/// The text of each event: words, because an endless word could be part of an email address, and a guardrail would hold it back.
pub const TEXT: &str = "the quick brown fox jumps over the lazy ";
/// The bytes of text in each event.
pub const CONTENT: usize = TEXT.len();
/// The default number of text events in a stream.
pub const EVENTS: usize = 200;

/// The provider format of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenAI's chat completions.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
}

/// The parameters of a benchmark request, from the model name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    events: usize,
    every: Option<Duration>,
    stall: Option<usize>,
    burst: bool,
}

impl Order {
    /// `None` for another model, and for a fault that only the regular path supports.
    pub fn of_model(model: &str) -> Option<Self> {
        let rest = model.strip_prefix(MODEL)?;
        let mut order = Self { events: EVENTS, every: None, stall: None, burst: false };
        if rest.is_empty() {
            return Some(order);
        }
        for fault in Faults::of_model(model).ok().filter(|_| rest.starts_with('+'))?.iter() {
            match fault {
                Fault::Tokens(count) => order.events = *count,
                Fault::Every(wait) => order.every = Some(*wait),
                Fault::StallAfter(count) => order.stall = Some(*count),
                Fault::Burst => order.burst = true,
                _ => return None,
            }
        }
        Some(order)
    }
}

struct Prepared {
    whole: Bytes,
    before: Bytes,
    event: Bytes,
}

static OPENAI: LazyLock<Prepared> = LazyLock::new(|| openai(false));
static OPENAI_USAGE: LazyLock<Prepared> = LazyLock::new(|| openai(true));
static ANTHROPIC: LazyLock<Prepared> = LazyLock::new(anthropic);

fn prepared(format: Format, usage: bool) -> &'static Prepared {
    match (format, usage) {
        (Format::OpenAi, false) => &OPENAI,
        (Format::OpenAi, true) => &OPENAI_USAGE,
        (Format::Anthropic, _) => &ANTHROPIC,
    }
}

/// The answer without streaming.
pub fn whole(format: Format) -> Bytes {
    prepared(format, false).whole.clone()
}

/// A body of exactly [`BODY`] bytes, padded with text.
fn fill(with_text: impl Fn(&str) -> Value) -> Bytes {
    let bare = order::write(&with_text("")).len();
    order::write(&with_text(&"x".repeat(BODY - bare))).into()
}

fn chunk(delta: Value, finish: Value, usage: bool) -> String {
    let mut chunk = json!({
        "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_780_000_000, "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    });
    if usage {
        chunk["usage"] = Value::Null;
    }
    Event::plain(&chunk).lines("\n")
}

fn openai(usage: bool) -> Prepared {
    let whole = fill(|text| {
        json!({
            "id": "chatcmpl-bench", "object": "chat.completion", "created": 1_780_000_000, "model": MODEL,
            "choices": [{
                "index": 0, "message": {"role": "assistant", "content": text, "refusal": null},
                "logprobs": null, "finish_reason": "stop",
            }],
            "usage": {"prompt_tokens": 256, "completion_tokens": 128, "total_tokens": 384},
        })
    });
    Prepared {
        whole,
        before: chunk(json!({"role": "assistant", "content": ""}), Value::Null, usage).into(),
        event: chunk(json!({"content": TEXT}), Value::Null, usage).into(),
    }
}

fn named(data: &Value) -> String {
    let name = match data["type"].as_str() {
        Some("message_start") => "message_start",
        Some("content_block_start") => "content_block_start",
        Some("content_block_delta") => "content_block_delta",
        Some("content_block_stop") => "content_block_stop",
        Some("message_delta") => "message_delta",
        _ => "message_stop",
    };
    Event::named(name, data).lines("\n")
}

fn anthropic() -> Prepared {
    let message = |content: Value, stop: Value, output: u64| {
        json!({
            "id": "msg_bench", "type": "message", "role": "assistant", "model": MODEL, "content": content,
            "stop_reason": stop, "stop_sequence": null,
            "usage": {
                "input_tokens": 256, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                "output_tokens": output, "service_tier": "standard",
            },
        })
    };
    let start = json!({"type": "message_start", "message": message(json!([]), Value::Null, 1)});
    let block = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
    let delta = json!({"type": "text_delta", "text": TEXT});
    Prepared {
        whole: fill(|text| message(json!([{"type": "text", "text": text}]), json!("end_turn"), 128)),
        before: (named(&start) + &named(&block)).into(),
        event: named(&json!({"type": "content_block_delta", "index": 0, "delta": delta})).into(),
    }
}

/// The bytes after the last event: the only part that depends on the number of events.
fn after(format: Format, usage: bool, events: usize) -> Bytes {
    let output = events * CONTENT / 4;
    match format {
        Format::OpenAi => {
            let mut text = chunk(json!({}), json!("stop"), usage);
            if usage {
                let last = json!({
                    "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_780_000_000, "model": MODEL,
                    "choices": [],
                    "usage": {"prompt_tokens": 256, "completion_tokens": output, "total_tokens": 256 + output},
                });
                text += &Event::plain(&last).lines("\n");
            }
            (text + "data: [DONE]\n\n").into()
        }
        Format::Anthropic => {
            let delta = json!({"stop_reason": "end_turn", "stop_sequence": null});
            let last = json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": output}});
            let stop = json!({"type": "content_block_stop", "index": 0});
            (named(&stop) + &named(&last) + &named(&json!({"type": "message_stop"}))).into()
        }
    }
}

/// An event whose text starts with the current time: `@` and 19 digits, nanoseconds since 1970. The reader, on the same
/// machine, computes the latency.
fn stamp(event: &Bytes) -> Bytes {
    let mut event = event.to_vec();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let stamp = format!("@{:019}", now.as_nanos());
    let text = event.windows(CONTENT).position(|window| window == TEXT.as_bytes());
    if let Some(place) = text.and_then(|at| event.get_mut(at..at + stamp.len())) {
        place.copy_from_slice(stamp.as_bytes());
    }
    event.into()
}

/// A prepared stream in progress.
pub struct FixedStream {
    event: Bytes,
    events: usize,
    before: Option<Bytes>,
    after: Option<Bytes>,
    every: Option<Duration>,
    /// The number of remaining events at which the stream stalls.
    stall: Option<usize>,
    wait: Option<Pin<Box<Sleep>>>,
    written: bool,
}

impl FixedStream {
    /// A stream for this order; `usage` as in OpenAI's `include_usage`.
    pub fn new(format: Format, usage: bool, order: Order) -> Self {
        let Prepared { before, event, .. } = prepared(format, usage);
        let (before, event, after) = (before.clone(), event.clone(), after(format, usage, order.events));
        let (events, before, after) = if order.burst {
            (0, None, Some([&before[..], &event.repeat(order.events), &after].concat().into()))
        } else {
            (order.events, Some(before), Some(after))
        };
        let stall = order.stall.map(|sent| events.saturating_sub(sent));
        Self { event, events, before, after, every: order.every, stall, wait: None, written: false }
    }

    /// The next chunk; returns `Pending` once after each, so that hyper writes the chunk.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if std::mem::take(&mut self.written) {
            match self.every {
                Some(wait) if self.events > 0 => self.wait = Some(Box::pin(sleep(wait))),
                _ => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(cx));
            self.wait = None;
        }
        let piece = if let Some(before) = self.before.take() {
            before
        } else if self.stall == Some(self.events) {
            return Poll::Pending;
        } else if self.events > 0 {
            self.events -= 1;
            if self.every.is_some() { stamp(&self.event) } else { self.event.clone() }
        } else {
            let Some(after) = self.after.take() else { return Poll::Ready(None) };
            after
        };
        self.written = true;
        Poll::Ready(Some(piece))
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::{FixedStream, Format, Order};

    #[test]
    fn a_stream_that_stalls_says_its_events_and_nothing_more() {
        let order = Order::of_model("bench+stall-after=1").unwrap();
        let mut stream = FixedStream::new(Format::OpenAi, false, order);
        let mut context = Context::from_waker(Waker::noop());
        // One pending poll follows each chunk, so that hyper writes it.
        let polls: Vec<bool> = (0..7).map(|_| stream.poll_next(&mut context).is_ready()).collect();
        assert_eq!(polls, [true, false, true, false, false, false, false]);
    }
}
