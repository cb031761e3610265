//! A dialect's table of fields, as the reader of its requests asks it: what nobody took is refused, dropped by name, or
//! unknown.

use serde_json::value::RawValue;

use crate::dialect::FieldPolicy::{self, Dropped, Mapped, Refused};
use crate::dialect::fields::{Fields, drop_hint, join, unknown};
use crate::error::ApiError;

/// A dialect's table.
#[derive(Debug, Clone, Copy)]
pub(in crate::dialect) struct Table {
    /// The fates of fields; `[]` in a path stands for any place in an array.
    pub policies: &'static [(&'static str, FieldPolicy)],
    /// Whether a field of this path and value, without its blanks, says what is assumed without it.
    pub changes_nothing: fn(&str, &str) -> bool,
}

impl Table {
    /// Settles what nobody took from `fields`, an object at `at` whose fields stand in the table under `prefix`.
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
        // No default is long, and a long value need not be copied.
        raw.get().len() <= 64 && {
            let value: String = raw.get().split_ascii_whitespace().collect();
            (self.changes_nothing)(path, &value)
        }
    }
}

/// A 400 for a field that is known, and has no words in another provider's language.
pub(in crate::dialect) fn refused(path: &str) -> ApiError {
    let message =
        format!("'{path}' is not supported by the provider that serves this model. Remove it, or use another model.");
    ApiError::unsupported(path, message)
}
