//! A row's key: its group and label values, as bytes.

use super::instruments::Group;

/// The longest label value, in bytes. Longer ones are truncated.
const LONGEST: usize = 200;

/// The value of every label of rows beyond the limit of time series, and of a judge's words beyond the first.
pub(crate) const OTHER: &str = "other";

/// Reads the key of a row.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    /// The group.
    pub group: &'static Group,
    values: &'a [u8],
}

/// Writes the key of a row to `out`. Missing values are empty.
pub(super) fn write(group: &Group, values: &[&str], out: &mut Vec<u8>) {
    out.clear();
    out.push(group.id);
    for index in 0..group.labels.len() {
        let value = values.get(index).copied().unwrap_or_default();
        let value = value.get(..value.floor_char_boundary(LONGEST)).unwrap_or_default();
        out.push(u8::try_from(value.len()).unwrap_or_default());
        out.extend_from_slice(value.as_bytes());
    }
}

/// The key of the group's row beyond the limit.
pub(super) fn other(group: &Group) -> Vec<u8> {
    let mut key = Vec::new();
    write(group, &vec![OTHER; group.labels.len()], &mut key);
    key
}

impl<'a> Labels<'a> {
    /// Reads a key; `None` if its group is unknown.
    pub fn of(key: &'a [u8]) -> Option<Self> {
        let (id, values) = key.split_first()?;
        Some(Self { group: Group::by_id(*id)?, values })
    }

    /// The labels with a value.
    pub fn iter(self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let mut rest = self.values;
        let values = std::iter::from_fn(move || {
            let (length, after) = rest.split_first()?;
            let (value, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            std::str::from_utf8(value).ok()
        });
        self.group.labels.iter().copied().zip(values).filter(|(_, value)| !value.is_empty())
    }
}
