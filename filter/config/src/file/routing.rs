//! How requests find their targets, and when they are retried.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_core::routing::spec::{Need, Strategy, Trigger};

/// The requests that a route applies to. All fields that are set must match. An omitted field matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RouteMatch {
    /// A key's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// An application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Request headers and their values. `*` in a value matches any text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The minimum number of prompt tokens, estimated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_input_tokens: Option<u64>,
    /// The maximum number of prompt tokens, estimated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_input_tokens: Option<u64>,
    /// Capabilities that the request needs, all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// When the request arrives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeWindow>,
}

/// Times of day and days of the week, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TimeWindow {
    /// Start of the window, such as `22:00`. Default: midnight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// End of the window, exclusive. Before `from`, the window extends past midnight. Default: midnight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Days of the week. A window that extends past midnight belongs to the day on which it begins. Default: all.
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

/// A routing rule for matching requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The requests that the rule applies to.
    #[serde(rename = "match")]
    pub matches: RouteMatch,
    /// How the targets are ordered. Default: the model's strategy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// The model's targets to use, in this order: `openai/gpt-5`, or a provider's name for all of its targets. Tiers do not matter to
    /// targets that are named here. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<String>>,
}

/// When a request is retried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// The failures to retry. Default: all. A provider's rejection of the request itself (another 4xx, a content policy) is never retried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Vec<Trigger>>,
    /// The longest `retry-after` of a provider for which the same target is retried before another one is tried, from `0s` to `10s`. `0s`
    /// means never. Default: `2s`.
    pub wait: String,
}

impl Default for Retry {
    fn default() -> Self {
        Self { on: None, wait: "2s".into() }
    }
}

/// The circuit breaker of a target. While it is open, the target is tried last, except for an occasional request that probes whether it
/// works again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Circuit {
    /// Consecutive failures that open the circuit. At least 1, default 5.
    pub failures: u32,
    /// How long the circuit stays open at first. The time doubles with each further failure. Default: `2s`.
    pub open: String,
    /// The longest time that the circuit stays open, at least `open`. Default: `10s`.
    pub longest: String,
    /// After recovery, how long it takes until the target receives its full share of requests again. Default: `5s`.
    pub ramp: String,
}

impl Default for Circuit {
    fn default() -> Self {
        Self { failures: 5, open: "2s".into(), longest: "10s".into(), ramp: "5s".into() }
    }
}
