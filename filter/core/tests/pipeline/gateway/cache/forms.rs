//! Whole responses that serve streams, and the reverse.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The forms that a client of chat completions can ask for.
const FORMS: [&str; 3] = ["", r#","stream":true"#, r#","stream":true,"stream_options":{"include_usage":true}"#];

#[test]
fn a_whole_answer_serves_a_stream_and_the_reverse_with_and_without_usage() {
    for (first, script) in [(0, json(200, WHOLE)), (1, sse(&CHUNKS)), (2, sse(&CHUNKS))] {
        let gateway = cached();
        let ask = |form: usize, scripts: &[Script]| {
            let body = format!(r#"{{"model":"chat","messages":[{{"role":"user","content":"hi"}}]{}}}"#, FORMS[form]);
            post(&gateway, CHAT, &[], &body, scripts)
        };
        let made = ask(first, &[script]);
        is_kept(&made, true);
        for form in [0, 1, 2, first] {
            let seen = ask(form, &[]);
            is_hit(&seen);
            let kind = if form == 0 { "application/json" } else { "text/event-stream" };
            assert_eq!(seen.headers.text("content-type"), Some(kind), "{first} {form}");
            if form == first {
                assert_eq!(seen.body, made.body);
            }
            let (has_usage, is_done) =
                (seen.body.contains("\"total_tokens\":11"), seen.body.ends_with("data: [DONE]\n\n"));
            assert_eq!((has_usage, is_done), (form != 1, form > 0), "{first} {form}: {}", seen.body);
            assert!(
                seen.body.contains("\"created\":7") && seen.body.contains("\"c1\""),
                "{first} {form}: {}",
                seen.body
            );
            let text = if form == 0 || first == 0 { "\"one two\"" } else { "two" };
            assert!(seen.body.contains(text), "{first} {form}: {}", seen.body);
        }
    }
}

#[test]
fn an_answer_that_would_lose_something_serves_its_own_form_and_each_form_has_one() {
    let whole = [
        WHOLE.replace(r#""logprobs":null"#, r#""logprobs":{"content":[{"token":"one","logprob":-0.5}]}"#),
        WHOLE.replace(r#""annotations":[]"#, r#""annotations":[{"type":"url_citation"}]"#),
        WHOLE.replace(r#""finish_reason":"stop""#, r#""finish_reason":"eos""#),
        WHOLE.replace(r#""refusal":null"#, r#""audio":{"id":"a"}"#),
        WHOLE.replace(r#""usage""#, r#""x_own":{"a":1},"usage""#),
    ];
    for whole in whole {
        let gateway = cached();
        let ask = |stream: bool, scripts: &[Script]| send(gateway.envoy(), "chat", stream, &[], scripts);
        is_kept(&ask(false, &[json(200, &whole)]), true);
        let streamed = ask(true, &[sse(&CHUNKS)]);
        assert_eq!(word(&streamed), Some("miss"), "{whole}");
        is_kept(&streamed, true);
        for _ in 0..2 {
            assert_eq!(ask(false, &[]).body, whole);
            assert_eq!(ask(true, &[]).body, streamed.body);
        }
    }
}

#[test]
fn a_stream_of_a_response_whose_last_event_lacks_an_item_serves_its_own_form_only() {
    const ITEM: &str = r#"{"type":"message","id":"m","role":"assistant","status":"completed","content":[{"type":"output_text","text":"hello","annotations":[]}]}"#;
    let hollow = ITEM.replace(r#"{"type":"output_text","text":"hello","annotations":[]}"#, "");
    for (last, another_form) in [(ITEM, "hit"), (&*hollow, "miss"), ("", "miss")] {
        let response = |status: &str, output: &str| {
            let usage = r#""usage":{"input_tokens":9,"output_tokens":1,"total_tokens":10}"#;
            format!(
                r#"{{"id":"resp_1","object":"response","status":"{status}","model":"gpt","output":[{output}],{usage}}}"#
            )
        };
        let place = r#""output_index":0,"content_index":0,"item_id":"m""#;
        let events = [
            format!(r#"{{"type":"response.created","response":{}}}"#, response("in_progress", "")),
            format!(r#"{{"type":"response.output_item.added","output_index":0,"item":{hollow}}}"#),
            format!(r#"{{"type":"response.output_text.delta",{place},"delta":"hello"}}"#),
            format!(r#"{{"type":"response.output_item.done","output_index":0,"item":{ITEM}}}"#),
            format!(r#"{{"type":"response.completed","response":{}}}"#, response("completed", last)),
        ]
        .map(|event| format!("data: {event}\n\n"));
        let events = events.each_ref().map(String::as_str);
        for more in ["", r#","stream":true,"user":"bob""#] {
            let gateway = cached();
            let ask = |more: &str, scripts: &[Script]| {
                post(&gateway, "/v1/responses", &[], &format!(r#"{{"model":"chat","input":"hi"{more}}}"#), scripts)
            };
            is_kept(&ask(r#","stream":true"#, &[sse(&events)]), true);
            let scripts = if another_form == "hit" { vec![] } else { vec![sse(&events)] };
            let seen = ask(more, &scripts);
            assert_eq!(word(&seen), Some(another_form), "{last} {more}");
            assert!(seen.body.contains("hello"), "{}", seen.body);
            assert_eq!(word(&ask(r#","stream":true"#, &[])), Some("hit"), "{last}");
        }
    }
}
