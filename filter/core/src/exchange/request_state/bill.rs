//! A request's bill: its reservation, and its debts. It is settled once, when the request is over.

use super::super::billing::Billing;

/// Such a bill.
#[derive(Debug)]
pub struct Bill {
    /// The reservation in limits and budgets, and the usage so far.
    pub billing: Billing,
    /// Some of the tokens are estimated: the provider has not counted them all.
    pub estimated: bool,
    /// The client left, or had a shorter timeout than the gateway, before a provider had answered and counted.
    pub abandoned: bool,
    /// How much the serving provider has counted; `None` if none has served.
    pub counted: Option<Counted>,
}

/// How much of an answer's usage its provider has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// All of it.
    Complete,
    /// A part: the answer broke off, or the provider tells no more.
    Partial,
    /// Nothing.
    Missing,
}

impl Counted {
    /// The log's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Missing => "missing",
        }
    }
}

impl Bill {
    /// Of a request for which this is reserved, and that has used nothing.
    pub fn new(billing: Billing) -> Self {
        Self { billing, estimated: false, abandoned: false, counted: None }
    }
}
