//! The canonical form of a request's body: requests with the same form get the same response.
//!
//! The form ignores white space, how a string is escaped, how a number is spelled, the order of the keys that the API defines, and the
//! fields that identify the client ([`ignored`]). It keeps everything else. In particular, it keeps the order and the numbers' spelling
//! inside of schemas and call arguments, and of every object that it does not know to be the API's: providers show these to the model as
//! they are.
//!
//! The form is only hashed, never read: long strings are in it as their hashes, so it is small. A body has none if its parts could not be
//! told apart with certainty: with the same key twice, an unpaired surrogate, or an extremely long exponent. Such a request equals only
//! requests with the same bytes.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;
use sluice_wire::dialect::Id;
use sluice_wire::{json, order};

/// The deepest nesting. The gateway rejects deeper bodies.
const DEEPEST: u32 = 128;

/// The deepest object whose keys are sorted, which bounds the work of sorting. No API nests its own objects deeper.
const DEEPEST_SORTED: u32 = 16;

/// The most members of an object of the API's.
const MOST_MEMBERS: usize = 512;

/// The longest name of a member of an object of the API's.
const LONGEST_NAME: usize = 256;

/// The longest form. Beyond it, the body has none.
const LONGEST: usize = 4 << 20;

/// Strings up to this length are in the form; of longer ones, their hashes.
const SHORT: usize = 64;

/// Top-level fields that make no difference, in OpenAI's formats.
const OPENAI: &[&str] = &[
    "stream",
    "stream_options",
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
];

/// Of these, the fields that a response of OpenAI's Responses API repeats.
pub const REPEATED: [&str; 5] = ["user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"];

/// The top-level fields that make no difference for the response.
pub fn ignored(client: Id) -> &'static [&'static str] {
    match client {
        Id::Anthropic => &["stream", "metadata"],
        Id::OpenAiEmbeddings => &["user"],
        _ => OPENAI,
    }
}

/// Top-level fields whose objects are the API's.
const TOP: [&str; 19] = [
    "audio",
    "cache_control",
    "functions",
    "input",
    "logit_bias",
    "messages",
    "output_config",
    "output_format",
    "prediction",
    "prompt",
    "reasoning",
    "response_format",
    "system",
    "text",
    "thinking",
    "tool_choice",
    "tools",
    "user_location",
    "web_search_options",
];

/// Fields inside of these whose objects are the API's. Not among them: schemas, call arguments, and maps with names of the client's own.
const INSIDE: [&str; 15] = [
    "cache_control",
    "citations",
    "content",
    "custom",
    "file",
    "format",
    "function",
    "grammar",
    "image_url",
    "input_audio",
    "json_schema",
    "output",
    "source",
    "summary",
    "tool_calls",
];

/// The canonical form of a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Canonical<'a> {
    /// The form.
    pub form: Vec<u8>,
    /// The value of `temperature`, if it is a number.
    pub temperature: Option<&'a str>,
    /// The ignored fields, with their values as they stand in the body.
    pub ignored: Vec<(&'static str, &'a str)>,
}

/// Whose keys an object has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// The request itself.
    Request,
    /// The API's: their order makes no difference.
    Api,
    /// A field of the API's with a value of its own: a number, or an object that is not the API's.
    Field,
    /// The client's, or unknown.
    Other,
}

impl<'a> Canonical<'a> {
    /// The canonical form of a JSON body for a client of this format; `None` if it has none.
    pub fn of(body: &'a [u8], client: Id) -> Option<Self> {
        #[cfg(debug_assertions)]
        counted::add();
        let text = json::utf8(body).ok()?;
        let mut writer = Writer { text, at: 0, depth: 0, ignored: ignored(client), canonical: Self::default() };
        writer.value(Keys::Request)?;
        writer.next().is_none().then_some(writer.canonical)
    }

    /// A hash of the ignored fields that a response in this format repeats.
    pub fn repeats(&self, client: Id) -> u64 {
        let mut hash = blake3::Hasher::new();
        for (name, value) in self.ignored.iter().filter(|(name, _)| client == Id::Responses && REPEATED.contains(name))
        {
            hash.update(format!("{name}={value}\n").as_bytes());
        }
        let [a, b, c, d, e, f, g, h, ..] = *hash.finalize().as_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

/// One member of an object whose keys are sorted.
struct Member<'a> {
    name: Cow<'a, str>,
    /// Its range in the form; empty if it is ignored.
    range: Range<usize>,
}

struct Writer<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    ignored: &'static [&'static str],
    canonical: Canonical<'a>,
}

impl<'a> Writer<'a> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips white space and returns the next byte.
    fn next(&mut self) -> Option<u8> {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
        self.byte()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let takes = self.next() == Some(byte);
        self.at += usize::from(takes);
        takes
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.takes(byte).then_some(())
    }

    fn put(&mut self, byte: u8) {
        self.canonical.form.push(byte);
    }

    fn value(&mut self, keys: Keys) -> Option<()> {
        match self.next()? {
            b'{' => self.nested(|writer| writer.object(keys))?,
            b'[' => self.nested(|writer| writer.array(keys))?,
            b'"' => {
                let text = self.string()?;
                self.string_out(&text);
            }
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => self.number(keys)?,
        }
        (self.canonical.form.len() <= LONGEST).then_some(())
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        read(self)?;
        self.depth -= 1;
        Some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())?;
        self.put(*word.as_bytes().first()?);
        Some(())
    }

    fn array(&mut self, keys: Keys) -> Option<()> {
        let keys = if keys == Keys::Api { keys } else { Keys::Other };
        self.put(b'[');
        if !self.takes(b']') {
            self.value(keys)?;
            while self.takes(b',') {
                self.value(keys)?;
            }
            self.take(b']')?;
        }
        self.put(b']');
        Some(())
    }

    fn object(&mut self, keys: Keys) -> Option<()> {
        let keys = if self.depth > DEEPEST_SORTED { Keys::Other } else { keys };
        self.put(b'{');
        let start = self.canonical.form.len();
        let mut members: Vec<Member<'a>> = Vec::new();
        if !self.takes(b'}') {
            loop {
                let (name, begin) = (self.key()?, self.canonical.form.len());
                self.string_out(&name);
                match keys {
                    Keys::Request => self.field(&name, begin)?,
                    Keys::Api if INSIDE.contains(&&*name) => self.value(Keys::Api)?,
                    Keys::Api => self.value(Keys::Field)?,
                    Keys::Field | Keys::Other => self.value(Keys::Other)?,
                }
                if matches!(keys, Keys::Request | Keys::Api) {
                    members.push(Member { name, range: begin..self.canonical.form.len() });
                }
                if members.len() > MOST_MEMBERS {
                    return None;
                }
                if !self.takes(b',') {
                    break;
                }
            }
            self.take(b'}')?;
        }
        self.sort(start, members)?;
        self.put(b'}');
        Some(())
    }

    fn key(&mut self) -> Option<Cow<'a, str>> {
        if self.next()? != b'"' {
            return None;
        }
        let name = self.string()?;
        self.take(b':')?;
        Some(name)
    }

    /// A top-level field, whose name is in the form from `begin` on.
    fn field(&mut self, name: &str, begin: usize) -> Option<()> {
        self.next()?;
        let start = self.at;
        self.value(if TOP.contains(&name) { Keys::Api } else { Keys::Field })?;
        let value = self.text.get(start..self.at)?;
        if let Some(ignored) = self.ignored.iter().find(|ignored| **ignored == name) {
            self.canonical.form.truncate(begin);
            self.canonical.ignored.push((ignored, value));
        } else if name == "temperature" {
            self.canonical.temperature = Some(value);
        }
        Some(())
    }

    /// Sorts the members of an object. Fails if a server might take two of them for the same: some ignore the case of keys.
    fn sort(&mut self, start: usize, mut members: Vec<Member<'a>>) -> Option<()> {
        let is_ascii = members.iter().all(|member| member.name.is_ascii());
        let is_short = members.iter().all(|member| member.name.len() <= LONGEST_NAME);
        if !is_ascii || !is_short {
            return None;
        }
        let folded = |member: &Member<'a>| member.name.to_ascii_lowercase();
        order::by(&mut members, |one, other| folded(one).cmp(&folded(other)));
        let twice = members.windows(2).any(|pair| matches!(pair, [a, b] if a.name.eq_ignore_ascii_case(&b.name)));
        if twice {
            return None;
        }
        if !members.is_sorted_by_key(|member| member.range.start) {
            let before = self.canonical.form.split_off(start);
            for Range { start: from, end: to } in members.into_iter().map(|member| member.range) {
                self.canonical.form.extend(before.get(from.checked_sub(start)?..to.checked_sub(start)?)?);
            }
        }
        Some(())
    }

    /// Reads a string; borrowed if it has no escapes.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at;
        let (mut at, mut escaped) = (start + 1, false);
        loop {
            at += memchr2(b'"', b'\\', self.text.as_bytes().get(at..)?)?;
            if self.text.as_bytes().get(at) == Some(&b'"') {
                break;
            }
            (at, escaped) = (at + 2, true);
        }
        self.at = at + 1;
        if escaped {
            return json::read(self.text.get(start..self.at)?).ok().map(Cow::Owned);
        }
        self.text.get(start + 1..at).map(Cow::Borrowed)
    }

    fn string_out(&mut self, text: &str) {
        match u8::try_from(text.len()) {
            Ok(length) if text.len() <= SHORT => {
                self.canonical.form.extend([b's', length]);
                self.canonical.form.extend(text.as_bytes());
            }
            _ => {
                self.put(b'S');
                self.canonical.form.extend(blake3::hash(text.as_bytes()).as_bytes());
            }
        }
    }

    /// A number: its digits without leading and trailing zeros, and a power of ten. Where numbers may be shown to the model, as it stands.
    fn number(&mut self, keys: Keys) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let length =
            rest.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).count();
        let spelled = rest.get(..length).filter(|spelled| !spelled.is_empty())?;
        self.at += length;
        let form = &mut self.canonical.form;
        form.push(b'n');
        if keys == Keys::Other {
            form.extend(spelled.as_bytes());
        } else {
            decimal(spelled, form)?;
        }
        form.push(b';');
        Some(())
    }
}

/// Appends a number without regard to its spelling. No digit is rounded.
fn decimal(spelled: &str, form: &mut Vec<u8>) -> Option<()> {
    const LONGEST_EXPONENT: usize = 15;
    let (negative, digits) = spelled.strip_prefix('-').map_or((false, spelled), |digits| (true, digits));
    let (digits, power) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let power: i64 = if power.len() <= LONGEST_EXPONENT { power.parse().ok()? } else { return None };
    let mut power = power.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let sign = form.len();
    form.push(b'-');
    let start = form.len();
    form.extend(whole.bytes().chain(fraction.bytes()).skip_while(|digit| *digit == b'0'));
    while form.len() > start && form.last() == Some(&b'0') {
        form.pop();
        power += 1;
    }
    if form.len() == start {
        // Zero has no sign.
        form.truncate(sign);
        form.push(b'0');
        return Some(());
    }
    if !negative {
        form.remove(sign);
    }
    form.push(b'e');
    form.extend(power.to_string().as_bytes());
    Some(())
}

/// Counts the canonical forms that a thread makes. For tests only.
#[cfg(debug_assertions)]
pub mod counted {
    use std::cell::Cell;

    thread_local! {
        static COUNT: Cell<u32> = const { Cell::new(0) };
    }

    pub(super) fn add() {
        COUNT.set(COUNT.get().saturating_add(1));
    }

    /// Returns and resets the count.
    pub fn taken() -> u32 {
        COUNT.take()
    }
}
