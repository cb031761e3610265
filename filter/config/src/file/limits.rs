//! Rate limits and budgets of keys, teams, apps, models and providers, and of combinations.

use serde::{Deserialize, Serialize};
use sluice_core::matching::Match;
use sluice_core::store::dimension::Dimension;

use super::{is_default, is_false};

/// Rate limits. A limit that is omitted does not apply. Minutes are sliding windows, days are calendar days in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests per minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// Input and output tokens per minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Input tokens per minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens_per_minute: Option<u64>,
    /// Output tokens per minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens_per_minute: Option<u64>,
    /// Input and output tokens per day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    /// Concurrent requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent_requests: Option<u64>,
    /// Tokens of a single request: its estimated input, and the output it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_request_tokens: Option<u64>,
}

/// Budgets in US dollars, such as `0.5` or `20`. A budget that is omitted does not apply. Days and months are calendar days and months in
/// UTC.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Budget per day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<f64>,
    /// Budget per month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly: Option<f64>,
    /// Budget in total, without a period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    /// Only warn and never reject: with the header `x-sluice-budget`, a log entry and a metric, at 80% and at 100%. Default: `false`.
    #[serde(skip_serializing_if = "is_false")]
    pub soft: bool,
    /// The model to serve once the budget is used up, instead of rejecting requests. Its cost still counts, but this budget does not stop
    /// it. Other limits do not lead to it. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then_model: Option<String>,
}

/// Rate limits on matching requests, counted together or for each value of `per`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LimitRule {
    /// The requests to count. Default: all.
    #[serde(default, rename = "match", skip_serializing_if = "is_default")]
    pub matches: Match,
    /// Count separately for each of these, such as `[key]`. Default: all together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per: Vec<Dimension>,
    /// The limits.
    pub limits: Limits,
}

/// A budget for matching requests, counted together or for each value of `per`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BudgetRule {
    /// The requests to count. Default: all.
    #[serde(default, rename = "match", skip_serializing_if = "is_default")]
    pub matches: Match,
    /// Count separately for each of these, such as `[team, model]`. Default: all together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per: Vec<Dimension>,
    /// The budget.
    pub budget: Budget,
}
