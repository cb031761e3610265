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
            let spans = json!(exported(&gateway.worker)).to_string();
            assert_eq!(spans.contains("swordfish"), is_kept, "{replies:?} {prompt}: {spans}");
        }
    }
}
