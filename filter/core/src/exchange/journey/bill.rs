//! A request's bill: its reservation, and its debts. It is settled once, when the request is over.

use serde::Serialize;

use super::super::charge::Charge;

/// Such a bill.
#[derive(Debug)]
pub struct Bill {
    /// What is held of limits and budgets, and what was used.
    pub charge: Charge,
    /// Whether the tokens were not counted by the provider, or not all of them.
    pub estimated: bool,
    /// Whether its client left, or waited for less than the gateway would, before a provider had answered and counted.
    pub abandoned: bool,
    /// How much the provider who served has counted; `None` where nobody has served.
    pub counted: Option<Counted>,
}

/// How much of an answer's usage its provider has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Counted {
    /// All of it.
    Complete,
    /// A part: the answer broke off, or the provider tells no more.
    Partial,
    /// Nothing.
    Missing,
}

impl Bill {
    /// Of a request for which this is reserved, and that has used nothing.
    pub fn new(charge: Charge) -> Self {
        Self { charge, estimated: false, abandoned: false, counted: None }
    }
}
