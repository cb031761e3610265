//! What the log and spans keep of the texts that judges and other guardrails see.

use super::super::tracing::{exported, listen};
use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_span_has_no_prompt_that_a_judge_blocks_while_the_provider_works() {
    let tracing = json!({"tracing": {"url": "http://collector:4318", "content": true}});
    for replies in WHEN {
        let gateway = Gateway::with(&guard("prompts", json!({"during": true}), json!({})), replies, &tracing);
        listen(&gateway.worker);
        let scripts = [whole("gpt", CHAT, "fine")];
        for (prompt, status, is_kept) in [("swordfish", 200, true), ("a BAD swordfish", 400, false)] {
            let seen = gateway.chat("gpt", prompt, &scripts);
            assert_eq!(seen.status, status, "{}", seen.body);
            assert_eq!(seen.log["content_filter"], Value::Null, "the provider's has found nothing");
            let spans = json!(exported(&gateway.worker)).to_string();
            assert_eq!(spans.contains("swordfish"), is_kept, "{replies:?} {prompt}: {spans}");
        }
    }
}

#[test]
fn the_log_has_no_part_of_the_prompt_that_guardrails_rewrote() {
    let mut guards = guard("prompts", json!({}), json!({}));
    guards["mails"] = json!({"detect": ["email"], "action": "mask", "on": ["prompts"]});
    let gateway = Gateway::new(&guards);
    for (prompt, sent) in [
        ("by a@b.io or c@d.io, as", "by [email] or [email], as"),
        ("ab SECRET cd SECRET ef", "ab [X] cd [X] ef"),
        ("ab SECRET cd a@b.io ef", "ab [X] cd [email] ef"),
    ] {
        let error = json!({"error": {"type": "invalid_request_error", "message": format!("Invalid value: '{sent}'.")}});
        let seen = gateway.chat("gpt", prompt, &[answers(400, &error.to_string())]);
        assert_eq!(seen.status, 400, "{}", seen.body);
        assert_eq!(seen.log["message"], "Invalid value: '[…]'.", "{}", seen.log);
    }
}
