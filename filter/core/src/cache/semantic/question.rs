//! The text of a request that may differ between similar requests: the user's last one.

use serde::Deserialize;
use serde_json::value::RawValue;
use sluice_wire::json;

use super::Rule;

/// A request, split into the user's last text and the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The user's last text.
    pub text: String,
    /// The body with an empty text in its place.
    pub rest: Vec<u8>,
    /// Whether there are earlier turns.
    pub has_turns: bool,
    /// Whether the last message has other parts than texts.
    pub has_media: bool,
}

/// Why a request is not compared with others, for `explain`.
pub type Unsuitable = &'static str;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    role: Option<String>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    r#type: Option<String>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

impl Question {
    /// Splits a chat request. `None` if its last message is not the user's, or does not end in a text.
    pub fn of(body: &[u8]) -> Option<Self> {
        let body = json::utf8(body).ok()?;
        let Body { messages, input } = json::read(body).ok()?;
        let messages = messages.or(input)?.get();
        let (mut has_turns, mut has_media) = (false, false);
        let mut literal = messages;
        if !messages.starts_with('"') {
            let messages: Vec<Message> = json::read(messages).ok()?;
            let (last, before) = messages.split_last()?;
            let is =
                |message: &Message, names: &[&str]| message.role.as_deref().is_some_and(|role| names.contains(&role));
            has_turns = !before.iter().all(|message| is(message, &["system", "developer"]));
            literal = last.content.filter(|_| is(last, &["user"]))?.get();
        }
        if !literal.starts_with('"') {
            let parts: Vec<Part> = json::read(literal).ok()?;
            let is_text = |part: &Part| matches!(part.r#type.as_deref(), Some("text" | "input_text"));
            has_media = !parts.iter().all(is_text);
            literal = parts.last().filter(|part| is_text(part))?.text?.get();
        }
        let start = literal.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
        let (before, after) = (body.get(..start)?, body.get(start.checked_add(literal.len())?..)?);
        Some(Self {
            text: json::read(literal).ok()?,
            rest: [before, "\"\"", after].concat().into_bytes(),
            has_turns,
            has_media,
        })
    }

    /// Why it is not compared under this rule.
    pub fn suits(&self, rule: &Rule) -> Result<(), Unsuitable> {
        match () {
            () if self.has_turns && !rule.multi_turn => Err("it has earlier turns (`multi_turn`)"),
            () if self.has_media && !rule.images => Err("it contains images or files (`images`)"),
            () => Ok(()),
        }
    }
}
