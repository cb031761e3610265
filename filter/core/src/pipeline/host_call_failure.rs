//! Stops a request or response that could not be changed as decided, because a host call failed. Otherwise a provider might see the
//! client's own headers, or a client a response that was not checked.

use super::failure::Failure;
pub use super::failure::{NOT_CARRIED_OUT as REASON, not_carried_out as error};
use super::refusal::refusal;
use super::request_state::{RequestState, Stage};
use super::{Context, Reply};

/// Ends a request in flight. If the client already has a part of the response, the reply makes Envoy reset the stream, which the client
/// does not take for a clean end.
pub fn end(state: &mut RequestState, cx: &mut Context<'_>) -> Reply {
    let failure = Failure::not_carried_out();
    match state.progress.stage {
        Stage::Underway => {
            let _ = state.fail(failure, cx.now(), cx.shared);
            state.progress.stage = Stage::Refused;
        }
        Stage::Answering | Stage::Complete => state.break_off(failure),
        Stage::Broken | Stage::Refused => {}
    }
    refusal(state.request.scanned.client, &error(), &state.progress.attempts)
}
