//! The differences between models of one maker, by generation. The tables are data; a model is found by its name, at any host:
//! `claude-opus-4-7`, `us.anthropic.claude-opus-4-7-v1:0`, `claude-opus-4-7@20260101` and `anthropic/claude-opus-4.7` are the same.
//!
//! A generation newer than the table counts as the newest in it, because makers remove more parameters than they restore. A name that tells
//! no model has no row: such a model is assumed to take every parameter of its format.

pub mod claude;
pub mod openai;

#[cfg(test)]
mod tests;

/// A generation, such as `4.7`.
pub(super) type Version = (u32, u32);

/// Later than any generation.
const NEWEST: Version = (u32::MAX, u32::MAX);

/// The words of a name: `["claude", "opus", "4", "7"]`.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}

/// Parses a part of a version; dates and sizes have more digits.
fn number(word: &str) -> Option<u32> {
    if word.len() <= 2 { word.parse().ok() } else { None }
}
