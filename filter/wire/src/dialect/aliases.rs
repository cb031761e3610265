//! Identifiers of calls and names of functions, in the letters and the length that each format takes.
//!
//! Whoever wrote a history did not know by whose rules it would be read: Kimi's `lookup:0` is refused by Anthropic, a name of 76
//! letters by OpenAI, any identifier but nine letters and digits by Mistral. A text that fits stays; another becomes its head and
//! a hash. It keeps two things, whatever the texts are:
//!
//! - No two become one: a text that is taken is made another way, and a call whose identifier came before is another call.
//! - The next turn of a conversation has the same: a text is given its alias in the order of the history, by itself and by how often
//!   it came before, so that nothing which comes later changes it.
//!
//! Names come back in the answer ([`Names::restore`]). Identifiers do not: those that an answer brings are new.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use crate::conversation::{Guises, Message, Part, Request, ToolChoice};
use crate::order;

/// Which texts a format takes, in ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Besides letters and digits.
    pub besides: &'static str,
    /// The fewest characters.
    pub shortest: usize,
    /// The most.
    pub longest: usize,
    /// Whether a digit, or what is no letter and no `_`, may come first.
    pub any_first: bool,
    /// Whether every text is taken.
    pub any: bool,
}

/// What a format takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// As the identifier of a call.
    pub ids: Rule,
    /// As the name of a function.
    pub names: Rule,
}

const WORD: Rule = Rule { besides: "_-", shortest: 1, longest: 64, any_first: true, any: false };
const ANY: Rule = Rule { longest: usize::MAX, any: true, ..WORD };

/// OpenAI's chat. Names: its reference of functions. Identifiers: it answers 400 `string_above_max_length` past 40 characters
/// (langmanus/langmanus#119, vercel/ai#5171).
pub const OPENAI: Rules = Rules { ids: Rule { longest: 40, any: true, ..WORD }, names: WORD };

/// OpenAI's Responses: the same past 64 (decolua/9router#393).
pub const RESPONSES: Rules = Rules { ids: Rule { any: true, ..WORD }, ..OPENAI };

/// Mistral: 400, code 3280, "must be a-z, A-Z, 0-9, with a length of 9" (nearai/ironclaw#1241); names as its `mistral-common`
/// validates them.
pub const MISTRAL: Rules = Rules { ids: Rule { besides: "", shortest: 9, longest: 9, ..WORD }, names: WORD };

/// Anthropic: `^[a-zA-Z0-9_-]+$` for identifiers, which must be unique, and up to 128 of the same for names, as its API says when
/// it refuses one.
pub const ANTHROPIC: Rules = Rules { ids: Rule { longest: usize::MAX, ..WORD }, names: Rule { longest: 128, ..WORD } };

/// AWS Bedrock's Converse: API reference, `ToolUseBlock` and `ToolSpecification`.
pub const BEDROCK: Rules = Rules { ids: WORD, names: WORD };

/// Google: reference of `FunctionDeclaration`. It is sent no identifiers.
pub const GEMINI: Rules = Rules { ids: ANY, names: Rule { besides: "_.:-", any_first: false, ..WORD } };

/// Cohere: "a-z, A-Z, 0-9, _ and must not begin with a digit".
pub const COHERE: Rules =
    Rules { ids: ANY, names: Rule { besides: "_", longest: usize::MAX, any_first: false, ..WORD } };

/// A format without functions.
pub const NONE: Rules = Rules { ids: ANY, names: ANY };

/// Digits of a hash behind a head.
const HASH: usize = 10;
/// The longest alias.
const LONGEST: usize = 64;

impl Rule {
    /// Whether the format takes `text`. Some only look at its length.
    pub fn takes(&self, text: &str) -> bool {
        let length = text.chars().count();
        (self.shortest..=self.longest).contains(&length)
            && (self.any || text.chars().all(|letter| self.has(letter)))
            && (self.any
                || self.any_first
                || text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_'))
    }

    fn has(&self, letter: char) -> bool {
        letter.is_ascii_alphanumeric() || self.besides.contains(letter)
    }

    /// What stands for `text`, as long as `is_free` says no to it in another way. `salt` tells it from others of the same text.
    fn alias(&self, text: &str, salt: &str, is_free: impl Fn(&str) -> bool) -> String {
        let longest = self.longest.min(LONGEST);
        let room = longest.saturating_sub(HASH + 1);
        let mut head = String::new();
        if room > 0 && self.shortest < self.longest {
            let other = |letter: char| {
                if letter.is_ascii_alphanumeric() || WORD.has(letter) && self.has(letter) { letter } else { '_' }
            };
            head = text.chars().map(other).take(room).collect();
            if !self.any_first && !head.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
                head.insert(0, '_');
                head.truncate(room);
            }
            head.push('_');
        }
        let digits = if head.is_empty() { longest } else { HASH };
        let mut attempt = 0_u32;
        loop {
            let alias = format!("{head}{}", hash(text, salt, attempt, digits));
            // A hash of 53 bits or more is free at the first or second attempt; the bound is for the proof's sake.
            if is_free(&alias) || attempt == u32::MAX {
                return alias;
            }
            attempt += 1;
        }
    }
}

/// So many letters and digits.
fn hash(text: &str, salt: &str, attempt: u32, digits: usize) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut sum = Sha256::new();
    for piece in [text.as_bytes(), b"\0", salt.as_bytes(), b"\0", &attempt.to_be_bytes()] {
        sum.update(piece);
    }
    let sum = sum.finalize();
    // A remainder of a byte prefers some digits a little, which harms nobody.
    sum.iter()
        .take(digits)
        .filter_map(|byte| DIGITS.get(usize::from(*byte) % DIGITS.len()))
        .map(|digit| char::from(*digit))
        .collect()
}

/// What of a request's tools an answer must be read by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// Names that a provider does not take, behind those that it was given in their place.
    changed: Vec<(String, String)>,
    /// The tools that the client knows in another form.
    pub guises: Guises,
    /// Whether the client takes one call in an answer, and no more.
    pub one_call: bool,
}

impl Names {
    /// None is changed.
    pub const fn none() -> Self {
        Self { changed: Vec::new(), guises: Guises::none(), one_call: false }
    }

    /// Puts the client's own name in the place of the one that the provider was given.
    pub fn restore(&self, name: &mut String) {
        if let Some((_, own)) = self.changed.iter().find(|(alias, _)| alias == name) {
            own.clone_into(name);
        }
    }
}

/// Whether a provider that has no words for it should call one tool and no more: of an answer with several calls the first is
/// kept then, and the model asks again for the others.
pub(super) fn is_not_told(request: &Request) -> bool {
    request.parallel_tool_calls == Some(false) && !request.tools.is_empty()
}

/// What [`apply`] made of a request.
#[derive(Debug)]
pub struct Aliases {
    /// What an answer must be read by.
    pub names: Names,
    /// Whether the request has other identifiers or names than its client's.
    pub any: bool,
}

/// Writes identifiers and names as `rules` has them.
pub fn apply(request: &mut Request, rules: &Rules) -> Aliases {
    let mut ids = Ids::new(rules.ids);
    let mut any = false;
    for message in &mut request.messages {
        any |= ids.message(message);
    }
    let changed = names(request, &rules.names);
    any |= !changed.is_empty();
    let one_call = request.parallel_tool_calls == Some(false);
    Aliases { names: Names { changed, guises: request.guises.clone(), one_call }, any }
}

fn names(request: &mut Request, rule: &Rule) -> Vec<(String, String)> {
    let mut all: Vec<&mut String> = request.tools.iter_mut().map(|tool| &mut tool.name).collect();
    if let Some(ToolChoice::Named(name)) = &mut request.tool_choice {
        all.push(name);
    }
    let parts = request.messages.iter_mut().flat_map(|message| message.parts.iter_mut());
    all.extend(parts.filter_map(|part| match part {
        Part::ToolCall { name, .. } => Some(name),
        _ => None,
    }));
    if all.iter().all(|name| rule.takes(name)) {
        return Vec::new();
    }
    let mut taken: HashSet<String> = all.iter().filter(|name| rule.takes(name)).map(|name| (**name).clone()).collect();
    let mut given: HashMap<String, String> = HashMap::new();
    for name in all.into_iter().filter(|name| !rule.takes(name)) {
        let alias = given.entry(name.clone()).or_insert_with(|| {
            let alias = rule.alias(name, "", |alias| !taken.contains(alias));
            taken.insert(alias.clone());
            alias
        });
        alias.clone_into(name);
    }
    let mut changed: Vec<(String, String)> = given.into_iter().map(|(name, alias)| (alias, name)).collect();
    order::by(&mut changed, Ord::cmp);
    changed
}

/// The identifiers of a history, in its order.
#[derive(Debug)]
pub struct Ids {
    rule: Rule,
    /// By the identifier in the history, its calls.
    calls: HashMap<String, Vec<Call>>,
    taken: HashSet<String>,
    /// How many messages were begun.
    messages: usize,
}

#[derive(Debug)]
struct Call {
    alias: String,
    /// The message that it stands in.
    message: usize,
    answered: bool,
}

impl Ids {
    /// None so far.
    pub fn new(rule: Rule) -> Self {
        Self { rule, calls: HashMap::new(), taken: HashSet::new(), messages: 0 }
    }

    /// The next message begins.
    pub fn next_message(&mut self) {
        self.messages += 1;
    }

    /// Writes those of the next message; whether one of them is another now.
    fn message(&mut self, message: &mut Message) -> bool {
        self.next_message();
        let mut any = false;
        for part in &mut message.parts {
            let (alias, id) = match part {
                Part::ToolCall { id, .. } => (self.call(id), id),
                Part::ToolResult { call, .. } => (self.result(call), call),
                _ => continue,
            };
            any |= alias != *id;
            *id = alias;
        }
        any
    }

    /// The next call's, which the history calls `id`.
    pub fn call(&mut self, id: &str) -> String {
        let alias = self.fresh(id);
        self.add(id, &alias, false);
        alias
    }

    /// That of the call which a result belongs to: in the last message that has one of this identifier without a result, the first.
    pub fn result(&mut self, id: &str) -> String {
        let known = self.calls.get_mut(id).and_then(|calls| {
            let open = |call: &&Call| !call.answered;
            let last = calls.iter().rfind(open).or(calls.last()).map(|call| call.message)?;
            let answered = calls.iter().all(|call| call.answered);
            calls.iter_mut().find(|call| call.message == last && (answered || !call.answered))
        });
        if let Some(call) = known {
            call.answered = true;
            return call.alias.clone();
        }
        // Its call was cut off the history, or is not there: the provider says what it thinks of that.
        let alias = self.fresh(id);
        self.add(id, &alias, true);
        alias
    }

    fn add(&mut self, id: &str, alias: &str, answered: bool) {
        self.taken.insert(alias.to_owned());
        let call = Call { alias: alias.to_owned(), message: self.messages, answered };
        self.calls.entry(id.to_owned()).or_default().push(call);
    }

    fn fresh(&self, id: &str) -> String {
        let before = self.calls.get(id).map_or(0, Vec::len);
        if before == 0 && self.rule.takes(id) && !self.taken.contains(id) {
            return id.to_owned();
        }
        let salt = if before == 0 { String::new() } else { before.to_string() };
        self.rule.alias(id, &salt, |alias| !self.taken.contains(alias))
    }
}

/// Identifiers of an answer, for a client whose format has `rule`. Another answer may bring the same again, so that `answer`, its
/// name, tells them apart where they are changed.
#[derive(Debug)]
pub(super) struct Fresh {
    rule: Rule,
    taken: HashSet<String>,
}

impl Fresh {
    pub(super) fn new(rule: Rule) -> Self {
        Self { rule, taken: HashSet::new() }
    }

    /// The client's own identifier of a call. No more are told apart than one answer has.
    pub(super) fn id(&mut self, id: &mut String, answer: &str) {
        const MOST: usize = 1024;
        if !self.rule.takes(id) || self.taken.contains(id) {
            *id = self.rule.alias(id, &format!("{answer} {}", self.taken.len()), |alias| !self.taken.contains(alias));
        }
        if self.taken.len() < MOST {
            self.taken.insert(id.clone());
        }
    }

    /// How many it remembers.
    pub(super) fn count(&self) -> usize {
        self.taken.len()
    }
}

#[cfg(test)]
mod tests;
