//! Sets properties that Envoy turns into span tags, for facts that Envoy itself does not know.
//!
//! Envoy ends a request's span before the filter's last callback, and an attempt's span before the next attempt. So each property is set as
//! soon as it is known. Envoy reads other tags (the provider, the number of attempts) from the response headers. Without tracing nothing is
//! set. Never a prompt or a secret.

use std::borrow::Cow;

use crate::compiled::CompiledConfig;
use crate::keys::caller::Caller;
use crate::routing::spec::Strategy;

use super::request_state::RequestState;
use super::{Effect, property};

/// The caller and the model, on the request's span and each attempt's.
pub fn asked(
    config: &CompiledConfig,
    caller: Option<&Caller>,
    model: Option<&str>,
    strategy: Option<Strategy>,
    effects: &mut Vec<Effect>,
) {
    if !config.tracing {
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

/// Why the request, or the current attempt, failed: on the span that ends next. An empty text clears it.
pub fn failed(config: &CompiledConfig, reason: Cow<'static, str>) -> Option<Effect> {
    config.tracing.then_some(Effect::SetProperty(property::ERROR, reason))
}

/// Why the last attempt failed, if it did.
pub fn failure(state: &RequestState) -> Option<Effect> {
    let failure = state.progress.attempts.last()?.failure.as_ref()?;
    failed(&state.worker.config, failure.reason.clone())
}
