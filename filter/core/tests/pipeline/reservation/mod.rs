use std::rc::Rc;
use std::time::Duration;

use sluice_core::compiled::CompiledConfig;
use sluice_core::key_hash::KeyHash;
use sluice_core::keys::caller::Caller;
use sluice_core::limits::{Index, Unit};
use sluice_core::reservation::*;
use sluice_core::routing::target::{Model, Target};
use sluice_core::store::{CounterSnapshot, LimitExceeded, ReserveRequest, Settled};
use sluice_core::usage::estimate::Estimate;
use sluice_core::usage::price::MicroUsd;
use sluice_core::usage::surcharge::Surcharges;
use sluice_wire::conversation::Usage;
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::time::Time;

/// 100 input and 50 output tokens at one dollar per million: 150 micro-dollars.
const ESTIMATE: Estimate = Estimate { input: 100, output: 50, images: 0, wishes: Surcharges::NOTHING };
const LEASE: Duration = Duration::from_secs(600);
const NOW: Time = Time(1_800_000_000_000_000_000);

/// A gateway whose models cost one dollar per million tokens, `dear` ten. `more` adds fields to the file, `key` to the key `alice` (team
/// `research`, app `bot`).
struct Fixture {
    config: CompiledConfig,
    caller: Rc<Caller>,
}

impl Fixture {
    fn new(more: &str, key: &str) -> Self {
        let comma = |text: &str| if text.is_empty() { String::new() } else { format!(",{text}") };
        let file = format!(
            r#"{{"providers":{{"p":{{"kind":"openai","limits":{{"requests_per_minute":90}}}},
                              "q":{{"kind":"openai","limits":{{"concurrent_requests":9,"tokens_per_day":5000}}}}}},
                "models":{{"chat":{{"targets":[{{"provider":"p","model":"m"}},{{"provider":"q","model":"m"}}]}},
                          "cheap":{{"targets":[{{"provider":"q","model":"c"}}]}},
                          "dear":{{"targets":[{{"provider":"p","model":"d"}}]}},
                          "a,b=%":{{"targets":[{{"provider":"p","model":"m"}}]}}}},
                "prices":{{"models":{{"p/m":{{"input":1,"output":1}},"q/m":{{"input":1,"output":1}},
                                      "q/c":{{"input":1,"output":1}},"p/d":{{"input":10,"output":10}}}}}},
                "teams":{{"research":{{}},"other":{{}}}},"apps":{{"bot":{{}}}},
                "keys":[{{"id":"alice","team":"research","app":"bot","sha256":"{}"{}}},
                        {{"id":"bob","team":"other","sha256":"{}"}}]{}}}"#,
            "0".repeat(64),
            comma(key),
            "1".repeat(64),
            comma(more)
        );
        let config = sluice_config::from_json(file.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
        let caller = config.keys[&KeyHash([0; 32])].caller.clone();
        Self { config, caller }
    }

    fn plan(&self, model: &str) -> Result<Plan, ApiError> {
        let model = &self.config.models[model];
        Plan::new(&self.config, &self.caller, model, &model.targets, |then| then.targets.clone(), |_| ESTIMATE)
    }

    fn debits(&self, model: &str, candidate: usize) -> Vec<(String, u64, u64, bool)> {
        let plan = self.plan(model).unwrap();
        let debit =
            |part: &Part| (part.debit.counter.name.to_string(), part.debit.amount, part.debit.limit, part.debit.hard);
        plan.candidates[candidate].parts.iter().map(debit).collect()
    }
}

fn reading(used: u64) -> CounterSnapshot {
    CounterSnapshot { used, reserved: 0, period: 7, until: 0, reset: Duration::from_secs(6) }
}

mod lifecycle;
mod plan;
#[cfg(not(target_arch = "wasm32"))]
mod properties;
mod refusal;
