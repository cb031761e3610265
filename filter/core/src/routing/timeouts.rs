//! How long a request, and each of its attempts, may take.

use std::time::Duration;

use super::patience::Patience;

/// How long to wait; none is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the whole request, all attempts together.
    pub total: Duration,
    /// For one attempt at an answer that is not streamed.
    pub answer: Patience,
    /// For one attempt's first token, when streamed; it is slow where the model reasons, or is loaded first.
    pub first_token: Patience,
    /// For one attempt at a stream that is delivered whole; slow likewise.
    pub whole: Patience,
    /// Between two pieces of a stream; slow while a provider may be running a tool.
    pub idle: Patience,
    /// For a connection.
    pub connect: Duration,
}

impl Timeouts {
    /// Where the file says nothing.
    pub const ANSWER: Patience = Patience::default_of(300, 300);
    /// Likewise.
    pub const FIRST_TOKEN: Patience = Patience::default_of(30, 120);
    /// Likewise.
    pub const WHOLE: Patience = Patience::default_of(90, 300);
    /// Likewise.
    pub const IDLE: Patience = Patience::default_of(60, 600);
}
