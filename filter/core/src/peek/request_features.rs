//! Features of a request that a policy may deny: references to stored objects of a provider by their ids, top-level fields, and tools.
//!
//! One pass over the string literals of a validated JSON body finds them, with the open objects and arrays on a stack. So no key order,
//! depth or spelling hides a reference. JSON schemas and call arguments are free text of the client and contain no references. Keys match
//! in any case, as they do for servers written in Go.

use crate::peek::known_names::LONGEST;
use crate::peek::literals::{Literal, Literals, decoded};

mod names;

pub(crate) use names::folded;
use names::{Meaning, Referring, meaning};
pub use names::{StoredKind, same};

/// Something in a body that a policy may deny.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestFeature<'a> {
    /// A stored object of a provider, with its path: `/v1/files/file-1`.
    Reference(StoredKind, &'a str),
    /// A top-level field that is not `null`.
    Field(&'a str),
    /// A tool with its type; `None` if it has no type.
    Tool(Option<&'a str>),
}

/// Most requests are not nested deeper.
const USUAL_DEPTH: usize = 12;

/// An open object or array.
#[derive(Debug)]
struct Open<'a> {
    is_list: bool,
    /// The meaning of its values; in an object, of the last key's value.
    meaning: Meaning,
    /// In an object, the last key.
    key: &'a [u8],
    /// Whether the next literal is a value, not a key.
    is_value: bool,
    /// In an array, the index of the current item.
    index: usize,
    /// The kind of stored object that the object's own `id` refers to.
    owner: Option<StoredKind>,
    /// Whether its keys are names of the client's own.
    names: bool,
    /// Whether it is an item of an array that may contain references.
    item: bool,
    /// Whether it offers a tool.
    tool: bool,
    /// Whether the last key is a top-level field whose value has not begun.
    pending: bool,
    facts: Facts<'a>,
}

/// The fields that identify an object, in any order.
#[derive(Debug, Default)]
struct Facts<'a> {
    id: Twice<'a>,
    skill: Twice<'a>,
    kind: Twice<'a>,
    /// Whether it has a type or a role.
    told: bool,
    /// Whether its type is a reference.
    reference: bool,
    /// Whether its type is `anthropic`: a skill of Anthropic's own.
    public: bool,
    private: bool,
}

/// The first and the last value of a repeated key: parsers take one or the other.
#[derive(Debug, Default, Clone, Copy)]
struct Twice<'a> {
    first: Option<&'a [u8]>,
    last: Option<&'a [u8]>,
}

impl<'a> Twice<'a> {
    fn add(&mut self, literal: &'a [u8]) {
        match self.first {
            None => self.first = Some(literal),
            Some(_) => self.last = Some(literal),
        }
    }

    fn values(self) -> impl Iterator<Item = &'a [u8]> {
        self.first.into_iter().chain(self.last)
    }
}

/// The first mention in `body` that `deny` rejects, as its path (`input[0].content[1].file_id`) and the result of `deny`.
pub fn first_denied<E>(body: &[u8], deny: impl FnMut(&RequestFeature<'_>) -> Option<E>) -> Option<(String, E)> {
    let mut walk = Walk { open: Vec::with_capacity(USUAL_DEPTH), skipped: 0, deny };
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
    /// The number of open objects and arrays inside a skipped value.
    skipped: usize,
    deny: F,
}

impl<'a, E, F: FnMut(&RequestFeature<'_>) -> Option<E>> Walk<'a, F> {
    /// Processes the bytes between two literals.
    fn gap(&mut self, gap: &[u8]) -> Option<(String, E)> {
        for byte in gap {
            let denied = match byte {
                b'{' | b'[' => {
                    let denied = self.begins();
                    self.opens(*byte == b'[');
                    denied
                }
                b'}' | b']' => self.closes(),
                b':' | b',' => {
                    self.separates(*byte == b':');
                    None
                }
                b' ' | b'\t' | b'\r' | b'\n' => None,
                // `null` is the only value that begins with `n`.
                b'n' => {
                    self.is_absent();
                    None
                }
                _ => self.begins(),
            };
            if denied.is_some() {
                return denied;
            }
        }
        None
    }

    fn separates(&mut self, colon: bool) {
        if let Some(open) = self.open.last_mut().filter(|_| self.skipped == 0) {
            open.is_value = colon || open.is_list;
            open.index = open.index.saturating_add(usize::from(!colon));
        }
    }

    fn is_absent(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.pending = false;
        }
    }

    /// The value of a top-level field begins.
    fn begins(&mut self) -> Option<(String, E)> {
        let open = self.open.last_mut().filter(|open| open.pending)?;
        open.pending = false;
        let key = decoded(open.key);
        (self.deny)(&RequestFeature::Field(&key)).map(|denied| (key.into_owned(), denied))
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
            tool: matches!(meaning, Meaning::Tools) && !is_list,
            pending: false,
            facts: Facts::default(),
        });
    }

    fn closes(&mut self) -> Option<(String, E)> {
        if self.skipped > 0 {
            self.skipped = self.skipped.saturating_sub(1);
            return None;
        }
        let open = self.open.pop()?;
        let Facts { id, skill, kind, told, reference, public, private } = open.facts;
        let items =
            id.values().filter(|_| reference || (open.item && !told)).map(|id| (StoredKind::Response, id, "id"));
        let skills = skill.values().filter(|_| private || !public).map(|id| (StoredKind::Skill, id, "skill_id"));
        let denied = items.chain(skills).find_map(|(kept, id, key)| self.refers(kept, id, Some(key)));
        if denied.is_some() || !open.tool {
            return denied;
        }
        let kinds = kind.values().map(|kind| Some(decoded(kind))).chain(kind.first.is_none().then_some(None));
        kinds.into_iter().find_map(|kind| {
            let denied = (self.deny)(&RequestFeature::Tool(kind.as_deref()))?;
            Some((self.place(None), denied))
        })
    }

    fn literal(&mut self, literal: &Literal<'a>) -> Option<(String, E)> {
        let depth = self.open.len();
        let open = self.open.last_mut().filter(|_| self.skipped == 0)?;
        if !open.is_value {
            open.key = literal.text;
            open.pending = depth == 1;
            open.meaning = if open.names { Meaning::Nothing } else { meaning(&literal.word(LONGEST), depth == 1) };
            return None;
        }
        let denied = self.begins();
        // An empty string refers to nothing, like `null`.
        if denied.is_some() || literal.text.is_empty() {
            return denied;
        }
        let open = self.open.last_mut()?;
        match (open.meaning, open.owner) {
            (Meaning::Refers(Referring { kept: StoredKind::Skill, .. }), _) => open.facts.skill.add(literal.text),
            (Meaning::Refers(field), _) if field.text => return self.refers(field.kept, literal.text, None),
            (Meaning::Id, Some(kept)) => return self.refers(kept, literal.text, None),
            (Meaning::Id, None) => open.facts.id.add(literal.text),
            (Meaning::Role, _) => open.facts.told = true,
            (Meaning::Type, _) => open.facts.is_a(literal),
            _ => {}
        }
        None
    }

    /// Checks a reference at the current position, or below `key` in an object that has just been closed.
    fn refers(&mut self, kept: StoredKind, id: &[u8], key: Option<&str>) -> Option<(String, E)> {
        let path = format!("{}{}", kept.path(), decoded(id));
        let denied = (self.deny)(&RequestFeature::Reference(kept, &path))?;
        Some((self.place(key), denied))
    }

    /// The path of the current position.
    fn place(&self, key: Option<&str>) -> String {
        let mut place = String::new();
        for open in &self.open {
            match open.is_list {
                true => place.push_str(&format!("[{}]", open.index)),
                false => step(&mut place, &decoded(open.key)),
            }
        }
        if let Some(key) = key {
            step(&mut place, key);
        }
        place
    }
}

impl<'a> Facts<'a> {
    /// Records the object's type.
    fn is_a(&mut self, kind: &Literal<'a>) {
        let word = kind.word(LONGEST);
        let is_public = *word == *b"anthropic";
        self.told = true;
        self.kind.add(kind.text);
        self.reference |= *word == *b"item_reference";
        self.public |= is_public;
        self.private |= !is_public;
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
