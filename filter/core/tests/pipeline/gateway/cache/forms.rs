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
