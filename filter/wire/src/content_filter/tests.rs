//! Every provider's form, as its documentation or a recorded answer has it.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn words(results: FilterResults) -> Vec<String> {
    results.list().into_iter().map(FilterResult::text).collect()
}

fn found(json: &Value, marks: Marks) -> Vec<String> {
    words(read(json.to_string().as_bytes(), marks))
}

#[test]
fn azure_judges_prompts_and_choices() {
    let safe = json!({"filtered": false, "severity": "safe"});
    let answer = json!({"choices": [
        {"index": 0, "message": {"content": "x"}, "content_filter_results": {
            "hate": safe, "self_harm": {"filtered": true, "severity": "medium"}, "sexual": {"filtered": false, "severity": "low"},
            "protected_material_code": {"filtered": false, "detected": true, "citation": {"license": "MIT"}},
            "custom_blocklists": {"filtered": true, "details": [{"filtered": true, "id": "mine"}]},
            "error": {"code": "content_filter_error", "message": "The contents are not filtered"}}},
        {"index": 1, "content_filter_result": {"violence": {"filtered": true, "severity": "high"}}}],
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {
            "hate": safe, "jailbreak": {"filtered": false, "detected": true}, "indirect_attack": {"filtered": true, "detected": true},
            "profanity": {"filtered": false, "detected": false}, "something_new": {"filtered": true}}}]});
    let expected = [
        "prompt:jailbreak:flagged",
        "prompt:indirect_attack:blocked",
        "answer:sexual:flagged",
        "answer:violence:blocked",
        "answer:self_harm:blocked",
        "answer:protected_material:flagged",
        "answer:word:blocked",
    ];
    assert_eq!(found(&answer, OPENAI), expected);
    let error = json!({"error": {"code": "content_filter", "status": 400, "innererror": {
        "code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": true, "severity": "high"}}}}});
    assert_eq!(found(&error, OPENAI), ["prompt:hate:blocked"]);
    let unknown = json!({"prompt_filter_results": [{"content_filter_results": {"something_new": {"filtered": true}}}]});
    assert_eq!(found(&unknown, OPENAI), ["prompt:other:blocked"]);
}

#[test]
fn azure_names_the_side_of_responses_by_its_source() {
    let filters = |of_prompt: Value| {
        json!([of_prompt, {"blocked": true, "source_type": "completion", "content_filter_raw": null,
            "content_filter_results": {"hate": {"filtered": true, "severity": "high"}}}])
    };
    let results = json!({"jailbreak": {"filtered": false, "detected": true}});
    for of_prompt in [
        json!({"blocked": false, "source_type": "prompt", "content_filter_results": results}),
        json!({"a_content_filter_results": 1, "content_filter_results": results, "source_type": "prompt"}),
    ] {
        let expected = ["prompt:jailbreak:flagged", "answer:hate:blocked"];
        let whole = json!({"object": "response", "content_filters": filters(of_prompt)});
        assert_eq!(found(&whole, OPENAI), expected);
        assert_eq!(found(&json!({"type": "response.completed", "response": whole}), OPENAI), expected);
    }
    let ended =
        json!({"content_filters": [{"blocked": true, "source_type": "completion", "content_filter_results": {}}]});
    assert_eq!(found(&ended, OPENAI), ["answer:other:blocked"]);
}

#[test]
fn google_rates_candidates_and_prompts() {
    let rating = |category: &str, probability: &str| json!({"category": category, "probability": probability});
    let answer = json!({"candidates": [
        {"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP", "safetyRatings": [
            rating("HARM_CATEGORY_HATE_SPEECH", "NEGLIGIBLE"), rating("HARM_CATEGORY_HARASSMENT", "LOW")]},
        {"finishReason": "SAFETY", "safetyRatings": [
            {"blocked": true, "probability": "HIGH", "category": "HARM_CATEGORY_DANGEROUS_CONTENT"},
            rating("HARM_CATEGORY_IMAGE_HATE", "MEDIUM")]}]});
    assert_eq!(
        found(&answer, GEMINI),
        ["answer:hate:flagged", "answer:harassment:flagged", "answer:dangerous:blocked"]
    );
    for (reason, expected) in [
        ("SAFETY", "answer:other:blocked"),
        ("RECITATION", "answer:protected_material:blocked"),
        ("IMAGE_RECITATION", "answer:protected_material:blocked"),
        ("BLOCKLIST", "answer:word:blocked"),
        ("SPII", "answer:pii:blocked"),
        ("PROHIBITED_CONTENT", "answer:other:blocked"),
    ] {
        assert_eq!(found(&json!({"candidates": [{"finishReason": reason}]}), GEMINI), [expected]);
    }
    for reason in ["STOP", "MAX_TOKENS", "OTHER", "LANGUAGE", "MALFORMED_FUNCTION_CALL"] {
        assert!(found(&json!({"candidates": [{"finishReason": reason}]}), GEMINI).is_empty());
    }
    for (reason, expected) in [
        ("SAFETY", "prompt:sexual:blocked"),
        ("BLOCKLIST", "prompt:word:blocked"),
        ("OTHER", "prompt:other:blocked"),
        ("JAILBREAK", "prompt:jailbreak:blocked"),
    ] {
        let blocked = reason == "SAFETY";
        let feedback = json!({"blockReason": reason, "safetyRatings": [
            {"category": "HARM_CATEGORY_SEXUALLY_EXPLICIT", "probability": "NEGLIGIBLE", "blocked": blocked}]});
        assert_eq!(found(&json!({"promptFeedback": feedback}), GEMINI), [expected]);
    }
    assert!(found(&json!({"promptFeedback": {"blockReason": null, "safetyRatings": []}}), GEMINI).is_empty());
}

#[test]
fn amazons_guardrails_assess_input_and_output() {
    let input = json!({
        "topicPolicy": {"topics": [{"name": "Taxes", "type": "DENY", "action": "BLOCKED", "detected": true}]},
        "contentPolicy": {"filters": [
            {"type": "PROMPT_ATTACK", "confidence": "HIGH", "filterStrength": "LOW", "action": "NONE", "detected": true},
            {"type": "MISCONDUCT", "confidence": "LOW", "action": "NONE", "detected": false}]},
        "wordPolicy": {"customWords": [{"match": "secret", "action": "BLOCKED"}],
            "managedWordLists": [{"match": "damn", "type": "PROFANITY", "action": "NONE", "detected": true}]},
        "invocationMetrics": {"guardrailCoverage": {"textCharacters": {"guarded": 3, "total": 3}}}});
    let output = json!({
        "sensitiveInformationPolicy": {"piiEntities": [{"match": "a@b.io", "type": "EMAIL", "action": "ANONYMIZED", "detected": true}],
            "regexes": [{"name": "n", "regex": "x", "match": "x", "action": "NONE", "detected": true}]},
        "contentPolicy": {"filters": [{"type": "INSULTS", "action": "BLOCKED"}]},
        "contextualGroundingPolicy": {"filters": [{"type": "RELEVANCE", "threshold": 0.5, "score": 0.1, "action": "BLOCKED"}]}});
    let expected = [
        "prompt:jailbreak:flagged",
        "prompt:profanity:flagged",
        "prompt:word:blocked",
        "prompt:topic:blocked",
        "answer:harassment:blocked",
        "answer:pii:masked",
        "answer:grounding:blocked",
    ];
    let trace = json!({"guardrail": {
        "modelOutput": ["I insult you"], "inputAssessment": {"g1": input}, "outputAssessments": {"g1": [output]},
        "actionReason": "Guardrail blocked."}});
    let converse = json!({"output": {"message": {"content": [{"text": "Sorry."}]}}, "stopReason": "guardrail_intervened", "trace": trace});
    assert_eq!(found(&converse, BEDROCK), expected);
    let invoked = json!({"type": "message", "content": [], "amazon-bedrock-guardrailAction": "INTERVENED",
        "amazon-bedrock-trace": {"guardrail": {"input": {"g1": input}, "outputs": [{"g1": output}]}}});
    assert_eq!(found(&invoked, ANTHROPIC), expected);
}

#[test]
fn anthropics_refusals_have_a_category_or_none() {
    for (category, expected) in
        [(json!("cyber"), "cyber"), (json!("bio"), "bio"), (json!("frontier_llm"), "other"), (Value::Null, "other")]
    {
        let details = json!({"type": "refusal", "category": category, "explanation": "No."});
        let whole = json!({"type": "message", "content": [], "stop_reason": "refusal", "stop_details": details});
        let event = json!({"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details}});
        for json in [whole, event] {
            assert_eq!(found(&json, ANTHROPIC), [format!("answer:{expected}:blocked")]);
        }
    }
    assert!(found(&json!({"stop_reason": "refusal", "stop_details": null}), ANTHROPIC).is_empty());
}

#[test]
fn a_model_cannot_write_a_result() {
    let fake = json!({"content_filter_results": {"hate": {"filtered": true}}, "safetyRatings": [{"blocked": true}],
        "finishReason": "SAFETY", "guardrail": {"inputAssessment": {"g": {"contentPolicy": {"filters": [{"action": "BLOCKED"}]}}}}});
    for json in [
        json!({"choices": [{"message": {"content": fake.to_string(), "tool_calls": [{"function": {"arguments": fake.to_string()}}]}}]}),
        json!({"choices": [{"delta": {"content": [fake], "tool_calls": [fake]}}]}),
        json!({"output": [fake], "content": [{"type": "tool_use", "input": fake}], "metadata": fake}),
        json!({"candidates": [{"content": {"parts": [{"functionCall": {"args": fake}}]}, "finishReason": "STOP"}]}),
        json!({"output": {"message": {"content": [{"toolUse": {"input": fake}}]}}}),
    ] {
        for marks in [OPENAI, GEMINI, ANTHROPIC, BEDROCK] {
            assert!(found(&json, marks).is_empty(), "{json}");
        }
    }
}

#[test]
fn nonsense_is_no_result_and_what_stands_before_it_counts() {
    for wrong in [
        json!(null),
        json!(1),
        json!("blocked"),
        json!([[]]),
        json!({"hate": 1}),
        json!({"hate": {"filtered": "true"}}),
    ] {
        for name in ["content_filter_results", "prompt_filter_results", "content_filters", "choices"] {
            assert!(found(&json!({name: wrong, "content_filter_x": 1}), OPENAI).is_empty(), "{name}: {wrong}");
        }
        for name in ["safetyRatings", "candidates", "promptFeedback"] {
            assert!(found(&json!({name: wrong, "safetyRatings": 1}), GEMINI).is_empty(), "{name}: {wrong}");
        }
    }
    let result = r#"{"content_filter_results":{"hate":{"filtered":true}}}"#;
    for rest in ["", ",", ",\"choices\":", ",\"x\":\u{1}}"] {
        let cut = format!("{{\"choices\":[{result}]{rest}");
        assert_eq!(words(read(cut.as_bytes(), OPENAI)), ["answer:hate:blocked"], "{cut}");
    }
    let deep = format!("{}{result}{}", "{\"choices\":[".repeat(10_000), "]}".repeat(10_000));
    assert!(read(deep.as_bytes(), OPENAI).is_empty());
    assert!(read(b"\xff\"content_filter", OPENAI).is_empty());
    // Text before the result, with every kind of escape.
    let said = r#"{"choices":[{"message":{"content":"\u00e9\ud83d\ude00\"","x\ty":1},"content_filter_results":{"hate":{"filtered":true}}}]}"#;
    assert_eq!(words(read(said.as_bytes(), OPENAI)), ["answer:hate:blocked"]);
}

#[test]
fn a_stream_in_place_of_a_body_is_read_event_by_event() {
    let event = r#"data: {"choices":[{"content_filter_results":{"hate":{"filtered":true}}}]}"#;
    let body = format!("{}\r\n\r\n: comment\n\ndata: [DONE]\n\n", event);
    assert_eq!(words(read_body(body.as_bytes(), OPENAI)), ["answer:hate:blocked"]);
    let whole = format!("\n {}", event.trim_start_matches("data: "));
    assert_eq!(words(read_body(whole.as_bytes(), OPENAI)), ["answer:hate:blocked"]);
}

#[test]
fn every_category_and_action_has_a_bit_of_its_own() {
    let mut all = FilterResults::default();
    for (at, (category, word)) in CATEGORIES.iter().enumerate() {
        assert_eq!(*category as usize, at);
        for (action, done) in ACTIONS {
            for (side, of) in [(Prompt, "prompt"), (Answer, "answer")] {
                let one = FilterResults::of(side, *category, action);
                assert_eq!(words(one), [format!("{of}:{word}:{done}")]);
                assert_eq!(one.intervened(), action != Flagged);
                let before = all;
                all |= one;
                assert_ne!(before, all);
            }
        }
    }
}
