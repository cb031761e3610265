//! Routing decisions from a gateway file. A case is one request for the model `m`, whose targets have their providers' names. All other
//! settings of a case have their defaults.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use sluice_core::compiled::CompiledConfig;
use sluice_core::keys::caller::Caller;
use sluice_core::mix::mixed;
use sluice_core::peek::conversation::Conversation;
use sluice_core::routing::decision::{Rank, RoutingDecision, RoutingInput, decide};
use sluice_core::routing::needs::Needs;
use sluice_core::routing::routing_headers::RoutingHeaders;
use sluice_core::routing::target::{Model, Target};
use sluice_core::usage::estimate::Estimate;
use sluice_wire::dialect::openai_chat;
use sluice_wire::error::ApiError;
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::shared::Shared;

mod circuits;
mod conversations;
mod decision;
mod order;
mod queue;
mod rules;

/// A Monday, at noon.
const NOON: &str = "2026-11-23T12:00:00Z";

struct Case {
    model: Rc<Model>,
    config: CompiledConfig,
    shared: Shared,
    caller: Caller,
    needs: Needs,
    hints: RoutingHeaders,
    user: Option<&'static str>,
    conversation: Option<Conversation>,
    /// The tokens of its response.
    output: u64,
    now: Time,
    dice: Cell<u64>,
}

impl Case {
    /// Targets by their providers' names with additional fields, then additional fields of the model and of the file.
    fn new(targets: &[(&str, &str)], model: &str, file: &str) -> Self {
        let comma = |fields: &str| if fields.is_empty() { String::new() } else { format!(",{fields}") };
        let provider = |(name, _): &(&str, &str)| format!(r#""{name}":{{"kind":"openai"}}"#);
        let target = |(name, fields): &(&str, &str)| format!(r#"{{"provider":"{name}","model":"x"{}}}"#, comma(fields));
        let list = |items: Vec<String>| items.join(",");
        let text = format!(
            r#"{{"providers":{{{}}},"models":{{"m":{{"targets":[{}]{}}}}},"teams":{{"t":{{}},"u":{{}}}},
                "apps":{{"bot":{{}}}},"keys":[{{"id":"k","team":"t","sha256":"{}"}}]{}}}"#,
            list(targets.iter().map(provider).collect()),
            list(targets.iter().map(target).collect()),
            comma(model),
            "0".repeat(64),
            comma(file),
        );
        let config = sluice_config::from_json(text.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
        Self {
            model: config.models["m"].clone(),
            config,
            shared: Shared::default(),
            caller: Caller { key_id: "k".into(), team: "t".into(), ..Caller::default() },
            needs: Needs { input_tokens: 100, ..Needs::default() },
            hints: RoutingHeaders::default(),
            user: None,
            conversation: None,
            output: 100,
            now: at(NOON),
            // A request that does not explore.
            dice: Cell::new(1 << 32),
        }
    }

    /// Adds these headers.
    fn asks(mut self, headers: &[(&str, &str)]) -> Self {
        let headers: HeaderMap = headers.iter().map(|(name, value)| (*name, *value)).collect();
        self.hints = RoutingHeaders::read(&headers, &self.config.watched_headers).unwrap();
        self
    }

    fn needs(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }

    fn decide(&self) -> Result<RoutingDecision, ApiError> {
        let Needs { input_tokens: input, .. } = self.needs;
        let estimate = |_: &Target| Estimate {
            input,
            output: self.output,
            images: u64::from(self.needs.images),
            ..Estimate::default()
        };
        let inquiry = RoutingInput {
            model: &self.model,
            client: &openai_chat::CLIENT,
            caller: &self.caller,
            needs: self.needs,
            routing_headers: &self.hints,
            user: self.user,
            conversation: self.conversation.as_ref(),
            estimate: &estimate,
            opening_estimate: &|target| Estimate { input: 100, ..estimate(target) },
            circuit: &self.config.circuit,
            attempt: Duration::from_secs(30),
            lease: Duration::from_secs(600),
            now: self.now,
            dice: self.dice.get(),
        };
        decide(&inquiry, &self.shared)
    }

    /// The targets in the order in which they are tried: `a b c`.
    fn reserve_request(&self) -> String {
        names(&self.decide().unwrap().targets_in_order())
    }

    fn place(&self, provider: &str) -> Rank {
        let considered = self.decide().unwrap().ranked;
        considered.iter().find(|considered| considered.target.provider.name == provider).unwrap().place
    }

    /// How often each of the model's targets is first.
    fn shares(&self, requests: u64) -> Vec<u64> {
        let mut shares = vec![0; self.model.targets.len()];
        for throw in 0..requests {
            self.dice.set(mixed(throw));
            let first = self.decide().unwrap().targets_in_order().remove(0);
            shares[self.model.targets.iter().position(|target| Rc::ptr_eq(target, &first)).unwrap()] += 1;
        }
        shares
    }

    fn target(&self, provider: &str) -> &Target {
        self.model.targets.iter().find(|target| target.provider.name == provider).unwrap()
    }
}

fn names(targets: &[Rc<Target>]) -> String {
    targets.iter().map(|target| target.provider.name.as_str()).collect::<Vec<_>>().join(" ")
}

fn at(text: &str) -> Time {
    Time(sluice_wire::calendar::rfc3339(text).unwrap() * 1_000_000_000)
}

const THREE: [(&str, &str); 3] = [("a", ""), ("b", ""), ("c", "")];
