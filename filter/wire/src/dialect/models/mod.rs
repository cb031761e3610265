//! What models of one maker differ in, generation by generation, as far as a request must know. Tables are data; a model is found
//! in them by its name, whoever hosts it: `claude-opus-4-7`, `us.anthropic.claude-opus-4-7-v1:0`, `claude-opus-4-7@20260101` and
//! `anthropic/claude-opus-4.7` are the same.
//!
//! A generation that is newer than its table counts as the newest in it, for makers take away more than they give back. A name
//! that tells nothing is no row's: such a model is taken to know every parameter of its format.

pub mod claude;
pub mod openai;

#[cfg(test)]
mod tests;

/// A generation: `4.7`.
pub(super) type Version = (u32, u32);

/// Later than any.
const NEWEST: Version = (u32::MAX, u32::MAX);

/// The parts of a name between its marks: `["claude", "opus", "4", "7"]`.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}

/// A part of a version: dates and sizes are longer.
fn number(word: &str) -> Option<u32> {
    if word.len() <= 2 { word.parse().ok() } else { None }
}
