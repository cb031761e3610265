//! How requests for a model find their target, and what becomes of them when one fails.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_core::routing::spec::{Need, Strategy, Trigger};

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
    pub time: Option<TimeWindow>,
}

/// Hours of a day and days of a week, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TimeWindow {
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
