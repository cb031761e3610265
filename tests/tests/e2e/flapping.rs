//! A provider that fails and recovers again and again while many clients send requests: its circuit opens and closes, and a fallback serves
//! every client. [`outage`](crate::catalogue) has the longer outages.

use serde_json::json;
use sluice_tests::PATIENCE;
use sluice_tests::gateway::{Gateway, Kind};
use sluice_tests::simulator::Simulator;

use crate::{ask, said, together, with};

/// Failures before the first token: each request can still go to the other provider.
const FAILURES: [&str; 5] = ["status=503", "reset", "status=500", "status=429+retry-after=0", "error"];
/// The number of requests in a row that the provider serves, and then fails.
const ROW: usize = 6;
/// The number of times that the provider fails and recovers.
const TIMES: usize = 10;
const CLIENTS: usize = 8;

#[tokio::test]
async fn every_client_is_served_while_a_provider_fails_and_recovers_again_and_again() {
    let (first, second) = (Simulator::start().await, Simulator::start().await);
    let gateway = Gateway::builder()
        .provider("first", Kind::OpenAi, &first)
        .provider("second", Kind::Anthropic, &second)
        .model("chat", &[("first", "gpt-sim"), ("second", "claude-sim")])
        .with(json!({"circuit": {"failures": 3, "open": "50ms", "longest": "100ms", "ramp": "50ms"}}))
        .start()
        .await;
    let rows = (0..TIMES).flat_map(|time| [["ok"; ROW], [FAILURES[time % FAILURES.len()]; ROW]]);
    let script: Vec<_> = rows.flatten().collect();
    first.script(&script);
    let began = std::time::Instant::now();
    let (mut sent, mut by_first) = (0, 0);
    while first.count() < script.len() || by_first == 0 {
        assert!(began.elapsed() < PATIENCE, "{} of {} after {sent} requests", first.count(), script.len());
        let clients = (0..CLIENTS).map(async |client| {
            let body = with(ask("chat", "say still here"), json!({"stream": client % 2 == 0}));
            let answer = gateway.chat(&body).await;
            assert_eq!((answer.status, answer.complete, &*said(&answer)), (200, true, "still here"), "{answer:?}");
            usize::from(answer.header("x-sluice-provider") == Some("first"))
        });
        by_first += together(clients).await.into_iter().sum::<usize>();
        sent += CLIENTS;
    }
    println!("{sent} requests, {by_first} served by the first provider, which was asked {} times", first.count());
    assert!(by_first >= TIMES * ROW, "each time that it recovered, it was used again");
    let lines = gateway.quiet().await;
    let spared = lines.iter().filter(|line| line["tried"][0]["provider"] == "second").count();
    assert!(spared > 0, "for some requests its circuit was open, or another request probed it: {lines:?}");
    assert!(lines.iter().all(|line| line["status"] == 200 && line["error"].is_null()), "{lines:?}");
}
