//! JSON that is written.

use std::borrow::Cow;

use serde::Serialize;

pub(in crate::dialect) use crate::dialect::out::json as append;

/// `value` as a whole body.
pub(in crate::dialect) fn body<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    append(&mut out, value);
    out
}

/// Joins texts, borrowing when there is one.
pub(in crate::dialect) fn joined<'a>(mut texts: impl Iterator<Item = &'a str>) -> Option<Cow<'a, str>> {
    let mut text = Cow::Borrowed(texts.next()?);
    for more in texts {
        text.to_mut().push_str(more);
    }
    Some(text)
}
