//! Equality as in JSON Schema (`1` equals `1.0`), with counted steps.

use std::hash::{DefaultHasher, Hash, Hasher};

use sluice_wire::order;

use crate::guard::steps::{Spent, Steps, steps};

use super::tree::Json;

/// Whether two values are equal.
pub(super) fn same(one: &Json, other: &Json, taken: &Steps) -> Result<bool, Spent> {
    taken.take(1)?;
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => {
            taken.take(steps(one.digits()))?;
            Ok(one == other)
        }
        (Json::String(one), Json::String(other)) if one.len() == other.len() => {
            taken.take(steps(one.len()))?;
            Ok(one == other)
        }
        (Json::Array(ones), Json::Array(others)) if ones.len() == others.len() => {
            for (one, other) in ones.iter().zip(others) {
                if !same(one, other, taken)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Json::Object(ones), Json::Object(others)) if ones.len() == others.len() => {
            for ((name, one), (other_name, other)) in ones.iter().zip(others.iter()) {
                taken.take(steps(name.len()))?;
                if name != other_name || !same(one, other, taken)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Json::Null, Json::Null) => Ok(true),
        (Json::Bool(one), Json::Bool(other)) => Ok(one == other),
        _ => Ok(false),
    }
}

/// Whether two items are equal. Compares only items with the same fingerprint.
pub(super) fn has_repeats(items: &[Json], taken: &Steps) -> Result<bool, Spent> {
    let mut prints = Vec::with_capacity(items.len());
    for item in items {
        prints.push((fingerprint(item, taken)?, item));
    }
    taken.take(steps(items.len()).saturating_mul(u64::from(items.len().checked_ilog2().unwrap_or_default())))?;
    order::by_numbers(&mut prints, |(print, _)| (*print, 0));
    for alike in prints.chunk_by(|(one, _), (other, _)| one == other) {
        for (index, (_, item)) in alike.iter().enumerate() {
            for (_, other) in alike.iter().take(index) {
                if same(item, other, taken)? {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// A hash that equal values share.
pub(super) fn fingerprint(value: &Json, taken: &Steps) -> Result<u64, Spent> {
    let mut hasher = DefaultHasher::new();
    add(value, &mut hasher, taken)?;
    Ok(hasher.finish())
}

fn add(value: &Json, hasher: &mut DefaultHasher, taken: &Steps) -> Result<(), Spent> {
    taken.take(8)?;
    match value {
        Json::Null => 0u8.hash(hasher),
        Json::Bool(value) => (1u8, value).hash(hasher),
        Json::Number(number) => {
            taken.take(steps(number.digits()))?;
            (2u8, number).hash(hasher);
        }
        Json::String(text) => {
            taken.take(steps(text.len()))?;
            (3u8, text).hash(hasher);
        }
        Json::Array(items) => {
            (4u8, items.len()).hash(hasher);
            for item in items {
                add(item, hasher, taken)?;
            }
        }
        Json::Object(fields) => {
            (5u8, fields.len()).hash(hasher);
            for (name, field) in fields.iter() {
                taken.take(steps(name.len()))?;
                name.hash(hasher);
                add(field, hasher, taken)?;
            }
        }
    }
    Ok(())
}
