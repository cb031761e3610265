//! The parts of a semantic cache: it answers a request with the response to an earlier one that asks the same in other words.
//!
//! An embedding of the text finds earlier requests ([`vector`], [`index`]), and a comparison of words ([`sluice_lexical`]) rejects those that only
//! look alike. Both must agree. Nothing here stores a text.

pub mod index;
pub mod vector;

#[cfg(test)]
mod tests;
