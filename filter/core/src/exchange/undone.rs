//! What becomes of a request or an answer that could not be changed as was decided, because Envoy refused a host call: it goes
//! no further. Else a provider would see the client's own headers, or a client an answer that nobody has judged.

use sluice_wire::error::{ApiError, ErrorKind};

use super::failure::Failure;
use super::gateway::refusal;
use super::journey::{Journey, Stage};
use super::{Context, Effect, trace};

/// The reason in logs of an attempt that ended so.
const REASON: &str = "not_carried_out";

/// What the client reads.
pub fn error() -> ApiError {
    let message = "The gateway could not carry out what it had decided for this request.";
    ApiError::new(500, ErrorKind::Server, message).with_code("gateway_failed")
}

/// Ends a request that is under way. Where a part of the answer is the client's already, the reply makes Envoy reset the stream,
/// which is no clean end.
pub fn end(journey: &mut Journey, cx: &mut Context<'_>) {
    let failure = Failure::ours(REASON, error());
    match journey.stage {
        Stage::Underway => {
            let _ = journey.fail(failure, cx.view.now(), cx.shared);
            journey.stage = Stage::Refused;
        }
        Stage::Answering | Stage::Complete => journey.break_off(failure),
        Stage::Broken | Stage::Refused => {}
    }
    cx.effects.extend(trace::failure(journey));
    cx.effects.push(Effect::Reply(refusal(journey.client, &error(), &journey.attempts)));
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Shared, answering, at, planned};
    use super::super::gateway::Exchange;
    use super::super::property;
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn reply(effects: &[Effect]) -> (u16, serde_json::Value) {
        let replies: Vec<_> = effects.iter().filter(|effect| matches!(effect, Effect::Reply(_))).collect();
        let [Effect::Reply(reply)] = replies[..] else { panic!("one reply: {effects:?}") };
        (reply.status, serde_json::from_slice::<serde_json::Value>(&reply.body).unwrap()["error"]["code"].clone())
    }

    #[test]
    fn what_has_not_left_is_refused_and_what_has_begun_breaks_off() {
        let mut begun = planned();
        let _ = begun.begin(begun.started, &Shared::default());
        let mut complete = answering();
        complete.complete();
        for (mut journey, stage, tried) in [
            (planned(), Stage::Refused, None),
            (begun, Stage::Refused, Some(REASON)),
            (answering(), Stage::Broken, Some(REASON)),
            (complete, Stage::Broken, Some(REASON)),
        ] {
            let mut effects = Vec::new();
            let view = at(journey.started);
            end(&mut journey, &mut Context { view: &view, shared: &Shared::default(), effects: &mut effects });
            assert_eq!(journey.stage, stage);
            assert_eq!(reply(&effects), (500, "gateway_failed".into()));
            let failure = journey.attempts.last().and_then(|tried| tried.failure.as_ref());
            assert_eq!(failure.map(|failure| &*failure.reason), tried);
            // An answer that has begun is never followed by another attempt.
            let over = journey.queue.next().is_none() || journey.attempts.is_empty();
            assert!(over || stage == Stage::Broken, "nothing follows it");
        }
    }

    #[test]
    fn a_request_that_never_left_has_a_line_in_the_log_that_says_why() {
        let mut journey = planned();
        let (view, shared) = (at(journey.started), Shared::default());
        for known in [true, false] {
            let mut exchange = Exchange::new(journey.worker.clone());
            let mut effects = Vec::new();
            exchange.undone(known.then_some(&mut journey), &view, &shared, &mut effects);
            assert_eq!(reply(&effects), (500, "gateway_failed".into()));
            let mut effects = Vec::new();
            exchange.finish(known.then_some(&mut journey), &view, &shared, &mut effects);
            let logged = |effect: &Effect| match effect {
                Effect::SetProperty(property::LOG, fragment) => fragment.contains(r#""error":"gateway_failed""#),
                _ => false,
            };
            assert!(effects.iter().any(logged), "{effects:?}");
        }
    }
}
