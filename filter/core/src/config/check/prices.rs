//! Prices, and what must have one.

use super::Check;

impl Check<'_> {
    pub(super) fn prices(&mut self) {}
}
