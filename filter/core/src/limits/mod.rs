//! Limits and budgets: which meters a request must pass, what it takes of each, and what its client is told.
//!
//! A [`Rule`] is compiled once from the gateway file, or from a key's record; [`crate::store`] does the counting. For a
//! request, a [`Plan`] says what each of its candidates takes; once a store has granted one of them, a [`Ticket`] holds what
//! was reserved until it is settled.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::config::file::{Dimension, Match};
use crate::store::Gauge;

mod headers;
mod index;
mod plan;
mod refusal;
mod scope;
mod ticket;

pub use index::{Applied, Index};
pub use plan::{Candidate, Part, Plan};
pub use refusal::{NO_RETRY, Refusal};
pub use scope::{DIMENSIONS, Subject};
pub use ticket::{Closing, Spent, Ticket, Warning};

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
    pub gauge: Option<Gauge>,
    /// How much is allowed.
    pub limit: u64,
    /// Whether it refuses, or only warns.
    pub hard: bool,
    /// The model that is served instead of refusing.
    pub then_model: Option<Rc<str>>,
}

#[cfg(test)]
mod tests;
