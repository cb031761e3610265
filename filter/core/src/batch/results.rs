//! Reads a batch's results file as it streams to the client: one line of JSON per response.
//!
//! A single unreadable line makes the batch's usage unknown.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use sluice_wire::conversation::Usage;
use sluice_wire::dialect::{Provider, completions, openai_chat, openai_embeddings, responses};
use sluice_wire::framing;
use sluice_wire::json;

/// Longer lines are not read.
const LONGEST_LINE: usize = 16 << 20;

/// A results file that is being read.
#[derive(Debug, Default)]
pub struct Results {
    line: Vec<u8>,
    usage: Usage,
    unread: bool,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    response: Option<Response<'a>>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Response<'a> {
    status_code: u16,
    #[serde(borrow)]
    body: &'a RawValue,
}

#[derive(Deserialize)]
struct Kind<'a> {
    object: &'a str,
}

impl Results {
    /// Reads the next chunk of the file.
    pub fn read(&mut self, portion: &[u8]) {
        let mut lines = portion.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = lines.next() {
            if self.unread {
                return;
            }
            if self.line.len().saturating_add(part.len()) > LONGEST_LINE {
                self.give_up();
                return;
            }
            framing::extend(&mut self.line, part, LONGEST_LINE);
            if lines.peek().is_some() {
                self.end_line();
            }
        }
    }

    /// Bytes of memory in use.
    pub fn held(&self) -> usize {
        self.line.capacity()
    }

    /// Ends the file; returns its total usage if every line could be read.
    pub fn end(mut self) -> Option<Usage> {
        self.end_line();
        (!self.unread).then_some(self.usage)
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.trim_ascii().is_empty() {
            return;
        }
        match used(&line) {
            Some(usage) => self.usage = plus(self.usage, usage),
            None => self.give_up(),
        }
    }

    fn give_up(&mut self) {
        *self = Self { unread: true, ..Self::default() };
    }
}

/// The usage of one response: zero for an error, `None` for an unreadable line.
fn used(line: &[u8]) -> Option<Usage> {
    let line: Line<'_> = json::from_slice(line).ok()?;
    let response = match (line.response, line.error) {
        (Some(response), None) => response,
        (_, Some(_)) => return Some(Usage::default()),
        (None, None) => return None,
    };
    if response.status_code != 200 {
        return Some(Usage::default());
    }
    let body = response.body.get();
    let provider: &Provider = match json::read::<Kind<'_>>(body).ok()?.object {
        "chat.completion" => &openai_chat::PROVIDER,
        "text_completion" => &completions::PROVIDER,
        "response" => &responses::PROVIDER,
        "list" => &openai_embeddings::PROVIDER,
        _ => return None,
    };
    (provider.usage_of)(body.as_bytes())
}

fn plus(one: Usage, other: Usage) -> Usage {
    Usage {
        input: one.input.saturating_add(other.input),
        output: one.output.saturating_add(other.output),
        cached: one.cached.saturating_add(other.cached),
        cache_write: one.cache_write.saturating_add(other.cache_write),
        reasoning: one.reasoning.saturating_add(other.reasoning),
    }
}
