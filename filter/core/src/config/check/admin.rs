//! The administration interface.

use super::super::KeyHash;
use super::Check;

impl Check<'_> {
    /// The hash of the administrator's key.
    pub(super) fn admin(&mut self) -> Option<KeyHash> {
        None
    }
}
