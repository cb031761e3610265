//! Overrides that a client may set for its request, if its key allows them; and timeouts.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_tests::gateway::{Builder, Key};
use sluice_tests::simulator::Outcome;
use sluice_tests::{LIMIT, until};

use super::{Three, model, prices, server, target, two};
use crate::{CHAT, SHORT, ask, refusal, together, with};

/// A key with all permissions, and one with none.
fn keys(builder: Builder) -> Builder {
    let all = json!(["route", "fallback", "timeout", "targets"]);
    builder.key(Key::new("free", "sk-free").set("control", all)).key(Key::new("bound", "sk-bound"))
}

/// A model with two targets and prices.
fn chat(builder: Builder, name: &str, more: Value) -> Builder {
    builder.with(model(name, &two(), more)).with(prices(name, (3.0, 9.0), (2.0, 8.0)))
}

/// The settings that the tests here share.
pub fn settings(builder: Builder) -> Builder {
    let times = |time: &str| json!({"timeouts": {"answer": time, "first_token": time}});
    // Longer than any test waits; and as long as a healthy target may need.
    let models = [("limited", times("1h")), ("within", times("3s"))];
    let plain = ["chosen", "alone", "refused", "hurried", "left-waiting", "left"].map(|name| (name, json!({})));
    models.into_iter().chain(plain).fold(keys(builder), |builder, (name, more)| chat(builder, name, more))
}

#[tokio::test]
async fn a_client_chooses_a_strategy_or_a_target() {
    let three = Three::lease().await;
    let client = three.gateway.with_key("sk-free");
    assert_eq!(server(&client.post(CHAT, &ask("chosen", "hi")).await), "a");
    for (route, expected) in [("cheapest", "b"), ("fallback", "a"), ("b", "b"), ("b/chosen", "b"), ("a/chosen", "a")] {
        let answer = client.clone().header("x-sluice-route", route).post(CHAT, &ask("chosen", "hi")).await;
        assert_eq!(server(&answer), expected, "{route}");
    }
    let lines = three.gateway.log_lines(2).await;
    assert_eq!((&lines[0]["strategy"], &lines[1]["strategy"]), (&json!("fallback"), &json!("cheapest")));
    // The chosen target comes first, but is not the only one.
    three.b.always("status=503");
    let answer = client.header("x-sluice-route", "b").post(CHAT, &ask("chosen", "hi")).await;
    assert_eq!((server(&answer), answer.header("x-sluice-attempts")), ("a".to_owned(), Some("2")));
    // The overrides do not reach a provider.
    let told = |name: &str| name.starts_with("x-sluice-");
    assert!(!three.a.requests().iter().flat_map(|request| &request.headers).any(|(name, _)| told(name)));
}

#[tokio::test]
async fn a_client_may_want_no_fallback() {
    let three = Three::lease().await;
    three.a.always("status=504");
    let client = three.gateway.with_key("sk-free");
    let alone = client.clone().header("x-sluice-fallback", "off").post(CHAT, &ask("alone", "hi")).await;
    assert_eq!((refusal(&alone).0, alone.header("x-sluice-attempts")), (504, Some("1")));
    assert!(three.b.requests().is_empty());
    let both = client.clone().header("x-sluice-fallback", "on").post(CHAT, &ask("alone", "hi")).await;
    assert_eq!(server(&both), "b");
    let pinned = client.header("x-sluice-route", "pinned").post(CHAT, &ask("alone", "hi")).await;
    assert_eq!((refusal(&pinned).0, pinned.header("x-sluice-attempts")), (504, Some("1")));
}

#[tokio::test]
async fn a_wish_that_cannot_be_granted_is_an_error_and_never_left_aside() {
    let three = Three::lease().await;
    let (free, bound) = (three.gateway.with_key("sk-free"), three.gateway.with_key("sk-bound"));
    for (name, value) in [("x-sluice-route", "b"), ("x-sluice-fallback", "off"), ("x-sluice-timeout", "5s")] {
        let answer = bound.clone().header(name, value).post(CHAT, &ask("refused", "hi")).await;
        assert_eq!(refusal(&answer), (403, "control_not_allowed".to_owned()), "{name}");
        assert!(answer.text().contains(name), "{}", answer.text());
    }
    for (name, value, code) in [
        ("x-sluice-route", "c", "route_not_found"),
        ("x-sluice-route", "quickest", "route_not_found"),
        ("x-sluice-fallback", "no", "invalid_header"),
        ("x-sluice-timeout", "0s", "invalid_header"),
        ("x-sluice-timeout", "soon", "invalid_header"),
    ] {
        let answer = free.clone().header(name, value).post(CHAT, &ask("refused", "hi")).await;
        assert_eq!(refusal(&answer), (400, code.to_owned()), "{name}: {value}");
    }
    assert!(three.a.requests().is_empty() && three.b.requests().is_empty());
}

#[tokio::test]
async fn a_client_may_name_a_providers_model() {
    let three = Three::start(|builder| {
        let other = [target("a", json!({"model": "chat"})), target("b", json!({"model": "family/large"}))];
        let priced = json!({"prices": {"models": {"b/family/large": {"input": 1.0, "output": 1.0}}}});
        keys(chat(builder, "chat", json!({}))).with(model("other", &other, json!({}))).with(priced)
    })
    .await;
    let (free, bound) = (three.gateway.with_key("sk-free"), three.gateway.with_key("sk-bound"));
    for (name, provider, sent) in
        [("a/chat", "a", "chat"), ("b/chat", "b", "chat"), ("b/family/large", "b", "family/large")]
    {
        let answer = free.post(CHAT, &ask(name, "hi")).await;
        assert_eq!(server(&answer), provider, "{name}");
        let simulator = if provider == "a" { &three.a } else { &three.b };
        assert_eq!(simulator.requests().pop().expect("a request").json()["model"], sent);
        assert_eq!(refusal(&bound.post(CHAT, &ask(name, "hi")).await), (404, "model_not_found".to_owned()), "{name}");
    }
    // Only targets of the file exist.
    for unknown in ["c/chat", "a/other", "nobody/chat"] {
        let answer = free.post(CHAT, &ask(unknown, "hi")).await;
        assert_eq!(refusal(&answer), (404, "model_not_found".to_owned()), "{unknown}");
    }
    let list = async |client: &sluice_tests::client::Client| -> Vec<Value> {
        let answer = client.request("GET", "/v1/models", "").await.expect("an answer").json();
        answer["data"].as_array().expect("a list").iter().map(|one| one["id"].clone()).collect()
    };
    assert_eq!(list(&bound).await, ["chat", "other"]);
    assert_eq!(list(&free).await, ["chat", "other", "a/chat", "b/chat", "b/family/large"]);
    // There is no fallback.
    three.a.always("status=504");
    let alone = free.post(CHAT, &ask("a/chat", "hi")).await;
    assert_eq!((refusal(&alone).0, alone.header("x-sluice-attempts")), (504, Some("1")));
}

/// Timers run in whole milliseconds, and not all start at once.
const EARLY: Duration = Duration::from_millis(20);

/// The result and the duration of a request.
async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    (work.await, began.elapsed())
}

#[tokio::test]
async fn the_time_that_a_client_gives_is_for_the_whole_request() {
    let three = Three::lease().await;
    let client = three.gateway.with_key("sk-free");
    for fault in ["every=100+tokens=200", "silence", "first=3600000", "status=429+retry-after=1"] {
        three.a.clear();
        three.b.clear();
        three.a.always(fault);
        three.b.always("silence");
        // A non-streamed response has no token interval.
        let streams = if fault.starts_with("every") { &[true][..] } else { &[false, true] };
        for &stream in streams {
            let limited = client.clone().header("x-sluice-timeout", "3s");
            let body = with(ask("limited", "hi"), json!({"stream": stream}));
            let (answer, took) = timed(limited.post(CHAT, &body)).await;
            assert!(took + EARLY >= LIMIT, "{fault}, {stream}: {took:?}");
            if fault.starts_with("every") {
                // The response has begun, so the gateway cuts it without a terminator.
                assert_eq!(answer.status, 200);
                let clean = answer.text().contains("[DONE]");
                assert!(!clean && !answer.complete, "{answer:?}");
            } else {
                assert_eq!(refusal(&answer), (504, "provider_timeout".to_owned()), "{fault}, {stream}");
            }
        }
        // The providers' work has ended too.
        let ended = |simulator: &sluice_tests::simulator::Simulator| {
            simulator.requests().iter().all(|request| request.outcome != Outcome::Answering)
        };
        until("the providers to be left", || (ended(&three.a) && ended(&three.b)).then_some(())).await;
    }
}

/// Otherwise one client could open a target's circuit for all others, and get its prompts processed for free.
#[tokio::test]
async fn who_does_not_wait_is_charged_and_says_nothing_of_the_target() {
    let three = Three::lease().await;
    let body = ask("hurried", "hi");
    let client = three.gateway.with_key("sk-free");
    three.a.always("silence");
    let hasty = client.clone().header("x-sluice-timeout", "3s");
    let answers = together((0..8).map(|_| hasty.post(CHAT, &body))).await;
    assert!(answers.iter().all(|answer| refusal(answer) == (504, "provider_timeout".to_owned())), "{answers:?}");
    for line in three.gateway.log_lines(8).await {
        assert_eq!((&line["tried"][0]["failure"], &line["estimated"]), (&json!("timeout"), &json!(true)), "{line}");
        assert!(line["cost_usd"].as_str().is_some_and(|cost| cost > "0.000000"), "{line}");
    }
    three.a.clear();
    let answer = client.post(CHAT, &body).await;
    assert_eq!((server(&answer), answer.header("x-sluice-attempts")), ("a".to_owned(), Some("1")));
}

/// Each attempt has its own timeout, so the second is made. The client's timeout covers both.
#[tokio::test]
async fn within_the_clients_time_another_target_is_asked() {
    let three = Three::lease().await;
    three.a.always("silence");
    let client = three.gateway.with_key("sk-free");
    let answer = client.clone().header("x-sluice-timeout", "1h").post(CHAT, &ask("within", "hi")).await;
    assert_eq!((server(&answer), answer.header("x-sluice-attempts")), ("b".to_owned(), Some("2")));
    three.b.always("silence");
    let limited = client.header("x-sluice-timeout", "4500ms");
    let (answer, took) = timed(limited.post(CHAT, &ask("within", "hi"))).await;
    assert_eq!(refusal(&answer), (504, "provider_timeout".to_owned()));
    assert!(took + EARLY >= Duration::from_millis(4_500), "{took:?}");
    assert_eq!(answer.header("x-sluice-attempts"), Some("2"));
}

#[tokio::test]
async fn a_client_cannot_wait_longer_than_the_gateway_does() {
    let three = Three::start(|builder| keys(chat(builder, "chat", json!({}))).timeout("total", SHORT)).await;
    three.a.always("silence");
    three.b.always("silence");
    let client = three.gateway.with_key("sk-free").header("x-sluice-timeout", "1h");
    let (answer, took) = timed(client.post(CHAT, &ask("chat", "hi"))).await;
    assert_eq!(refusal(&answer), (504, "provider_timeout".to_owned()));
    assert!(took + EARLY >= Duration::from_millis(4_500), "{took:?}");
}

/// A client that disconnects while the gateway waits cancels the retry.
#[tokio::test]
async fn a_client_that_leaves_is_not_asked_for_again() {
    let three = Three::lease().await;
    three.a.always("status=429+retry-after=1");
    let client = three.gateway.with_key("sk-free");
    let leaving = tokio::spawn(async move { client.open("POST", CHAT, ask("left-waiting", "hi").to_string()).await });
    three.a.settled(1).await;
    leaving.abort();
    three.gateway.log_lines(1).await;
    // One and a half times the gateway's wait, without a request.
    let waited = Instant::now();
    until("the time of the second attempt to pass", || {
        assert_eq!((three.a.count(), three.b.count()), (1, 0), "after {:?}", waited.elapsed());
        (waited.elapsed() > Duration::from_millis(1_500)).then_some(())
    })
    .await;
    assert_eq!(three.gateway.log()[0]["attempts"], 1);
}

/// A second target's work also ends when the client disconnects.
#[tokio::test]
async fn a_client_that_leaves_ends_the_fallbacks_work_at_once() {
    let three = Three::lease().await;
    three.a.always("status=503");
    for fault in ["silence", "stall-after=6"] {
        three.b.clear();
        three.b.always(fault);
        let body = with(ask("left", "say one two three four five six"), json!({"stream": true})).to_string();
        let client = three.gateway.with_key("sk-free");
        let leaving = tokio::spawn(async move {
            let mut open = client.open("POST", CHAT, body).await.expect("an answer");
            while let Ok(Some(_)) = open.next().await {}
        });
        until("the fallback to be asked", || three.b.requests().pop()).await;
        leaving.abort();
        assert_eq!(three.b.settled(1).await[0].outcome, Outcome::Cancelled, "{fault}");
    }
    // The client ended them, not a timeout.
    let lines = three.gateway.log_lines(2).await;
    assert!(lines.iter().all(|line| line["flags"] == "DC"), "{lines:?}");
}
