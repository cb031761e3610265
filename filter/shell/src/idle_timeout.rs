//! The worker's tick: ends streams that are silent, or that their provider does not end, and all requests at shutdown.

use std::time::Duration;

use sluice_core::compiled::CompiledConfig;
use sluice_core::pipeline::attempt::give_up;
use sluice_core::pipeline::request_state::StreamTimeout;
use sluice_core::pipeline::{Context, Flow};
use sluice_wire::time::Time;

use crate::in_flight::Silent;
use crate::message::Message;
use crate::stream::{Failed, Stream};

/// Bounds of the tick's period, which is a quarter of the shortest timeout.
const SHORTEST: Duration = Duration::from_millis(25);
const LONGEST: Duration = Duration::from_millis(250);

/// The period of this gateway's ticks.
pub fn period(gateway: &CompiledConfig) -> Duration {
    let longest = if gateway.redis.is_some() { SETTLING } else { LONGEST };
    (gateway.shortest_silence() / 4).clamp(SHORTEST, longest)
}

/// How long finished requests wait to be sent to Redis.
pub const SETTLING: Duration = Duration::from_millis(25);

/// Ends the streams of this worker that are due, or all if the gateway `shuts_down`, each in a call of `run`. The caller's callback belongs
/// to no stream. The caller must enter its own context again afterwards.
pub fn end_all<S: Stream>(now: Time, shuts_down: bool, run: impl Fn(&mut dyn FnMut())) {
    for silent in S::in_flight(|board| board.silent(now, shuts_down)) {
        let mut silent = Some(silent);
        run(&mut || {
            if silent.take().is_some_and(|silent| end(silent).is_err()) {
                log::error!("Envoy rejected a call to end a stream");
            }
        });
    }
}

/// Resets a response that the client reads, or gives up an attempt whose response is held. The stream may have ended together with another
/// one, or may be ending: then there is nothing to do.
fn end<S: Stream>(silent: Silent<S>) -> Result<(), Failed> {
    let answer = || silent.attempt.filter(|attempt| attempt.enter().is_ok()).map(Message::response);
    let answer = || answer().filter(|answer| answer.is_here());
    let (flow, effects, answer) = match silent.timeout {
        StreamTimeout::Held(failure) => {
            // Envoy may have ended the attempt by its own timeout: then the next attempt has begun, or will.
            let Some(answer) = answer() else { return Ok(()) };
            let (mut flow, mut effects) = (Flow::Pause, Vec::new());
            if let (Ok(mut state), Some(attempt)) = (silent.state.try_borrow_mut(), silent.attempt) {
                flow = give_up(failure, &mut state, &mut Context::new(&answer, attempt.shared(), &mut effects));
            }
            (flow, effects, answer)
        }
        _ if silent.request.enter().is_err() => return Ok(()),
        StreamTimeout::Over | StreamTimeout::Shown => return silent.request.cut(),
        StreamTimeout::Uncounted => match answer() {
            Some(answer) => (Flow::Continue, Vec::new(), answer),
            None => return Ok(()),
        },
    };
    answer.release(flow, effects)
}
