//! A dialect's table of fields. The request reader checks all fields that it did not take against it: each is rejected, dropped by name, or
//! unknown.

use serde_json::value::RawValue;

use crate::dialect::FieldPolicy::{self, Dropped, Mapped, Refused};
use crate::dialect::fields::{Fields, drop_hint, join, unknown};
use crate::error::ApiError;

#[derive(Debug, Clone, Copy)]
pub(in crate::dialect) struct Table {
    /// Policies by field path; `[]` in a path stands for any array index.
    pub policies: &'static [(&'static str, FieldPolicy)],
    /// Whether a field of this path has its default value, given without whitespace.
    pub changes_nothing: fn(&str, &str) -> bool,
}

impl Table {
    /// Checks the remaining `fields` of an object at `at`; their paths in the table begin with `prefix`.
    pub fn settle(
        &self,
        fields: &Fields<'_>,
        at: &str,
        prefix: &str,
        dropped: &mut Vec<String>,
    ) -> Result<(), ApiError> {
        for (name, raw) in fields.rest() {
            let known = self.policies.iter().find(|(path, _)| path.strip_prefix(prefix) == Some(name));
            match known {
                None | Some((_, Mapped)) => return Err(unknown(&join(at, name))),
                Some((path, _)) if self.is_default(path, raw) => {}
                Some((_, Dropped)) if matches!(raw.get(), "[]" | "{}") => {}
                Some((_, Refused)) => return Err(refused(&join(at, name))),
                Some((path, Dropped)) => drop_hint(dropped, path),
            }
        }
        Ok(())
    }

    fn is_default(&self, path: &str, raw: &RawValue) -> bool {
        // Defaults are short; a long value need not be copied.
        raw.get().len() <= 64 && {
            let value: String = raw.get().split_ascii_whitespace().collect();
            (self.changes_nothing)(path, &value)
        }
    }
}

/// The 400 for a known field that this provider does not support.
pub(in crate::dialect) fn refused(path: &str) -> ApiError {
    let message =
        format!("'{path}' is not supported by the provider that serves this model. Remove it, or use another model.");
    ApiError::unsupported(path, message)
}
