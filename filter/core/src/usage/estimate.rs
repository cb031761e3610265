//! Estimates the tokens of a request before the provider counts them.
//!
//! There is no tokenizer: it would cost more than the rest of the gateway. The prompt's size is enough for a reservation, and the
//! provider's own count settles it. Estimates are high rather than low, since a reservation that is too small lets requests exceed a
//! budget. They are more precise where a high estimate would block legitimate requests, such as a megabyte of base64 counted as text.

use memchr::{memchr, memchr2, memchr3, memmem};
use sluice_wire::conversation::Usage;

use crate::peek::BodyPeek;
use crate::peek::body_scan::{Passed, walk};
use crate::peek::known_names::{KnownName, LONGEST};

use super::surcharge::Surcharges;

/// Tokens of an image. Its size is unknown without decoding it. Anthropic documents about 1,600 tokens for the largest image that it does
/// not scale down (width x height / 750); OpenAI's largest in high detail is 85 + 8 tiles x 170 = 1,445.
const IMAGE: u64 = 1_600;
/// Bytes of base64 per token of a PDF. Anthropic documents 1,500 to 3,000 tokens per page; a page of text has about 100 kB.
const PDF: u64 = 48;
/// Bytes of base64 per token of audio. OpenAI's audio models count ten tokens per second, which is 11 kB of base64 as MP3 at 64 kbit/s. WAV
/// is larger and so estimated too high. Images get this small amount in addition to [`IMAGE`].
const SOUND: u64 = 1_024;
/// Shorter literals count as text, even if they are base64: the error is small.
const MEDIA: usize = 512;

/// Measurements of a prompt's JSON. They are taken once; the estimate also depends on the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prompt {
    /// Bytes of text and of the JSON around it; the JSON stands for the tokens that providers add to each message and tool.
    pub text: u64,
    /// Number of images, as base64 or by URL.
    pub images: u64,
    /// Tokens of base64 content.
    pub media: u64,
    /// Whether it contains audio.
    pub audio: bool,
    /// Whether it contains documents.
    pub documents: bool,
    /// Number of parts of unknown length: files and documents by reference, and input that hosted tools fetch.
    pub elsewhere: u64,
    /// Tokens of the response that it continues, as far as they are known.
    pub before: u64,
}

impl Prompt {
    /// Measures a request's body in one pass over its string literals. An image is a value `image_url`, `input_image` or `image` of a key
    /// `type`; audio and documents are recognized in the same way. Base64 is a long literal under one of the keys that OpenAI and Anthropic
    /// use for it, if it looks like base64. A client could pass long text without spaces off as audio; the settlement bills its real usage.
    pub fn measure(body: &[u8]) -> Self {
        let mut measuring = Measuring::of(body);
        let rest = walk(body, |passed| measuring.record(passed));
        measuring.measured(rest)
    }
}

/// A measurement in progress, literal by literal.
#[derive(Debug)]
pub(crate) struct Measuring<'a> {
    body: &'a [u8],
    prompt: Prompt,
    /// Number of `image_url` keys.
    images: u64,
    documents: u64,
    urls: u64,
    /// Bytes of base64.
    media: usize,
    /// Bytes to add to the text for content with more tokens than its length suggests.
    padding: usize,
    rare: RareLetters,
}

impl<'a> Measuring<'a> {
    /// Starts before the body's first literal.
    pub(crate) fn of(body: &'a [u8]) -> Self {
        let rare = RareLetters::of(body);
        Self { body, prompt: Prompt::default(), images: 0, documents: 0, urls: 0, media: 0, padding: 0, rare }
    }

    /// Records the next literal.
    pub(crate) fn record(&mut self, passed: &Passed<'a>) {
        let Passed { literal, name, before, is_value } = passed;
        let text = literal.text;
        self.lacks(short_numbers(literal.gap));
        match before {
            KnownName::Type if *is_value => self.is_of(&literal.word(LONGEST)),
            KnownName::FileId | KnownName::FileUrl if *is_value => self.is_elsewhere(),
            // Keys that OpenAI and Anthropic use for base64.
            KnownName::Url | KnownName::ImageUrl | KnownName::Data | KnownName::FileData if is_base64(text) => {
                self.media = self.media.saturating_add(text.len());
                let each = if is_pdf(text) { PDF } else { SOUND };
                self.prompt.media = self.prompt.media.saturating_add(wide(text.len()).div_ceil(each));
            }
            _ => self.lacks(self.rare.lacking(text)),
        }
        if *before == KnownName::ImageUrl && literal.follows_key() {
            self.images = self.images.saturating_add(1);
        }
        // File search, or a model that searches the web.
        if matches!(name, KnownName::VectorStoreIds | KnownName::WebSearchOptions) && literal.is_key(self.body) {
            self.is_elsewhere();
        }
    }

    /// Records the type of an object.
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

    /// Finishes after the last literal; `rest` is the body behind it.
    pub(crate) fn measured(self, rest: &[u8]) -> Prompt {
        let Self { body, mut prompt, images, documents, urls, media, padding, .. } = self;
        // A part without a `type` is still an image.
        prompt.images = prompt.images.max(images);
        prompt.documents |= documents > 0;
        prompt.elsewhere = prompt.elsewhere.saturating_add(documents.min(urls));
        let padding = padding.saturating_add(short_numbers(rest));
        prompt.text = wide(body.len().saturating_sub(media).saturating_add(padding));
        prompt
    }
}

/// Whether a hosted tool of this type adds its results to the prompt.
fn reads(kind: &[u8]) -> bool {
    kind == b"mcp" || kind.starts_with(b"web_search") || kind.starts_with(b"web_fetch")
}

/// Four-byte characters (emoji, ancient scripts). Such a character can take a token per byte, other text takes one per four bytes. Most
/// bodies have none, which is checked once for the whole body.
#[derive(Debug, Clone, Copy)]
struct RareLetters {
    /// Whether the body may contain unescaped ones.
    plain: bool,
    /// Whether the body may contain escaped ones.
    escaped: bool,
}

impl RareLetters {
    fn of(body: &[u8]) -> Self {
        // The possible first bytes of these characters.
        let plain = memchr3(0xf0, 0xf1, 0xf2, body).or_else(|| memchr2(0xf3, 0xf4, body));
        let escaped = |from: usize| memmem::find(body.get(from..).unwrap_or_default(), b"\\u").is_some();
        Self { plain: plain.is_some(), escaped: memchr(b'\\', body).is_some_and(escaped) }
    }

    /// Bytes to add for these characters in a literal.
    fn lacking(self, text: &[u8]) -> usize {
        const EACH: usize = 12;
        // Escaped as a surrogate pair it has twelve bytes: four fewer than it should count.
        const ESCAPED: usize = 4;
        let plain = if self.plain { of_four_bytes(text).saturating_mul(EACH) } else { 0 };
        let escaped = if self.escaped { halves(text).saturating_mul(ESCAPED) } else { 0 };
        plain.saturating_add(escaped)
    }
}

/// Counts four-byte characters: only their first byte begins with four one bits.
fn of_four_bytes(text: &[u8]) -> usize {
    const HIGHEST: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = text.as_chunks::<8>();
    let of_word = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        (word & word << 1 & word << 2 & word << 3 & HIGHEST).count_ones() as usize
    };
    words.iter().map(of_word).sum::<usize>().saturating_add(rest.iter().filter(|byte| **byte >= 0xf0).count())
}

/// Counts escapes of high surrogates. Scans every window: when a text has such escapes, most of its characters may be escapes, and a
/// substring search would restart at each.
fn halves(text: &[u8]) -> usize {
    let is_half = |escape: &[u8]| matches!(escape, [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B']);
    text.windows(4).filter(|escape| is_half(escape)).count()
}

/// Bytes to add for lists of numbers: each number may be a token, but may have only two bytes with its comma.
fn short_numbers(gap: &[u8]) -> usize {
    const TOKEN: usize = 4;
    // A number with its comma or bracket has at least two bytes.
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
            // Whitespace between a number and its comma.
            _ if byte.is_ascii_whitespace() => {}
            _ => digits = 0,
        }
    }
    lacking
}

impl Prompt {
    /// A form that consists mainly of a file, audio or an image: estimated like the same content in base64.
    pub fn of_file(body: &[u8]) -> Self {
        Self { media: wide(body.len()).saturating_mul(4).div_ceil(3 * SOUND), ..Self::default() }
    }
}

/// Whether a literal is long and all sampled bytes are in base64's alphabet. A `data:...;base64,` prefix is allowed, and so is a backslash:
/// some encoders escape slashes.
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

/// The content behind a `data:` URL's header.
fn payload(literal: &[u8]) -> &[u8] {
    let head = literal.get(..MEDIA.min(literal.len())).unwrap_or_default();
    match (head.starts_with(b"data:"), head.iter().position(|byte| *byte == b',')) {
        (true, Some(comma)) => literal.get(comma + 1..).unwrap_or_default(),
        _ => literal,
    }
}

/// Converts to the width of token counts, which is the same on every platform.
fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// An estimate of one request's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Prompt tokens, including images.
    pub input: u64,
    /// Response tokens of all choices together, capped.
    pub output: u64,
    /// Number of images in the prompt.
    pub images: u64,
    /// Possible surcharges.
    pub wishes: Surcharges,
}

impl Estimate {
    /// Estimates a request with this peek and prompt. `bytes_per_100_tokens` depends on the provider's dialect. A response's tokens are
    /// bounded by the request, by the model (`max_output`), and by `ceiling`, the most that is reserved for one response.
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

    /// As usage, to be priced: no cached tokens, no reasoning.
    pub fn usage(&self) -> Usage {
        Usage { input: self.input, output: self.output, ..Usage::default() }
    }
}

/// Estimates the output of a response whose usage never arrived, because the client disconnected or the stream was cut. Providers send one
/// or a few tokens per event, so `events` with content are a lower bound; `bytes` of text count as in a prompt.
pub fn produced(events: u64, bytes: u64, bytes_per_100_tokens: u64) -> u64 {
    events.max(tokens(bytes, bytes_per_100_tokens))
}

/// Rounds up.
fn tokens(bytes: u64, bytes_per_100_tokens: u64) -> u64 {
    bytes.saturating_mul(100).div_ceil(bytes_per_100_tokens.max(1))
}

#[cfg(test)]
mod tests;
