//! Requests for a count of tokens that no target of their model could answer: the gateway answers them, with an estimate.

use std::rc::Rc;

use sluice_wire::dialect::{Asks, Client};

use crate::routing::target::Target;
use crate::usage::estimate::{Estimate, Prompt};

use super::super::Context;
use super::super::request_state::Draft;
use super::{Exchange, Outcome, Refused};

impl Exchange {
    /// A request asks for a count that the gateway makes by itself: nothing is reserved for it.
    pub(super) fn counted(&mut self, mut draft: Draft, body: &[u8], cx: &mut Context<'_>) -> Result<Outcome, Refused> {
        let masked = self.screen(&mut draft, body, cx)?;
        let body = masked.as_deref().unwrap_or(body);
        self.answer(count(&draft, body).unwrap_or_default())
    }
}

/// Whether it asks for a count of tokens that no target of its model could answer.
pub(super) fn is_counted_here(draft: &Draft) -> bool {
    let counts = |target: &Rc<Target>| target.provider.format_for(draft.request.asks.client, &target.model).is_some();
    matches!(draft.request.asks.client.asks, Asks::TokenCount(_)) && !draft.route.model.targets.iter().any(counts)
}

/// The answer to such a request.
pub(super) fn count(draft: &Draft, body: &[u8]) -> Option<Vec<u8>> {
    match &draft.request.asks.client.asks {
        Asks::TokenCount(count) if is_counted_here(draft) => Some(count.answer(tokens(draft, count.of, body))),
        _ => None,
    }
}

/// An estimate for it.
fn tokens(draft: &Draft, prompts: &Client, body: &[u8]) -> u64 {
    let speaks = |target: &Rc<Target>| target.provider.format_for(prompts, &target.model);
    let format = draft.route.model.targets.iter().find_map(speaks).unwrap_or(draft.request.asks.client.provider);
    Estimate::of(&draft.request.asks.peek, &Prompt::measure(body), format.bytes_per_100_tokens, None, 0).input
}
