//! stand-in
#![allow(missing_docs)]
use super::needs::Needs;
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities { pub max_input: Option<u64> }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack { Vision, Context { max_input: u64, input: u64 } }
impl std::fmt::Display for Lack { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "{self:?}") } }
impl Capabilities { pub fn lacks(&self, needs: &Needs) -> Option<Lack> { if needs.images { return Some(Lack::Vision) } self.max_input.filter(|most| needs.input_tokens > *most).map(|max_input| Lack::Context { max_input, input: needs.input_tokens }) }
 pub fn takes_more_than(&self, other: &Self) -> bool { self.max_input > other.max_input } }
