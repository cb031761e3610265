//! Batches: files of requests that a provider processes later.
//!
//! The request that creates a batch does not reveal its usage. So the gateway estimates an input file's usage at upload and records it
//! under the file's id ([`records`]). Creating a batch reserves that amount and bills it at once. A response with the batch's usage
//! ([`object`]), or its results ([`results`]), corrects the bill, once. If no such response passes the gateway, the batch stays billed as
//! reserved.

use std::rc::Rc;

use serde::{Deserialize, Serialize};
use sluice_wire::conversation::Usage;
use sluice_wire::time::Time;

use crate::compiled::CompiledConfig;
use crate::keys::caller::Caller;
use crate::limits::Unit;
use crate::reservation::Reservation;
use crate::reservation::work::{UsageSum, Work};
use crate::store::{AccountEntry, Counter, LimitWindow, Note, Settled, Settlement, Sums};
use crate::usage::price::MicroUsd;

pub mod object;
pub mod records;
pub mod results;

use records::BatchRecord;

/// A batch that is billed as reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The provider's id of the batch.
    id: String,
    /// Id of the key that created it.
    key: String,
    team: String,
    app: Option<String>,
    model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
    target: String,
    requests: u64,
    pieces: u64,
    charged: Vec<Charged>,
}

/// The amount billed for a batch on one counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Charged {
    counter: String,
    shard: String,
    kind: LimitWindow,
    unit: Unit,
    window: u64,
    amount: u64,
}

/// A request's operation on a batch, besides being forwarded to the provider that stores it.
#[derive(Debug)]
pub enum BatchOperation {
    /// Uploads an input file.
    Upload(Work),
    /// Creates a batch.
    Create(Work),
    /// Reads a batch's status.
    Watch(Open),
    /// Reads a batch's results, from the file with this id.
    Fetch(Open, String),
}

/// A fact from a response about a file or batch.
#[derive(Debug, PartialEq, Eq)]
pub enum BatchFact {
    /// A file was stored, or a batch created, under this id.
    Made(String),
    /// A batch has ended; its usage follows from this results file.
    Results(String),
    /// A batch has ended with this usage; the id of its results file, if it has one.
    Used(Usage, Option<String>),
}

/// Actions at the end of a request.
#[derive(Debug, Default)]
pub struct BatchOutcome {
    /// Records to write, by name.
    pub records: Vec<(String, BatchRecord)>,
    /// A correction of the bill. Its notes name the records that show whether it was corrected before.
    pub correction: Option<Settlement>,
}

impl BatchOperation {
    /// The actions that follow from the response.
    pub fn outcome(
        &self,
        fact: Option<BatchFact>,
        reservation: &Reservation,
        caller: &Caller,
        config: &CompiledConfig,
        at: Time,
    ) -> BatchOutcome {
        let records = match (self, fact) {
            (Self::Upload(work), Some(BatchFact::Made(id))) => {
                vec![(records::file(&id), BatchRecord::File(work.clone()))]
            }
            (Self::Create(work), Some(BatchFact::Made(id))) => {
                vec![(records::batch(&id), BatchRecord::Open(Open::new(id, work.clone(), reservation, caller)))]
            }
            (Self::Watch(open), Some(BatchFact::Results(id))) => {
                vec![(records::results(&id), BatchRecord::Open(open.clone()))]
            }
            (Self::Watch(open) | Self::Fetch(open, _), Some(BatchFact::Used(usage, results))) => {
                let correction = open.clone().correction(&usage, results, config, at);
                return BatchOutcome { records: Vec::new(), correction };
            }
            _ => Vec::new(),
        };
        BatchOutcome { records, correction: None }
    }
}

impl Open {
    fn new(id: String, work: Work, reservation: &Reservation, caller: &Caller) -> Self {
        let charged = reservation.batch().map(|(part, window)| Charged {
            counter: part.debit.counter.name.to_string(),
            shard: part.debit.counter.shard_key.to_string(),
            kind: part.debit.counter.kind,
            unit: part.rule.unit,
            window,
            amount: part.batch,
        });
        Self {
            id,
            key: caller.key_id.to_string(),
            team: caller.team.to_string(),
            app: caller.app.as_deref().map(str::to_owned),
            charged: charged.collect(),
            model: work.model,
            asked: work.asked,
            target: work.target,
            requests: work.total.requests,
            pieces: work.pieces,
        }
    }

    /// The settlement that corrects the bill to this usage; `None` when money is counted and the model no longer has a price.
    /// A file with its results corrects nothing afterwards.
    fn correction(
        self,
        usage: &Usage,
        results: Option<String>,
        config: &CompiledConfig,
        at: Time,
    ) -> Option<Settlement> {
        let cost = self.cost(usage, config);
        let counts_money = self.charged.iter().any(|charged| charged.unit == Unit::MicroUsd);
        if cost.is_none() && counts_money {
            return None;
        }
        let cost = cost.unwrap_or_default().0;
        let used = UsageSum { requests: self.requests, input: usage.input, output: usage.output, cost };
        let parts = self.charged.into_iter().map(|charged| Settled {
            used: used.of(charged.unit),
            counter: Counter { name: charged.counter.into(), shard_key: charged.shard.into(), kind: charged.kind },
            window: charged.window,
            until: 0,
            reserved: charged.amount,
        });
        let sums = Sums {
            requests: used.requests,
            input_tokens: used.input,
            output_tokens: used.output,
            cost,
            ..Sums::default()
        };
        let entry = AccountEntry {
            key: self.key.into(),
            team: self.team.into(),
            app: self.app.map(Rc::from),
            model: self.model.into(),
            sums,
        };
        let names = [Some(records::batch(&self.id)), results.map(|id| records::results(&id))];
        let notes = names.into_iter().flatten().map(|name| Note { name, text: BatchRecord::Settled.text() }).collect();
        let id = format!("batch-{}", self.id).into();
        Some(Settlement { id, parts: parts.collect(), entry: Some(entry), at, corrects: true, notes })
    }

    fn cost(&self, usage: &Usage, config: &CompiledConfig) -> Option<MicroUsd> {
        let stored = config.stored.as_ref()?.targets.first()?;
        let asked = self.asked.as_deref().unwrap_or(&self.model);
        let (_, target) = config.served(asked, &stored.provider.name, &self.target, true)?;
        let price = target.price?;
        let tokens = price.of_batch(usage).0;
        Some(MicroUsd(if usage == &Usage::default() { 0 } else { tokens.saturating_add(self.pieces) }))
    }
}

#[cfg(test)]
mod tests;
