//! Splits a text into words, numbers, identifiers, quotations and symbols, in one pass and without tables of characters.

use super::lexicon::ENGLISH;

/// The longest text that is read, in bytes.
pub(super) const LONGEST: usize = 8 << 10;

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A word, with an apostrophe at its end. `joined`: it follows an apostrophe. `name`: it is capitalised inside a sentence, or has capitals inside.
    Word { joined: bool, name: bool },
    /// A number, with its sign.
    Number,
    /// An identifier, a path, an address, a flag, or other text with characters that words do not have.
    Identifier,
    /// The contents of quotation marks or of a code span.
    Quotation,
    /// An address with a scheme.
    Url,
    /// A currency sign.
    Currency,
    /// A sign behind a number, such as `%` or `°C`.
    Unit,
    /// Any other sign that is not punctuation.
    Symbol,
}

/// A part with its text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'t> {
    pub part: Part,
    pub text: &'t str,
    /// Whether a sentence begins with it.
    pub first: bool,
    /// Whether a comma follows.
    pub comma: bool,
}

impl Piece<'_> {
    /// A word in small letters; empty for other parts. Only other languages than English keep the apostrophe of an elision.
    pub fn small(&self, language: u8) -> String {
        let Part::Word { .. } = self.part else { return String::new() };
        let small = self.text.to_lowercase().replace('’', "'");
        if language == ENGLISH { small.replace('\'', "") } else { small }
    }
}

/// Opening quotation marks with the marks that may close them.
const QUOTES: [(char, &[char]); 11] = [
    ('"', &['"']),
    ('“', &['”', '“']),
    ('„', &['“', '”']),
    ('«', &['»']),
    ('»', &['«']),
    ('‘', &['’']),
    ('‚', &['‘', '’']),
    ('\'', &['\'']),
    ('`', &['`']),
    ('「', &['」']),
    ('『', &['』']),
];

/// The most hyphens and apostrophes of a word.
const MOST_MARKS: usize = 8;

const CURRENCIES: [char; 7] = ['$', '€', '£', '¥', '₹', '₩', '₽'];

/// Signs before and behind words that carry no meaning of their own.
fn is_punctuation(c: char) -> bool {
    ".,;:!?()[]{}¿¡…–—•·。，、？！：；؟،\"'`“”„«»‘’‚「」『』".contains(c)
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’')
}

/// Whether a text has formulas or code before its first colon or line break: then each sign counts. Behind those, each word counts anyway.
fn is_formula(text: &str) -> bool {
    let (mut rest, mut before) = (text.as_bytes(), b' ');
    while let [c, behind @ ..] = rest {
        // "What does save! do", but not "hi! how".
        let is_late = rest.len() + 7 < text.len();
        if is_sign(before, rest) || is_late && matches!(rest, [b'!' | b'?', b' ', b'a'..=b'z', ..]) {
            return true;
        }
        if *c == b'\n' || *c == b':' && before != b' ' && behind.first().is_none_or(|next| *next == b' ') {
            return false;
        }
        (rest, before) = (behind, *c);
    }
    false
}

/// Whether `rest`, behind the byte `before`, begins with a sign of a formula or of code.
fn is_sign(before: u8, rest: &[u8]) -> bool {
    match (before, rest) {
        (_, [b'+' | b'*' | b'^' | b'=' | b'<' | b'>' | b'|' | b'[' | b'{', ..]) => true,
        // "(2".
        (_, [b'(', b'0'..=b'9', ..]) => true,
        // "6 - 3", ".5".
        (b' ', [b'-' | b'/' | b'.', ..]) => true,
        // "!x".
        (b' ', [b':' | b'!' | b'?', next, ..]) => *next != b' ',
        // "6 – 3".
        (b' ', _) => rest.starts_with("–".as_bytes()) || rest.starts_with("·".as_bytes()),
        // "5!", "6'".
        (b'0'..=b'9', [b'!' | b'\'' | b'"', behind @ ..]) => !behind.first().is_some_and(u8::is_ascii_alphanumeric),
        _ => false,
    }
}

/// Splits a text. Behind a colon or a line break, every word is a quotation: there the text is the subject of the request. Behind `most`
/// pieces, all of the rest is one.
pub(super) fn pieces(text: &str, most: usize) -> Vec<Piece<'_>> {
    let mut found = Pieces { found: Vec::new(), most, shouted: !text.chars().any(char::is_lowercase), first: true };
    let is_formula = is_formula(text);
    let (mut rest, mut before, mut unclosed) = (text.trim(), ' ', 0_u16);
    'next: while let Some(c) = rest.chars().next() {
        if c.is_whitespace() {
            if c == '\n' || found.found.len() >= most {
                found.verbatim(rest);
                break;
            }
            (rest, before) = (after(rest, c), c);
            continue;
        }
        if !before.is_alphanumeric()
            && let Some(quote) = QUOTES.iter().position(|(open, _)| *open == c)
            && unclosed & 1 << quote == 0
        {
            let closes = QUOTES.get(quote).map_or(&[][..], |(_, closes)| closes);
            let inside = after(rest, c);
            let mut ends = inside.match_indices(closes);
            // An apostrophe inside a word closes nothing.
            let end = ends.find(|(at, mark)| {
                let next = inside.get(at + mark.len()..).and_then(|rest| rest.chars().next());
                !next.is_some_and(char::is_alphanumeric)
            });
            if let Some((at, mark)) = end {
                let (inside, behind) = (inside.get(..at), inside.get(at + mark.len()..));
                found.add(Part::Quotation, inside.unwrap_or_default().trim());
                (rest, before) = (behind.unwrap_or_default(), '"');
                continue;
            }
            unclosed |= 1 << quote;
        }
        if is_punctuation(c) && before.is_whitespace() && !is_formula {
            rest = after(rest, c);
            if c == ':' && rest.starts_with(' ') {
                found.verbatim(rest);
                break;
            }
            continue;
        }
        let marks = ['"', '“', '”', '„', '«', '»', '`'];
        let splits = |c: char| c.is_whitespace() || marks.contains(&c) && !is_formula;
        let end = rest.find(splits).unwrap_or(rest.len());
        let (chunk, behind) = rest.split_at(end.max(c.len_utf8()));
        let ends = behind.is_empty() || matches!(behind.as_bytes(), [b' ', b'A'..=b'Z', ..]);
        let trimmed = match chunk.as_bytes() {
            _ if !is_formula => chunk.trim_end_matches(is_punctuation),
            [front @ .., b',' | b';' | b':'] => chunk.split_at(front.len()).0,
            // But not "5!".
            [front @ .., b'.' | b'?'] if ends => chunk.split_at(front.len()).0,
            [front @ .., b'!'] if ends && front.last().is_some_and(u8::is_ascii_lowercase) => {
                chunk.split_at(front.len()).0
            }
            _ => chunk,
        };
        found.chunk(trimmed);
        let signs = chunk.get(trimmed.len()..).unwrap_or_default();
        if let Some(last) = found.found.last_mut() {
            last.comma |= signs.contains([',', '，', '、']);
        }
        // "Dr. Smith" is one sentence.
        let title = signs == "." && trimmed.len() <= 3 && trimmed.starts_with(char::is_uppercase);
        found.first |= !title && signs.contains(['.', '!', '?', '。', '！', '？']);
        (rest, before) = (behind, chunk.chars().next_back().unwrap_or(' '));
        if signs.ends_with([':', '：']) {
            found.verbatim(rest);
            break 'next;
        }
    }
    found.found
}

fn after(text: &str, c: char) -> &str {
    text.get(c.len_utf8()..).unwrap_or_default()
}

struct Pieces<'t> {
    found: Vec<Piece<'t>>,
    most: usize,
    /// Whether the text has no small letters: then capitals mean nothing.
    shouted: bool,
    /// Whether the next piece begins a sentence.
    first: bool,
}

impl<'t> Pieces<'t> {
    fn add(&mut self, part: Part, text: &'t str) {
        if !text.is_empty() {
            self.found.push(Piece { part, text, first: std::mem::take(&mut self.first), comma: false });
        }
    }

    /// Adds each word of a text, or all of it if lines are indented.
    fn verbatim(&mut self, rest: &'t str) {
        let is_code = rest.as_bytes().windows(2).any(|two| matches!(two, b"\n " | b"\n\t"));
        let mut rest = rest;
        loop {
            let text = if is_code { rest } else { rest.trim_start() };
            if text.is_empty() {
                break;
            }
            let is_split = self.found.len() < self.most && !is_code;
            let split = if is_split { text.split_once(char::is_whitespace) } else { None };
            let (word, behind) = split.unwrap_or((text, ""));
            self.add(Part::Quotation, word);
            rest = behind;
        }
    }

    /// Adds the pieces of a text without white space and without punctuation at its end.
    fn chunk(&mut self, chunk: &'t str) {
        let of_word = |c: char| c.is_alphabetic() || is_apostrophe(c);
        if chunk.contains("://") || chunk.starts_with("www.") {
            self.add(Part::Url, chunk);
        } else if chunk.matches(['-', '\'', '’']).count() <= MOST_MARKS
            && chunk.split('-').all(|part| !part.is_empty() && part.chars().all(of_word))
            // "a-b" is a difference.
            && (chunk.len() != 3 || !chunk.contains('-'))
        {
            chunk.split('-').for_each(|word| self.word(word));
        } else if !self.number(chunk) {
            let symbols = !chunk.chars().any(char::is_alphanumeric);
            self.add(if symbols { Part::Symbol } else { Part::Identifier }, chunk);
        }
    }

    fn word(&mut self, word: &'t str) {
        for (at, part) in word.split_inclusive(is_apostrophe).enumerate() {
            let mut letters = part.chars();
            let begins = letters.next().is_some_and(char::is_uppercase);
            let inside = letters.any(char::is_uppercase);
            let name =
                !self.shouted && part.trim_end_matches(is_apostrophe) != "I" && (inside || begins && !self.first);
            self.add(Part::Word { joined: at > 0, name }, part);
        }
    }

    /// Adds a number with the signs or the unit beside it; whether the chunk is one.
    fn number(&mut self, chunk: &'t str) -> bool {
        let number = chunk.trim_start_matches(CURRENCIES);
        let signed = number.strip_prefix(['-', '+', '−']).unwrap_or(number);
        if !signed.starts_with(|c: char| c.is_ascii_digit()) {
            return false;
        }
        let end = signed.find(|c: char| !c.is_ascii_digit() && !".,:/-'".contains(c)).unwrap_or(signed.len());
        let (digits, unit) = signed.split_at(end);
        let part = match unit.chars().next() {
            _ if unit.chars().all(char::is_alphabetic) => Part::Word { joined: false, name: false },
            Some(c) if CURRENCIES.contains(&c) => Part::Currency,
            Some('%' | '°' | '‰' | '″' | '′') => Part::Unit,
            _ => return false,
        };
        if unit.chars().count() > 4 || !digits.ends_with(|c: char| c.is_ascii_digit()) {
            return false;
        }
        let sign = chunk.len() - number.len();
        self.add(Part::Currency, chunk.get(..sign).unwrap_or_default());
        if ["st", "nd", "rd", "th"].contains(&unit) {
            self.add(Part::Number, number);
        } else {
            self.add(Part::Number, number.get(..number.len() - unit.len()).unwrap_or_default());
            self.add(part, unit);
        }
        true
    }
}
