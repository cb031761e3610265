//! Judges and the cache.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_response_that_was_judged_for_one_team_does_not_serve_another() {
    for (guards, shares) in [(guard("answers", json!({}), json!({})), false), (json!({}), true)] {
        let mut file = Gateway::file(&guards, &json!({}));
        file["teams"]["u"] = json!({});
        let other = json!({"id": "l", "team": "u", "sha256": sha256("sk-l"), "endpoints": ["*"]});
        file["keys"].as_array_mut().unwrap().push(other);
        let gateway = Gateway::of(&file, Replies::AtOnce);
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
    let mut file = Gateway::file(&guard("prompts", json!({}), json!({})), &json!({}));
    file["models"]["kept"]["timeouts"] = json!({"answer": "8s"});
    let gateway = Gateway::of(&file, Replies::Later);
    let envoy = || Envoy::with(gateway.worker.clone(), gateway.shared.clone()).with_judge(&gateway.judge);
    let asked = body(CHAT, "kept", false, "hi").to_string();
    let _ = envoy().departs_with(&asked);
    let key: [(&str, &[u8]); 1] = [("api-key", SECRET.as_bytes())];
    let seen = envoy().send("POST", CHAT, &key, asked.as_bytes(), &[whole("gpt", CHAT, "fine")]);
    assert_eq!((seen.status, &seen.log["cache_wait_ms"]), (200, &json!(8_000)), "{}", seen.log);
}
