//! What a request's body names of the things that a provider keeps: responses, conversations, files and the like, by their ids.
//!
//! It is found in one pass over the string literals of a body that was read as JSON before, with the objects and lists that are
//! open kept on a stack: no key's order, depth or spelling hides a reference. What a client may fill as it likes, a JSON schema or
//! the arguments of a call, holds none. Names are known in any case, as servers written in Go know them.

use crate::usage::literals::{Literal, Literals};

/// A kind of thing that a provider keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// An answer, or an item of one.
    Response,
    /// An answer of Anthropic's, with what was said before.
    Message,
    /// A conversation.
    Conversation,
    /// A prompt that was written at the provider.
    Prompt,
    /// A file.
    File,
    /// Files to be searched.
    VectorStore,
    /// A machine that runs what a model has written.
    Container,
    /// Instructions with files.
    Skill,
    /// An answer of chat completions, of which the sound is kept.
    Completion,
    /// A voice that was recorded.
    Voice,
}

impl Kept {
    /// Below which path it has its own: `/v1/files/`.
    pub fn path(self) -> &'static str {
        match self {
            Self::Response => "/v1/responses/",
            Self::Message => "/v1/messages/",
            Self::Conversation => "/v1/conversations/",
            Self::Prompt => "/v1/prompts/",
            Self::File => "/v1/files/",
            Self::VectorStore => "/v1/vector_stores/",
            Self::Container => "/v1/containers/",
            Self::Skill => "/v1/skills/",
            Self::Completion => "/v1/chat/completions/",
            Self::Voice => "/v1/audio/voices/",
        }
    }
}

/// A reference in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where it stands: `input[0].content[1].file_id`.
    pub field: String,
    /// To what.
    pub kept: Kept,
}

/// A field that refers to something.
#[derive(Debug, Clone, Copy)]
struct Referring {
    kept: Kept,
    /// Whether by a text behind it, or by each in a list.
    text: bool,
    /// Whether by the `id` of an object behind it.
    object: bool,
    /// Whether only at the top level.
    top: bool,
}

const TEXT: Referring = Referring { kept: Kept::File, text: true, object: false, top: false };
const OBJECT: Referring = Referring { text: false, object: true, ..TEXT };

/// The fields that refer to something, in OpenAI's and Anthropic's documentation of their requests.
const REFERRING: [(&str, Referring); 12] = [
    ("previous_response_id", Referring { kept: Kept::Response, top: true, ..TEXT }),
    // In Anthropic's `thread`.
    ("previous_message_id", Referring { kept: Kept::Message, ..TEXT }),
    ("conversation", Referring { kept: Kept::Conversation, object: true, top: true, ..TEXT }),
    ("prompt", Referring { kept: Kept::Prompt, top: true, ..OBJECT }),
    ("file_id", TEXT),
    ("file_ids", TEXT),
    ("vector_store_ids", Referring { kept: Kept::VectorStore, ..TEXT }),
    ("container", Referring { kept: Kept::Container, object: true, ..TEXT }),
    ("container_id", Referring { kept: Kept::Container, ..TEXT }),
    ("skill_id", Referring { kept: Kept::Skill, ..TEXT }),
    // The sound of an answer before, in a message of the assistant's.
    ("audio", Referring { kept: Kept::Completion, ..OBJECT }),
    ("voice", Referring { kept: Kept::Voice, ..OBJECT }),
];

/// The fields that a client may fill as it likes, in which it repeats what an answer has cited, or which only compare.
const FREE: [&[u8]; 12] = [
    b"parameters",
    b"input_schema",
    b"input_examples",
    b"schema",
    b"metadata",
    b"arguments",
    b"headers",
    b"annotations",
    b"citations",
    b"results",
    b"output_schema",
    b"diagnostics",
];

const LONGEST: usize = "previous_response_id".len();

/// What a key means for the value behind it.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    Nothing,
    /// Nothing in it refers to anything.
    Free,
    /// Its keys are names of the client's own.
    Names,
    /// A list of items, which may be references.
    Items,
    Refers(Referring),
    Id,
    Type,
    Role,
}

/// An object or a list that is open.
#[derive(Debug)]
struct Open<'a> {
    is_list: bool,
    /// What its values mean: of an object, the one behind the last key.
    meaning: Meaning,
    /// In an object, the last key.
    key: &'a [u8],
    /// Whether the next literal is a value, and no key.
    is_value: bool,
    /// In a list, how many values are behind.
    index: usize,
    /// What the object's own `id` refers to, by where it stands.
    owner: Option<Kept>,
    /// Whether its keys are names.
    names: bool,
    /// Whether it is an item of a list that may hold references.
    item: bool,
    facts: Facts<'a>,
}

/// What an object says of itself, in whatever order.
#[derive(Debug, Default)]
struct Facts<'a> {
    id: Twice<'a>,
    skill: Twice<'a>,
    /// Whether it says what it is: by a type, or by a role.
    told: bool,
    /// Whether it says that it is a reference.
    reference: bool,
    /// Whether it says that it is Anthropic's own and nobody's else.
    public: bool,
    private: bool,
}

/// A value and, should its key stand there again, the last one: readers take one or the other.
#[derive(Debug, Default, Clone, Copy)]
struct Twice<'a> {
    first: Option<Literal<'a>>,
    last: Option<Literal<'a>>,
}

impl<'a> Twice<'a> {
    fn add(&mut self, literal: Literal<'a>) {
        match self.first {
            None => self.first = Some(literal),
            Some(_) => self.last = Some(literal),
        }
    }

    fn values(self) -> impl Iterator<Item = Literal<'a>> {
        self.first.into_iter().chain(self.last)
    }
}

fn meaning(key: &[u8], top: bool) -> Meaning {
    let is = |name: &str| key.eq_ignore_ascii_case(name.as_bytes());
    if let Some((_, field)) = REFERRING.iter().find(|(name, field)| is(name) && (top || !field.top)) {
        return Meaning::Refers(*field);
    }
    match key {
        b"input" if top => Meaning::Items,
        // The arguments of a call, in Anthropic's format.
        b"input" => Meaning::Free,
        b"variables" => Meaning::Names,
        b"type" => Meaning::Type,
        b"role" => Meaning::Role,
        _ if is("id") => Meaning::Id,
        _ if FREE.contains(&key) => Meaning::Free,
        _ => Meaning::Nothing,
    }
}

/// The first reference in `body` that is not `allowed`, which is asked with its path: `/v1/files/file-1`.
pub fn first_denied(body: &[u8], allowed: impl FnMut(&str) -> bool) -> Option<Reference> {
    let mut walk = Walk { open: Vec::new(), skipped: 0, allowed };
    let mut end = 0;
    for literal in Literals::of(body) {
        end = literal.start.saturating_add(literal.text.len()).saturating_add(1);
        if let Some(denied) = walk.gap(literal.gap).or_else(|| walk.literal(&literal)) {
            return Some(denied);
        }
    }
    walk.gap(body.get(end..).unwrap_or_default())
}

struct Walk<'a, F> {
    open: Vec<Open<'a>>,
    /// How many objects and lists are open of a value that is not looked into.
    skipped: usize,
    allowed: F,
}

impl<'a, F: FnMut(&str) -> bool> Walk<'a, F> {
    /// What stands between two literals.
    fn gap(&mut self, gap: &[u8]) -> Option<Reference> {
        for byte in gap {
            match byte {
                b'{' | b'[' => self.opens(*byte == b'['),
                b'}' | b']' => {
                    let denied = self.closes();
                    if denied.is_some() {
                        return denied;
                    }
                }
                b':' | b',' if self.skipped == 0 => {
                    if let Some(open) = self.open.last_mut() {
                        open.is_value = *byte == b':' || open.is_list;
                        open.index = open.index.saturating_add(usize::from(*byte == b','));
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn opens(&mut self, is_list: bool) {
        let (meaning, in_list) =
            self.open.last().map_or((Meaning::Nothing, false), |parent| (parent.meaning, parent.is_list));
        if self.skipped > 0 || matches!(meaning, Meaning::Free) {
            self.skipped = self.skipped.saturating_add(1);
            return;
        }
        let owner = match meaning {
            Meaning::Refers(field) if field.object && !in_list => Some(field.kept),
            _ => None,
        };
        self.open.push(Open {
            is_list,
            meaning: if is_list { meaning } else { Meaning::Nothing },
            key: &[],
            is_value: is_list,
            index: 0,
            owner,
            names: matches!(meaning, Meaning::Names) && !in_list,
            item: matches!(meaning, Meaning::Items) && in_list,
            facts: Facts::default(),
        });
    }

    fn closes(&mut self) -> Option<Reference> {
        if self.skipped > 0 {
            self.skipped = self.skipped.saturating_sub(1);
            return None;
        }
        let open = self.open.pop()?;
        let Facts { id, skill, told, reference, public, private } = open.facts;
        let items = id.values().filter(|_| reference || (open.item && !told)).map(|id| (Kept::Response, id, "id"));
        let skills = skill.values().filter(|_| private || !public).map(|id| (Kept::Skill, id, "skill_id"));
        items.chain(skills).find_map(|(kept, id, key)| self.judge(kept, &id, Some(key)))
    }

    fn literal(&mut self, literal: &Literal<'a>) -> Option<Reference> {
        let depth = self.open.len();
        let open = self.open.last_mut().filter(|_| self.skipped == 0)?;
        if !open.is_value {
            open.key = literal.text;
            open.meaning = if open.names { Meaning::Nothing } else { meaning(&literal.word(LONGEST), depth == 1) };
            return None;
        }
        // Empty, as `null`, it refers to nothing.
        if literal.text.is_empty() {
            return None;
        }
        match (open.meaning, open.owner) {
            (Meaning::Refers(Referring { kept: Kept::Skill, .. }), _) => open.facts.skill.add(*literal),
            (Meaning::Refers(field), _) if field.text => return self.judge(field.kept, literal, None),
            (Meaning::Id, Some(kept)) => return self.judge(kept, literal, None),
            (Meaning::Id, None) => open.facts.id.add(*literal),
            (Meaning::Role, _) => open.facts.told = true,
            (Meaning::Type, _) => {
                let word = literal.word(LONGEST);
                let is_public = *word == *b"anthropic";
                open.facts.told = true;
                open.facts.reference |= *word == *b"item_reference";
                open.facts.public |= is_public;
                open.facts.private |= !is_public;
            }
            _ => {}
        }
        None
    }

    /// Whether the reference may stand here: in what is open, and behind `key` in an object that has just been closed.
    fn judge(&mut self, kept: Kept, id: &Literal<'_>, key: Option<&str>) -> Option<Reference> {
        let path = format!("{}{}", kept.path(), String::from_utf8_lossy(&id.decoded()));
        (!(self.allowed)(&path)).then(|| Reference { field: self.place(key), kept })
    }

    /// Where that is.
    fn place(&self, key: Option<&str>) -> String {
        let mut place = String::new();
        for open in &self.open {
            if open.is_list {
                place.push_str(&format!("[{}]", open.index));
                continue;
            }
            step(&mut place, &String::from_utf8_lossy(open.key));
        }
        if let Some(key) = key {
            step(&mut place, key);
        }
        place
    }
}

fn step(place: &mut String, key: &str) {
    if !place.is_empty() {
        place.push('.');
    }
    place.push_str(key);
}

#[cfg(test)]
mod tests;
