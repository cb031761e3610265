//! How many tokens a request will use, before anybody has counted them.

/// An estimate of one request's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Of the prompt, images included.
    pub input: u64,
    /// Of all the answers asked for, capped.
    pub output: u64,
    /// Images in the prompt.
    pub images: u64,
}
