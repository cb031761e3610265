//! Each fault behaves as documented.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Client, Failure};
use sluice_tests::port::Port;
use sluice_tests::simulator::{Outcome, Simulator};
use sluice_tests::until;

use crate::{ANTHROPIC, OPENAI, anthropic, both, names, openai, start, streamed};

/// The response to a streaming request in OpenAI's format for a model with these faults.
async fn stream_of(faults: &str) -> (Simulator, Answer) {
    let (simulator, client) = start().await;
    let answer = client.post(OPENAI, &streamed(openai(&format!("m+{faults}"), "say a b c"))).await;
    (simulator, answer)
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
    let refusing = Port::reserve();
    let refused = Client::new(refusing.number()).request("POST", OPENAI, "").await;
    assert!(matches!(refused, Err(Failure::Connection(_))));

    let body = openai("m+silence", "hi").to_string();
    let waiting = tokio::spawn(async move { client.open("POST", OPENAI, body).await });
    until("the request to arrive", || (simulator.count() == 2).then_some(())).await;
    assert!(!waiting.is_finished());
    waiting.abort();
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
    let body = streamed(openai("m+first=100+every=10+tokens=5", "hi")).to_string();
    let mut open = client.open("POST", OPENAI, body).await.unwrap();
    open.next().await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(100));
    let answer = open.finish().await;
    assert!(started.elapsed() >= Duration::from_millis(170), "seven waits between eight events");
    assert!(answer.complete);

    // The headers arrive at once, and no body arrives within the test's time.
    let body = streamed(openai("m+first=3600000", "hi")).to_string();
    assert_eq!(client.open("POST", OPENAI, body).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_stream_pauses_until_it_is_told_to_go_on() {
    for (faults, text, complete) in [("pause-after=2", "a b c", true), ("pause-after=3+reset-after=3", "a b", false)] {
        let (simulator, client) = start().await;
        let body = streamed(openai(&format!("m+whole+{faults}"), "say a b c"));
        let begun = std::cell::Cell::new(false);
        let go_on = || {
            begun.set(true);
            assert_eq!(simulator.requests()[0].outcome, Outcome::Answering);
            simulator.go_on();
        };
        let answer = client.post_begun(OPENAI, &body, go_on).await;
        assert!(begun.get() && answer.streamed_text().trim_end() == text, "{faults}: {answer:?}");
        assert_eq!(answer.complete, complete, "{faults}");
        // Only the paused stream continues.
        let mut next = client.open("POST", OPENAI, body.to_string()).await.unwrap();
        next.next().await.unwrap();
        assert_eq!(simulator.requests()[1].outcome, Outcome::Answering, "{faults}");
    }
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
