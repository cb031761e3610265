//! The semantic cache: it answers a request with the response to an earlier one that asks the same in other words.
//!
//! Requests are compared only if all but the user's last text is equal ([`question`]). An embedding of that text finds earlier requests
//! ([`vector`], [`index`]), and a comparison of words ([`sluice_lexical`]) rejects those that only look alike. Both must agree. Nothing here
//! stores a text.

use std::time::Duration;

pub use index::{Entry, LocalIndex, Near};
pub use question::{Question, Unsuitable};
pub use vector::Vector;

use super::spec::{Scope, SemanticMode};

pub mod index;
pub mod question;
pub mod vector;

#[cfg(test)]
mod tests;

/// How a model's semantic cache works.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The gateway's name of the embedding model. Its first target is called.
    pub embeddings: String,
    /// The least similarity of two texts, from 0 to 1.
    pub threshold: f32,
    /// Which keys share responses.
    pub scope: Scope,
    /// Whether it answers.
    pub mode: SemanticMode,
    /// How long the embedding may delay a request.
    pub timeout: Duration,
    /// Whether requests with earlier turns are compared.
    pub multi_turn: bool,
    /// Whether requests with tools are compared.
    pub tools: bool,
    /// Whether requests with images or files are compared.
    pub images: bool,
}
