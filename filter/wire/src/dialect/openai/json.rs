//! Helpers for writing JSON.

use std::borrow::Cow;

pub(in crate::dialect) use crate::dialect::out::{body, json as append, text};

/// Joins texts; borrows if there is only one.
pub(in crate::dialect) fn joined<'a>(mut texts: impl Iterator<Item = &'a str>) -> Option<Cow<'a, str>> {
    let mut text = Cow::Borrowed(texts.next()?);
    for more in texts {
        text.to_mut().push_str(more);
    }
    Some(text)
}
