//! Limits and budgets as configured. A [`Rule`] is compiled once from the gateway file or a key's record, and names its counter.
//! [`crate::store`] counts; `reservation` decides how much one request debits.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::matching::Match;
use crate::store::LimitWindow;
use crate::store::dimension::Dimension;

mod index;
mod scope;

pub use index::{Applied, Index};
pub use scope::{DIMENSIONS, Subject};

/// The unit that a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Requests.
    Requests,
    /// Prompt and response tokens.
    Tokens,
    /// Prompt tokens.
    InputTokens,
    /// Response tokens.
    OutputTokens,
    /// Micro-dollars.
    MicroUsd,
}

/// One limit, or one period of a budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The requests it applies to.
    pub matches: Match,
    /// Dimensions to count by separately; sorted, without duplicates.
    pub per: Vec<Dimension>,
    /// The unit that is counted.
    pub unit: Unit,
    /// The window; `None` bounds each request by itself, without a counter.
    pub kind: Option<LimitWindow>,
    /// The amount allowed in the window.
    pub limit: u64,
    /// Whether it rejects requests or only warns.
    pub hard: bool,
    /// The fallback model that is served instead of rejecting.
    pub then_model: Option<Rc<str>>,
}
