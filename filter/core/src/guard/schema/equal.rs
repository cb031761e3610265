//! Equality as in JSON Schema (`1` equals `1.0`), with counted steps.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;
use sluice_wire::order;

use crate::guard::steps::{Spent, Steps, steps};

/// Whether two values are equal.
pub(super) fn same(one: &Value, other: &Value, taken: &Steps) -> Result<bool, Spent> {
    taken.take(1)?;
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => Ok(one == other || one.as_f64() == other.as_f64()),
        (Value::String(one), Value::String(other)) if one.len() == other.len() => {
            taken.take(steps(one.len()))?;
            Ok(one == other)
        }
        (Value::Array(ones), Value::Array(others)) if ones.len() == others.len() => {
            for (one, other) in ones.iter().zip(others) {
                if !same(one, other, taken)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Object(ones), Value::Object(others)) if ones.len() == others.len() => {
            for (name, one) in ones {
                taken.take(steps(name.len()))?;
                match others.get(name) {
                    Some(other) if same(one, other, taken)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Value::Null, Value::Null) => Ok(true),
        (Value::Bool(one), Value::Bool(other)) => Ok(one == other),
        _ => Ok(false),
    }
}

/// Whether two items are equal. Compares only items with the same fingerprint.
pub(super) fn has_repeats(items: &[Value], taken: &Steps) -> Result<bool, Spent> {
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
fn fingerprint(value: &Value, taken: &Steps) -> Result<u64, Spent> {
    taken.take(8)?;
    let mut hasher = DefaultHasher::new();
    match value {
        Value::Null => 0u8.hash(&mut hasher),
        Value::Bool(value) => (1u8, value).hash(&mut hasher),
        // Both zeros have the same hash.
        Value::Number(number) => (2u8, number.as_f64().map(|number| (number + 0.0).to_bits())).hash(&mut hasher),
        Value::String(text) => {
            taken.take(steps(text.len()))?;
            (3u8, text).hash(&mut hasher);
        }
        Value::Array(items) => {
            4u8.hash(&mut hasher);
            for item in items {
                fingerprint(item, taken)?.hash(&mut hasher);
            }
        }
        Value::Object(fields) => {
            // The order of fields does not matter.
            let mut sum = 0u64;
            for (name, field) in fields {
                taken.take(steps(name.len()))?;
                let mut own = DefaultHasher::new();
                (name, fingerprint(field, taken)?).hash(&mut own);
                sum = sum.wrapping_add(own.finish());
            }
            (5u8, sum).hash(&mut hasher);
        }
    }
    Ok(hasher.finish())
}
