//! A provider with several keys.

use std::time::Duration;

use sluice_core::pipeline::property;

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const LIMITED: &str = r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#;

/// Requests to one worker of an Envoy.
struct Line {
    worker: Rc<Worker>,
    shared: Rc<Shared>,
}

impl Line {
    fn new() -> Self {
        Self { worker: Rc::new(Worker::new(config(), [7; 16])), shared: Rc::default() }
    }

    /// Another worker of the same Envoy.
    fn beside(&self) -> Self {
        Self { worker: Rc::new(Worker::new(config(), [8; 16])), shared: self.shared.clone() }
    }

    fn ask(&self, seconds: u64, model: &str, providers: &[Script]) -> Seen {
        let envoy = Envoy::with(self.worker.clone(), self.shared.clone()).after(Duration::from_secs(seconds));
        envoy.chat(&format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#), providers)
    }

    /// Whether nothing is stored in the circuit of the target with the keys.
    fn is_clean(&self) -> bool {
        let health = &self.worker.config.models["keys"].targets[0].health;
        let settings = &self.worker.config.circuit;
        let standing = circuit::read(&*self.shared, health).standing(Time(1_800_000_001_000_000_000), settings);
        matches!(standing, circuit::CircuitState::Closed { clean: true })
    }
}

/// The attempts: the provider, its key, and the failure.
fn attempts(seen: &Seen) -> Vec<(&str, Option<u64>, Option<&str>)> {
    let list = seen.log["tried"].as_array().unwrap();
    list.iter().map(|one| (one["provider"].as_str().unwrap(), one["key"].as_u64(), one["failure"].as_str())).collect()
}

#[test]
fn requests_take_turns_with_the_keys() {
    let line = Line::new();
    let keys: Vec<_> = (0..4).map(|_| attempts(&line.ask(0, "keys", &[json(200, OPENAI)]))[0].1).collect();
    assert_eq!(keys, [Some(1), Some(2), Some(1), Some(2)]);
    assert_eq!(attempts(&line.ask(0, "gpt", &[json(200, OPENAI)]))[0].1, None, "of one key nothing is said");
}

#[test]
fn each_key_has_a_cluster_of_its_own() {
    let line = Line::new();
    let first = line.ask(0, "keys-alone", &[json(429, LIMITED), json(200, OPENAI)]);
    let targets: Vec<&str> =
        first.properties.iter().filter(|(name, _)| *name == property::TARGET).map(|(_, value)| &**value).collect();
    assert_eq!(targets, ["two", "two@2", "none"]);
}

#[test]
fn a_limited_key_moves_the_request_and_later_ones_to_the_next_until_its_time() {
    let line = Line::new();
    let limited = Script::Answer(429, vec![("retry-after", "60")], vec![LIMITED.into()]);
    let seen = line.ask(0, "keys", &[limited, json(200, OPENAI)]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-provider")), (200, Some("two")));
    assert_eq!(attempts(&seen), [("two", Some(1), Some("status_429")), ("two", Some(2), None)]);
    assert!(line.is_clean(), "the target is well: another key is");
    for worker in [&line, &line.beside()] {
        for seconds in [1, 2, 58] {
            assert_eq!(attempts(&worker.ask(seconds, "keys", &[json(200, OPENAI)]))[0].1, Some(2));
        }
    }
    let later: Vec<_> = (0..2).map(|_| attempts(&line.ask(61, "keys", &[json(200, OPENAI)]))[0].1).collect();
    assert!(later.contains(&Some(1)), "{later:?}");
}

#[test]
fn a_limit_without_a_time_rests_a_key_for_a_while() {
    let line = Line::new();
    line.ask(0, "keys", &[json(429, LIMITED), json(200, OPENAI)]);
    assert_eq!(attempts(&line.ask(14, "keys", &[json(200, OPENAI)]))[0].1, Some(2));
    assert_eq!(attempts(&line.ask(16, "keys", &[json(200, OPENAI)]))[0].1, Some(1));
}

#[test]
fn a_refused_key_is_out_for_all_workers_until_its_rest_is_over() {
    for status in [401, 403] {
        let line = Line::new();
        let seen = line.ask(0, "keys", &[json(status, r#"{"error":{"message":"bad key sk-123"}}"#), json(200, OPENAI)]);
        assert_eq!((seen.status, attempts(&seen).len()), (200, 2));
        assert!(line.is_clean());
        for seconds in [1, 299] {
            assert_eq!(attempts(&line.beside().ask(seconds, "keys", &[json(200, OPENAI)]))[0].1, Some(2));
        }
        assert_eq!(attempts(&line.beside().ask(301, "keys", &[json(200, OPENAI)]))[0].1, Some(1));
    }
}

#[test]
fn when_all_keys_are_refused_it_is_as_with_one_refused_key() {
    let line = Line::new();
    let refused = || json(401, r#"{"error":{"message":"bad key"}}"#);
    let seen = line.ask(0, "keys", &[refused(), refused(), json(200, ANTHROPIC)]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-provider")), (200, Some("ant")));
    let alone = line.ask(1, "keys-alone", &[refused()]);
    assert_eq!((alone.status, code(&alone).as_str()), (502, "provider_refused_credential"));
    assert_eq!(attempts(&alone).len(), 1, "one is asked whether it is still so, and no more");
}

#[test]
fn a_refused_key_that_serves_is_back_at_once() {
    let line = Line::new();
    let refused = || json(401, r#"{"error":{"message":"bad key"}}"#);
    line.ask(0, "keys", &[refused(), refused(), json(200, ANTHROPIC)]);
    let seen = line.ask(1, "keys-alone", &[json(200, OPENAI)]);
    let back = attempts(&seen)[0].1;
    assert_eq!(attempts(&line.ask(2, "keys-alone", &[json(200, OPENAI)]))[0].1, back);
}

#[test]
fn when_all_keys_are_limited_the_target_is_until_the_first_is_back() {
    let line = Line::new();
    let limited = |wait| Script::Answer(429, vec![("retry-after", wait)], vec![LIMITED.into()]);
    let seen = line.ask(0, "keys", &[limited("5"), limited("60"), json(200, ANTHROPIC)]);
    assert_eq!(seen.headers.text("x-sluice-provider"), Some("ant"));
    assert!(!line.is_clean());
    assert_eq!(attempts(&line.ask(1, "keys", &[json(200, ANTHROPIC)]))[0].0, "ant", "it comes last");
    assert_eq!(attempts(&line.ask(6, "keys-alone", &[json(200, OPENAI)]))[0].1, Some(1), "the key that is back");
}

#[test]
fn a_failure_that_is_not_the_keys_goes_elsewhere() {
    let line = Line::new();
    let seen = line.ask(0, "keys", &[json(503, "{}"), json(200, ANTHROPIC)]);
    assert_eq!(attempts(&seen), [("two", Some(1), Some("status_503")), ("ant", None, None)]);
}
