//! Liveness and readiness checks for load balancers, without a key.
//!
//! Only Envoy knows whether it drains: its own filter behind this one responds to `/ready`, and the body includes the state known here.
//! Anybody may call it, so Redis is called at most once a second.

use crate::callout::Called;
use crate::pipeline::property;

use super::super::{Context, Effect, Flow, Reply};
use super::{Outcome, Phase, Refused, RequestPipeline};

/// The name of a note that is never written: an empty reply proves as much as any.
const NOTE: &str = "ready";

/// The body of `/health`.
pub(super) fn alive() -> Vec<u8> {
    br#"{"status":"ok"}"#.to_vec()
}

/// The state of Redis, as the rest of a JSON object.
fn fragment(answers: bool) -> &'static str {
    if answers { r#","redis":"ok""# } else { r#","redis":"unavailable""# }
}

impl RequestPipeline {
    /// Checks readiness. Calls Redis first, if one is configured.
    pub(super) fn ready(&mut self, cx: &mut Context<'_>) -> Result<Outcome, Refused> {
        if self.worker.config.redis.is_none() {
            self.phase = Phase::Answered { error: None };
            cx.effects.push(Effect::SetProperty(property::READY, "".into()));
            return Ok(Outcome::Step(Flow::Continue));
        }
        let now = cx.now();
        match self.worker.redis_heard(now) {
            Some(answers) => self.readiness(answers, cx),
            None => match self.worker.note(NOTE, now) {
                Some(call) => {
                    self.phase = Phase::Readying;
                    Ok(Outcome::Ask(call))
                }
                None => self.readiness(false, cx),
            },
        }
    }

    /// Handles Redis's reply, or its absence.
    pub(super) fn redis_answered(&mut self, called: &Called, cx: &mut Context<'_>) -> Result<Outcome, Refused> {
        let answers = self.worker.noted(called, &mut cx.moment()).is_ok();
        self.worker.hear_of_redis(answers, cx.now());
        self.readiness(answers, cx)
    }

    fn readiness(&mut self, answers: bool, cx: &mut Context<'_>) -> Result<Outcome, Refused> {
        self.phase = Phase::Answered { error: None };
        let redis = fragment(answers);
        if !answers && self.worker.config.ready_needs_redis {
            let body = format!(r#"{{"status":"unavailable"{redis}}}"#);
            return Ok(Outcome::Step(Flow::Reply(Reply::json(503, Vec::new(), body.into_bytes()))));
        }
        cx.effects.push(Effect::SetProperty(property::READY, redis.into()));
        Ok(Outcome::Step(Flow::Continue))
    }
}
