//! The file with a batch's results, read as it flows to the client: one line of JSON for each answer.
//!
//! A line that cannot be read makes all of it unread: what the batch has used is not known then.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use sluice_wire::conversation::Usage;
use sluice_wire::dialect::{Provider, completions, openai_chat, openai_embeddings, responses};
use sluice_wire::framing;
use sluice_wire::json;

/// A longer line is not read.
const LONGEST_LINE: usize = 16 << 20;

/// Results as they come.
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
    /// Reads a portion of the file.
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

    /// Bytes of memory that it takes.
    pub fn held(&self) -> usize {
        self.line.capacity()
    }

    /// All of the file is here: what its answers have used, if all could be read.
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

/// What one answer has used; nothing where it is an error.
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
