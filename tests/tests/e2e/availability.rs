//! Envoy's handling of unavailable providers: names without an address, failing or unhealthy addresses, and more concurrent requests than
//! allowed.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_tests::PATIENCE;
use sluice_tests::gateway::{Builder, Gateway, Kind};
use sluice_tests::port::Port;
use sluice_tests::simulator::Simulator;

use crate::{Pair, ask, refusal, said, with};

/// A name that never resolves (RFC 6761).
const NOWHERE: &str = "nowhere.invalid";

/// A gateway whose provider `first` is at this URL with this `availability`, and whose `second` is a simulator. The model `alone` has only
/// the first; `both` falls back to the second.
async fn gateway(url: &str, availability: Value, second: &Simulator) -> Gateway {
    builder("first", url, availability, second).start().await
}

/// A gateway whose first provider has this name.
fn builder(first: &str, url: &str, availability: Value, second: &Simulator) -> Builder {
    Gateway::builder()
        .provider(first, Kind::OpenAi, url)
        .provider("second", Kind::Anthropic, second)
        .model("alone", &[(first, "gpt-sim")])
        .model("both", &[(first, "gpt-sim"), ("second", "claude-sim")])
        .with(json!({"providers": {first: {"availability": availability}}}))
        // These tests check Envoy, so the gateway's own circuits stay closed.
        .with(json!({"circuit": {"failures": 1000}}))
}

/// Envoy's health flags for the addresses of a provider, including those of an earlier test's provider of this name: `healthy`,
/// `/failed_outlier_check`.
async fn health(gateway: &Gateway, provider: &str) -> Vec<(String, String)> {
    let clusters = gateway.envoy("/clusters").await;
    let flags = clusters.lines().filter_map(|line| of(provider, line)?.split_once("::health_flags::"));
    flags.map(|(address, flags)| (address.to_owned(), flags.to_owned())).collect()
}

/// The rest of a line about a cluster of this provider. The cluster's name contains a version.
fn of<'l>(provider: &str, line: &'l str) -> Option<&'l str> {
    let (name, rest) = line.split_once("::")?;
    (name.split('~').next() == Some(provider)).then_some(rest)
}

/// Waits until Envoy reports this for an address of a provider.
async fn until_health(gateway: &Gateway, provider: &str, address: &str, expected: &str) {
    let reached = async {
        let mut now_and_then = tokio::time::interval(Duration::from_millis(20));
        while !health(gateway, provider).await.contains(&(address.to_owned(), expected.to_owned())) {
            now_and_then.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{address} never was {expected}"));
}

fn address(simulator: &Simulator) -> String {
    format!("127.0.0.1:{}", simulator.port())
}

/// Two providers without an address, over HTTP and over TLS, followed by an available one.
async fn without_addresses(second: &Simulator) -> Gateway {
    builder("first", &format!("http://{NOWHERE}/v1"), json!({}), second)
        .provider("secure", Kind::OpenAi, &*format!("https://{NOWHERE}/v1"))
        .model("secure", &[("secure", "gpt-sim")])
        .model("all", &[("first", "gpt-sim"), ("secure", "gpt-sim"), ("second", "claude-sim")])
        .start()
        .await
}

#[tokio::test]
async fn a_name_without_an_address_is_passed_over() {
    let second = Simulator::start().await;
    let gateway = without_addresses(&second).await;
    for stream in [false, true] {
        let answer = gateway.chat(&with(ask("all", "say here"), json!({"stream": stream}))).await;
        assert_eq!((answer.status, &*said(&answer), answer.complete), (200, "here", true), "{stream}");
        assert_eq!(answer.header("x-sluice-provider"), Some("second"));
        assert_eq!(answer.header("x-sluice-attempts"), Some("3"));
    }
}

#[tokio::test]
async fn a_name_without_an_address_and_nothing_good_after_it_is_one_error() {
    let second = Simulator::start().await;
    let gateway = without_addresses(&second).await;
    second.always("status=500");
    for (model, attempts, status, code) in [
        // The gateway retries the last target once: its connection may have been stale, and a 500 may be transient.
        ("alone", "2", 503, "provider_unavailable"),
        ("secure", "2", 503, "provider_unavailable"),
        ("all", "4", 500, ""),
    ] {
        for stream in [false, true] {
            let answer = gateway.chat(&with(ask(model, "hi"), json!({"stream": stream}))).await;
            assert_eq!(refusal(&answer), (status, code.to_owned()), "{model}");
            assert_eq!(answer.header("x-sluice-attempts"), Some(attempts), "{model}");
        }
    }
}

#[tokio::test]
async fn a_name_with_an_address_is_asked_there_however_often_it_failed() {
    let (first, second) = (Simulator::start().await, Simulator::start().await);
    let url = format!("http://localhost:{}/v1", first.port());
    let gateway = gateway(&url, json!({"outlier_detection": {"failures": 2, "ejection": "1h"}}), &second).await;
    for _ in 0..20 {
        assert_eq!(gateway.chat(&ask("both", "hi")).await.header("x-sluice-attempts"), Some("1"));
    }
    first.script(&["status=503", "status=503"]);
    for _ in 0..2 {
        assert_eq!(gateway.chat(&ask("both", "hi")).await.header("x-sluice-provider"), Some("second"));
    }
    until_health(&gateway, "first", &address(&first), "/failed_outlier_check").await;
    for _ in 0..20 {
        assert_eq!(gateway.chat(&ask("both", "hi")).await.header("x-sluice-attempts"), Some("1"));
    }
}

#[tokio::test]
async fn an_address_that_keeps_failing_is_ejected_and_still_asked_when_there_is_no_other() {
    let (first, second) = (Simulator::start().await, Simulator::start().await);
    let outliers = json!({"outlier_detection": {"failures": 3, "ejection": "1h"}});
    let gateway = builder("ejected", &first.base_url(), outliers, &second).start().await;
    // An error caused by the client is not a failure. A success between two failures resets the count.
    first.script(&["status=502", "status=503", "ok", "status=502", "status=400", "status=429", "reset"]);
    for _ in 0..7 {
        gateway.chat(&ask("both", "hi")).await;
    }
    assert_eq!(health(&gateway, "ejected").await, [(address(&first), "healthy".to_owned())]);
    first.clear();
    // The gateway retries a lost connection once.
    first.script(&["status=502", "reset", "reset", "status=503"]);
    for _ in 0..3 {
        let answer = gateway.chat(&ask("both", "hi")).await;
        assert_eq!(answer.header("x-sluice-provider"), Some("second"));
    }
    until_health(&gateway, "ejected", &address(&first), "/failed_outlier_check").await;
    let active = gateway.envoy("/stats?filter=^cluster\\.ejected\\.outlier_detection\\.ejections_active$").await;
    assert!(active.trim().ends_with(": 1"), "{active}");
    let answer = gateway.chat(&ask("alone", "say still")).await;
    assert_eq!((answer.status, &*said(&answer)), (200, "still"));
}

#[tokio::test]
async fn silence_counts_as_a_failure_and_an_error_inside_a_200_does_not() {
    let (first, second) = (Simulator::start().await, Simulator::start().await);
    let more = json!({"outlier_detection": {"failures": 2, "ejection": "1h"}});
    let gateway = builder("silent", &first.base_url(), more, &second).timeout("answer", "3s").start().await;
    let served = async |fault: &str| {
        first.script(&[fault; 3]);
        for _ in 0..3 {
            let answer = gateway.chat(&ask("both", "hi")).await;
            assert_eq!(answer.header("x-sluice-provider"), Some("second"), "{fault}");
        }
    };
    served("error").await;
    assert_eq!(health(&gateway, "silent").await, [(address(&first), "healthy".to_owned())]);
    served("silence").await;
    until_health(&gateway, "silent", &address(&first), "/failed_outlier_check").await;
}

#[tokio::test]
async fn a_refused_connection_counts_as_a_failure() {
    let (first, second) = (Port::reserve(), Simulator::start().await);
    let gateway = gateway(&first.base_url(), json!({"outlier_detection": {"failures": 2}}), &second).await;
    for _ in 0..2 {
        let answer = gateway.chat(&ask("both", "hi")).await;
        assert_eq!(answer.header("x-sluice-provider"), Some("second"));
    }
    until_health(&gateway, "first", &format!("127.0.0.1:{}", first.number()), "/failed_outlier_check").await;
}

#[tokio::test]
async fn an_address_that_is_not_well_is_still_asked_when_there_is_no_other() {
    let (first, second) = (Simulator::start().await, Simulator::start().await);
    let check = json!({"health_check": {"path": "/well?who=you", "interval": "50ms", "unhealthy": 3}});
    let gateway = gateway(&first.base_url(), check, &second).await;
    until_health(&gateway, "first", &address(&first), "/failed_active_hc").await;
    let answer = gateway.chat(&ask("alone", "say still")).await;
    assert_eq!((answer.status, &*said(&answer)), (200, "still"));
    // Envoy itself sends the health checks, without a credential and with its own user agent.
    let requests = first.requests();
    let asked = requests.iter().find(|request| request.path == "/well?who=you").expect("a health check");
    assert_eq!((&*asked.method, asked.header("host")), ("GET", Some(&*address(&first))));
    assert_eq!(asked.header("authorization"), None);
}

#[tokio::test]
async fn an_address_that_is_no_longer_well_is_known_as_such() {
    let port = Port::reserve();
    let first = Simulator::builder().port(port.number()).start().await.expect("a port of its own");
    let second = Simulator::start().await;
    // The simulator responds with 200 on this path.
    let check = json!({"health_check": {"path": "/control/requests", "interval": "50ms"}});
    let gateway = gateway(&first.base_url(), check, &second).await;
    let where_it_is = address(&first);
    until_health(&gateway, "first", &where_it_is, "healthy").await;
    drop(first);
    until_health(&gateway, "first", &where_it_is, "/failed_active_hc").await;
    assert_eq!(gateway.chat(&ask("both", "hi")).await.header("x-sluice-provider"), Some("second"));
}

#[tokio::test]
async fn a_name_without_an_address_has_nobody_to_ask_whether_it_is_well() {
    let second = Simulator::start().await;
    let all = json!({
        "outlier_detection": {},
        "health_check": {"interval": "50ms"},
        "slow_start": "30s",
        "connections": {"max": 1000, "pending": 1000, "requests": 1000},
    });
    let gateway = gateway(&format!("http://{NOWHERE}/v1"), all, &second).await;
    for _ in 0..10 {
        assert_eq!(gateway.chat(&ask("both", "hi")).await.header("x-sluice-provider"), Some("second"));
    }
    let attempts = gateway.envoy("/stats?filter=^cluster\\.first\\.health_check\\.attempt$").await;
    assert!(attempts.trim().ends_with(": 0"), "{attempts}");
}

#[tokio::test]
async fn a_full_breaker_ends_a_request_without_a_fallback() {
    let one = |builder: Builder| {
        builder.with(json!({"providers": {"openai": {"availability": {"connections": {"requests": 1}}}}}))
    };
    let pair = Pair::with(one).await;
    pair.openai.hold();
    let (client, body) = (pair.gateway.client(), ask("openai-first", "say held"));
    let first = tokio::spawn(async move { client.post(crate::CHAT, &body).await });
    sluice_tests::until("the first request to arrive", || pair.openai.requests().first().map(drop)).await;
    let answer = pair.gateway.chat(&ask("openai-first", "hi")).await;
    assert_eq!(refusal(&answer), (503, "provider_unavailable".to_owned()));
    assert!(pair.anthropic.requests().is_empty());
    pair.openai.release();
    let held = first.await.unwrap();
    assert_eq!((held.status, &*said(&held)), (200, "held"));
}
