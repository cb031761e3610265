//! The timeouts of a request and of its attempts.

use std::time::Duration;

use super::conditional_timeout::ConditionalTimeout;

/// The timeouts of a request. None is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// The limit of the whole request, with all attempts.
    pub total: Duration,
    /// The limit of one attempt without streaming.
    pub answer: ConditionalTimeout,
    /// The limit until the first token of a stream; slow if the model reasons, or must be loaded first.
    pub first_token: ConditionalTimeout,
    /// The limit of a stream that is delivered whole; slow in the same cases.
    pub whole: ConditionalTimeout,
    /// The limit between two chunks of a stream; slow while the provider may be running a tool.
    pub idle: ConditionalTimeout,
    /// The limit to connect.
    pub connect: Duration,
}

impl Timeouts {
    /// The default of `answer`.
    pub const ANSWER: ConditionalTimeout = ConditionalTimeout::default_of(300, 300);
    /// The default of `first_token`.
    pub const FIRST_TOKEN: ConditionalTimeout = ConditionalTimeout::default_of(30, 120);
    /// The default of `whole`.
    pub const WHOLE: ConditionalTimeout = ConditionalTimeout::default_of(90, 300);
    /// The default of `idle`.
    pub const IDLE: ConditionalTimeout = ConditionalTimeout::default_of(60, 600);
}
