//! How many tokens a request will use, before anybody has counted them.
//!
//! No tokenizer: it would cost more than all the rest of the gateway. A prompt's bytes say enough to reserve a sum, and the
//! provider's own count settles it. Estimates lean towards too much, as a reservation that is too small lets more pass than a
//! budget covers; but where too much would lock people out, which a megabyte of base64 taken for text would, they look closer.

use memchr::{memchr, memchr2, memchr3, memmem};
use sluice_wire::conversation::Usage;

use crate::peek::BodyPeek;
use crate::peek::literals::Literal;
use crate::peek::survey::{Passed, walk};
use crate::peek::words::{LONGEST, Word};

use super::surcharge::Wishes;

/// An image, whatever its size, which is not known without decoding it. Anthropic documents about 1,600 tokens for the largest
/// that it does not scale down (width x height / 750); OpenAI's largest in high detail is 85 + 8 tiles x 170 = 1,445.
const IMAGE: u64 = 1_600;
/// Bytes of base64 for one token of a PDF. Anthropic documents 1,500 to 3,000 tokens a page; a page of text is some 100 kB.
const PDF: u64 = 48;
/// Bytes of base64 for one token of sound: OpenAI's audio models count ten tokens a second, in which MP3 at 64 kbit/s has
/// 11 kB of base64. More of WAV, which is then estimated too high. For images it adds to the fixed number: a little.
const SOUND: u64 = 1_024;
/// Shorter literals are counted as text whatever they hold: the error is small.
const MEDIA: usize = 512;

/// What a prompt's JSON holds, measured once; the estimate then depends on who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prompt {
    /// Bytes that are text, or JSON around it, which stands for what providers add to each message and tool.
    pub text: u64,
    /// Images, given as base64 or as a URL.
    pub images: u64,
    /// Tokens of the base64 in it.
    pub media: u64,
    /// Whether there is sound in it.
    pub audio: bool,
    /// Whether there are documents in it.
    pub documents: bool,
    /// How much of it stands elsewhere, of a length that nobody knows here: files and documents by reference, and what hosted
    /// tools will read.
    pub elsewhere: u64,
    /// Tokens of the answer that it goes on with, as far as that is known.
    pub before: u64,
}

impl Prompt {
    /// Measures the body of a request, in one pass over its string literals. An image is a value `image_url`,
    /// `input_image` or `image` of a key `type`, sound and documents are known in the same way; base64 is a long literal behind a key that OpenAI or Anthropic give it, if it
    /// looks like base64: a long text without one space, put there on purpose, is taken for a sound by the estimate, and
    /// charged for what it is when the answer is settled.
    pub fn measure(body: &[u8]) -> Self {
        let mut measuring = Measuring::of(body);
        let rest = walk(body, |passed| measuring.record(passed));
        measuring.measured(rest)
    }
}

/// A prompt that is being measured, literal by literal.
#[derive(Debug)]
pub(crate) struct Measuring<'a> {
    body: &'a [u8],
    prompt: Prompt,
    /// Values of a key `image_url`.
    images: u64,
    documents: u64,
    urls: u64,
    /// Bytes of base64.
    media: usize,
    /// Bytes that the text lacks.
    padding: usize,
    rare: RareLetters,
}

impl<'a> Measuring<'a> {
    /// Begins with the body's first literal.
    pub(crate) fn of(body: &'a [u8]) -> Self {
        let rare = RareLetters::of(body);
        Self { body, prompt: Prompt::default(), images: 0, documents: 0, urls: 0, media: 0, padding: 0, rare }
    }

    /// The next literal.
    pub(crate) fn record(&mut self, passed: &Passed<'a>) {
        let Passed { literal, word, before, is_value } = passed;
        let text = literal.text;
        self.lacks(short_numbers(literal.gap));
        match before {
            Word::Type if *is_value => self.is_of(&literal.word(LONGEST)),
            Word::FileId | Word::FileUrl if *is_value => self.is_elsewhere(),
            // The keys that OpenAI and Anthropic give base64.
            Word::Url | Word::ImageUrl | Word::Data | Word::FileData if is_base64(text) => {
                self.media = self.media.saturating_add(text.len());
                let each = if is_pdf(text) { PDF } else { SOUND };
                self.prompt.media = self.prompt.media.saturating_add(wide(text.len()).div_ceil(each));
            }
            _ => self.lacks(self.rare.lacking(text)),
        }
        if *before == Word::ImageUrl && literal.follows_key() {
            self.images = self.images.saturating_add(1);
        }
        // Files to be searched; a model that searches the web.
        if matches!(word, Word::VectorStoreIds | Word::WebSearchOptions) && is_key(self.body, literal) {
            self.is_elsewhere();
        }
    }

    /// An object is of this type.
    fn is_of(&mut self, kind: &[u8]) {
        match kind {
            b"text" => {}
            b"image_url" | b"input_image" | b"image" => self.prompt.images = self.prompt.images.saturating_add(1),
            b"input_audio" => self.prompt.audio = true,
            b"file" | b"input_file" => self.prompt.documents = true,
            b"document" => self.documents = self.documents.saturating_add(1),
            b"url" => self.urls = self.urls.saturating_add(1),
            kind if reads(kind) => self.is_elsewhere(),
            _ => {}
        }
    }

    fn is_elsewhere(&mut self) {
        self.prompt.elsewhere = self.prompt.elsewhere.saturating_add(1);
    }

    fn lacks(&mut self, bytes: usize) {
        self.padding = self.padding.saturating_add(bytes);
    }

    /// All literals were heard; `rest` is what stands behind the last.
    pub(crate) fn measured(self, rest: &[u8]) -> Prompt {
        let Self { body, mut prompt, images, documents, urls, media, padding, .. } = self;
        // A part may do without its `type`, which is an image all the same.
        prompt.images = prompt.images.max(images);
        prompt.documents |= documents > 0;
        prompt.elsewhere = prompt.elsewhere.saturating_add(documents.min(urls));
        let padding = padding.saturating_add(short_numbers(rest));
        prompt.text = wide(body.len().saturating_sub(media).saturating_add(padding));
        prompt
    }
}

/// Whether the literal is a key.
fn is_key(body: &[u8], literal: &Literal<'_>) -> bool {
    let behind = literal.start.saturating_add(literal.text.len()).saturating_add(1);
    body.get(behind..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b":"))
}

/// Whether a hosted tool of this type brings into the prompt what it finds.
fn reads(kind: &[u8]) -> bool {
    kind == b"mcp" || kind.starts_with(b"web_search") || kind.starts_with(b"web_fetch")
}

/// Letters of four bytes (emoji, old scripts): such a letter has up to a token for each of its bytes, where other text has one for
/// four. Most bodies have none, which is found out once for all of their literals.
#[derive(Debug, Clone, Copy)]
struct RareLetters {
    /// Whether there may be some as they are.
    plain: bool,
    /// Whether there may be some as escapes.
    escaped: bool,
}

impl RareLetters {
    fn of(body: &[u8]) -> Self {
        // What these letters begin with.
        let plain = memchr3(0xf0, 0xf1, 0xf2, body).or_else(|| memchr2(0xf3, 0xf4, body));
        let escaped = |from: usize| memmem::find(body.get(from..).unwrap_or_default(), b"\\u").is_some();
        Self { plain: plain.is_some(), escaped: memchr(b'\\', body).is_some_and(escaped) }
    }

    /// Bytes that these letters of a literal lack.
    fn lacking(self, text: &[u8]) -> usize {
        const EACH: usize = 12;
        // As two escapes it has twelve bytes, and lacks four.
        const ESCAPED: usize = 4;
        let plain = if self.plain { of_four_bytes(text).saturating_mul(EACH) } else { 0 };
        let escaped = if self.escaped { halves(text).saturating_mul(ESCAPED) } else { 0 };
        plain.saturating_add(escaped)
    }
}

/// How many letters of four bytes are in it: the first byte of each, and of no other letter, begins with four ones.
fn of_four_bytes(text: &[u8]) -> usize {
    const HIGHEST: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = text.as_chunks::<8>();
    let of_word = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        (word & word << 1 & word << 2 & word << 3 & HIGHEST).count_ones() as usize
    };
    words.iter().map(of_word).sum::<usize>().saturating_add(rest.iter().filter(|byte| **byte >= 0xf0).count())
}

/// How many escapes are in it that are the first half of such a letter. Where there are some, each letter may be one, and a search
/// would begin anew with each.
fn halves(text: &[u8]) -> usize {
    let is_half = |escape: &[u8]| matches!(escape, [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B']);
    text.windows(4).filter(|escape| is_half(escape)).count()
}

/// Bytes that numbers in lists lack: each may be a token by itself, and with its comma have two bytes only.
fn short_numbers(gap: &[u8]) -> usize {
    const TOKEN: usize = 4;
    // With its comma or bracket, a number has two.
    if gap.len() < 2 {
        return 0;
    }
    let (mut digits, mut lacking) = (0usize, 0usize);
    for byte in gap {
        match byte {
            b'0'..=b'9' => digits += 1,
            b',' | b']' if digits > 0 => {
                lacking += TOKEN.saturating_sub(digits + 1);
                digits = 0;
            }
            // Space between a number and its comma is no part of it.
            _ if byte.is_ascii_whitespace() => {}
            _ => digits = 0,
        }
    }
    lacking
}

impl Prompt {
    /// A form that is a file, sound or an image, and little else: about what the same would be as base64.
    pub fn of_file(body: &[u8]) -> Self {
        Self { media: wide(body.len()).saturating_mul(4).div_ceil(3 * SOUND), ..Self::default() }
    }
}

/// Whether it is long and, wherever it is looked at, made of base64's alphabet. `data:...;base64,` at its front is allowed, and
/// so is a backslash: some encoders escape slashes.
fn is_base64(literal: &[u8]) -> bool {
    let step = (literal.len() / 64).max(1);
    literal.len() >= MEDIA && payload(literal).iter().step_by(step).all(is_base64_digit)
}

fn is_base64_digit(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_=\\".contains(byte)
}

fn is_pdf(literal: &[u8]) -> bool {
    // "%PDF-" in base64.
    payload(literal).starts_with(b"JVBERi")
}

/// Behind the head of a `data:` URL.
fn payload(literal: &[u8]) -> &[u8] {
    let head = literal.get(..MEDIA.min(literal.len())).unwrap_or_default();
    match (head.starts_with(b"data:"), head.iter().position(|byte| *byte == b',')) {
        (true, Some(comma)) => literal.get(comma + 1..).unwrap_or_default(),
        _ => literal,
    }
}

/// Token counts are of one width everywhere, wasm too.
fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// An estimate of one request's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Of the prompt, images included.
    pub input: u64,
    /// Of all the answers asked for, capped.
    pub output: u64,
    /// Images in the prompt.
    pub images: u64,
    /// What it may cost besides.
    pub wishes: Wishes,
}

impl Estimate {
    /// What the request with this outline and prompt will use, where `bytes_per_100_tokens` is the provider's dialect's.
    /// An answer has at most what the request asks for, what the model can (`max_output`), and `ceiling`: what is reserved
    /// for one answer whatever they say.
    pub fn of(
        peek: &BodyPeek,
        prompt: &Prompt,
        bytes_per_100_tokens: u64,
        max_output: Option<u64>,
        ceiling: u64,
    ) -> Self {
        let input = tokens(prompt.text, bytes_per_100_tokens)
            .saturating_add(prompt.media)
            .saturating_add(prompt.images.saturating_mul(IMAGE));
        let answer = [peek.amount.max_tokens, max_output].into_iter().flatten().fold(ceiling, u64::min);
        let answers = peek.answers();
        Self { input, output: answer.saturating_mul(answers), images: prompt.images, ..Self::default() }
    }

    /// As usage, to be priced: nothing of it cached, none of it reasoning.
    pub fn usage(&self) -> Usage {
        Usage { input: self.input, output: self.output, ..Usage::default() }
    }
}

/// What an answer has produced whose usage never came, because its client went away or its stream was cut: providers send a
/// token or a few in an event, so `events` with content are the least it can be, and `bytes` of text count as a prompt's do.
pub fn produced(events: u64, bytes: u64, bytes_per_100_tokens: u64) -> u64 {
    events.max(tokens(bytes, bytes_per_100_tokens))
}

/// Rounded up.
fn tokens(bytes: u64, bytes_per_100_tokens: u64) -> u64 {
    bytes.saturating_mul(100).div_ceil(bytes_per_100_tokens.max(1))
}

#[cfg(test)]
mod tests;
