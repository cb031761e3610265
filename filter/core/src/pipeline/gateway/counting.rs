//! Answers token count requests with an estimate, where no target of the model has a count endpoint.

use std::rc::Rc;

use sluice_wire::dialect::{Asks, Client};

use crate::routing::target::Target;
use crate::usage::estimate::{Estimate, Prompt};

use super::super::Context;
use super::super::request_state::Draft;
use super::{Outcome, Refused, RequestPipeline};

impl RequestPipeline {
    /// Answers a token count request locally. Nothing is reserved for it.
    pub(super) fn counted(&mut self, mut draft: Draft, body: &[u8], cx: &mut Context<'_>) -> Result<Outcome, Refused> {
        let masked = self.screen(&mut draft, body, cx)?;
        let body = masked.as_deref().unwrap_or(body);
        self.answer(count(&draft, body).unwrap_or_default())
    }
}

/// Whether it is a token count request that no target of its model could answer.
pub(super) fn is_counted_here(draft: &Draft) -> bool {
    let counts =
        |target: &Rc<Target>| target.provider.format_for(draft.request.scanned.client, &target.model).is_some();
    matches!(draft.request.scanned.client.asks, Asks::TokenCount(_)) && !draft.route.model.targets.iter().any(counts)
}

/// The response's body for such a request.
pub(super) fn count(draft: &Draft, body: &[u8]) -> Option<Vec<u8>> {
    match &draft.request.scanned.client.asks {
        Asks::TokenCount(count) if is_counted_here(draft) => Some(count.answer(tokens(draft, count.of, body))),
        _ => None,
    }
}

/// Estimates the tokens.
fn tokens(draft: &Draft, prompts: &Client, body: &[u8]) -> u64 {
    let speaks = |target: &Rc<Target>| target.provider.format_for(prompts, &target.model);
    let format = draft.route.model.targets.iter().find_map(speaks).unwrap_or(draft.request.scanned.client.provider);
    Estimate::of(&draft.request.scanned.peek, &Prompt::measure(body), format.bytes_per_100_tokens, None, 0).input
}
