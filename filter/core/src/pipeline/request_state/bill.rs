//! A request's bill: its reservation and its usage. It is settled once, when the request is over.

use super::super::billing::Billing;

/// A request's bill.
#[derive(Debug)]
pub struct Bill {
    /// The reservation in limits and budgets, and the usage so far.
    pub billing: Billing,
    /// Some tokens are estimated, because a provider has not counted them all.
    pub estimated: bool,
    /// The client left, or had a shorter timeout than the gateway, before a provider had responded and counted.
    pub abandoned: bool,
    /// How much the serving provider counted; `None` if none served.
    pub counted: Option<Counted>,
}

/// How much of a response's usage its provider counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// All of it.
    Complete,
    /// A part: the response broke off, or the provider reports no more.
    Partial,
    /// Nothing.
    Missing,
}

impl Counted {
    /// The name in the access log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Missing => "missing",
        }
    }
}

impl Bill {
    /// Creates the bill of a request with this reservation.
    pub fn new(billing: Billing) -> Self {
        Self { billing, estimated: false, abandoned: false, counted: None }
    }
}
