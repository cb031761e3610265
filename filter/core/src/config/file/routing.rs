//! How requests for a model find their target, and what becomes of them when one fails.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a model's targets are put in order. Those that keep failing, or whose provider has said when to come back, come last,
/// whatever the strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// As they are listed.
    #[default]
    Fallback,
    /// Each first as often as its `weight` says.
    Weighted,
    /// By what this very request will cost, by estimate.
    Cheapest,
    /// By how soon this very request will be answered, as measured of late: the time to the first token, and the rate after it.
    Fastest,
    /// By the requests that each is answering now.
    LeastBusy,
    /// The first one only, and none after it.
    Pinned,
}

impl Strategy {
    /// Its word in the gateway file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fallback => "fallback",
            Self::Weighted => "weighted",
            Self::Cheapest => "cheapest",
            Self::Fastest => "fastest",
            Self::LeastBusy => "least_busy",
            Self::Pinned => "pinned",
        }
    }
}

/// What keeps requests with the same target while it works: of `weighted` targets, the one that a value leads to; with `cheapest`,
/// `fastest` and `least_busy`, the one that was chosen first. Targets in a fixed order need nothing for that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Sticky {
    /// The key's id.
    Key,
    /// The `user` of the request's body; the key's id where there is none.
    User,
    /// A header's value; the key's id where there is none.
    Header(String),
}

/// How much of a streamed answer must be there before the client sees any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Its first piece of content: until then another target may take over. Afterwards the client reads it as it comes.
    #[default]
    Stream,
    /// All of it, up to 8 MiB: a stream that breaks off or falls silent is asked for again elsewhere, and the client never sees a
    /// broken one. It comes late, and all at once.
    Whole,
}

/// Which requests a route is for, by how they look; all that are left out match any. What is listed must hold together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RouteMatch {
    /// One key's, by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// One team's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// One application's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Those with these headers; `*` in a value stands for any text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Those whose prompt has at least so many tokens, by estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_input_tokens: Option<u64>,
    /// Those whose prompt has at most so many tokens, by estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_input_tokens: Option<u64>,
    /// Those that need all of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// Those that come at these times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Window>,
}

/// What a request may ask of a model besides text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// It offers tools.
    Tools,
    /// It has images in it.
    Images,
    /// It has sound in it.
    Audio,
    /// It has documents in it.
    Documents,
    /// It wants JSON by a schema.
    StructuredOutput,
}

/// Hours of a day and days of a week, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Window {
    /// From this time of day on: `22:00`; midnight when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Up to this time of day, which does not belong to it; midnight when left out. Before `from`: over midnight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// On these days: a window over midnight belongs to the day on which it begins. All when left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Another way for the requests that match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Which requests.
    #[serde(rename = "match")]
    pub matches: RouteMatch,
    /// In which order; as the model has it when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// To which of the model's targets, in this order: `openai/gpt-5`, or a provider's name for all of its; all of them when left
    /// out. Tiers do not matter to those that are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<String>>,
}

/// A reason to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// No connection, or it was lost before an answer began.
    Unreachable,
    /// No answer, or no first token, in time.
    Timeout,
    /// A stream that is delivered whole fell silent.
    Stalled,
    /// A stream that is delivered whole broke off.
    Truncated,
    /// Status 408.
    RequestTimeout,
    /// Status 409: once, at the same target.
    Conflict,
    /// Status 429.
    RateLimited,
    /// Status 500 and above, 529 too. After a 500 the same target is asked once more first; a model's only target is asked once more
    /// after a 502, 503 or 529.
    ServerError,
    /// Status 401, 402 or 403: the provider refuses the gateway's own credential, or wants money for it.
    RefusedCredential,
    /// What came is no answer in the provider's own format.
    BadAnswer,
    /// An error in place of an answer, or before a stream's first content, under a status of success.
    ErrorInAnswer,
    /// An answer without content.
    EmptyAnswer,
    /// The prompt is too long for the model: a target that is known to take more is asked.
    ContextLength,
    /// The provider has no such model: it was retired, or never deployed.
    ModelNotFound,
    /// A guardrail blocks the answer.
    Guardrail,
    /// The answer is not the JSON that was asked for, and `check_structured_output` holds.
    InvalidStructuredOutput,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Unreachable,
        Self::Timeout,
        Self::Stalled,
        Self::Truncated,
        Self::RequestTimeout,
        Self::Conflict,
        Self::RateLimited,
        Self::ServerError,
        Self::RefusedCredential,
        Self::BadAnswer,
        Self::ErrorInAnswer,
        Self::EmptyAnswer,
        Self::ContextLength,
        Self::ModelNotFound,
        Self::Guardrail,
        Self::InvalidStructuredOutput,
    ];
}

/// When a request is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// For these reasons; all when left out. What a provider says of the request itself (another 4xx, a content policy) is never
    /// a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Vec<Trigger>>,
    /// The longest time that a provider may ask for (`retry-after`) and the same target is still asked again before another one; `0s`:
    /// never.
    pub wait: String,
}

impl Default for Retry {
    fn default() -> Self {
        Self { on: None, wait: "2s".into() }
    }
}

/// What the holder of a key may decide for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// The header `x-sluice-route`: a strategy, or one of the model's targets to ask first.
    Route,
    /// The header `x-sluice-fallback: off`: the first target only.
    Fallback,
    /// The header `x-sluice-timeout`: a shorter time for the whole request.
    Timeout,
    /// As the model's name, a provider's own, behind the provider's: `anthropic/claude-haiku-4-5`. Of the targets in this file.
    Targets,
}

/// When a target counts as broken. It is asked last then, but for one request now and then that finds out whether it is well again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Circuit {
    /// After so many failures in a row.
    pub failures: u32,
    /// For how long at first; each time it fails again, twice as long.
    pub open: String,
    /// For how long at most.
    pub longest: String,
    /// When it is well again: how long until all requests that are its own go there.
    pub ramp: String,
}

impl Default for Circuit {
    fn default() -> Self {
        Self { failures: 5, open: "2s".into(), longest: "10s".into(), ramp: "5s".into() }
    }
}
