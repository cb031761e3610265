//! Limits and budgets, wherever in the file they stand.

use std::rc::Rc;

use crate::limits::Rule;

use super::Check;

impl Check<'_> {
    /// Every rule but those of single keys.
    pub(super) fn rules(&mut self) -> Vec<Rc<Rule>> {
        Vec::new()
    }
}
