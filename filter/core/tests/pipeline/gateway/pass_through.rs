//! Pass-through endpoints: the fields that are read, the fields that are replaced, and the rejected requests.

use std::rc::Rc;

use serde_json::Value;
use sluice_core::pipeline::worker::Worker;

use crate::envoy::{Envoy, SECRET, Script, Seen, json};
use crate::shared::Shared;

use super::spending::sha256;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const FORM: &str = "multipart/form-data; boundary=xYz";

/// A gateway whose key has these additional fields.
pub(super) fn envoy(key: &str) -> Envoy {
    let file = format!(
        r#"{{"providers":{{"oai":{{"kind":"openai"}},"ant":{{"kind":"anthropic"}}}},
            "models":{{"draw":{{"targets":[{{"provider":"ant","model":"claude"}},{{"provider":"oai","model":"gpt-image"}}]}},
                      "gpt":{{"targets":[{{"provider":"oai","model":"gpt"}}]}},
                      "claude":{{"targets":[{{"provider":"ant","model":"claude"}}]}}}},
            "stored":"oai","teams":{{"t":{{}}}},
            "keys":[{{"id":"k","team":"t","sha256":"{}"{key}}}]}}"#,
        sha256(SECRET)
    );
    let config = sluice_config::from_json(file.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
    Envoy::with(Rc::new(Worker::new(Rc::new(config), [7; 16])), Rc::new(Shared::default()))
}

fn post(path: &str, content_type: &str, body: &str, scripts: &[Script]) -> Seen {
    let headers = [("api-key", SECRET.as_bytes()), ("content-type", content_type.as_bytes())];
    envoy("").send("POST", path, &headers, body.as_bytes(), scripts)
}

fn stored(key: &str, method: &str, path: &str, body: &str, scripts: &[Script]) -> Seen {
    envoy(key).send(method, path, &[("api-key", SECRET.as_bytes())], body.as_bytes(), scripts)
}

pub(super) fn code(seen: &Seen) -> String {
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    body["error"]["code"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn only_the_models_name_changes_and_only_who_speaks_openais_format_is_asked() {
    let body = r#"{"prompt":"a cat", "model":"draw", "x":[1e3]}"#;
    let answer = json(200, r#"{"data":[],"usage":{"input_tokens":5,"output_tokens":7}}"#);
    let seen = post("/v1/images/generations?v=1", "application/json", body, &[answer]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-provider")), (200, Some("oai")));
    let [received] = &seen.received[..] else { panic!("{:?}", seen.received) };
    assert_eq!(received.body, body.replace("draw", "gpt-image"));
    assert_eq!(received.headers.text(":path"), Some("/v1/images/generations?v=1"));
    assert_eq!((&seen.log["input_tokens"], &seen.log["output_tokens"]), (&5.into(), &7.into()));
    assert_eq!((&seen.log["usage"], &seen.log["estimated"]), (&"complete".into(), &Value::Null));
}

#[test]
fn an_answer_that_is_no_text_has_no_tokens_by_its_length() {
    for (path, body, answer) in [
        (
            "/v1/images/generations",
            r#"{"model":"draw","prompt":"a cat"}"#,
            r#"{"data":[{"b64_json":"AAAAAAAAAAAAAAAA"}]}"#,
        ),
        ("/v1/embeddings", r#"{"model":"draw","input":"a cat"}"#, r#"{"data":[{"index":0,"embedding":[1,2,3,4,5]}]}"#),
    ] {
        let seen = post(path, "application/json", body, &[json(200, answer)]);
        assert_eq!((&seen.log["output_tokens"], &seen.log["estimated"]), (&0.into(), &true.into()), "{path}");
        assert!(seen.log["input_tokens"].as_u64().is_some_and(|tokens| tokens > 0), "{path}");
    }
}

#[test]
fn vectors_come_in_the_encoding_that_was_asked_for_whatever_the_provider_gave() {
    let answer = |vector: &str| {
        let body = format!(
            r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":{vector}}}],"model":"e","usage":{{"prompt_tokens":1,"total_tokens":1}}}}"#
        );
        json(200, &body)
    };
    let (numbers, base64) = ("[0.5,-1.0,0.25]", r#""AAAAPwAAgL8AAIA+""#);
    for (asked, given, passes) in [
        ("", numbers, true),
        (r#","encoding_format":"float""#, base64, false),
        (r#","encoding_format":"base64""#, base64, true),
        (r#","encoding_format":"base64""#, numbers, false),
    ] {
        let body = format!(r#"{{"model":"gpt","input":"hi"{asked}}}"#);
        let seen = post("/v1/embeddings", "application/json", &body, &[answer(given)]);
        assert_eq!(seen.status, 200, "{}", seen.body);
        let vector = &serde_json::from_str::<serde_json::Value>(&seen.body).unwrap()["data"][0]["embedding"];
        assert_eq!(vector.is_string(), asked.contains("base64"), "{}", seen.body);
        assert_eq!(seen.body.contains(given), passes, "{}", seen.body);
        assert_eq!(seen.log["input_tokens"], 1);
    }
}

#[test]
fn what_has_no_answer_of_tokens_reserves_none() {
    let limited = r#","endpoints":["*"],"limits":{"max_request_tokens":100}"#;
    let embeddings = r#"{"model":"draw","input":"a cat"}"#;
    let answer = r#"{"data":[{"index":0,"embedding":[1]}]}"#;
    assert_eq!(stored(limited, "POST", "/v1/embeddings", embeddings, &[json(200, answer)]).status, 200);
    assert_eq!(stored(limited, "GET", "/v1/files", "", &[json(200, "{}")]).status, 200);
}

#[test]
fn what_nobody_counted_is_an_estimate_of_the_prompt_alone() {
    let pictures = format!(r#"{{"data":[{{"b64_json":"{}"}}]}}"#, "A".repeat(40_000));
    let vectors = r#"{"data":[{"index":0,"embedding":[0.25,0.5]}]}"#.to_owned();
    for (path, body, answer) in [
        ("/v1/images/generations", r#"{"prompt":"a cat","model":"draw"}"#, pictures),
        ("/v1/moderations", r#"{"input":"a cat","model":"draw"}"#, r#"{"results":[{"flagged":false}]}"#.to_owned()),
        ("/v1/embeddings", r#"{"input":"a cat","model":"draw"}"#, vectors),
    ] {
        let seen = post(path, "application/json", body, &[json(200, &answer)]);
        assert_eq!(seen.status, 200, "{path}: {}", seen.body);
        let log = (&seen.log["estimated"], &seen.log["output_tokens"]);
        assert_eq!(log, (&true.into(), &0.into()), "{path}");
        assert!(seen.log["input_tokens"].as_u64() > Some(0), "{path}");
    }
}

#[test]
fn a_form_keeps_its_type_and_its_files() {
    let form = |model: &str| {
        format!(
            "--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\nID3 sound\r\n--xYz\r\n\
             Content-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n--xYz--\r\n"
        )
    };
    let seen = post("/v1/audio/transcriptions", FORM, &form("draw"), &[json(200, r#"{"text":"hi"}"#)]);
    assert_eq!(seen.status, 200);
    let [received] = &seen.received[..] else { panic!("{:?}", seen.received) };
    assert_eq!(received.body, form("gpt-image"));
    assert_eq!(received.headers.text("content-type"), Some(FORM));
    assert_eq!(received.headers.text("content-length"), Some(form("gpt-image").len().to_string().as_str()));
    assert_eq!(post("/v1/audio/transcriptions", FORM, "--xYz--", &[]).status, 400);
}

#[test]
fn sound_flows_as_it_comes() {
    let sound = Script::Answer(200, vec![("content-type", "audio/mpeg")], vec![b"ID3".to_vec(), b"sound".to_vec()]);
    let seen = post("/v1/audio/speech", "application/json", r#"{"model":"draw","input":"hi"}"#, &[sound]);
    assert_eq!((seen.status, seen.body.as_str(), seen.streamed), (200, "ID3sound", true));
    assert_eq!(seen.headers.text("content-type"), Some("audio/mpeg"));
    assert!(seen.log["error"].is_null(), "{}", seen.log);
}

#[test]
fn a_picture_is_not_counted_as_text() {
    let picture = format!(r#"{{"data":[{{"b64_json":"{}"}}]}}"#, "A".repeat(10_000));
    let seen =
        post("/v1/images/generations", "application/json", r#"{"model":"draw","prompt":"x"}"#, &[json(200, &picture)]);
    assert_eq!((&seen.log["usage"], &seen.log["output_tokens"]), (&"missing".into(), &0.into()));
    assert!(seen.log["input_tokens"].as_u64().unwrap() > 0);
}

#[test]
fn a_model_without_such_a_provider_is_a_400_before_anybody_is_asked() {
    let seen = post("/v1/images/generations", "application/json", r#"{"model":"claude","prompt":"x"}"#, &[]);
    assert_eq!((seen.status, code(&seen).as_str()), (400, "endpoint_not_available"));
}

#[test]
fn an_error_is_tried_elsewhere_or_shown_as_everywhere() {
    let body = r#"{"model":"draw","prompt":"x"}"#;
    let refused = json(400, r#"{"error":{"message":"no cats","type":"invalid_request_error"}}"#);
    assert_eq!(post("/v1/images/generations", "application/json", body, &[refused]).status, 400);
    let seen = post("/v1/images/generations", "application/json", body, &[json(500, "{}"), json(200, "{}")]);
    assert_eq!((seen.status, seen.received.len()), (200, 2));
}

#[test]
fn what_is_kept_is_for_keys_that_name_its_path() {
    let everywhere = stored("", "GET", "/v1/files", "", &[]);
    assert_eq!((everywhere.status, code(&everywhere).as_str()), (403, "endpoint_not_allowed"));
    let key = r#","endpoints":["/v1/files*"]"#;
    assert_eq!(stored(key, "GET", "/v1/batches", "", &[]).status, 403);
    let seen = stored(key, "GET", "/v1/files/file-1/content?x=1", "", &[json(200, "[1]")]);
    assert_eq!((seen.status, seen.body.as_str()), (200, "[1]"));
    assert_eq!((&seen.log["input_tokens"], &seen.log["estimated"]), (&0.into(), &Value::Null));
    let [received] = &seen.received[..] else { panic!("{:?}", seen.received) };
    assert_eq!(received.headers.text(":path"), Some("/v1/files/file-1/content?x=1"));
    assert_eq!((received.headers.text(":method"), received.headers.get("content-length")), (Some("GET"), None));
}

#[test]
fn an_empty_answer_is_one_and_nothing_is_asked_twice() {
    let key = r#","endpoints":["/v1/files*"],"limits":{"requests_per_minute":9}"#;
    let deleted = Script::Answer(204, Vec::new(), Vec::new());
    assert_eq!(stored(key, "DELETE", "/v1/files/file-1", "", &[deleted]).status, 204);
    let failed = stored(key, "POST", "/v1/files", "anything", &[json(500, "{}")]);
    assert_eq!((failed.status, failed.received.len()), (500, 1));
    assert_eq!(failed.received[0].body, "anything");
}

#[test]
fn what_is_read_as_json_is_sent_as_json() {
    let body = r#"{"prompt":"&model=dear&", "model":"draw"}"#;
    for lie in ["text/plain", "application/json; charset=utf-16", "audio/mpeg"] {
        let seen = post("/v1/images/generations", lie, body, &[json(200, r#"{"data":[]}"#)]);
        assert_eq!(seen.received[0].headers.text("content-type"), Some("application/json"), "{lie}");
    }
    for form in ["application/x-www-form-urlencoded", "Multipart/Form-Data", "multipart/mixed; boundary=x"] {
        assert_eq!(post("/v1/images/generations", form, body, &[]).status, 400, "{form}");
    }
}

#[test]
fn a_stream_of_images_is_charged_by_the_usage_at_its_end() {
    let start = "data: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"AAAA\"}\n\n".to_owned();
    let big = "A".repeat(9000);
    let end = format!("data: {{\"b64_json\":\"{big}\",\"usage\":{{\"input_tokens\":5,\"output_tok");
    let rest = "ens\":4160}}\n\n".to_owned();
    let portions = [start, end, rest].map(String::into_bytes).to_vec();
    let stream = Script::Answer(200, vec![("content-type", "text/event-stream")], portions);
    let body = r#"{"model":"draw","prompt":"x","stream":true}"#;
    let seen = post("/v1/images/generations", "application/json", body, &[stream]);
    assert_eq!((&seen.log["input_tokens"], &seen.log["output_tokens"]), (&5.into(), &4160.into()), "{}", seen.log);
}

#[test]
fn a_stream_that_passes_unread_and_is_cut_is_charged_by_the_usage_that_came() {
    let came = "data: {\"b64_json\":\"AAAA\",\"usage\":{\"input_tokens\":5,\"output_tokens\":4160}}\n\n";
    let body = r#"{"model":"draw","prompt":"x","stream":true}"#;
    let seen = post("/v1/images/generations", "application/json", body, &[Script::Lost(vec!["data: {}\n\n", came])]);
    assert!(seen.reset, "{seen:?}");
    assert_eq!((&seen.log["input_tokens"], &seen.log["output_tokens"]), (&5.into(), &4160.into()), "{}", seen.log);
}

#[test]
fn what_is_worked_out_in_the_background_is_charged_for_all_that_it_may_come_to() {
    let queued = r#"{"id":"resp_1","object":"response","status":"queued","model":"gpt","output":[],"usage":null}"#;
    let body = r#"{"model":"gpt","input":"hi","background":true,"max_output_tokens":3000}"#;
    let seen = post("/v1/responses", "application/json", body, &[json(200, queued)]);
    assert_eq!((seen.status, &seen.log["output_tokens"]), (200, &3000.into()), "{} {}", seen.body, seen.log);
}

#[test]
fn a_model_that_takes_no_notice_of_stream_has_answered_all_the_same() {
    let body = r#"{"model":"draw","prompt":"x","stream":true}"#;
    let answer = r#"{"data":[],"usage":{"input_tokens":5,"output_tokens":7}}"#;
    let seen = post("/v1/images/generations", "application/json", body, &[json(200, answer)]);
    assert_eq!((seen.status, seen.body.as_str(), &seen.log["output_tokens"]), (200, answer, &7.into()), "{}", seen.log);
}

#[test]
fn a_count_of_a_responses_input_is_the_providers_or_an_estimate_of_our_own() {
    let count = |model: &str, script: &[Script]| {
        let body = format!(r#"{{"model":"{model}","input":"{}"}}"#, "word ".repeat(100));
        Envoy::new().send(
            "POST",
            "/v1/responses/input_tokens",
            &[("api-key", SECRET.as_bytes())],
            body.as_bytes(),
            script,
        )
    };
    let told = r#"{"object":"response.input_tokens","input_tokens":7}"#;
    let seen = count("gpt", &[json(200, told)]);
    assert_eq!((seen.status, &*seen.body), (200, told));
    assert_eq!(seen.received[0].headers.text(":path"), Some("/v1/responses/input_tokens"));
    let seen = count("claude", &[]);
    let estimate: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!((seen.status, &estimate["object"]), (200, &"response.input_tokens".into()));
    assert!((50..200).contains(&estimate["input_tokens"].as_u64().unwrap()), "{estimate}");
}
