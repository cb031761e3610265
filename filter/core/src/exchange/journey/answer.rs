//! The answer to the attempt under way, as far as it is known: made new with every attempt.

use sluice_wire::conversation::Usage;
use sluice_wire::dialect::Said;
use sluice_wire::dialect::aliases::Names;
use sluice_wire::dialect::pass_through::usage_at_end;
use sluice_wire::extras::Extras;
use sluice_wire::time::Time;

use crate::batch::Told;
use crate::guard::Finding;

/// An answer, as far as it is here.
#[derive(Debug, Default)]
pub struct Answer {
    /// Tokens, as far as the provider said.
    pub usage: Option<Usage>,
    /// What it did, as far as the provider said.
    pub extras: Extras,
    /// Its id, where its provider may keep it.
    pub id: Option<String>,
    /// What its stream has brought, should its provider not come to count tokens.
    pub said: Said,
    /// When the first token came.
    pub first_token: Option<Time>,
    /// Whether its stream has said why it ended.
    pub finished: bool,
    /// Hints of the client that could not be passed on, by their names in the client's dialect.
    pub dropped: Vec<String>,
    /// Functions that have another name in what was asked.
    pub names: Names,
    /// What guardrails found in it and let pass.
    pub findings: Vec<Finding>,
    /// The last bytes of one that passes without being read: usage may stand in them.
    pub tail: Vec<u8>,
    /// What it has told of a batch.
    pub told: Option<Told>,
}

impl Answer {
    /// One that passed without being read is over: the usage in its last bytes counts.
    pub fn read_tail(&mut self) {
        self.usage = usage_at_end(&std::mem::take(&mut self.tail)).or(self.usage);
    }
}
