//! Endless streams: an event that never ends, a flood of tiny events, and a connection that stays open after the end. Clients receive
//! everything valid, and other streams are not affected.

use serde_json::{Map, Value, json};
use sluice_tests::client::Answer;
use sluice_tests::gateway::{Gateway, KEY, Key, Kind};
use sluice_tests::simulator::{Outcome, Simulator};

use crate::{CHAT, Pair, ask, other, refusal, said, with};

/// More events than any of these streams has.
const BEHIND_ALL: usize = 999;

/// The number of restarts of the filter's VM.
async fn reloads(gateway: &Gateway) -> u64 {
    let text = gateway.envoy("/stats?filter=vm_reload_success").await;
    text.lines().filter_map(|line| line.rsplit_once(": ")?.1.parse::<u64>().ok()).sum()
}

async fn is_sound(gateway: &Gateway) {
    assert!(gateway.alive());
    assert_eq!(reloads(gateway).await, 0, "{}", gateway.errors());
    assert!(!gateway.errors().contains("unreachable"), "{}", gateway.errors());
}

/// The code of the error that ends a stream.
fn failure(answer: &Answer) -> String {
    let last = answer.events().pop().map(|event| event.json()).unwrap_or_default();
    last["error"]["code"].as_str().unwrap_or_default().to_owned()
}

fn done(answer: &Answer) -> bool {
    answer.text().ends_with("data: [DONE]\n\n")
}

/// Asserts that the logged usage equals the provider's.
fn is_charged(line: &Value, provider: &Simulator) {
    let used = provider.requests().pop().and_then(|request| request.used).expect("usage");
    assert_eq!((&line["input_tokens"], &line["output_tokens"]), (&used.input.into(), &used.output.into()), "{line}");
    assert_eq!(line["estimated"], Value::Null, "{line}");
}

#[tokio::test]
async fn an_event_without_an_end_ends_its_own_stream_alone() {
    let pair = Pair::lease().await;
    let words = (0..60).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ");
    for provider in ["openai", "anthropic"] {
        let neighbour = other(provider);
        pair.simulator(neighbour).always("every=30");
        let good = pair.ask(neighbour, &format!("say {words}"));
        let client = pair.gateway.client();
        let good = tokio::spawn(async move { client.post(CHAT, &with(good, json!({"stream": true}))).await });
        pair.simulator(provider).always("tokens=20+whole+endless-after=8");
        let bad = pair.gateway.stream(&pair.ask(provider, "go")).await;
        if bad.status == 200 {
            assert_eq!(failure(&bad), "provider_answer_too_large", "{}", bad.text());
            assert!(!bad.complete && !said(&bad).is_empty() && !bad.text().contains("[DONE]"), "{}", bad.text());
        } else {
            // If both arrived together, the gateway has not forwarded any text yet.
            assert_eq!(refusal(&bad), (502, "provider_answer_too_large".to_owned()), "{}", bad.text());
        }
        let good = good.await.expect("an answer");
        assert_eq!((said(&good), good.complete && done(&good)), (words.clone(), true));
        assert_eq!(pair.simulator(provider).settled(1).await[0].outcome, Outcome::Cancelled);
        pair.openai.clear();
        pair.anthropic.clear();
    }
    let lines = pair.gateway.quiet().await;
    let failed: Vec<_> = lines.iter().filter(|line| line["error"] == "provider_answer_too_large").collect();
    assert_eq!((lines.len(), failed.len()), (4, 2), "{lines:?}");
    assert!(failed.iter().all(|line| line["tried"][0]["failure"] == "answer_too_large"), "{failed:?}");
    is_sound(&pair.gateway).await;
}

#[tokio::test]
async fn what_comes_behind_the_end_is_no_failure_and_is_not_charged() {
    for (pair, ways) in [
        (Pair::lease().await, &["endless", "flood"][..]),
        // The provider sends nothing, and keeps the connection open.
        (Pair::impatient().await, &["stall"]),
    ] {
        for way in ways {
            for provider in ["openai", "anthropic"] {
                let simulator = pair.simulator(provider);
                simulator.clear();
                simulator.always(&format!("{way}-after={BEHIND_ALL}"));
                let answer = pair.gateway.stream(&pair.ask(provider, "say one two three")).await;
                assert_eq!((&*said(&answer), done(&answer)), ("one two three", true), "{way}: {}", answer.text());
                // If the provider does not end a response, the gateway does not either: it cuts it.
                assert!(!answer.complete, "{way}");
                assert_eq!(simulator.settled(1).await[0].outcome, Outcome::Cancelled, "{way}");
                let line = pair.gateway.quiet().await.pop().expect("a line");
                assert!(line["status"] == 200 && line["error"].is_null(), "{way}: {line}");
                assert!(line["tried"][0]["failure"].is_null(), "{way}: {line}");
                is_charged(&line, simulator);
            }
        }
        is_sound(&pair.gateway).await;
    }
}

#[tokio::test]
async fn a_flood_of_the_smallest_events_flows_to_whoever_reads_it() {
    let pair = Pair::lease().await;
    // Comments from Anthropic do not reach a client of OpenAI's format.
    for (provider, wanted) in [("openai", 8 << 20), ("anthropic", 100)] {
        pair.simulator(provider).always("tokens=20+whole+flood-after=8");
        let body = with(pair.ask(provider, "go"), json!({"stream": true})).to_string();
        let mut open = pair.gateway.client().open("POST", CHAT, body).await.expect("an answer");
        let mut read = 0;
        while read < wanted {
            read += open.next().await.expect("more").expect("no end").len();
        }
        drop(open);
        assert_eq!(pair.simulator(provider).settled(1).await[0].outcome, Outcome::Cancelled);
    }
    assert_eq!(pair.gateway.quiet().await.len(), 2);
    is_sound(&pair.gateway).await;
}

/// Name, kind, the simulator's path, the model, and whether its streams have a terminator.
const WIRES: [(&str, &str, &str, &str, bool); 6] = [
    ("gemini", "gemini", "/v1beta", "gemini-2.5-sim", false),
    ("bedrock", "bedrock", "", "claude-sim", true),
    ("bedrock-anthropic", "bedrock-anthropic", "", "claude-sim", true),
    ("cohere", "cohere", "/v2", "command-sim", true),
    ("responses", "openai", "/v1", "gpt-sim", true),
    ("openai", "openai", "/v1", "gpt-sim", true),
];

#[tokio::test]
async fn every_wire_has_its_bounds_for_what_flows_what_is_held_and_what_is_looked_at() {
    let simulator = Simulator::start().await;
    let (mut providers, mut models, mut cases) = (Map::new(), Map::new(), Vec::new());
    for (name, kind, path, model, has_end) in WIRES {
        providers.insert(name.into(), json!({"kind": kind, "url": simulator.url() + path, "key": {"env": "A_KEY"}}));
        for (manner, delivery) in [("flows", "stream"), ("held", "whole"), ("checked", "stream")] {
            for (place, after) in [("within", 8), ("behind", BEHIND_ALL)] {
                let target = format!("{model}+tokens=20+whole+endless-after={after}");
                let target = json!({"targets": [{"provider": name, "model": target}], "delivery": delivery});
                models.insert(format!("{name}-{manner}-{place}"), target);
                cases.push((format!("{name}-{manner}-{place}"), manner, place == "behind" && has_end));
            }
        }
    }
    providers["responses"]["speaks"] = json!(["responses"]);
    let guards = json!({"words": {"match": {"key": "checked"}, "words": ["never said"], "on": ["answers"], "delivery": "whole"}});
    let gateway = Gateway::builder()
        .provider("unused", Kind::OpenAi, &simulator)
        .model("unused", &[("unused", "gpt-sim")])
        .key(Key::new("test", KEY))
        .key(Key::new("checked", "checked"))
        .with(json!({"providers": providers, "models": models, "guards": guards}))
        .start()
        .await;
    for (name, manner, ends) in &cases {
        let (broken, large) =
            (("invalid_provider_response", "bad_answer"), ("provider_answer_too_large", "answer_too_large"));
        // An Amazon frame of the maximum length fails its checksum. A stored stream may exceed its size limit before that.
        let codes = match (name.starts_with("bedrock"), *manner) {
            (true, "checked") => vec![broken, large],
            (true, _) => vec![broken],
            (false, _) => vec![large],
        };
        let client = gateway.with_key(if *manner == "checked" { "checked" } else { KEY });
        let answer = client.post(CHAT, &with(ask(name, "go"), json!({"stream": true}))).await;
        match (manner, ends) {
            (_, true) => assert!(answer.status == 200 && done(&answer), "{name}: {}", answer.text()),
            // A checked response is rejected before any text is forwarded. The others are forwarded, unless all bytes arrived at once.
            (&"checked", false) => assert_eq!(answer.status, 502, "{name}: {}", answer.text()),
            (&("held" | "flows"), false) if answer.status == 502 => {}
            _ => {
                let code = failure(&answer);
                assert!(
                    answer.status == 200 && codes.iter().any(|(known, _)| *known == code),
                    "{name}: {}: {code}",
                    answer.status
                );
                assert!(!done(&answer) && !said(&answer).is_empty(), "{name}: {}", answer.text());
            }
        }
        let line = gateway.quiet().await.pop().expect("a line");
        let told = line["error"].as_str().zip(line["tried"][0]["failure"].as_str());
        match ends {
            true => assert!(line["error"].is_null() && line["tried"][0]["failure"].is_null(), "{name}: {line}"),
            false => assert!(told.is_some_and(|told| codes.contains(&told)), "{name}: {line}"),
        }
    }
    assert_eq!(said(&gateway.chat(&ask("unused", "say hi")).await), "hi");
    is_sound(&gateway).await;
}
