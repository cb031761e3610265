//! What spans say of a request beyond what Envoy knows: as properties, which Envoy makes tags of.
//!
//! Envoy ends a request's span before it asks a filter for the last time, and an attempt's before it makes the next one. So each
//! is set as soon as it is known. What the answer's headers say (who served, how many attempts) Envoy takes from there. Without
//! tracing nothing is set. Never a prompt or a secret.

use std::borrow::Cow;

use crate::gateway::Gateway;
use crate::keys::caller::Caller;
use crate::routing::spec::Strategy;

use super::request_state::RequestState;
use super::{Effect, property};

/// Who asks, and for what: on the request's span and on each of its attempts'.
pub fn asked(
    gateway: &Gateway,
    caller: Option<&Caller>,
    model: Option<&str>,
    strategy: Option<Strategy>,
    effects: &mut Vec<Effect>,
) {
    if !gateway.tracing {
        return;
    }
    let tags = [
        (property::KEY, caller.map(|caller| caller.key_id.to_string().into())),
        (property::TEAM, caller.map(|caller| caller.team.to_string().into())),
        (property::MODEL, model.map(|model| model.to_owned().into())),
        (property::STRATEGY, strategy.map(|strategy| Cow::Borrowed(strategy.name()))),
    ];
    effects.extend(tags.into_iter().filter_map(|(name, value)| Some(Effect::SetProperty(name, value?))));
}

/// Why the request, or the attempt under way, failed: on the span that ends next. An empty text takes it back.
pub fn failed(gateway: &Gateway, reason: Cow<'static, str>) -> Option<Effect> {
    gateway.tracing.then_some(Effect::SetProperty(property::ERROR, reason))
}

/// Why the last attempt failed, if it did.
pub fn failure(state: &RequestState) -> Option<Effect> {
    let failure = state.progress.attempts.last()?.failure.as_ref()?;
    failed(&state.worker.gateway, failure.reason.clone())
}
