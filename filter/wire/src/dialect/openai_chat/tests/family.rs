//! Differences between OpenAI and other services with this dialect, one test per service.

use crate::conversation::{Finish, Part, Reasoning, Request, Role, StreamEvent, Tool, ToolChoice, Usage};
use crate::dialect::EventClass;
use crate::dialect::halves::OPENAI_CHAT;
use crate::dialect::quirk::{adapt, edited};
use crate::error::ErrorKind;
use crate::framing::sse;

use super::super::write::write;
use super::super::{Variation, servers, variations};
use super::{conversation, request_with, say, text};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The request that a server of this variation gets from a client of its format.
fn passed(variation: Variation, body: &str) -> (String, Vec<String>) {
    let adapted = adapt(body.as_bytes(), variation.quirks.iter(), variation.bounds).unwrap();
    (String::from_utf8(edited(body.as_bytes(), &adapted.edits)).unwrap(), adapted.dropped)
}

/// The request that this server gets from a client of another format.
fn translated(variation: Variation, request: &Request) -> String {
    let written = write(request, "p", &variation).unwrap();
    passed(variation, str::from_utf8(&written.body).unwrap()).0
}

/// The field in the 400 for a client's own request.
fn refused(variation: Variation, fields: &str) -> Option<String> {
    let error = adapt(request_with(fields).as_bytes(), variation.quirks.iter(), variation.bounds).unwrap_err();
    assert_eq!((error.status, error.kind), (400, ErrorKind::InvalidRequest));
    error.param
}

fn read(stream: &str) -> Vec<StreamEvent> {
    let mut events = Vec::new();
    OPENAI_CHAT.stream_reader().read(stream.as_bytes(), &mut events).unwrap();
    events
}

/// The classes of the events of a stream that passes unchanged, and its usage.
fn seen(stream: &str) -> (Vec<EventClass>, Option<Usage>) {
    let (mut peeker, mut seen) = (OPENAI_CHAT.stream_peeker(), Vec::new());
    let each = |event: sse::Event<'_>| {
        seen.push(peeker.peek(&event));
        Ok::<(), sse::TooLong>(())
    };
    sse::Decoder::default().feed(stream.as_bytes(), each).unwrap();
    let usage = peeker.summary().usage;
    (seen, usage)
}

#[test]
fn a_compatible_server_is_the_same_format_to_a_client() {
    assert_eq!(servers::GROQ.id, OPENAI_CHAT.id());
    assert!(OPENAI_CHAT.provider.departs.quirks.is_empty());
}

#[test]
fn mistral_gets_its_own_names_and_nothing_it_does_not_know() {
    let body = concat!(
        r#"{"model":"m","seed":7,"tool_choice":"required","max_completion_tokens":9,"user":"u","store":false,"#,
        r#""messages":[{"role":"developer","content":"a","name":"n"},{"role":"assistant","content":"b","reasoning_content":"c"}],"#,
        r#""stream":true,"stream_options":{"include_usage":true},"safe_prompt":true}"#,
    );
    let expected = concat!(
        r#"{"model":"m","random_seed":7,"tool_choice":"any","max_tokens":9,"#,
        r#""messages":[{"role":"system","content":"a"},{"role":"assistant","content":"b"}],"#,
        r#""stream":true,"safe_prompt":true}"#,
    );
    let dropped = ["user", "store", "messages[].name", "messages[].reasoning_content"].map(str::to_owned).to_vec();
    assert_eq!(passed(variations::MISTRAL, body), (expected.to_owned(), dropped));
}

#[test]
fn mistral_gets_them_in_a_translated_request_too() {
    let request = Request {
        seed: Some(7),
        max_tokens: Some(5),
        tools: vec![Tool { name: "f".to_owned(), description: None, parameters: None, strict: None, cache: None }],
        tool_choice: Some(ToolChoice::Required),
        stream: true,
        ..conversation(vec![say(Role::User, vec![text("a")])])
    };
    let body: serde_json::Value = serde_json::from_str(&translated(variations::MISTRAL, &request)).unwrap();
    assert_eq!(
        (&body["tool_choice"], &body["max_tokens"], &body["random_seed"]),
        (&"any".into(), &5.into(), &7.into())
    );
    assert!(body.get("stream_options").is_none() && body.get("max_completion_tokens").is_none(), "{body}");
}

#[test]
fn groq_refuses_what_would_change_the_answer_and_is_not_told_names() {
    for (fields, field) in [
        (r#""logprobs":true"#, "logprobs"),
        (r#""top_logprobs":2"#, "top_logprobs"),
        (r#""logit_bias":{"1":2}"#, "logit_bias"),
        (r#""n":2"#, "n"),
    ] {
        assert_eq!(refused(variations::GROQ, fields).as_deref(), Some(field));
    }
    let harmless = r#""logprobs":false,"n":1,"logit_bias":{},"top_logprobs":0"#;
    assert_eq!(passed(variations::GROQ, &request_with(harmless)), (request_with(r#""n":1"#), vec![]));
    let named = request_with("").replace(r#""role":"user""#, r#""role":"user","name":"n""#);
    assert_eq!(passed(variations::GROQ, &named), (request_with(""), vec!["messages[].name".to_owned()]));
}

#[test]
fn groq_tells_usage_in_a_field_of_its_own() {
    let stream = concat!(
        r#"data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#,
        "\n\n",
        r#"data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"r","usage":{"prompt_tokens":3,"completion_tokens":1}}}"#,
        "\n\ndata: [DONE]\n\n",
    );
    let usage = Usage { input: 3, output: 1, ..Usage::default() };
    assert!(read(stream).contains(&StreamEvent::Usage(usage)));
    assert_eq!(seen(stream).1, Some(usage));
}

#[test]
fn older_servers_know_max_tokens_and_no_developer() {
    for variation in [variations::OLDER, variations::MISTRAL] {
        let body =
            r#"{"model":"m","messages":[{"role":"developer","content":"a"}],"max_completion_tokens":9,"max_tokens":3}"#;
        let expected = r#"{"model":"m","messages":[{"role":"system","content":"a"}],"max_tokens":9}"#;
        assert_eq!(passed(variation, body).0, expected);
    }
}

#[test]
fn a_server_without_stream_options_gets_none() {
    let request = Request { stream: true, ..conversation(vec![say(Role::User, vec![text("a")])]) };
    let variation = Variation { quirks: &[variations::NO_STREAM_OPTIONS], ..variations::OPENAI };
    let expected = r#"{"model":"p","messages":[{"role":"user","content":"a"}],"stream":true}"#;
    assert_eq!(translated(variation, &request), expected);
}

#[test]
fn deepseek_gets_the_reasoning_of_every_turn_back() {
    let thought = |text: &str, signature: Option<&str>| Part::Thinking {
        text: text.to_owned(),
        signature: signature.map(str::to_owned),
    };
    let call = || Part::ToolCall { id: "c".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() };
    for (parts, reasoning, dropped) in [
        (vec![thought("Hm. ", None), thought("So.", None), call()], "Hm. So.", false),
        (vec![call()], "", false),
        (vec![thought("another's", Some("s")), text("a"), call()], "", true),
        (vec![thought("Hm.", None), text("a")], "Hm.", false),
    ] {
        let request = conversation(vec![say(Role::User, vec![text("hi")]), say(Role::Assistant, parts)]);
        let written = write(&request, "p", &variations::DEEPSEEK).unwrap();
        assert_eq!(written.dropped.contains(&"thinking_blocks".to_owned()), dropped, "{:?}", written.dropped);
        let body: serde_json::Value = serde_json::from_str(&translated(variations::DEEPSEEK, &request)).unwrap();
        assert_eq!(body["messages"][1]["reasoning_content"], reasoning, "{body}");
        assert!(body["messages"][0].get("reasoning_content").is_none(), "{body}");
    }
    // Another server's messages stay as they are.
    let request = conversation(vec![say(Role::Assistant, vec![thought("Hm.", None), text("a")])]);
    assert_eq!(
        translated(variations::OLDER, &request),
        r#"{"model":"p","messages":[{"role":"assistant","content":"a"}]}"#
    );
}

#[test]
fn deepseek_gets_a_chat_clients_history_with_an_empty_text_where_the_reasoning_is_missing() {
    let body = r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","tool_calls":[]},{"role":"assistant","content":"a","reasoning_content":"b"}]}"#;
    let expected = r#"{"messages":[{"role":"user","content":"hi"},{"reasoning_content":"","role":"assistant","tool_calls":[]},{"role":"assistant","content":"a","reasoning_content":"b"}]}"#;
    assert_eq!(passed(variations::DEEPSEEK, body), (expected.to_owned(), vec![]));
}

#[test]
fn deepseek_is_told_not_to_think_by_its_own_switch() {
    for (reasoning, expected) in [
        (Reasoning::Disabled, r#""thinking":{"type":"disabled"}"#),
        (Reasoning::Effort("none".to_owned()), r#""thinking":{"type":"disabled"}"#),
        (Reasoning::Effort("low".to_owned()), r#""reasoning_effort":"low""#),
        (Reasoning::Budget(9000), r#""reasoning_effort":"medium""#),
    ] {
        let request = Request {
            reasoning: Some(reasoning),
            temperature: Some(0.5),
            ..conversation(vec![say(Role::User, vec![text("a")])])
        };
        let expected =
            format!(r#"{{"model":"p","messages":[{{"role":"user","content":"a"}}],"temperature":0.5,{expected}}}"#);
        assert_eq!(translated(variations::DEEPSEEK, &request), expected);
        assert!(write(&request, "p", &variations::DEEPSEEK).unwrap().dropped.is_empty());
    }
}

#[test]
fn openrouter_is_asked_to_reason_by_its_own_parameter() {
    for (reasoning, expected) in [
        (Reasoning::Effort("low".to_owned()), r#""reasoning_effort":"low""#),
        (Reasoning::Disabled, r#""reasoning_effort":"none""#),
        (Reasoning::Budget(9000), r#""reasoning":{"max_tokens":9000}"#),
        (Reasoning::Adaptive, r#""reasoning":{"enabled":true}"#),
    ] {
        let request = Request { reasoning: Some(reasoning), ..conversation(vec![say(Role::User, vec![text("a")])]) };
        let expected = format!(r#"{{"model":"p","messages":[{{"role":"user","content":"a"}}],{expected}}}"#);
        assert_eq!(translated(variations::OPENROUTER, &request), expected);
    }
}

#[test]
fn reasoning_is_read_by_deepseeks_name_and_by_vllms() {
    for field in ["reasoning_content", "reasoning"] {
        let stream = format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"{field}\":\"hm\"}}}}]}}\n\n");
        assert!(read(&stream).contains(&StreamEvent::Thinking { choice: 0, text: "hm".to_owned() }), "{field}");
        assert_eq!(seen(&stream).0, [EventClass::Content], "{field}");
    }
}

#[test]
fn comments_that_keep_a_stream_alive_are_no_content() {
    for comment in [": keep-alive\n\n", ": OPENROUTER PROCESSING\n\n"] {
        assert_eq!(read(comment), [StreamEvent::Ping]);
        assert!(seen(comment).0.iter().all(|seen| *seen == EventClass::Other), "{comment}");
    }
}

#[test]
fn openrouters_error_in_the_middle_of_a_stream_is_one() {
    let stream = concat!(
        r#"data: {"id":"c","provider":"x","error":{"code":502,"message":"gone"},"#,
        r#""choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#,
        "\n\n",
    );
    let failed =
        |seen: &EventClass| matches!(seen, EventClass::Failed(error) if error.status == 502 && error.message == "gone");
    assert!(seen(stream).0.iter().all(failed), "{:?}", seen(stream).0);
    let mut events = Vec::new();
    let outcome = OPENAI_CHAT.stream_reader().read(stream.as_bytes(), &mut events);
    let told = events.iter().any(|event| matches!(event, StreamEvent::Error(error) if error.status == 502));
    assert!(told || outcome.is_err_and(|error| error.status == 502), "{events:?}");
}

#[test]
fn the_ends_that_only_some_know() {
    let body = |word: &str| format!(r#"{{"choices":[{{"message":{{"content":"a"}},"finish_reason":"{word}"}}]}}"#);
    let length = OPENAI_CHAT.read_response(body("model_length").as_bytes()).unwrap();
    assert_eq!(length.choices[0].finish, Finish::Length, "Mistral's");
    for word in ["error", "insufficient_system_resource"] {
        let error = OPENAI_CHAT.read_response(body(word).as_bytes()).unwrap_err();
        assert!(error.status >= 500, "{word}");
        assert!(OPENAI_CHAT.peek_response(body(word).as_bytes()).is_err(), "{word}");
    }
}

#[test]
fn mistrals_details_are_words_for_people() {
    let body =
        br#"{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted"}]}"#;
    let error = OPENAI_CHAT.read_error(422, None, body);
    assert_eq!((error.status, error.kind), (422, ErrorKind::InvalidRequest));
    assert_eq!(error.message, "body.seed: Extra inputs are not permitted");
    let wrapped = br#"{"object":"error","message":{"detail":[{"loc":["body","user"],"msg":"Extra inputs"}]},"type":"invalid_request_error","code":null}"#;
    assert_eq!(OPENAI_CHAT.read_error(422, None, wrapped).message, "body.user: Extra inputs");
}

#[test]
fn what_other_providers_answers_have_does_not_come_to_mistral_with_the_conversation() {
    let blocks = r#"[{"type":"thinking","thinking":"Hm.","signature":"s"}]"#;
    let turn = |refusal: &str| {
        format!(
            r#"{{"messages":[{{"role":"assistant","annotations":[],"refusal":{refusal},"thinking_blocks":{blocks},"content":"x"}}]}}"#
        )
    };
    let without = r#"{"messages":[{"role":"assistant","content":"x"}]}"#.to_owned();
    for (refusal, dropped) in [
        ("null", &["messages[].thinking_blocks"][..]),
        (r#""No.""#, &["messages[].refusal", "messages[].thinking_blocks"]),
    ] {
        let dropped = dropped.iter().map(|field| (*field).to_owned()).collect();
        assert_eq!(passed(variations::MISTRAL, &turn(refusal)), (without.clone(), dropped));
    }
}

#[test]
fn openrouters_reasoning_comes_back_as_it_was() {
    let thinking = |text: &str, signature: Option<&str>| Part::Thinking {
        text: text.to_owned(),
        signature: signature.map(str::to_owned),
    };
    let openai = r#"{"type":"reasoning.encrypted","id":"rs_1","format":"openai-responses-v1","data":"gA=#","index":1}"#;
    let google = r#"{"type":"reasoning.encrypted","id":"c","format":"google-gemini-v1","data":"sig","index":0}"#;
    let text = r#"{"type":"reasoning.text","text":"t","signature":"s","format":"anthropic-claude-v1"}"#;
    let hidden = r#"{"type":"reasoning.encrypted","data":"d","format":"anthropic-claude-v1"}"#;
    let plain = r#"{"type":"reasoning.summary","summary":"t","format":"openai-responses-v1","index":0}"#;
    let [openais, googles] = [openai, google].map(|item| format!("openrouter#{item}"));
    for (details, parts, returned) in [
        (
            format!("{text},{hidden}"),
            vec![thinking("t", Some("s")), Part::RedactedThinking { data: "d".to_owned() }],
            format!(r#""reasoning_details":[{text},{hidden}]"#),
        ),
        (
            format!("{plain},{openai}"),
            vec![thinking("t", None), thinking("", Some(&openais))],
            format!(r#""reasoning":"t","reasoning_details":[{openai}]"#),
        ),
        (
            google.to_owned(),
            vec![thinking("t", None), thinking("", Some(&googles))],
            format!(r#""reasoning":"t","reasoning_details":[{google}]"#),
        ),
        (plain.to_owned(), vec![thinking("t", None)], r#""reasoning":"t""#.to_owned()),
    ] {
        let choice = format!(r#"{{"message":{{"content":null,"reasoning":"t","reasoning_details":[{details}]}}}}"#);
        let body = format!(r#"{{"id":"x","choices":[{choice}]}}"#);
        assert_eq!(OPENAI_CHAT.read_response(body.as_bytes()).unwrap().choices[0].parts, parts);
        let request = conversation(vec![say(Role::Assistant, parts)]);
        let body = translated(variations::OPENROUTER, &request);
        assert!(body.contains(&format!(r#""content":"",{returned}}}"#)), "{body}");
        assert_eq!(write(&request, "p", &variations::OPENAI).unwrap().dropped, ["thinking_blocks"]);
    }
    // Another provider's signature, and one that a client has changed.
    for foreign in ["gemini#sig", "openrouter#{"] {
        let request = conversation(vec![say(Role::Assistant, vec![thinking("", Some(foreign))])]);
        let dropped = write(&request, "p", &variations::OPENROUTER).unwrap().dropped;
        assert!(!translated(variations::OPENROUTER, &request).contains("reasoning_details"));
        assert_eq!(dropped, ["thinking_blocks"], "{foreign}");
    }
}
