//! The decisions that Envoy's own log tells at the level `debug`: who was refused, which target is asked and why, why an attempt
//! failed and what follows, and what the cache had.
//!
//! A note holds names that the access log has too (the request's id, a key's, models, providers) and words of ours. It never holds
//! a prompt, an answer, a message of an error, a secret or another header's value. Nothing is made of a note while nobody listens:
//! the macro looks at the level first.

use std::fmt::{self, Display, Formatter};

use sluice_wire::error::ApiError;

use crate::routing::target::Target;
use crate::routing::decision::{Considered, Decision, Place};

use super::failure::Failure;
use super::journey::{Journey, Tried};

/// The gateway refuses a request by itself.
pub fn refused(request_id: Option<&str>, key: Option<&str>, error: &ApiError) {
    let (request, code) = (request_id.unwrap_or("-"), error.code.as_deref().unwrap_or("invalid_request"));
    log::debug!("{request}: refused with {} {code}, key {}", error.status, key.unwrap_or("-"));
}

/// The targets of a request are in order.
pub fn decided(journey: &Journey, decision: &Decision) {
    log::debug!("{}: {}", journey.request_id(), Decided { model: &journey.model.name, decision });
}

/// An answer was looked for in the cache.
pub fn looked(journey: &Journey) {
    if let Some(word) = journey.recall.word() {
        log::debug!("{}: cache {word}", journey.request_id());
    }
}

/// An attempt begins.
pub fn begun(journey: &Journey) {
    let Some(tried) = journey.attempts.last() else { return };
    log::debug!("{}: attempt {} asks {}", journey.request_id(), journey.attempts.len(), Asked(tried));
}

/// The last attempt failed, and it is known what follows.
pub fn failed(journey: &Journey, failure: &Failure) {
    let Some(tried) = journey.attempts.last() else { return };
    let next = journey.upcoming().unwrap_or("nobody");
    log::debug!("{}: {} failed: {}; next: {next}", journey.request_id(), Asked(tried), failure.reason);
}

/// A target is not asked, though its turn has come.
pub fn passed_over(journey: &Journey, target: &Target, reason: &str) {
    log::debug!("{}: {} is passed over: {reason}", journey.request_id(), target.name);
}

/// An answer broke off of which the client has a part.
pub fn broken(journey: &Journey, failure: &Failure) {
    let Some(tried) = journey.attempts.last() else { return };
    log::debug!("{}: {} broke off: {}", journey.request_id(), Asked(tried), failure.reason);
}

/// A target, and which of its keys where there are several.
struct Asked<'a>(&'a Tried);

impl Display for Asked<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Tried { target, key, .. } = self.0;
        f.write_str(&target.name)?;
        match target.keys.several() {
            true => write!(f, " (key {})", key.saturating_add(1)),
            false => Ok(()),
        }
    }
}

/// Every target of a model, with the reason where it is not simply asked in its turn.
struct Decided<'a> {
    model: &'a str,
    decision: &'a Decision,
}

impl Display for Decided<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Decision { route, strategy, considered } = self.decision;
        write!(f, "model {}, strategy {}", self.model, strategy.name())?;
        if let Some(route) = route {
            write!(f, ", route {route}")?;
        }
        for (place, Considered { target, place: standing }) in considered.iter().enumerate() {
            write!(f, "{} {}", if place == 0 { ":" } else { "," }, target.name)?;
            match standing {
                Place::InTurn => {}
                Place::Probe => f.write_str(" (a probe)")?,
                Place::Last(trouble) => write!(f, " (last: {trouble})")?,
                Place::Out(reason) => write!(f, " (left out: {reason})")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use crate::exchange::fake::{Envoy, Script, json};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    thread_local! {
        /// Nothing is taken down of other tests, whose allocations may be counted.
        static HEARD: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
    }

    /// Each test listens to what its own thread says.
    struct Ear;

    impl log::Log for Ear {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            HEARD.with_borrow_mut(|heard| heard.as_mut().map(|heard| heard.push(record.args().to_string())));
        }
        fn flush(&self) {}
    }

    /// What is noted of a request for `model` that says something secret.
    fn noted(key: &str, model: &str, scripts: &[Script]) -> Vec<String> {
        // The second to come finds it done.
        let _ = log::set_logger(&Ear);
        log::set_max_level(log::LevelFilter::Debug);
        HEARD.set(Some(Vec::new()));
        let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"swordfish"}}]}}"#);
        let headers = [("authorization", key.as_bytes()), ("x-request-id", b"r-1")];
        Envoy::new().send("POST", "/v1/chat/completions", &headers, body.as_bytes(), scripts);
        let heard = HEARD.take().unwrap_or_default();
        let all = heard.join("\n");
        assert!(!all.contains("swordfish") && !all.contains("sk-"), "{all}");
        heard
    }

    #[test]
    fn who_was_asked_and_why_it_failed_are_noted_without_the_prompt() {
        let overloaded = json(503, r#"{"error":{"message":"no swordfish today","type":"server_error"}}"#);
        let answer = json(
            200,
            r#"{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"swordfish"}],
            "stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":2}}"#,
        );
        let heard = noted("Bearer sk-test", "chat", &[overloaded, answer]);
        assert_eq!(heard.len(), 4, "{heard:?}");
        assert_eq!(heard[0], "r-1: model chat, strategy fallback: oai/gpt, ant/claude");
        assert_eq!(heard[1], "r-1: attempt 1 asks oai/gpt");
        assert_eq!(heard[2], "r-1: oai/gpt failed: status_503; next: ant/claude");
        assert_eq!(heard[3], "r-1: attempt 2 asks ant/claude");
    }

    #[test]
    fn the_last_failure_is_noted_and_an_attempt_that_ended_without_a_callback() {
        let heard = noted("Bearer sk-test", "gpt", &[Script::Nothing, Script::Nothing]);
        let failures = heard.iter().filter(|line| line.contains("no_answer")).collect::<Vec<_>>();
        assert_eq!(failures.len(), 2, "{heard:?}");
        assert!(failures[0].ends_with("next: oai/gpt") && failures[1].ends_with("next: nobody"), "{heard:?}");
    }

    #[test]
    fn a_refusal_is_noted_by_its_code() {
        assert_eq!(noted("Bearer sk-wrong", "chat", &[]), ["r-1: refused with 401 unknown_api_key, key -"]);
        assert_eq!(noted("Bearer sk-test", "nonesuch", &[]), ["r-1: refused with 404 model_not_found, key k"]);
    }
}
