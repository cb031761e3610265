//! What becomes of a request or an answer that could not be changed as was decided, because Envoy refused a host call: it goes
//! no further. Else a provider would see the client's own headers, or a client an answer that nobody has judged.

use super::failure::Failure;
pub use super::failure::{NOT_CARRIED_OUT as REASON, not_carried_out as error};
use super::refusal::refusal;
use super::request_state::{RequestState, Stage};
use super::{Context, Reply, trace};

/// Ends a request that is under way. Where a part of the answer is the client's already, the reply makes Envoy reset the stream,
/// which is no clean end.
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
    cx.effects.extend(trace::failure(state));
    refusal(state.request.asks.client, &error(), &state.progress.attempts)
}
