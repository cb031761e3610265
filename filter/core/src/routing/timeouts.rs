//! The timeouts of a request and of its attempts.

use std::time::Duration;

use super::patience::Patience;

/// The timeouts of a request. None is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// The limit of the whole request, with all attempts.
    pub total: Duration,
    /// The limit of one attempt without streaming.
    pub answer: Patience,
    /// The limit until the first token of a stream; slow if the model reasons, or must be loaded first.
    pub first_token: Patience,
    /// The limit of a stream that is delivered whole; slow in the same cases.
    pub whole: Patience,
    /// The limit between two chunks of a stream; slow while the provider may be running a tool.
    pub idle: Patience,
    /// The limit to connect.
    pub connect: Duration,
}

impl Timeouts {
    /// The default of `answer`.
    pub const ANSWER: Patience = Patience::default_of(300, 300);
    /// The default of `first_token`.
    pub const FIRST_TOKEN: Patience = Patience::default_of(30, 120);
    /// The default of `whole`.
    pub const WHOLE: Patience = Patience::default_of(90, 300);
    /// The default of `idle`.
    pub const IDLE: Patience = Patience::default_of(60, 600);
}
