//! Judges and the cache.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_response_that_was_judged_for_one_team_does_not_serve_another() {
    for (guards, shares) in [(guard("answers", json!({}), json!({})), false), (json!({}), true)] {
        let keys = [("k", "t", SECRET), ("l", "u", "sk-l")]
            .map(|(id, team, secret)| json!({"id": id, "team": team, "sha256": sha256(secret)}));
        let gateway = Gateway::with(&guards, Replies::AtOnce, &json!({"teams": {"t": {}, "u": {}}, "keys": keys}));
        let ask = |key: &str, scripts: &[Script]| {
            let key: [(&str, &[u8]); 1] = [("api-key", key.as_bytes())];
            let envoy = Envoy::with(gateway.worker.clone(), gateway.shared.clone()).with_judge(&gateway.judge);
            envoy.send("POST", CHAT, &key, body(CHAT, "kept", false, "hi").to_string().as_bytes(), scripts)
        };
        let answer = whole("gpt", CHAT, "fine");
        assert_eq!(ask(SECRET, std::slice::from_ref(&answer)).log["cache"], json!("miss"));
        assert_eq!(ask(SECRET, &[]).log["cache"], json!("hit"));
        let (word, scripts) = if shares { ("hit", vec![]) } else { ("miss", vec![answer]) };
        assert_eq!(ask("sk-l", &scripts).log["cache"], json!(word));
    }
}

#[test]
fn the_time_of_a_judge_is_not_the_time_that_a_request_waits_for_another() {
    let guards = guard("prompts", json!({}), json!({}));
    let gateway = Gateway::with(&guards, Replies::Later, &json!({"timeouts": {"answer": "8s"}}));
    let envoy = || Envoy::with(gateway.worker.clone(), gateway.shared.clone()).with_judge(&gateway.judge);
    let asked = body(CHAT, "kept", false, "hi").to_string();
    let _ = envoy().departs_with(&asked);
    let key: [(&str, &[u8]); 1] = [("api-key", SECRET.as_bytes())];
    let seen = envoy().send("POST", CHAT, &key, asked.as_bytes(), &[whole("gpt", CHAT, "fine")]);
    assert_eq!((seen.status, &seen.log["cache_wait_ms"]), (200, &json!(8_000)), "{}", seen.log);
}
