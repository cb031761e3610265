//! Limits and budgets as they are configured: a [`Rule`] is compiled once from the gateway file, or from a key's record, and
//! knows the name of its counter. [`crate::store`] does the counting; `reservation` says what one request takes.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::matching::Match;
use crate::store::LimitWindow;
use crate::store::dimension::Dimension;

mod index;
mod scope;

pub use index::{Applied, Index};
pub use scope::{DIMENSIONS, Subject};

/// What a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Requests.
    Requests,
    /// Tokens of prompts and answers.
    Tokens,
    /// Tokens of prompts.
    InputTokens,
    /// Tokens of answers.
    OutputTokens,
    /// Micro-dollars.
    MicroUsd,
}

/// One limit, or one period of a budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Whose requests.
    pub matches: Match,
    /// Counted separately for each of these; sorted, none twice.
    pub per: Vec<Dimension>,
    /// What is counted.
    pub unit: Unit,
    /// How; `None` bounds each request by itself, which no store needs to know of.
    pub kind: Option<LimitWindow>,
    /// How much is allowed.
    pub limit: u64,
    /// Whether it refuses, or only warns.
    pub hard: bool,
    /// The model that is served instead of refusing.
    pub then_model: Option<Rc<str>>,
}
