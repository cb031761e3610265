//! Rewrites identifiers of calls and names of functions that a format does not take.
//!
//! A history may come from a provider with other rules: Anthropic rejects Kimi's `lookup:0`, OpenAI a name of 76 characters, Mistral any
//! identifier but nine letters and digits. A valid text is unchanged; any other becomes its head and a hash. Two invariants hold:
//!
//! - Aliases are unique: if an alias is taken, another one is made. A call that repeats an earlier identifier gets an alias of its own.
//! - Aliases are stable: each depends only on the text, the history before it, and how often the text came before. Later turns do not
//!   change it.
//!
//! Names are restored in the response ([`Names::restore`]). Identifiers are not, since a response brings new ones.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use crate::conversation::{Guises, Message, Part, Request, ToolChoice};
use crate::order;

/// The texts that a format takes, in ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The characters allowed besides letters and digits.
    pub besides: &'static str,
    /// The shortest length in characters.
    pub shortest: usize,
    /// The longest length in characters.
    pub longest: usize,
    /// Whether the first character may be other than a letter or `_`.
    pub any_first: bool,
    /// Whether any character is allowed.
    pub any: bool,
}

/// The identifiers and names that a format takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The rule for identifiers of calls.
    pub ids: Rule,
    /// The rule for names of functions.
    pub names: Rule,
}

const WORD: Rule = Rule { besides: "_-", shortest: 1, longest: 64, any_first: true, any: false };
const ANY: Rule = Rule { longest: usize::MAX, any: true, ..WORD };

/// OpenAI's chat completions. Names: its reference of functions. Identifiers: more than 40 characters are a 400 `string_above_max_length`
/// (langmanus/langmanus#119, vercel/ai#5171).
pub const OPENAI: Rules = Rules { ids: Rule { longest: 40, any: true, ..WORD }, names: WORD };

/// OpenAI's Responses: the same, but for more than 64 (decolua/9router#393).
pub const RESPONSES: Rules = Rules { ids: Rule { any: true, ..WORD }, ..OPENAI };

/// Mistral: 400, code 3280, "must be a-z, A-Z, 0-9, with a length of 9" (nearai/ironclaw#1241); names as its `mistral-common`
/// validates them.
pub const MISTRAL: Rules = Rules { ids: Rule { besides: "", shortest: 9, longest: 9, ..WORD }, names: WORD };

/// Anthropic: identifiers match `^[a-zA-Z0-9_-]+$` and are unique; names have up to 128 of the same characters, as its 400s say.
pub const ANTHROPIC: Rules = Rules { ids: Rule { longest: usize::MAX, ..WORD }, names: Rule { longest: 128, ..WORD } };

/// AWS Bedrock's Converse: API reference, `ToolUseBlock` and `ToolSpecification`.
pub const BEDROCK: Rules = Rules { ids: WORD, names: WORD };

/// Google: reference of `FunctionDeclaration`. Identifiers are not sent.
pub const GEMINI: Rules = Rules { ids: ANY, names: Rule { besides: "_.:-", any_first: false, ..WORD } };

/// Cohere: "a-z, A-Z, 0-9, _ and must not begin with a digit".
pub const COHERE: Rules =
    Rules { ids: ANY, names: Rule { besides: "_", longest: usize::MAX, any_first: false, ..WORD } };

/// A format without functions.
pub const NONE: Rules = Rules { ids: ANY, names: ANY };

/// The length of the hash behind a head.
const HASH: usize = 10;
/// The longest alias.
const LONGEST: usize = 64;

impl Rule {
    /// Whether the format takes `text`. Some formats check only the length.
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

    /// Makes an alias of `text` that `is_free` accepts. `salt` distinguishes equal texts.
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
            // A hash of 53 bits or more is free at the first or second attempt; the bound only makes the loop finite.
            if is_free(&alias) || attempt == u32::MAX {
                return alias;
            }
            attempt += 1;
        }
    }
}

/// Returns `digits` letters and digits.
fn hash(text: &str, salt: &str, attempt: u32, digits: usize) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut sum = Sha256::new();
    for piece in [text.as_bytes(), b"\0", salt.as_bytes(), b"\0", &attempt.to_be_bytes()] {
        sum.update(piece);
    }
    let sum = sum.finalize();
    // The remainder of a byte favours some digits a little, which does no harm.
    sum.iter()
        .take(digits)
        .filter_map(|byte| DIGITS.get(usize::from(*byte) % DIGITS.len()))
        .map(|digit| char::from(*digit))
        .collect()
}

/// How to read the tools in a response to a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// Pairs of an alias and the client's own name.
    changed: Vec<(String, String)>,
    /// The tools that the client knows in another form.
    pub guises: Guises,
    /// Whether the client takes at most one call in a response.
    pub one_call: bool,
}

impl Names {
    /// Creates an empty set: every name is the client's.
    pub const fn none() -> Self {
        Self { changed: Vec::new(), guises: Guises::none(), one_call: false }
    }

    /// Replaces an alias by the client's own name.
    pub fn restore(&self, name: &mut String) {
        if let Some((_, own)) = self.changed.iter().find(|(alias, _)| alias == name) {
            own.clone_into(name);
        }
    }
}

/// Whether the client wants one call, for providers without such a parameter. If a response has several calls, only the first is kept; the
/// model repeats the others later.
pub(super) fn is_not_told(request: &Request) -> bool {
    request.parallel_tool_calls == Some(false) && !request.tools.is_empty()
}

/// The result of [`apply`].
#[derive(Debug)]
pub struct Aliases {
    /// How to read the tools in the response.
    pub names: Names,
    /// Whether any identifier or name was changed.
    pub any: bool,
}

/// Rewrites the request's identifiers and names to fit `rules`.
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
    /// The calls by their identifier in the history.
    calls: HashMap<String, Vec<Call>>,
    taken: HashSet<String>,
    /// The number of messages begun.
    messages: usize,
}

#[derive(Debug)]
struct Call {
    alias: String,
    /// The number of its message.
    message: usize,
    answered: bool,
}

impl Ids {
    /// Creates an empty history.
    pub fn new(rule: Rule) -> Self {
        Self { rule, calls: HashMap::new(), taken: HashSet::new(), messages: 0 }
    }

    /// Begins the next message.
    pub fn next_message(&mut self) {
        self.messages += 1;
    }

    /// Rewrites the identifiers of the next message; returns whether one changed.
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

    /// Returns the alias of the next call; `id` is its identifier in the history.
    pub fn call(&mut self, id: &str) -> String {
        let alias = self.fresh(id);
        self.add(id, &alias, false);
        alias
    }

    /// Returns the alias of the call that a result belongs to: the first call without a result, in the last message that has one with this
    /// identifier.
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
        // The history was cut, or never had the call; the provider decides what to do.
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

/// The identifiers in a response, for a client whose format has `rule`. Another response may repeat an identifier, so the response's id,
/// `answer`, is part of a changed one.
#[derive(Debug)]
pub(super) struct Fresh {
    rule: Rule,
    taken: HashSet<String>,
}

impl Fresh {
    pub(super) fn new(rule: Rule) -> Self {
        Self { rule, taken: HashSet::new() }
    }

    /// Makes the client's identifier of a call unique among the first 1024.
    pub(super) fn id(&mut self, id: &mut String, answer: &str) {
        const MOST: usize = 1024;
        if !self.rule.takes(id) || self.taken.contains(id) {
            *id = self.rule.alias(id, &format!("{answer} {}", self.taken.len()), |alias| !self.taken.contains(alias));
        }
        if self.taken.len() < MOST {
            self.taken.insert(id.clone());
        }
    }

    /// The number of identifiers stored.
    pub(super) fn count(&self) -> usize {
        self.taken.len()
    }
}

#[cfg(test)]
mod tests;
