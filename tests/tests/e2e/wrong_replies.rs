//! A Redis that replies with nonsense, or late. A reply that no script gives is like none: `when_down` decides, and the gateway goes on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::json;
use sluice_tests::eventually;
use sluice_tests::gateway::{KEY, Key};
use sluice_tests::redis::Store;
use sluice_tests::simulator::{Recorded, Simulator};
use sluice_tests::standin::{Answer, StandIn};

use crate::crowd::{self, Manner, PRICE};
use crate::money::{all_settled, in_redis};
use crate::{CHAT, ask, refusal};

/// A well-formed key that is not in the gateway file, so the gateway looks it up in Redis.
const NOBODY: &str = "sk-sluice-EndToEndTestsSecondKey0000022Afvh";

/// What the reservation of a request for the only limit is: granted.
const GRANTED: &str = r#"{"EVALSHA":"G 0 1 0 1000 1"}"#;

/// Replies of Webdis that make no sense as an answer to a reservation.
fn nonsense() -> Vec<(&'static str, Answer)> {
    let sent = |status, body: &str| Answer::Sent(status, Bytes::copy_from_slice(body.as_bytes()));
    let script = |text: &str| sent(200, &json!({ "EVALSHA": text }).to_string());
    let numbers = "9".repeat(40);
    let large = format!(r#"{{"EVALSHA":"{}"}}"#, "G 0 ".repeat(10 << 20));
    vec![
        ("no body", sent(200, "")),
        ("a web page", sent(200, "<html><body>502 Bad Gateway</body></html>")),
        ("a status of Webdis", sent(403, r#"{"EVALSHA":"G 0 1 0 1000 1"}"#)),
        ("a server error", sent(500, "")),
        ("JSON that is cut", sent(200, &GRANTED[..GRANTED.len() - 3])),
        ("a list", sent(200, "[]")),
        ("an empty object", sent(200, "{}")),
        ("no value", sent(200, r#"{"EVALSHA":null}"#)),
        ("a number", sent(200, r#"{"EVALSHA":7}"#)),
        ("a fraction", sent(200, r#"{"EVALSHA":1.5e300}"#)),
        ("a list of lists", sent(200, r#"{"EVALSHA":[["G"],[0,[1]]]}"#)),
        ("JSON in depth", sent(200, &"[".repeat(100_000))),
        ("text that is not UTF-8", Answer::Sent(200, Bytes::from_static(b"{\"EVALSHA\":\"G \xff\xfe\"}"))),
        ("an error", sent(200, r#"{"EVALSHA":[false,"ERR this is wrong"]}"#)),
        ("an error of the wrong type", sent(200, r#"{"EVALSHA":[false,[]]}"#)),
        ("no memory", sent(200, r#"{"EVALSHA":[false,"OOM command not allowed"]}"#)),
        ("a script that is never known", sent(200, r#"{"EVALSHA":[false,"NOSCRIPT No matching script."]}"#)),
        ("an empty text", script("")),
        ("an alternative that is not there", script("G 7 1 0 1000 1")),
        ("too few numbers", script("G 0 1 0")),
        ("too many numbers", script("G 0 1 0 1000 1 1")),
        ("a number below zero", script("G 0 -1 0 1000 1")),
        ("numbers without an end", script(&format!("G 0 {numbers} 0 {numbers} 1"))),
        ("a refusal by no limit", script("R 9 1 0 1000 1000")),
        ("a settled reservation", script("S")),
        ("40 MiB", sent(200, &large)),
        ("a closed connection", Answer::Closed),
        ("silence", Answer::Never),
    ]
}

/// Replies with sense: one reservation is granted, and settled. Counts the settlements.
fn sensible(request: &Recorded, settled: &AtomicUsize) -> Answer {
    let is_settlement =
        String::from_utf8_lossy(&request.body).split('/').nth(3).is_some_and(|key| key.ends_with(":open"));
    settled.fetch_add(usize::from(is_settlement), Ordering::Relaxed);
    let reply = if is_settlement { r#"{"EVALSHA":1}"# } else { GRANTED };
    Answer::Sent(200, Bytes::from_static(reply.as_bytes()))
}

#[tokio::test]
async fn a_reply_without_sense_is_like_none() {
    let wrong = Arc::new(Mutex::new(None));
    let settled = Arc::new(AtomicUsize::new(0));
    let (reply, count) = (Arc::clone(&wrong), Arc::clone(&settled));
    let replies = move |request: &Recorded| {
        let wrong: Option<Answer> = reply.lock().expect("no panic").clone();
        wrong.unwrap_or_else(|| sensible(request, &count))
    };
    let redis = StandIn::answering(replies).await;
    let provider = Simulator::start().await;
    let gateway = crowd::gateway(&provider)
        .key(Key::new("test", KEY).limits(json!({"requests_per_minute": 2})))
        .with(json!({"redis": {"url": redis.url(), "timeout": "3s", "when_down": "deny"}}))
        .start()
        .await;
    let is_served = async || gateway.chat(&ask("reads", "hi")).await.status == 200;
    assert!(is_served().await);
    for (name, reply) in nonsense() {
        let unavailable = gateway.counter("sluice.redis.unavailable").await;
        let served = provider.count();
        *wrong.lock().expect("no panic") = Some(reply);
        // A key that Redis has to know is never let in.
        let (client, body) = (gateway.with_key(NOBODY), ask("reads", "hi"));
        let (stranger, answer) = tokio::join!(client.post(CHAT, &body), gateway.chat(&body));
        assert_eq!(refusal(&answer), (503, "limits_unavailable".to_owned()), "{name}");
        assert!(matches!(refusal(&stranger).0, 401 | 503), "{name}: {}", stranger.text());
        assert_eq!(provider.count(), served, "{name}");
        assert!(gateway.counter("sluice.redis.unavailable").await > unavailable, "{name}");
        *wrong.lock().expect("no panic") = None;
        // A wrong reply to a settlement may still be on its way, and stops all calls for a moment. Only one settlement is in flight.
        let before = settled.load(Ordering::Relaxed);
        let recovered = async || is_served().await && settled.load(Ordering::Relaxed) > before;
        eventually("Redis to be asked again", recovered).await;
    }
    let told = gateway.errors();
    assert!(gateway.alive() && !told.contains("RuntimeError") && !told.contains("a bug in the filter"), "{told}");
}

#[tokio::test]
async fn a_redis_that_is_slower_than_usual_delays_requests_and_loses_none() {
    let store = Store::lease().await;
    let provider = Simulator::start().await;
    let gateway = crowd::gateway(&provider)
        .key(Key::new("test", KEY).budget(json!({"total": 1000})))
        .store(&store)
        .with(json!({"redis": {"when_down": "deny"}}))
        .start()
        .await;
    for _ in 0..3 {
        // The gateway's timeout is ten seconds.
        store.redis().command(&["CLIENT", "PAUSE", "400", "ALL"]);
        assert_eq!(gateway.chat(&Manner::Whole.body()).await.status, 200);
    }
    all_settled(store.redis()).await;
    assert_eq!(in_redis(store.redis(), "key=test"), PRICE.sum(&provider.settled(3).await));
    assert_eq!(gateway.counter("sluice.redis.unavailable").await, 0);
}
