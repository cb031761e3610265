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

/// Writes a chunk's beginning, up to its choices, in place of what `head` held.
pub(in crate::dialect) fn chunk_head(object: &str, id: &str, created: u64, model: &str, head: &mut Vec<u8>) {
    head.clear();
    head.extend_from_slice(b"data: {\"id\":");
    append(head, id);
    head.extend_from_slice(b",\"object\":");
    append(head, object);
    head.extend_from_slice(b",\"created\":");
    append(head, &created);
    head.extend_from_slice(b",\"model\":");
    append(head, model);
    head.extend_from_slice(b",\"choices\":[");
}
