//! Where counters and keys are kept.

use super::super::Redis;
use super::Check;

impl Check<'_> {
    pub(super) fn redis(&mut self) -> Option<Redis> {
        None
    }
}
