//! Transient failures and retry times: the second try of an only target, retired models, `retry-after`, and bytes that are not UTF-8.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CODED: [&str; 3] = ["content-type", "retry-after", "application/json"];

fn limited(status: u16, after: &'static str) -> Script {
    let [kind, wait, json] = CODED;
    Script::Answer(status, vec![(kind, json), (wait, after)], vec![b"{}".to_vec()])
}

#[test]
fn an_only_target_is_asked_once_more_after_what_passes_in_a_moment() {
    for status in [502, 503, 529] {
        let seen = whole("gpt", &[json(status, "{}"), json(200, OPENAI)]);
        assert_eq!((seen.status, seen.received.len()), (200, 2), "{status}");
        assert_eq!(seen.waits, [Some("1".to_owned())], "{status}: not at once");
        let seen = whole("gpt", &[json(status, "{}"), json(status, "{}"), json(200, OPENAI)]);
        assert_eq!(seen.received.len(), 2, "{status}: and once only");
        let seen = whole("gpt", &[limited(status, "2"), json(200, OPENAI)]);
        assert_eq!((seen.status, seen.waits), (200, vec![Some("2".to_owned())]), "{status}: when it says");
        let seen = whole("gpt", &[limited(status, "60"), json(200, OPENAI)]);
        assert_eq!((seen.received.len(), seen.headers.text("retry-after")), (1, Some("60")), "{status}");
        let seen = whole("chat", &[json(status, "{}"), json(200, ANTHROPIC)]);
        assert_eq!((seen.received.len(), seen.waits), (2, vec![None]), "{status}: another one is asked at once");
    }
    // Anthropic reports an overload in streams too, under a 200.
    let busy =
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n";
    let seen = stream("claude", &[sse(&[busy]), sse(&ANTHROPIC_STREAM)]);
    assert_eq!((seen.status, seen.received.len(), collected(&seen).1), (200, 2, true));
    // An unsupported request fails again a second later, and a server that timed out has waited already.
    for status in [501, 504, 505] {
        assert_eq!(whole("gpt", &[json(status, "{}"), json(200, OPENAI)]).received.len(), 1, "{status}");
    }
}

#[test]
fn a_model_that_is_gone_at_one_provider_may_be_there_at_the_next() {
    for (status, body) in [
        (
            404,
            r#"{"error":{"message":"The model `gpt` does not exist","type":"invalid_request_error","code":"model_not_found"}}"#,
        ),
        (
            404,
            r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#,
        ),
        (404, r#"{"error":{"message":"model 'gpt' not found","type":"api_error"}}"#),
        (404, r#"{"object":"error","message":"The model `gpt` does not exist.","type":"NotFoundError","code":404}"#),
        (400, r#"{"error":{"message":"The model `gpt` has been decommissioned","code":"model_decommissioned"}}"#),
    ] {
        let seen = whole("chat", &[json(status, body), json(200, ANTHROPIC)]);
        assert_eq!((seen.status, seen.headers.text("x-sluice-provider")), (200, Some("ant")), "{body}");
        assert!(seen.counted.contains(&"sluice.failed.model_not_found"), "{body}: {:?}", seen.counted);
        let alone = whole("gpt", &[json(status, body)]);
        assert_eq!((alone.status, alone.received.len()), (status, 1), "{body}");
    }
    let anthropic = r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude"}}"#;
    assert_eq!(
        whole("back", &[json(404, anthropic), json(200, OPENAI)]).headers.text("x-sluice-provider"),
        Some("oai")
    );
    // The request itself names something that does not exist.
    for body in ["{}", r#"{"error":{"message":"No such File object: file-1","type":"invalid_request_error"}}"#] {
        assert_eq!(whole("chat", &[json(404, body)]).status, 404, "{body}");
    }
}

#[test]
fn where_all_targets_take_no_more_the_client_reads_when_the_first_is_back() {
    for (first, second, soonest) in [("60", "3600", "60"), ("3600", "60", "60"), ("20", "20", "20")] {
        let seen = whole("chat", &[limited(429, first), limited(429, second)]);
        assert_eq!((seen.status, seen.headers.text("retry-after")), (429, Some(soonest)), "{first} {second}");
    }
    let silent = whole("chat", &[limited(429, "60"), json(429, "{}")]);
    assert_eq!(silent.headers.text("retry-after"), Some("60"));
    // A date is converted to a wait.
    let dated = whole("chat", &[limited(429, "Fri, 15 Jan 2027 08:01:00 GMT"), limited(429, "3600")]);
    assert_eq!(dated.headers.text("retry-after"), Some("60"));
}

#[test]
fn bytes_that_are_no_text_are_no_answer() {
    let broken =
        |text: &str| [text.as_bytes(), b""].concat().iter().map(|b| if *b == b'~' { 0xff } else { *b }).collect();
    let answer: Vec<u8> = broken(&OPENAI.replace("from openai", "from ~openai"));
    let odd = Script::Answer(200, vec![("content-type", "application/json")], vec![answer]);
    let seen = whole("chat", &[odd.clone(), json(200, ANTHROPIC)]);
    assert_eq!(
        (seen.headers.text("x-sluice-provider"), &seen.log["tried"][0]["failure"]),
        (Some("ant"), &"bad_answer".into())
    );
    assert_eq!(whole("gpt", &[odd]).status, 502);
    let events = OPENAI_STREAM.map(|event| broken(&event.replace("from ", "from ~")));
    let odd = Script::Answer(200, vec![("content-type", "text/event-stream")], events.to_vec());
    let seen = stream("chat", &[odd, sse(&ANTHROPIC_STREAM)]);
    assert_eq!(
        (collected(&seen).0.as_str(), &seen.log["tried"][0]["failure"]),
        ("from anthropic", &"bad_answer".into())
    );
}

#[test]
fn an_answer_that_is_no_object_is_not_told_as_a_status() {
    for body in ["[1,2]", "7", "\"ok\"", "null"] {
        for (model, other) in [("gpt", "openai"), ("claude", "anthropic")] {
            let seen = whole(model, &[json(200, body)]);
            assert_eq!((seen.status, code(&seen).as_str()), (502, "invalid_provider_response"), "{other} {body}");
            assert!(!seen.body.contains("status 502"), "{other} {body}: {}", seen.body);
        }
    }
}

#[test]
fn of_a_stream_that_nobody_has_seen_a_terminator_alone_is_no_end() {
    let proxied: Vec<&str> = OPENAI_STREAM[..3].iter().copied().chain(["data: [DONE]\n\n"]).collect();
    let seen = stream("patient", &[sse(&proxied), sse(&ANTHROPIC_STREAM)]);
    assert_eq!(collected(&seen), ("from anthropic".to_owned(), true));
    assert_eq!(seen.log["tried"][0]["failure"], "stream_truncated");
    let counted: Vec<&str> = OPENAI_STREAM[..3].iter().chain(&OPENAI_STREAM[4..]).copied().collect();
    assert_eq!(stream("patient", &[sse(&counted)]).log["attempts"], 1);
}

/// If the client has read a part of the response, it ends with an error. Some providers give no finish reason after a call; a response with
/// reported usage was complete.
#[test]
fn a_terminator_alone_is_no_end_of_what_the_client_has_begun_to_read() {
    let done = "data: [DONE]\n\n";
    let call = "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n";
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}}\n\n";
    let said = &OPENAI_STREAM[..3];
    for (more, ends) in [(&[][..], false), (&[call], true), (&[usage], true)] {
        let events: Vec<&str> = said.iter().chain(more).chain([&done]).copied().collect();
        let together = events.concat();
        for events in [&events[..], &[&together]] {
            let seen = stream("gpt", &[sse(events)]);
            let told = (seen.log["tried"][0]["failure"].as_str(), seen.body.contains("[DONE]"));
            let expected = if ends { (None, true) } else { (Some("stream_truncated"), false) };
            assert_eq!(told, expected, "{more:?}: {}", seen.body);
        }
    }
}

#[test]
fn one_event_may_be_as_large_as_an_image_and_what_says_nothing_may_not() {
    for kilobytes in [1000, 1100, 3000, 7000] {
        let image = format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"images\":[{{\"image_url\":{{\"url\":\"data:image/png;base64,{}\"}}}}]}}}}]}}\n\n",
            "A".repeat(kilobytes << 10)
        );
        // At every size of Envoy's reads.
        for reads in [16 << 10, 100 << 10, 1 << 20, 9 << 20] {
            let text = [OPENAI_STREAM[0], &image, OPENAI_STREAM[3], OPENAI_STREAM[5]].concat();
            let portions = text.as_bytes().chunks(reads).map(<[u8]>::to_vec).collect();
            let headers = vec![("content-type", "text/event-stream")];
            for model in ["gpt", "patient"] {
                let seen = stream(model, &[Script::Answer(200, headers.clone(), Vec::clone(&portions))]);
                assert_eq!((seen.status, collected(&seen).1), (200, true), "{model}: {kilobytes} KiB by {reads}");
            }
        }
    }
    let idle = ": keep-alive\n\n".repeat(1_000_000);
    let seen = stream("chat", &[sse(&[&idle, OPENAI_STREAM[2]]), sse(&ANTHROPIC_STREAM)]);
    assert_eq!(seen.log["tried"][0]["failure"], "answer_too_large");
}
