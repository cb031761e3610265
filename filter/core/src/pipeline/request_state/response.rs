//! The response to the current attempt so far; reset for each attempt.

use sluice_wire::conversation::{Finish, FinishReasons, Usage};
use sluice_wire::dialect::OutputSoFar;
use sluice_wire::dialect::aliases::Names;
use sluice_wire::dialect::pass_through::usage_at_end;
use sluice_wire::extras::Extras;
use sluice_wire::time::Time;

use crate::batch::BatchFact;
use crate::guard::Finding;

use super::ChunkTimes;

/// The response so far.
#[derive(Debug, Default)]
pub struct ResponseState {
    /// Tokens, as far as the provider has reported them.
    pub usage: Option<Usage>,
    /// Tool calls and the service tier, as far as the provider has reported them.
    pub extras: Extras,
    /// Its id, if the provider may store it.
    pub id: Option<String>,
    /// The output of its stream so far: the basis of an estimate if the provider counts no tokens.
    pub said: OutputSoFar,
    /// When the first token arrived.
    pub first_token: Option<Time>,
    /// When the portions of its stream arrived.
    pub chunks: ChunkTimes,
    /// The stream has a finish reason.
    pub finished: bool,
    /// The finish reasons, as far as they are known.
    pub reasons: FinishReasons,
    /// The response as an attribute of a span, where spans have contents.
    pub content: Option<String>,
    /// Optional fields of the request that the provider does not support, by the client's names.
    pub dropped: Vec<String>,
    /// Functions that were renamed for the provider.
    pub names: Names,
    /// Marks that the gateway added to the request for the provider's prompt cache.
    pub marks: usize,
    /// Findings of guardrails that did not block it, and the one that cut its stream off.
    pub findings: Vec<Finding>,
    /// The last bytes of a response that passes unread, which may contain usage.
    pub tail: Vec<u8>,
    /// The batch fact that the response reported.
    pub batch_fact: Option<BatchFact>,
}

impl ResponseState {
    /// Whether the provider's content filter ended it, or one of its choices.
    pub fn is_filtered(&self) -> bool {
        self.reasons.iter().any(|reason| reason == Finish::ContentFilter)
    }

    /// Reads the usage in the last bytes of a response that passed unread.
    pub fn read_tail(&mut self) {
        self.usage = usage_at_end(&std::mem::take(&mut self.tail)).or(self.usage);
    }
}
