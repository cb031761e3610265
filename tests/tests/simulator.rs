//! The simulator against what the providers document: the shapes of answers, the checks of requests, and each fault.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Client, Failure};
use sluice_tests::simulator::{Outcome, Simulator, fixed};

const OPENAI: &str = "/v1/chat/completions";
const ANTHROPIC: &str = "/v1/messages";

async fn start() -> (Simulator, Client) {
    let simulator = Simulator::start().await;
    let client = Client::new(simulator.port()).bearer("sk-test").anthropic("sk-test");
    (simulator, client)
}

fn openai(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

fn anthropic(model: &str, text: &str) -> Value {
    json!({"model": model, "max_tokens": 4096, "messages": [{"role": "user", "content": text}]})
}

fn with(mut body: Value, more: Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

fn streamed(body: Value) -> Value {
    with(body, json!({"stream": true}))
}

/// Both wire formats, with the same words.
fn both(model: &str, text: &str) -> [(&'static str, Value); 2] {
    [(OPENAI, openai(model, text)), (ANTHROPIC, anthropic(model, text))]
}

/// The answer to a request for this model, streamed in OpenAI's format.
async fn stream_of(faults: &str) -> (Simulator, Answer) {
    let (simulator, client) = start().await;
    let answer = client.post(OPENAI, &streamed(openai(&format!("m+{faults}"), "say a b c"))).await;
    (simulator, answer)
}

fn names(answer: &Answer) -> Vec<String> {
    answer.events().into_iter().filter_map(|event| event.name).collect()
}

#[tokio::test]
async fn openai_answers_in_one_piece() {
    let (_simulator, client) = start().await;
    let answer = client.post(OPENAI, &openai("gpt-sim", "say hello")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let body = answer.json();
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["model"], "gpt-sim");
    assert_eq!(body["choices"][0]["message"]["content"], "hello");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["usage"]["prompt_tokens"], 3);
    assert_eq!(body["usage"]["total_tokens"], 5);
}

#[tokio::test]
async fn openai_streams_with_usage_only_when_asked() {
    let (_simulator, client) = start().await;
    let plain = client.post(OPENAI, &streamed(openai("gpt-sim", "say a b"))).await;
    assert_eq!(plain.streamed_text(), "a b");
    assert_eq!(plain.events().last().unwrap().data, "[DONE]");
    assert!(!plain.text().contains("usage"));

    let asked = with(streamed(openai("gpt-sim", "say a b")), json!({"stream_options": {"include_usage": true}}));
    let events = client.post(OPENAI, &asked).await.events();
    assert_eq!(events[0].json()["usage"], Value::Null);
    assert!(events[0].data.contains("\"usage\":null"));
    let last = events[events.len() - 2].json();
    assert_eq!((&last["choices"], &last["usage"]["prompt_tokens"]), (&json!([]), &json!(2)));
}

#[tokio::test]
async fn anthropic_answers_in_one_piece_with_thoughts() {
    let (_simulator, client) = start().await;
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 1024}});
    let body = client.post(ANTHROPIC, &with(anthropic("claude-sim", "say hello"), thinking)).await.json();
    assert_eq!(
        (&body["type"], &body["role"], &body["stop_reason"]),
        (&json!("message"), &json!("assistant"), &json!("end_turn"))
    );
    assert_eq!(body["content"][0]["type"], "thinking");
    assert!(body["content"][0]["signature"].is_string());
    assert_eq!(body["content"][1], json!({"type": "text", "text": "hello"}));
    assert!(body["usage"]["output_tokens_details"]["thinking_tokens"].as_u64() > Some(0));
}

#[tokio::test]
async fn anthropic_streams_in_the_documented_order() {
    let (_simulator, client) = start().await;
    let answer = client.post(ANTHROPIC, &streamed(anthropic("claude-sim", "say hello"))).await;
    let documented = [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(names(&answer), documented);
    assert!(answer.events().iter().all(|event| event.json()["type"] == event.name.as_deref().unwrap()));
    assert_eq!(answer.streamed_text(), "hello");
}

#[tokio::test]
async fn openai_calls_tools_and_quotes_their_results() {
    let (_simulator, client) = start().await;
    let tool = json!({"type": "function", "function": {"name": "get_weather", "parameters":
        {"type": "object", "properties": {"city": {"type": "string"}}}}});
    let body = with(openai("gpt-sim", "the weather in both cities?"), json!({"tools": [tool]}));
    let message = client.post(OPENAI, &body).await.json()["choices"][0]["message"].clone();
    assert_eq!(message["content"], Value::Null);
    assert_eq!(message["tool_calls"][0]["function"]["arguments"], r#"{"city":"Oslo"}"#);
    assert_eq!(message["tool_calls"].as_array().unwrap().len(), 2);

    let stream = client.post(OPENAI, &streamed(body.clone())).await;
    let arguments: String = stream
        .events()
        .iter()
        .map(|event| event.json()["choices"][0]["delta"]["tool_calls"][0].clone())
        .filter(|call| call["index"] == 1)
        .map(|call| call["function"]["arguments"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(arguments, r#"{"city":"Tromsø"}"#);

    let mut messages = body["messages"].as_array().unwrap().clone();
    let ids = [0, 1].map(|index| message["tool_calls"][index]["id"].clone());
    messages.push(message);
    messages.extend(ids.map(|id| json!({"role": "tool", "tool_call_id": id, "content": "3°"})));
    let answer = client.post(OPENAI, &with(body, json!({"messages": messages}))).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "The tool says: “3°” and “3°”.");
}

#[tokio::test]
async fn anthropic_calls_tools_and_quotes_their_results() {
    let (_simulator, client) = start().await;
    let tool =
        json!({"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}});
    let body = with(anthropic("claude-sim", "the weather?"), json!({"tools": [tool]}));
    let answer = client.post(ANTHROPIC, &body).await.json();
    assert_eq!(
        (&answer["stop_reason"], &answer["content"][1]["input"]),
        (&json!("tool_use"), &json!({"city": "Oslo"}))
    );

    let stream = client.post(ANTHROPIC, &streamed(body.clone())).await.events();
    let pieces = stream.iter().map(|event| event.json()["delta"]["partial_json"].as_str().unwrap_or("").to_owned());
    assert_eq!(pieces.collect::<String>(), r#"{"city":"Oslo"}"#);

    let result = json!({"type": "tool_result", "tool_use_id": answer["content"][1]["id"], "content": "3°"});
    let messages = json!([body["messages"][0], {"role": "assistant", "content": answer["content"]},
                          {"role": "user", "content": [result]}]);
    let answer = client.post(ANTHROPIC, &with(body, json!({"messages": messages}))).await.json();
    assert_eq!(answer["content"][0]["text"], "The tool says: “3°”.");
}

#[tokio::test]
async fn follows_a_schema() {
    let (_simulator, client) = start().await;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}});
    let openai_format =
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}});
    let body = client.post(OPENAI, &with(openai("m", "hi"), openai_format)).await.json();
    assert_eq!(body["choices"][0]["message"]["content"], r#"{"city":"Oslo","days":3}"#);
    let format = json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    let body = client.post(ANTHROPIC, &with(anthropic("m", "hi"), format)).await.json();
    assert_eq!(body["content"][0]["text"], r#"{"city":"Oslo","days":3}"#);
}

#[tokio::test]
async fn openai_refuses_wrong_requests() {
    let (_simulator, client) = start().await;
    let user = json!({"role": "user", "content": "hi"});
    for (body, says) in [
        (json!({"messages": [user]}), "model"),
        (json!({"model": "m", "messages": []}), "messages"),
        (json!({"model": "m", "messages": [{"role": "x", "content": "hi"}]}), "role"),
        (
            json!({"model": "m", "messages": [user, {"role": "tool", "tool_call_id": "1", "content": "x"}]}),
            "tool_calls",
        ),
        (with(openai("m", "hi"), json!({"stream_options": {}})), "stream_options"),
        (with(openai("m", "hi"), json!({"max_tokens": 1, "max_completion_tokens": 1})), "max_tokens"),
        (openai("m+nonsense", "hi"), "nonsense"),
    ] {
        let answer = client.post(OPENAI, &body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        assert!(answer.text().contains(says), "{says}: {}", answer.text());
    }
    assert_eq!(client.post(OPENAI, &with(openai("m", "hi"), json!({"x_unknown": 1}))).await.status, 200);
}

#[tokio::test]
async fn anthropic_refuses_wrong_requests() {
    let (_simulator, client) = start().await;
    let user = json!({"role": "user", "content": "hi"});
    let call = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]});
    let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t2", "content": "x"}]});
    let of = |messages: Value| with(anthropic("m", ""), json!({"messages": messages}));
    for (body, says) in [
        (json!({"model": "m", "messages": [user]}), "max_tokens"),
        (with(anthropic("m", "hi"), json!({"n": 1})), "n: Extra inputs"),
        (with(anthropic("m", "hi"), json!({"temperature": 1.5})), "temperature"),
        (with(anthropic("m", "hi"), json!({"stop_sequences": [" "]})), "whitespace"),
        (with(anthropic("m", "hi"), json!({"tools": [{"name": "f"}]})), "input_schema"),
        (with(anthropic("m", "hi"), json!({"tool_choice": {"type": "any"}})), "tools"),
        (with(anthropic("m", "hi"), json!({"thinking": {"type": "enabled", "budget_tokens": 10}})), "1024"),
        (of(json!([{"role": "assistant", "content": "hi"}])), "first message"),
        (of(json!([user, user])), "alternate"),
        (of(json!([{"role": "user", "content": [{"type": "text", "text": ""}]}])), "text content blocks"),
        (of(json!([{"role": "user", "content": []}])), "content"),
        (of(json!([user, call, user])), "without `tool_result`"),
        (of(json!([user, call])), "without `tool_result`"),
        (of(json!([user, call, result])), "unexpected `tool_use_id`"),
        (of(json!([{"role": "user", "name": "x", "content": "hi"}])), "Extra inputs"),
    ] {
        let answer = client.post(ANTHROPIC, &body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        assert!(answer.text().contains(says), "{says}: {}", answer.text());
    }
}

#[tokio::test]
async fn keys_and_the_version_are_required() {
    let simulator = Simulator::builder().key("sk-right").start().await.unwrap();
    let bare = Client::new(simulator.port());
    for client in [bare.clone(), bare.clone().bearer("sk-wrong").anthropic("sk-wrong")] {
        let answer = client.post(OPENAI, &openai("m", "hi")).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &json!("invalid_api_key")));
        let answer = client.post(ANTHROPIC, &anthropic("m", "hi")).await;
        assert_eq!((answer.status, &answer.json()["error"]["type"]), (401, &json!("authentication_error")));
    }
    let versionless = bare.clone().header("x-api-key", "sk-right").post(ANTHROPIC, &anthropic("m", "hi")).await;
    assert_eq!(versionless.status, 400);
    let right = bare.bearer("sk-right").anthropic("sk-right");
    assert_eq!(right.post(ANTHROPIC, &anthropic("m", "hi")).await.status, 200);
    let models = right.request("GET", "/v1/models", "").await.unwrap();
    assert_eq!(models.json()["data"][0]["id"], "claude-sim");
}

#[tokio::test]
async fn usage_tells_of_caches() {
    let (_simulator, client) = start().await;
    let usage = client.post(OPENAI, &openai("m+cached=2", "say hello")).await.json()["usage"].clone();
    assert_eq!((&usage["prompt_tokens"], &usage["prompt_tokens_details"]["cached_tokens"]), (&json!(3), &json!(2)));
    let marked = json!([{"type": "text", "text": "x".repeat(400), "cache_control": {"type": "ephemeral"}}]);
    let usage =
        client.post(ANTHROPIC, &with(anthropic("m", "say 12345678"), json!({"system": marked}))).await.json()["usage"]
            .clone();
    let counts =
        ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"].map(|name| usage[name].as_u64());
    assert_eq!(counts, [Some(3), Some(50), Some(50)]);
}

#[tokio::test]
async fn errors_have_the_shape_of_their_provider() {
    let (_simulator, client) = start().await;
    for (faults, status, openai, anthropic) in [
        ("status=401", 401, "invalid_request_error", "authentication_error"),
        ("status=404", 404, "invalid_request_error", "not_found_error"),
        ("status=429", 429, "requests", "rate_limit_error"),
        ("status=500", 500, "server_error", "api_error"),
        ("status=529", 529, "server_error", "overloaded_error"),
        ("context", 400, "invalid_request_error", "invalid_request_error"),
        ("filter", 400, "invalid_request_error", "invalid_request_error"),
        ("quota", 429, "insufficient_quota", "rate_limit_error"),
    ] {
        for (path, body) in both(&format!("m+{faults}"), "hi") {
            let answer = client.post(path, &streamed(body)).await;
            let kind = if path == OPENAI { openai } else { anthropic };
            assert_eq!((answer.status, &answer.json()["error"]["type"]), (status, &json!(kind)), "{faults} {path}");
        }
    }
    let code = client.post(OPENAI, &openai("m+context", "hi")).await.json()["error"]["code"].clone();
    assert_eq!(code, "context_length_exceeded");
    let answer = client.post(OPENAI, &openai("m+status=429+retry-after=1+retry-after-ms=700", "hi")).await;
    assert_eq!((answer.header("retry-after"), answer.header("retry-after-ms")), (Some("1"), Some("700")));
    let page = client.post(OPENAI, &openai("m+html+status=502", "hi")).await;
    assert_eq!((page.status, page.header("content-type")), (502, Some("text/html")));
}

#[tokio::test]
async fn answers_of_200_can_be_none() {
    let (_simulator, client) = start().await;
    let ask = |faults: &str| openai(&format!("m+{faults}"), "hi");
    assert!(client.post(OPENAI, &ask("error")).await.json()["error"].is_object());
    assert_eq!(client.post(OPENAI, &ask("blank")).await.body, "");
    assert!(client.post(OPENAI, &ask("html")).await.text().starts_with("<html>"));
    assert_eq!(client.post(OPENAI, &ask("empty")).await.json()["choices"], json!([]));
    assert_eq!(client.post(ANTHROPIC, &anthropic("m+empty", "hi")).await.json()["content"], json!([]));
    let first = client.post(ANTHROPIC, &streamed(anthropic("m+error", "hi"))).await;
    assert_eq!((first.status, names(&first)), (200, vec!["error".to_owned()]));
}

#[tokio::test]
async fn connections_are_reset_refused_or_silent() {
    let (simulator, client) = start().await;
    let reset = client.request("POST", OPENAI, openai("m+reset", "hi").to_string()).await;
    let Err(Failure::NoAnswer(error)) = reset else { panic!("an answer: {reset:?}") };
    assert!(format!("{error:?}").contains("ConnectionReset"), "{error:?}");
    let refusing = Simulator::refusing_port();
    let refused = Client::new(refusing.port()).request("POST", OPENAI, "").await;
    assert!(matches!(refused, Err(Failure::Connection(_))));

    let body = openai("m+silence", "hi").to_string();
    let silent = tokio::time::timeout(Duration::from_millis(50), client.open("POST", OPENAI, body)).await;
    assert!(silent.is_err());
    let outcomes = simulator.settled(2).await.into_iter().map(|request| request.outcome).collect::<Vec<_>>();
    assert_eq!(outcomes, [Outcome::BrokenOff, Outcome::Cancelled]);
}

#[tokio::test]
async fn answers_are_slow_where_asked() {
    let (_simulator, client) = start().await;
    let started = Instant::now();
    client.open("POST", OPENAI, openai("m+wait=60", "hi").to_string()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(60));

    let started = Instant::now();
    let body = streamed(openai("m+first=400+every=10+tokens=5", "hi")).to_string();
    let mut open = client.open("POST", OPENAI, body).await.unwrap();
    assert!(started.elapsed() < Duration::from_millis(400), "the headers come at once");
    open.next().await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(400));
    let answer = open.finish().await;
    assert!(started.elapsed() >= Duration::from_millis(470), "seven waits between eight events");
    assert!(answer.complete);
}

#[tokio::test]
async fn streams_break_off_after_as_many_events_as_asked() {
    for count in [0, 1, 3] {
        for (word, complete) in [("reset", false), ("close", false), ("eof", true)] {
            let (_simulator, answer) = stream_of(&format!("{word}-after={count}")).await;
            assert_eq!((answer.status, answer.complete), (200, complete), "{word} {count}");
            assert_eq!(answer.events().len(), count, "{word} {count}");
        }
    }
}

#[tokio::test]
async fn answers_in_one_piece_break_off_in_the_middle() {
    let (_simulator, client) = start().await;
    let answer = client.post(OPENAI, &openai("m+reset-after=1", "hi")).await;
    assert_eq!((answer.complete, answer.json()), (false, Value::Null));
    let answer = client.post(OPENAI, &openai("m+eof-after=1", "hi")).await;
    assert_eq!((answer.complete, answer.json()), (true, Value::Null));
}

#[tokio::test]
async fn streams_stall() {
    let (simulator, client) = start().await;
    let body = streamed(openai("m+stall-after=2+whole", "hi")).to_string();
    let mut open = client.open("POST", OPENAI, body).await.unwrap();
    open.next().await.unwrap();
    open.next().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(50), open.next()).await.is_err());
    drop(open);
    assert_eq!(simulator.settled(1).await[0].outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn events_are_malformed_or_errors_where_asked() {
    for count in [0, 2] {
        let (_simulator, answer) = stream_of(&format!("malformed-after={count}")).await;
        let events = answer.events();
        assert_eq!(events.iter().position(|event| event.json().is_null()), Some(count));
        assert_eq!(events.last().unwrap().data, "[DONE]");
        let (_simulator, answer) = stream_of(&format!("error-after={count}")).await;
        let events = answer.events();
        assert_eq!(events.len(), count + 1);
        assert!(events[count].json()["error"].is_object() && answer.complete);
    }
}

#[tokio::test]
async fn the_terminator_can_be_missing() {
    let (_simulator, client) = start().await;
    let answer = client.post(OPENAI, &streamed(openai("m+no-end", "hi"))).await;
    assert_eq!(answer.events().last().unwrap().json()["choices"][0]["finish_reason"], "stop");
    let answer = client.post(ANTHROPIC, &streamed(anthropic("m+no-end", "hi"))).await;
    assert_eq!(names(&answer).last().unwrap(), "message_delta");
}

#[tokio::test]
async fn the_answer_itself_can_be_odd() {
    let (_simulator, client) = start().await;
    let ask = async |faults: &str| client.post(OPENAI, &openai(&format!("m+{faults}"), "say hello")).await;
    assert_eq!(ask("stop=content_filter").await.json()["choices"][0]["finish_reason"], "content_filter");
    assert!(ask("extra").await.json()["x_future"].is_object());
    assert!(ask("no-usage").await.json().get("usage").is_none());
    assert_eq!(ask("tokens=400").await.json()["usage"]["completion_tokens"], 400);
    assert!(ask("huge=2").await.body.len() > 2 * 1024 * 1024);
    let headers = ask("headers").await.headers;
    assert_eq!(headers["content-encoding"], "identity");
    assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
    let zipped = ask("gzip").await;
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    let plain: Value = serde_json::from_reader(flate2::read::GzDecoder::new(&zipped.body[..])).unwrap();
    assert_eq!(plain["choices"][0]["message"]["content"], "hello");
    let reason = client.post(ANTHROPIC, &anthropic("m+stop=pause_turn", "hi")).await.json()["stop_reason"].clone();
    assert_eq!(reason, "pause_turn");
}

#[tokio::test]
async fn streams_are_cut_inside_lines_and_characters_always_alike() {
    let (_simulator, client) = start().await;
    let body = |seed: u64| {
        streamed(openai(&format!("m+comments+crlf+seed={seed}"), "say ééééééééé 你好你好你好你好你好")).to_string()
    };
    let pieces = async |seed: u64| {
        let mut open = client.open("POST", OPENAI, body(seed)).await.unwrap();
        let mut pieces = Vec::new();
        while let Some(piece) = open.next().await.unwrap() {
            pieces.push(piece);
        }
        pieces
    };
    let mut split = 0;
    for seed in 0..8 {
        let one = pieces(seed).await;
        assert!(one.len() > 5, "many chunks");
        assert_eq!(one.concat(), pieces(seed).await.concat());
        split += one.iter().filter(|piece| std::str::from_utf8(piece).is_err()).count();
    }
    assert!(split > 0, "no cut fell inside a character");
    let answer = client.request("POST", OPENAI, body(1)).await.unwrap();
    assert!(answer.text().contains(": keep-alive\r\n\r\n"));
    assert_eq!(answer.streamed_text(), "ééééééééé 你好你好你好你好你好");
}

#[tokio::test]
async fn a_script_goes_before_the_models_name() {
    let (simulator, client) = start().await;
    simulator.script(&["status=500", "ok"]);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client.post(OPENAI, &openai("m+status=418", "hi")).await.status);
    }
    assert_eq!(statuses, [500, 200, 418]);
    simulator.always("status=503");
    assert_eq!(client.post(OPENAI, &openai("m", "hi")).await.status, 503);
    simulator.clear();
    assert_eq!(client.post(OPENAI, &openai("m", "hi")).await.status, 200);
    assert_eq!(simulator.requests().len(), 1);
}

#[tokio::test]
async fn control_over_http() {
    let (_simulator, client) = start().await;
    assert_eq!(client.post("/control", &json!({"next": ["status=500"], "always": "status=503"})).await.status, 200);
    assert_eq!(client.post("/control", &json!({"next": ["nonsense"]})).await.status, 400);
    assert_eq!(client.post(OPENAI, &openai("m", "hi")).await.status, 500);
    assert_eq!(client.post(OPENAI, &openai("m", "hi")).await.status, 503);
    let requests = client.request("GET", "/control/requests", "").await.unwrap().json();
    assert_eq!(requests.as_array().unwrap().len(), 2);
    assert_eq!((&requests[0]["path"], &requests[0]["outcome"]), (&json!(OPENAI), &json!("complete")));
    assert_eq!(client.request("DELETE", "/control", "").await.unwrap().status, 200);
    assert_eq!(client.request("GET", "/control/requests", "").await.unwrap().json(), json!([]));
}

#[tokio::test]
async fn requests_are_recorded_as_they_came() {
    let (simulator, client) = start().await;
    let body = openai("m", "hi").to_string();
    let head = format!(
        "POST {OPENAI} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\nx-odd: \u{e9}\r\nx-two: 1\r\nx-two: 2\r\n"
    );
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(format!("content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).as_bytes());
    assert!(client.raw(&bytes).await.starts_with(b"HTTP/1.1 200"));
    let request = simulator.settled(1).await.remove(0);
    assert_eq!((request.method.as_str(), request.path.as_str(), request.outcome), ("POST", OPENAI, Outcome::Complete));
    assert_eq!(request.body, body);
    assert!(request.headers.contains(&("x-odd".to_owned(), "é".as_bytes().to_vec())));
    assert_eq!(request.headers.iter().filter(|(name, _)| name == "x-two").count(), 2);
}

#[tokio::test]
async fn benchmarks_get_prepared_answers() {
    let (simulator, client) = start().await;
    for (path, body) in both(fixed::MODEL, "hi") {
        let answer = client.post(path, &body).await;
        assert_eq!((answer.body.len(), answer.json()["model"].as_str()), (fixed::BODY, Some(fixed::MODEL)));
        for (model, events) in [("bench", 200), ("bench+tokens=7", 7), ("bench+tokens=7+burst", 7)] {
            let body = with(streamed(body.clone()), json!({"model": model, "stream_options": {"include_usage": true}}));
            let answer = client.post(path, &body).await;
            assert_eq!(answer.streamed_text().len(), events * fixed::CONTENT, "{path} {model}");
            assert!(answer.text().contains(&format!("_tokens\":{}", events * 10)));
            assert!(answer.events().iter().all(|event| event.data == "[DONE]" || event.json().is_object()));
        }
    }
    assert!(simulator.requests().is_empty());
}
