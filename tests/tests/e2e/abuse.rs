//! Malformed and hostile requests, and unusual ones that real clients send.

use serde_json::{Value, json};
use sluice_tests::gateway::KEY;

use crate::{CHAT, Pair, SHORT, refusal, said};

/// A request's head, for a body to follow.
fn head(more: &str) -> String {
    format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n{more}\r\n")
}

/// A chunked body, ended by `trailers`.
fn chunked(body: &[u8], size: usize, trailers: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + body.len() / size.max(1) * 10);
    for chunk in body.chunks(size) {
        out.extend(format!("{:x}\r\n", chunk.len()).bytes());
        out.extend(chunk);
        out.extend(b"\r\n");
    }
    out.extend(format!("0\r\n{trailers}\r\n").bytes());
    out
}

/// The responses on a connection: status, headers, and a body of the stated length.
pub fn answers(mut bytes: &[u8]) -> Vec<(u16, String, Value)> {
    let mut answers = Vec::new();
    while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.get(9..12).and_then(|text| text.parse().ok()).expect("a status line");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|text| text.parse().ok()).unwrap_or(0);
        let body = &bytes[end + 4..];
        assert!(body.len() >= length, "cut short: {head}");
        answers.push((status, head, serde_json::from_slice(&body[..length]).unwrap_or(Value::Null)));
        bytes = &body[length..];
    }
    answers
}

/// The only response to raw bytes.
pub async fn raw(pair: &Pair, bytes: &[u8]) -> (u16, Value) {
    let mut answers = answers(&pair.gateway.raw(bytes).await);
    assert_eq!(answers.len(), 1, "{answers:?}");
    let (status, head, body) = answers.remove(0);
    assert!(head.contains("content-type: application/json"), "{head}");
    (status, body)
}

#[tokio::test]
async fn bodies_that_are_no_request_are_400s_that_say_so() {
    let pair = Pair::lease().await;
    let deep = |levels: usize| {
        let nest = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"model":"openai","messages":[{{"role":"user","content":"hi"}}],"x":{nest}}}"#)
    };
    let (too_deep, deepest) = (deep(200), deep(100_000));
    let bodies: [(&[u8], &str); 18] = [
        (b"", "invalid_json"),
        (b" \n\t", "invalid_json"),
        (b"null", "invalid_json"),
        (b"[]", "invalid_json"),
        (b"\"text\"", "invalid_json"),
        (b"{", "invalid_json"),
        (br#"{"model":"openai","messages":[{"role":"user","content":"hi"}]"#, "invalid_json"),
        (br#"{"model":"openai","messages":[{"role":"user","content":"hi"}]}}"#, "invalid_json"),
        (b"{\"model\":\"openai\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\xfe\"}]}", "invalid_json"),
        (br#"{"model":"openai","model":"anthropic","messages":[1]}"#, "invalid_json"),
        (br#"{"model":"openai","messages":[1],"stream":"yes"}"#, "invalid_json"),
        (br#"{"messages":[]}"#, ""),
        (br#"{"messages":[{"role":"user","content":"hi"}]}"#, ""),
        (br#"{"model":"openai","messages":[]}"#, ""),
        (br#"{"model":"openai"}"#, ""),
        (br#"{"model":["openai"],"messages":[1]}"#, ""),
        (too_deep.as_bytes(), "invalid_json"),
        (deepest.as_bytes(), "invalid_json"),
    ];
    for (body, code) in bodies {
        let answer = pair.gateway.client().request("POST", CHAT, body.to_vec()).await.expect("an answer");
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!(refusal(&answer), (400, code.to_owned()), "{shown}: {}", answer.text());
    }
    // A provider of another format rejects values that the same format forwards unchanged.
    for messages in [json!([1]), json!([{"role": "nobody", "content": "hi"}]), json!([{"role": "user"}])] {
        let body = json!({"model": "anthropic", "messages": messages});
        assert_eq!(refusal(&pair.gateway.chat(&body).await).0, 400, "{messages}");
    }
    assert!(pair.openai.requests().is_empty() && pair.anthropic.requests().is_empty());
}

#[tokio::test]
async fn the_largest_body_passes_and_a_larger_one_is_a_413() {
    let pair = Pair::lease().await;
    let sized = |mib: usize| pair.ask("openai", &"0123456789abcdef".repeat(mib << 16)).to_string().into_bytes();
    let in_one = |body: Vec<u8>| [head(&format!("content-length: {}\r\n", body.len())).into_bytes(), body].concat();
    let in_chunks =
        |body: Vec<u8>| [head("transfer-encoding: chunked\r\n").into_bytes(), chunked(&body, 1 << 20, "")].concat();
    for bytes in [in_one(sized(31)), in_chunks(sized(31))] {
        pair.openai.clear();
        pair.openai.always("tokens=1");
        let (status, answer) = raw(&pair, &bytes).await;
        assert_eq!(status, 200, "{answer}");
        assert!(pair.openai.requests()[0].body.len() > 31 << 20);
    }
    pair.openai.clear();
    for bytes in [in_one(sized(33)), in_chunks(sized(33))] {
        let (status, answer) = raw(&pair, &bytes).await;
        assert_eq!((status, &answer["error"]["code"]), (413, &json!("request_too_large")), "{answer}");
    }
    assert!(pair.openai.requests().is_empty());
    // The gateway still serves.
    assert_eq!(said(&pair.gateway.chat(&pair.ask("openai", "say hi")).await), "hi");
}

#[tokio::test]
async fn a_body_may_come_in_chunks_with_trailers_or_not_at_all() {
    let pair = Pair::lease().await;
    for model in ["openai", "anthropic"] {
        let body = pair.ask(model, "say hi").to_string().into_bytes();
        for size in [1, 7, 4096] {
            for trailers in ["", "x-trailer: 1\r\n"] {
                let bytes =
                    [head("transfer-encoding: chunked\r\n").into_bytes(), chunked(&body, size, trailers)].concat();
                let (status, answer) = raw(&pair, &bytes).await;
                assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("hi")));
            }
        }
    }
    for more in ["", "content-length: 0\r\n", "transfer-encoding: chunked\r\n"] {
        let body = if more.contains("chunked") { "0\r\n\r\n" } else { "" };
        let (status, answer) = raw(&pair, format!("{}{body}", head(more)).as_bytes()).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("invalid_json")), "{more}");
    }
    let requests = pair.openai.requests();
    assert!(requests.iter().all(|one| one.header("content-length") == Some(&*one.body.len().to_string())));
    assert!(requests.iter().all(|one| one.header("transfer-encoding").is_none()));
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for_longer_than_the_whole_request_may_take() {
    let pair = Pair::with(|gateway| gateway.timeout("total", SHORT)).await;
    let begun = std::time::Instant::now();
    let (status, answer) = raw(&pair, format!("{}{{\"model\":", head("content-length: 100\r\n")).as_bytes()).await;
    assert_eq!((status, &answer["error"]["code"]), (408, &json!("request_timeout")), "{answer}");
    assert!(begun.elapsed() >= std::time::Duration::from_secs(4));
    assert!(pair.openai.requests().is_empty());
    let line = pair.gateway.log_lines(1).await.pop().expect("a line");
    assert_eq!((&line["status"], &line["error"]), (&json!(408), &json!("request_timeout")), "{line}");
}

#[tokio::test]
async fn no_header_of_a_client_steers_the_gateway_or_envoy() {
    let pair = Pair::lease().await;
    for (name, value) in [
        ("x-sluice-target", "anthropic"),
        ("x-sluice-retry", "1"),
        ("x-sluice-retry-after", "9"),
        ("x-sluice-exchange", "1"),
        ("x-sluice-trap", "1"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-envoy-upstream-rq-per-try-timeout-ms", "1"),
        ("x-envoy-expected-rq-timeout-ms", "1"),
        ("x-envoy-max-retries", "0"),
        ("x-envoy-retry-on", "5xx"),
        ("x-envoy-retriable-status-codes", "200"),
        ("x-envoy-retriable-header-names", "content-type"),
        ("x-envoy-hedge-on-per-try-timeout", "true"),
        ("x-envoy-upstream-alt-stat-name", "x"),
        ("x-envoy-decorator-operation", "x"),
        ("x-envoy-internal", "true"),
        ("x-forwarded-for", "127.0.0.1"),
        ("expect", "100-continue"),
        ("te", "trailers"),
        ("content-type", "text/plain"),
        ("accept", "text/html"),
    ] {
        pair.openai.clear();
        pair.anthropic.clear();
        // Longer than a timeout of one millisecond, and a failure that needs one retry.
        pair.openai.always("wait=30");
        let client = pair.gateway.client().header(name, value);
        let answer = client.post(CHAT, &pair.ask("openai-first", "say hi")).await;
        assert_eq!((answer.status, &*said(&answer)), (200, "hi"), "{name}: {}", answer.text());
        assert_eq!(answer.header("x-sluice-provider"), Some("openai"), "{name}");
        assert_eq!((pair.openai.count(), pair.anthropic.count()), (1, 0), "{name}");
        pair.openai.always("status=503");
        let answer = client.post(CHAT, &pair.ask("openai-first", "say hi")).await;
        assert_eq!(answer.header("x-sluice-provider"), Some("anthropic"), "{name}: {}", answer.text());
        assert_eq!((pair.openai.count(), pair.anthropic.count()), (2, 1), "{name}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_change_nothing_in_any_header() {
    let pair = Pair::lease().await;
    let body = pair.ask("anthropic", "say hi").to_string();
    for name in ["x-odd", "user-agent", "cookie", "x-request-id", "traceparent", "content-type"] {
        let head = head(&format!("content-length: {}\r\n{name}: ODD\r\n", body.len()));
        let (before, after) = head.split_once("ODD").expect("the place for odd bytes");
        let bytes = [before.as_bytes(), b"a\xff\xfe\x80z", after.as_bytes(), body.as_bytes()].concat();
        let (status, answer) = raw(&pair, &bytes).await;
        assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("hi")), "{name}");
    }
    // The gateway rejects an unreadable override and a repeated one: it ignores neither.
    for wish in [&b"x-sluice-route: \xff\xfe"[..], b"x-sluice-route: openai\r\nx-sluice-route: anthropic"] {
        let head = head(&format!("content-length: {}\r\nODD\r\n", body.len()));
        let (before, after) = head.split_once("ODD").expect("the place for the wish");
        let bytes = [before.as_bytes(), wish, after.as_bytes(), body.as_bytes()].concat();
        let (status, answer) = raw(&pair, &bytes).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("invalid_header")), "{answer}");
    }
    let key = b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer \x80\xff\r\n\r\n";
    assert_eq!(raw(&pair, key).await.0, 401);
    assert!(pair.gateway.log_lines(9).await.len() == 9, "a line that is not JSON");
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_their_order() {
    let pair = Pair::lease().await;
    pair.openai.always("wait=20");
    let request = |model: &str, text: &str| {
        let body = pair.ask(model, text).to_string();
        let head = head(&format!("content-length: {}\r\n", body.len())).replace("connection: close\r\n", "");
        head + &body
    };
    let last =
        format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\r\n");
    let all = request("openai", "say one")
        + &request("unknown", "say two")
        + &request("anthropic", "say three")
        + &request("openai", "say four")
        + &last;
    let answers = answers(&pair.gateway.raw(all.as_bytes()).await);
    let said: Vec<_> = answers
        .iter()
        .map(|(status, _, body)| (*status, body["choices"][0]["message"]["content"].as_str().unwrap_or("-")))
        .collect();
    assert_eq!(said, [(200, "one"), (404, "-"), (200, "three"), (200, "four"), (200, "-")]);
    assert!(answers[1].2["error"]["message"].is_string() && answers[4].2["data"].is_array());
}
