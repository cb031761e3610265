//! The numbers that each provider takes, and the handling of those out of range.
//!
//! An amount is moved to the nearest number that the provider takes, and reported: the response is of the same kind. A number is rejected
//! by name if it would mean something else there, or if a client would notice it in the response. A seed that a provider does not take is
//! dropped and reported, as for providers without seeds.
//!
//! [`Numbers`] applies a table to a conversation; [`quirk`](super::quirk) does so for a body that passes through. `logprobs` and
//! `top_logprobs` have no row: they are not translated, and a provider of the client's format applies its own limit.

use std::fmt;

use Beyond::{LeftOut, Moved, Refused};

use crate::conversation::Request;
use crate::error::ApiError;
use crate::json::decimal;

use super::fields::drop_hint;

/// The handling of a number out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// Replaced by the bound, and reported.
    Moved,
    /// Dropped, and reported.
    LeftOut,
    /// Rejected with 400.
    Refused,
}

/// The range that a provider takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    least: f64,
    most: f64,
    below: Beyond,
    above: Beyond,
}

/// Fields by the names of chat completions; for `stop` the number of texts counts. A field without a row has no bounds.
pub type Bounds = &'static [(&'static str, Bound)];

const fn bound(least: f64, most: f64, below: Beyond, above: Beyond) -> Bound {
    Bound { least, most, below, above }
}

/// Both sides reject: another value would mean something else.
const fn within(least: f64, most: f64) -> Bound {
    bound(least, most, Refused, Refused)
}

/// A larger value is moved to `most`.
const fn up_to(most: f64) -> Bound {
    bound(0.0, most, Refused, Moved)
}

/// Takes only this value.
const fn only(value: f64) -> Bound {
    within(value, value)
}

/// The smallest `top_k`: 0 means no limit to some providers and is an error for others.
const SOME: f64 = 1.0;
const ANY: f64 = f64::INFINITY;
const CHANCE: (&str, Bound) = ("top_p", within(0.0, 1.0));
const ONE_ANSWER: (&str, Bound) = ("n", only(1.0));
const NO_FREQUENCY: (&str, Bound) = ("frequency_penalty", only(0.0));
const NO_PRESENCE: (&str, Bound) = ("presence_penalty", only(0.0));
/// Some providers reject 2 itself.
const BELOW_TWO: Bound = bound(-2.0, 1.99, Refused, Moved);

/// OpenAI: API reference of chat completions; `n`: "Expected a value <= 128" (thisisartium/continuous-alignment-testing#25). The number of
/// stop texts depends on the model.
pub const OPENAI: Bounds = &[
    ("temperature", within(0.0, 2.0)),
    CHANCE,
    ("frequency_penalty", within(-2.0, 2.0)),
    ("presence_penalty", within(-2.0, 2.0)),
    ("n", within(1.0, 128.0)),
];

/// OpenAI's Responses: its API reference; one choice and no penalties.
pub const RESPONSES: Bounds =
    &[("temperature", within(0.0, 2.0)), CHANCE, NO_FREQUENCY, NO_PRESENCE, ONE_ANSWER, ("stop", only(0.0))];

/// Groq: "at most 4", and "n must be 1": <https://console.groq.com/docs/api-reference#chat-create>.
pub const GROQ: Bounds = &[
    ("temperature", within(0.0, 2.0)),
    CHANCE,
    ("frequency_penalty", within(-2.0, 2.0)),
    ("presence_penalty", within(-2.0, 2.0)),
    ONE_ANSWER,
    ("stop", within(0.0, 4.0)),
];

/// Mistral: <https://docs.mistral.ai/api>, its schema of a chat request.
pub const MISTRAL: Bounds = &[
    ("temperature", up_to(1.5)),
    CHANCE,
    ("frequency_penalty", within(-2.0, 2.0)),
    ("presence_penalty", within(-2.0, 2.0)),
    ("n", within(1.0, ANY)),
    ("seed", bound(0.0, ANY, LeftOut, LeftOut)),
];

/// xAI: `chat.proto` of xai-org/xai-proto.
pub const XAI: Bounds = &[
    ("temperature", within(0.0, 2.0)),
    CHANCE,
    ("n", within(1.0, 128.0)),
    ("stop", within(0.0, 8.0)),
    ("seed", bound(i32::MIN as f64, i32::MAX as f64, LeftOut, LeftOut)),
];

/// Anthropic: reference of messages; "temperature: range: 0..1", "top_p: range: 0..1" (anthropics/anthropic-sdk-python#893,
/// anthropics/anthropic-sdk-typescript#484).
pub const ANTHROPIC: Bounds = &[("temperature", up_to(1.0)), CHANCE, NO_FREQUENCY, NO_PRESENCE, ONE_ANSWER];

/// AWS Bedrock: API reference, `InferenceConfiguration`.
pub const BEDROCK: Bounds =
    &[("temperature", up_to(1.0)), CHANCE, NO_FREQUENCY, NO_PRESENCE, ONE_ANSWER, ("stop", within(0.0, 2500.0))];

/// Anthropic's models there: also its user guide, "Anthropic Claude Messages API".
pub const BEDROCK_CLAUDE: Bounds = &[
    ("temperature", up_to(1.0)),
    CHANCE,
    ("top_k", up_to(500.0)),
    NO_FREQUENCY,
    NO_PRESENCE,
    ONE_ANSWER,
    ("stop", within(0.0, 2500.0)),
];

/// Cohere: reference of chat (v2); `temperature`: cohere-ai/cohere-developer-experience#523.
pub const COHERE: Bounds = &[
    ("temperature", up_to(1.0)),
    ("top_p", bound(0.01, 0.99, Moved, Moved)),
    ("top_k", up_to(500.0)),
    ("seed", bound(0.0, ANY, LeftOut, LeftOut)),
    // A negative penalty asks for repetition, which Cohere does not have.
    ("frequency_penalty", up_to(1.0)),
    ("presence_penalty", up_to(1.0)),
    ONE_ANSWER,
    ("stop", within(0.0, 5.0)),
];

const GOOGLES_HEAT: (&str, Bound) = ("temperature", within(0.0, 2.0));
const GOOGLES_STOPS: (&str, Bound) = ("stop", within(0.0, 5.0));
const CANDIDATES: (&str, Bound) = ("n", within(1.0, 8.0));
const TOP_K: (&str, Bound) = ("top_k", bound(SOME, ANY, LeftOut, Moved));

/// Google's models before 2.0: `topK` "from 1 (inclusive) to 41 (exclusive)" (genkit-ai/genkit#1397), penalties "up to, but not
/// including, 2.0" (reference of Vertex' `GenerationConfig`).
pub const GEMINI_1: Bounds = &[
    GOOGLES_HEAT,
    CHANCE,
    ("top_k", bound(SOME, 40.0, LeftOut, Moved)),
    ("frequency_penalty", BELOW_TWO),
    ("presence_penalty", BELOW_TWO),
    CANDIDATES,
    GOOGLES_STOPS,
];

/// Gemini 2.0, and models whose names tell no generation.
pub const GEMINI_2_0: Bounds = &[
    GOOGLES_HEAT,
    CHANCE,
    TOP_K,
    ("frequency_penalty", BELOW_TWO),
    ("presence_penalty", BELOW_TWO),
    CANDIDATES,
    GOOGLES_STOPS,
];

/// Gemini 2.5 and later: "Penalty is not enabled for this model", except 0 (google-gemini/cookbook#1290, vercel/ai#8943).
pub const GEMINI: Bounds = &[GOOGLES_HEAT, CHANCE, TOP_K, NO_FREQUENCY, NO_PRESENCE, CANDIDATES, GOOGLES_STOPS];

/// Previews of Gemini 3 and later: also just one choice (router-for-me/CLIProxyAPI#961).
pub const GEMINI_PREVIEW: Bounds = &[GOOGLES_HEAT, CHANCE, TOP_K, NO_FREQUENCY, NO_PRESENCE, ONE_ANSWER, GOOGLES_STOPS];

/// Every table, by its owner.
pub const ALL: &[(&str, Bounds)] = &[
    ("OpenAI", OPENAI),
    ("OpenAI's Responses", RESPONSES),
    ("Groq", GROQ),
    ("Mistral", MISTRAL),
    ("xAI", XAI),
    ("Anthropic, also at clouds", ANTHROPIC),
    ("AWS Bedrock", BEDROCK),
    ("Anthropic's models on AWS Bedrock", BEDROCK_CLAUDE),
    ("Cohere", COHERE),
    ("Gemini 1.5 and before", GEMINI_1),
    ("Gemini 2.0", GEMINI_2_0),
    ("Gemini 2.5 and later", GEMINI),
    ("previews of Gemini 3 and later", GEMINI_PREVIEW),
];

/// The number to send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// The same number.
    Fits,
    /// This number.
    Moved(f64),
    /// None.
    LeftOut,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { least, most, below, above } = *self;
        let lowest = decimal(least);
        match () {
            () if least == most => f.write_str(&lowest)?,
            () if most.is_infinite() => write!(f, "from {lowest}")?,
            () => write!(f, "{lowest} to {}", decimal(most))?,
        }
        let word = |beyond| match beyond {
            Moved => "clamped",
            LeftOut => "dropped",
            Refused => "400",
        };
        match (below, above) {
            (Refused, Refused) => Ok(()),
            (below, above) if below == above || most.is_infinite() => write!(f, "; beyond, {}", word(below)),
            (Refused, above) => write!(f, "; above, {}", word(above)),
            (below, above) => write!(f, "; below, {}; above, {}", word(below), word(above)),
        }
    }
}

impl Bound {
    /// The bound of `field`.
    pub(super) fn of(bounds: Bounds, field: &str) -> Option<Self> {
        bounds.iter().find(|(name, _)| *name == field).map(|(_, bound)| *bound)
    }

    /// Checks `value` of the parameter `field`.
    pub(super) fn judge(&self, field: &str, value: f64) -> Result<Verdict, ApiError> {
        let (beyond, nearest) = match value {
            value if value < self.least => (self.below, self.least),
            value if value > self.most => (self.above, self.most),
            _ => return Ok(Verdict::Fits),
        };
        match beyond {
            Moved => Ok(Verdict::Moved(nearest)),
            LeftOut => Ok(Verdict::LeftOut),
            Refused => Err(self.refusal(field)),
        }
    }

    fn refusal(&self, field: &str) -> ApiError {
        let Self { least, most, .. } = *self;
        let lowest = decimal(least);
        let taken = match field {
            "stop" if most == 0.0 => {
                let message = format!("The provider that serves this model does not support '{field}'.");
                return ApiError::unsupported(field, message);
            }
            "stop" => format!("at most {} texts in '{field}'", decimal(most)),
            _ if least == most => format!("'{field}' only with the value {lowest}"),
            _ if most.is_infinite() => format!("'{field}' of at least {lowest}"),
            _ => format!("'{field}' from {lowest} to {}", decimal(most)),
        };
        ApiError::unsupported(field, format!("The provider that serves this model supports {taken}."))
    }
}

/// A conversation's numbers, as a provider takes them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Numbers {
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<u64>,
    pub seed: Option<i64>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub n: Option<u64>,
}

impl Numbers {
    /// Fits the numbers of `request` to `bounds`; adds the names of changed ones to `dropped`.
    pub(super) fn of(request: &Request, bounds: Bounds, dropped: &mut Vec<String>) -> Result<Self, ApiError> {
        let mut held = Held { bounds, dropped };
        held.number("stop", Some(request.stop.len() as u64))?;
        Ok(Self {
            temperature: held.number("temperature", request.temperature)?,
            top_p: held.number("top_p", request.top_p)?,
            top_k: held.number("top_k", request.top_k)?,
            seed: held.number("seed", request.seed)?,
            frequency_penalty: held.number("frequency_penalty", request.frequency_penalty)?,
            presence_penalty: held.number("presence_penalty", request.presence_penalty)?,
            n: held.number("n", request.n)?,
        })
    }
}

/// A table, and the names of the numbers that it changed.
struct Held<'a> {
    bounds: Bounds,
    dropped: &'a mut Vec<String>,
}

impl Held<'_> {
    fn number<T: Number>(&mut self, field: &str, value: Option<T>) -> Result<Option<T>, ApiError> {
        let (Some(value), Some(bound)) = (value, Bound::of(self.bounds, field)) else { return Ok(value) };
        let kept = match bound.judge(field, value.wide())? {
            Verdict::Fits => return Ok(Some(value)),
            Verdict::Moved(bound) => Some(T::of(bound)),
            Verdict::LeftOut => None,
        };
        drop_hint(self.dropped, field);
        Ok(kept)
    }
}

/// A number that a bound applies to. Bounds of whole numbers are whole and small.
trait Number: Copy {
    fn wide(self) -> f64;
    fn of(bound: f64) -> Self;
}

impl Number for f64 {
    fn wide(self) -> f64 {
        self
    }
    fn of(bound: f64) -> Self {
        bound
    }
}

impl Number for u64 {
    fn wide(self) -> f64 {
        self as f64
    }
    fn of(bound: f64) -> Self {
        bound as Self
    }
}

impl Number for i64 {
    fn wide(self) -> f64 {
        self as f64
    }
    fn of(bound: f64) -> Self {
        bound as Self
    }
}

#[cfg(test)]
mod tests;
