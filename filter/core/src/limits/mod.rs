//! Limits and budgets: which meters a request must pass, what it takes of each, and what its client is told.
//!
//! A [`Rule`] is compiled once from the gateway file, or from a key's record; [`crate::store`] does the counting.

use std::rc::Rc;

use crate::config::file::{Dimension, Match};
use crate::store::Gauge;

/// What a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// How.
    pub gauge: Gauge,
    /// How much is allowed.
    pub limit: u64,
    /// Whether it refuses, or only warns.
    pub hard: bool,
    /// The model that is served instead of refusing.
    pub then_model: Option<Rc<str>>,
}
