//! stand-in
#![allow(missing_docs)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Needs { pub tools: bool, pub structured_output: bool, pub images: bool, pub audio: bool, pub documents: bool, pub input_tokens: u64 }
