//! Recognizes a conversation by its texts.
//!
//! Each request of a conversation repeats the system prompt and all turns before, so its first turns identify it. Only the texts count, not
//! the JSON around them: clients move cache marks from turn to turn, and write the same text as a string or as a block.

use super::literals::{Literal, Literals};
use crate::mix;

/// A request as a part of its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conversation {
    /// Hash of the team, the system prompt, and the messages up to the user's first one.
    pub opening: u64,
    /// Hash of the team and the client's `prompt_cache_key`, if it sent one.
    pub key: Option<u64>,
    /// Whether the request has that field, even without a text.
    pub has_key: bool,
    /// Hash of the tools and the system prompt, if there are any.
    pub common: Option<u64>,
    /// Hash of all messages before the last response, if there is a response.
    pub before: Option<u64>,
    /// Number of messages.
    pub messages: u64,
    /// Bytes of the body without the messages after the user's first one.
    pub opening_length: usize,
}

/// Claude Code sends its version as the first block of the system prompt, with digits that may differ between requests.
const VERSION_BLOCK: &[u8] = b"x-anthropic-billing-header:";

/// The longest name that is compared.
const LONGEST: usize = "prompt_cache_key".len();

impl Conversation {
    /// Recognizes the conversation of a chat request, which is valid JSON. `None` if it has no messages.
    pub fn of(body: &[u8], team: &str) -> Option<Self> {
        let mut walk = Walk { body, ..Walk::default() };
        let mut literals = Literals::of(body);
        for literal in literals.by_ref() {
            walk.gap(literal.gap, literal.start.saturating_sub(literal.gap.len()).saturating_sub(1));
            walk.literal(&literal);
        }
        let rest = literals.rest();
        walk.gap(rest, body.len().saturating_sub(rest.len()));
        let Walk { tools, system, key, has_key, said, first, end, before, messages, .. } = walk;
        let (first, first_end) = first.unwrap_or((said, end));
        let team = mix::add(0, team.as_bytes());
        let both = |one: u64, other: u64| mix::add(one, &other.to_le_bytes());
        (messages > 0).then(|| Self {
            opening: both(both(team, system), first),
            key: key.filter(|key| !key.is_empty()).map(|key| mix::add(team, key)),
            has_key,
            common: (tools != 0 || system != 0).then(|| both(tools, system)),
            before,
            messages,
            opening_length: body.len().saturating_sub(end.saturating_sub(first_end)),
        })
    }

    /// The value by which it sticks to a target.
    pub fn place(&self) -> u64 {
        self.key.unwrap_or(self.opening)
    }
}

/// The top-level field at the current position.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Section {
    #[default]
    Other,
    Tools,
    System,
    Messages,
    Key,
}

/// The last key.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Name {
    #[default]
    Text,
    Role,
    Type,
    /// A part of a cache mark.
    Mark,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Role {
    /// No role: an item of the Responses API.
    #[default]
    None,
    User,
    Assistant,
    Other,
}

#[derive(Default)]
struct Message {
    hash: u64,
    role: Role,
    /// Whether it is a result for the model, by its type.
    is_result: bool,
}

#[derive(Default)]
struct Walk<'a> {
    body: &'a [u8],
    /// Number of open objects and arrays.
    depth: usize,
    section: Section,
    name: Name,
    tools: u64,
    system: u64,
    key: Option<&'a [u8]>,
    has_key: bool,
    message: Message,
    /// Hash of the messages so far.
    said: u64,
    messages: u64,
    /// Number of system prompts among the messages, before all others.
    leading: u64,
    /// Whether the last message is the model's.
    answered: bool,
    before: Option<u64>,
    /// Hash of the messages up to the user's first one, and where that one ends.
    first: Option<(u64, usize)>,
    /// Where the last message ends.
    end: usize,
}

/// The depth of a message's own fields.
const IN_MESSAGE: usize = 3;

impl<'a> Walk<'a> {
    /// Processes the bytes between two literals, which begin at `at`.
    fn gap(&mut self, gap: &[u8], at: usize) {
        for (index, byte) in gap.iter().enumerate() {
            match byte {
                b'{' | b'[' => {
                    self.depth = self.depth.saturating_add(1);
                    if self.depth == IN_MESSAGE {
                        self.message = Message::default();
                    }
                }
                b'}' | b']' => {
                    if self.depth == IN_MESSAGE && self.section == Section::Messages {
                        self.ends(at.saturating_add(index));
                    }
                    self.depth = self.depth.saturating_sub(1);
                }
                b',' if self.depth == 1 => self.section = Section::Other,
                _ => {}
            }
        }
    }

    fn literal(&mut self, literal: &Literal<'a>) {
        if literal.is_key(self.body) {
            let word = literal.word(LONGEST);
            self.name = match &*word {
                b"role" => Name::Role,
                b"type" => Name::Type,
                b"ttl" | b"scope" => Name::Mark,
                _ => Name::Text,
            };
            if self.depth == 1 {
                self.section = match &*word {
                    b"tools" | b"functions" => Section::Tools,
                    b"system" | b"instructions" => Section::System,
                    b"messages" | b"input" => Section::Messages,
                    b"prompt_cache_key" => Section::Key,
                    _ => Section::Other,
                };
                self.has_key |= self.section == Section::Key;
            }
            return;
        }
        let (text, in_message) = (literal.text, self.depth == IN_MESSAGE);
        match (self.section, self.name) {
            (Section::Messages, Name::Type) if in_message => self.message.is_result = text.ends_with(b"_output"),
            (_, Name::Type | Name::Mark) => {}
            (Section::Messages, Name::Role) if in_message => {
                self.message.role = match text {
                    b"user" => Role::User,
                    b"assistant" => Role::Assistant,
                    _ => Role::Other,
                };
            }
            (Section::Messages, _) => {
                self.message.hash = mix::add(self.message.hash, text);
                // The Responses API takes a text in place of messages.
                if self.depth == 1 {
                    self.message.role = Role::User;
                    self.ends(literal.start.saturating_add(text.len()));
                }
            }
            (Section::Tools, _) => self.tools = mix::add(self.tools, text),
            (Section::System, _) if !text.starts_with(VERSION_BLOCK) => self.system = mix::add(self.system, text),
            (Section::Key, _) => self.key = Some(text),
            (Section::System | Section::Other, _) => {}
        }
    }

    /// A message ends at this offset.
    fn ends(&mut self, at: usize) {
        let Message { hash, role, is_result } = std::mem::take(&mut self.message);
        let answers = role == Role::Assistant || (role == Role::None && !is_result);
        if answers && !self.answered {
            self.before = Some(self.said);
        }
        self.answered = answers;
        if role == Role::Other && self.messages == self.leading {
            self.leading = self.leading.saturating_add(1);
            self.system = mix::add(self.system, &hash.to_le_bytes());
        } else {
            self.said = mix::add(self.said ^ role as u64, &hash.to_le_bytes());
        }
        self.messages = self.messages.saturating_add(1);
        self.end = at;
        if role == Role::User && self.first.is_none() {
            self.first = Some((self.said, at));
        }
    }
}

#[cfg(test)]
mod tests;
