//! The state that survives when a worker's configuration is replaced: settlements, concurrency slots, timeouts of silent streams, and the
//! counter sync of newly added teams.

use serde_json::{Value, json};
use sluice_tests::gateway::{Builder, Gateway, Key, Kind};
use sluice_tests::redis::{Redis, Store};
use sluice_tests::simulator::Simulator;
use sluice_tests::until;

use crate::{CHAT, ask, with};

/// A gateway that counts in Redis.
fn counted(provider: &Simulator, store: &Store, mode: &str) -> Builder {
    Gateway::builder()
        .provider("openai", Kind::OpenAi, provider)
        .model("chat", &[("openai", "gpt-sim")])
        .store(store)
        .with(json!({"redis": {"mode": mode, "sync": "100ms"}}))
        .concurrency(2)
}

/// The number of a team's requests in Redis's accounts.
fn settled(redis: &Redis, team: &str) -> usize {
    let names = redis.command(&["KEYS", &format!("*:a:team:*:{team}")]);
    let of = |name: &Value| redis.command(&["HGET", name.as_str().unwrap(), "requests"]);
    let counts = names.as_array().into_iter().flatten().map(of);
    counts.map(|count| count.as_str().unwrap().parse::<usize>().unwrap()).sum()
}

fn streamed() -> Value {
    with(ask("chat", "say one two three four"), json!({"stream": true}))
}

#[tokio::test]
async fn every_request_is_settled_once_whichever_configurations_come_while_it_lasts() {
    let (store, provider) = (Store::lease().await, Simulator::start().await);
    let redis = store.redis();
    let limits = |places: u32| json!({"concurrent_requests": places});
    let teams = |places: u32| json!({"test": {"limits": limits(places)}});
    let gateway = counted(&provider, &store, "strict").with(json!({"teams": teams(5)})).start().await;
    provider.always("pause-after=2");
    let mut open = Vec::new();
    for places in 6..9 {
        let mut stream = gateway.client().open("POST", CHAT, streamed().to_string()).await.expect("an answer");
        stream.next().await.expect("a beginning");
        open.push(stream);
        gateway.change(|file| file["teams"] = teams(places)).await;
    }
    gateway.change(|file| file["teams"] = teams(3)).await;
    assert_eq!(gateway.chat(&ask("chat", "say hi")).await.status, 429, "three places are taken");
    gateway.change(|file| file["teams"] = teams(4)).await;
    provider.always("whole");
    assert_eq!(gateway.chat(&ask("chat", "say hi")).await.status, 200);
    gateway.change(|file| file["teams"] = teams(10)).await;
    for stream in open {
        provider.go_on();
        let answer = stream.finish().await;
        assert!(answer.complete && answer.text().contains("[DONE]"), "{}", answer.text());
    }
    for places in 11..21 {
        for _ in 0..5 {
            assert_eq!(gateway.chat(&ask("chat", "say hi")).await.status, 200);
        }
        // The last settlements are not all sent, or not confirmed.
        gateway.change(|file| file["teams"] = teams(places)).await;
    }
    let served = 3 + 1 + 50;
    until("all to be settled", || (settled(redis, "test") == served).then_some(())).await;
    gateway.change(|file| file["teams"] = teams(1)).await;
    assert_eq!(gateway.chat(&ask("chat", "say hi")).await.status, 200, "all places are free");
    until("the last one too", || (settled(redis, "test") == served + 1).then_some(())).await;
    assert_eq!(gateway.counter("sluice.store.unsettled").await, 0);
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_ended_under_whichever_configuration() {
    let provider = Simulator::start().await;
    let gateway = Gateway::builder()
        .provider("openai", Kind::OpenAi, &provider)
        .model("chat", &[("openai", "gpt-sim")])
        .with(json!({"timeouts": {"idle": "1s"}}))
        .start()
        .await;
    provider.always("stall-after=2");
    let mut stream = gateway.client().open("POST", CHAT, streamed().to_string()).await.expect("an answer");
    stream.next().await.expect("a beginning");
    gateway.change(|file| file["timeouts"]["idle"] = "20s".into()).await;
    let answer = stream.finish().await;
    assert!(!answer.complete, "{}", answer.text());
    let lines = gateway.log_lines(1).await;
    assert_eq!(lines[0]["error"], "stream_stalled");
    provider.always("whole");
    assert_eq!(gateway.chat(&ask("chat", "say hi")).await.status, 200, "and nothing else happened");
}

#[tokio::test]
async fn the_counts_of_a_team_that_came_later_are_exchanged_and_so_are_the_last_of_one_that_went() {
    let (store, provider) = (Store::lease().await, Simulator::start().await);
    let redis = store.redis();
    let gateway = counted(&provider, &store, "relaxed").start().await;
    let before = std::fs::read_to_string(gateway.file()).expect("the gateway file");
    let secret = "sk-sluice-of-the-late";
    sluice_tests::within_a_day().await;
    gateway
        .change(|file| {
            file["teams"]["late"] = json!({"limits": {"tokens_per_day": 1_000_000}});
            let key = with(Key::new("late", secret).record(), json!({"team": "late"}));
            file["keys"].as_array_mut().expect("keys").push(key);
        })
        .await;
    let counted = || {
        let names = redis.command(&["KEYS", "*:m:team=late/tokens/day"]);
        let counts = redis.command(&["HVALS", names[0].as_str()?]);
        counts.as_array()?.iter().map(|count| count.as_str()?.parse::<u64>().ok()).sum::<Option<u64>>()
    };
    let used = |lines: &[Value]| -> u64 {
        let tokens = |line: &Value| line["input_tokens"].as_u64().unwrap() + line["output_tokens"].as_u64().unwrap();
        lines.iter().map(tokens).sum()
    };
    assert_eq!(gateway.with_key(secret).post(CHAT, &ask("chat", "say hi")).await.status, 200);
    let first = used(&gateway.log_lines(1).await);
    until("its count in Redis", || (counted()? == first).then_some(())).await;
    provider.always("pause-after=2");
    let mut open = gateway.with_key(secret).open("POST", CHAT, streamed().to_string()).await.expect("an answer");
    open.next().await.expect("a beginning");
    let old: Value = serde_json::from_str(&before).expect("JSON of this harness");
    gateway.change(|file| *file = old).await;
    provider.go_on();
    assert!(open.finish().await.complete);
    let both = used(&gateway.log_lines(2).await);
    assert!(both > first);
    until("the last count in Redis", || (counted()? == both).then_some(())).await;
}
