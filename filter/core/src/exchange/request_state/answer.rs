//! The answer to the attempt under way, as far as it is known: made new with every attempt.

use sluice_wire::conversation::Usage;
use sluice_wire::dialect::OutputSoFar;
use sluice_wire::dialect::aliases::Names;
use sluice_wire::dialect::pass_through::usage_at_end;
use sluice_wire::extras::Extras;
use sluice_wire::time::Time;

use crate::batch::BatchFact;
use crate::guard::Finding;

/// An answer, as far as it is here.
#[derive(Debug, Default)]
pub struct ResponseState {
    /// Tokens, as far as the provider said.
    pub usage: Option<Usage>,
    /// Tool calls and the class of service, as far as the provider has said.
    pub extras: Extras,
    /// Its id, where its provider may keep it.
    pub id: Option<String>,
    /// The content that its stream has brought: the basis of an estimate if the provider counts no tokens.
    pub said: OutputSoFar,
    /// When the first token came.
    pub first_token: Option<Time>,
    /// The stream has given its finish reason.
    pub finished: bool,
    /// Hints of the client that could not be passed on, by their names in the client's dialect.
    pub dropped: Vec<String>,
    /// Functions that were renamed for the provider.
    pub names: Names,
    /// Findings of guardrails that only log.
    pub findings: Vec<Finding>,
    /// The last bytes of one that passes without being read: usage may stand in them.
    pub tail: Vec<u8>,
    /// The state of a batch, as the answer told it.
    pub told: Option<BatchFact>,
}

impl ResponseState {
    /// One that passed without being read is over: the usage in its last bytes counts.
    pub fn read_tail(&mut self) {
        self.usage = usage_at_end(&std::mem::take(&mut self.tail)).or(self.usage);
    }
}
