//! Changes of every kind under load: no request fails, and no stream is cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_tests::client::Client;
use sluice_tests::gateway::{Gateway, Kind};
use sluice_tests::simulator::Simulator;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::key;
use crate::{CHAT, ask, with};

/// Requests per second. Every tenth is a stream that spans several changes.
const RATE: u32 = 200;

/// The number of changes.
const CHANGES: usize = 20;

/// Makes one change, which builds on the earlier ones or reverts one; returns its subject.
fn change(number: usize, file: &mut Value, elsewhere: &str) -> &'static str {
    let to = |provider: &str, model: &str| json!({"targets": [{"provider": provider, "model": model}]});
    let (about, place, value) = match number {
        0 => ("a model", "/models/other", to("openai", "gpt-other")),
        1 => ("a key", "/keys/1", key("second", "sk-sluice-second")),
        2 => ("a provider", "/providers/added", json!({"kind": "openai", "url": elsewhere})),
        3 => ("its model", "/models/added", to("added", "gpt-sim")),
        4 => ("a limit", "/limits", json!([{"limits": {"requests_per_minute": 1_000_000}}])),
        5 => ("a guard", "/guards", json!({"pii": {"detect": ["email"], "on": ["prompts"], "action": "mask"}})),
        6 => ("a price", "/prices/models/openai~1gpt-sim", json!({"input": 1, "output": 2, "max_output": 1000})),
        7 => ("an address", "/providers/openai/url", elsewhere.into()),
        8 => ("a timeout", "/timeouts", json!({"first_token": "20s"})),
        9 => ("a fallback", "/models/chat/targets/1", json!({"provider": "added", "model": "gpt-sim"})),
        10 => ("a breaker", "/providers/openai/availability", json!({"connections": {"max": 5000}})),
        11 => ("a key of a provider", "/providers/openai/keys", json!([{"file": "added.key"}])),
        12 => ("a key less", "/keys/1", Value::Null),
        13 => ("a model less", "/models/other", Value::Null),
        14 => ("a cache", "/models/chat/cache", json!({"ttl": "1m"})),
        15 => ("no fallback", "/models/chat/targets/1", Value::Null),
        16 => ("no model of the provider", "/models/added", Value::Null),
        17 => ("a provider less", "/providers/added", Value::Null),
        18 => ("pages of browsers", "/cors", json!({"origins": ["https://x.test"]})),
        _ => ("a longer time in all", "/timeouts", json!({"total": "700s"})),
    };
    let (parent, name) = place.rsplit_once('/').expect("a place");
    let name = name.replace("~1", "/");
    match (file.pointer_mut(parent).expect("what is there"), value) {
        (Value::Array(list), Value::Null) => drop(list.pop()),
        (Value::Array(list), value) => list.push(value),
        (Value::Object(fields), Value::Null) => drop(fields.remove(&name)),
        (fields, value) => fields[name] = value,
    }
    about
}

/// The results of the requests.
#[derive(Default)]
struct Tally {
    over: AtomicBool,
    good: AtomicUsize,
    streams: AtomicUsize,
}

#[tokio::test]
async fn twenty_changes_disturb_nobody() {
    let (provider, elsewhere) = (Simulator::start().await, Simulator::start().await);
    let builder = Gateway::builder()
        .provider("openai", Kind::OpenAi, &provider)
        .model("chat", &[("openai", "gpt-sim")])
        .with(json!({"prices": {"unpriced": {"input": 1, "output": 1, "max_output": 1000}, "models": {}}}));
    let gateway = builder.start().await;
    std::fs::write(gateway.file().with_file_name("added.key"), "sk-added").unwrap();
    for simulator in [&provider, &elsewhere] {
        simulator.always("every=150");
    }
    let tally = Arc::new(Tally::default());
    let load = tokio::spawn(load(gateway.client(), tally.clone()));
    let mut times = Vec::new();
    for number in 0..CHANGES {
        let good = tally.good.load(Ordering::Relaxed);
        let (begun, mut about) = (Instant::now(), "");
        gateway.change(|file| about = change(number, file, &elsewhere.base_url())).await;
        times.push((begun.elapsed(), about));
        sluice_tests::until("requests after the change", || {
            (tally.good.load(Ordering::Relaxed) > good + 20).then_some(())
        })
        .await;
    }
    tally.over.store(true, Ordering::Relaxed);
    let failed = load.await.expect("the load ends");
    assert!(failed.is_empty(), "{failed:#?}\n{}", gateway.errors());
    times.sort_unstable();
    let (good, streams) = (tally.good.load(Ordering::Relaxed), tally.streams.load(Ordering::Relaxed));
    println!(
        "{good} requests, {streams} of them streams; in force after {:?}, at most {:?}",
        times[times.len() / 2],
        times.last()
    );
    assert!(streams > 20, "{streams}");
    let lines = gateway.log_lines(good).await;
    let wrong = lines.iter().find(|line| line["status"] != 200 || line["error"] != Value::Null);
    assert_eq!((lines.len(), wrong), (good, None));
}

/// Sends requests until stopped, on new and on persistent connections; returns the errors.
async fn load(client: Client, tally: Arc<Tally>) -> Vec<String> {
    let mut ticks = interval(Duration::from_secs(1) / RATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut all = JoinSet::new();
    let mut failed = Vec::new();
    let mut number = 0_usize;
    while !tally.over.load(Ordering::Relaxed) {
        ticks.tick().await;
        number += 1;
        let (client, tally) = (client.clone(), tally.clone());
        let streamed = number.is_multiple_of(10);
        all.spawn(async move {
            let text = if streamed { "say one two three four five six seven eight nine ten" } else { "say hi" };
            let body = with(ask("chat", text), json!({"stream": streamed}));
            let answer = client.request("POST", CHAT, body.to_string()).await.map_err(|error| format!("{error:?}"))?;
            let whole = if streamed { answer.text().contains("[DONE]") } else { answer.json()["choices"].is_array() };
            if answer.status != 200 || !answer.complete || !whole {
                return Err(format!("{} {}", answer.status, answer.text()));
            }
            tally.streams.fetch_add(usize::from(streamed), Ordering::Relaxed);
            tally.good.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        while let Some(done) = all.try_join_next() {
            failed.extend(done.expect("a request ends").err());
        }
    }
    while let Some(done) = all.join_next().await {
        failed.extend(done.expect("a request ends").err());
    }
    failed
}
