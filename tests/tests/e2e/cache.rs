//! The cache in a real Envoy: what is answered from it and to whom, what never comes into it, and what a hit counts as.

mod kept;
mod settled;

use std::cell::Cell;

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Client};
use sluice_tests::eventually;
use sluice_tests::gateway::{Builder, Gateway, Key, Kind};
use sluice_tests::simulator::Simulator;

use crate::{CHAT, ask, with};

const MESSAGES: &str = "/v1/messages";
const EMBEDDINGS: &str = "/v1/embeddings";

/// A gateway of two workers before a provider of each kind, whose models keep their answers for an hour.
fn cached(openai: &Simulator, anthropic: &Simulator) -> Builder {
    let cache = json!({"cache": {"ttl": "1h"}});
    Gateway::builder()
        .provider("openai", Kind::OpenAi, openai)
        .provider("anthropic", Kind::Anthropic, anthropic)
        .model("chat", &[("openai", "gpt-sim")])
        .model("claude", &[("anthropic", "claude-sim")])
        .model("embed", &[("openai", "embed-sim")])
        .with(json!({"models": {"chat": cache, "claude": cache, "embed": cache}}))
        .concurrency(2)
}

async fn start(settings: impl FnOnce(Builder) -> Builder) -> (Gateway, Simulator, Simulator) {
    let (openai, anthropic) = (Simulator::start().await, Simulator::start().await);
    (settings(cached(&openai, &anthropic)).start().await, openai, anthropic)
}

/// What the answer says of the cache.
#[track_caller]
fn word(answer: &Answer) -> &str {
    assert!(answer.status == 200 && answer.complete, "{} {}", answer.status, answer.text());
    answer.header("x-sluice-cache").unwrap_or_else(|| panic!("no word of a cache in {:?}", answer.headers))
}

#[track_caller]
fn is_hit(answer: &Answer, first: &Answer) {
    assert_eq!((word(answer), &answer.body), ("hit", &first.body));
    for same in ["content-type", "x-sluice-provider", "x-sluice-model"] {
        assert_eq!(answer.header(same), first.header(same), "{same}");
    }
    assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
    assert!(answer.header("age").is_some_and(|age| age.parse::<u64>().is_ok_and(|age| age < 60)));
    assert_eq!((answer.header("x-sluice-attempts"), first.header("age")), (None, None));
}

async fn stored(gateway: &Gateway) -> u64 {
    gateway.counter("sluice.cache.stored").await
}

#[tokio::test]
async fn every_format_is_answered_again_with_the_same_bytes_and_nobody_is_asked() {
    let (gateway, openai, anthropic) = start(|builder| builder).await;
    let (chat, messages) = (gateway.client(), gateway.anthropic_client());
    let text = "say one two three";
    let stream = |body: Value| with(body, json!({"stream": true}));
    let message = |model: &str| with(ask(model, text), json!({"max_tokens": 64}));
    let with_usage = with(ask("chat", text), json!({"stream": true, "stream_options": {"include_usage": true}}));
    let requests: [(&Client, &str, Value); 11] = [
        (&chat, CHAT, ask("chat", text)),
        (&chat, CHAT, stream(ask("chat", text))),
        (&chat, CHAT, with_usage),
        (&chat, CHAT, ask("claude", text)),
        (&chat, CHAT, stream(ask("claude", text))),
        (&messages, MESSAGES, message("claude")),
        (&messages, MESSAGES, stream(message("claude"))),
        (&messages, MESSAGES, message("chat")),
        (&messages, MESSAGES, stream(message("chat"))),
        (&chat, "/v1/responses", json!({"model": "chat", "input": text, "stream": true})),
        (&chat, EMBEDDINGS, json!({"model": "embed", "input": [text]})),
    ];
    for (number, (client, path, body)) in requests.iter().enumerate() {
        let first = client.post(path, body).await;
        assert_eq!(word(&first), "miss", "{path} {body}");
        let asked = openai.count() + anthropic.count();
        for _ in 0..3 {
            is_hit(&client.post(path, body).await, &first);
        }
        assert_eq!((asked, openai.count() + anthropic.count()), (number + 1, number + 1), "{path} {body}");
    }
    let lines = gateway.log_lines(requests.len() * 4).await;
    let logged = |word: &str| lines.iter().filter(|line| line["cache"] == word).count();
    assert_eq!((logged("miss"), logged("hit")), (requests.len(), 3 * requests.len()));
    for (counter, times) in [("hit", 3 * requests.len()), ("miss", requests.len()), ("stored", requests.len())] {
        assert_eq!(gateway.counter(&format!("sluice.cache.{counter}")).await, times as u64, "{counter}");
    }
}

#[tokio::test]
async fn one_byte_more_is_another_request_and_so_is_a_beta_of_anthropics() {
    let (gateway, openai, anthropic) = start(|builder| builder).await;
    let body = ask("chat", "say hi").to_string();
    for body in [body.clone(), format!("{body} "), body.replace("hi", "ho")] {
        let answer = gateway.client().request("POST", CHAT, body).await.expect("an answer");
        assert_eq!(word(&answer), "miss");
    }
    let message = with(ask("claude", "say hi"), json!({"max_tokens": 64}));
    for (beta, expected) in [("a", "miss"), ("b", "miss"), ("a", "hit")] {
        let client = gateway.anthropic_client().header("anthropic-beta", beta);
        assert_eq!(word(&client.post(MESSAGES, &message).await), expected, "{beta}");
    }
    assert_eq!((openai.count(), anthropic.count()), (3, 2));
}

#[tokio::test]
async fn answers_are_shared_within_their_scope_and_never_beyond() {
    let scopes = ["key", "team", "app", "all"];
    let (gateway, _openai, _anthropic) = start(|builder| {
        let builder = scopes.into_iter().fold(builder, |builder, scope| {
            builder
                .model(scope, &[("openai", "gpt-sim")])
                .with(json!({"models": {scope: {"cache": {"ttl": "1h", "scope": scope}}}}))
        });
        builder
            .with(json!({"apps": {"bot": {}}}))
            .key(Key::new("a", "sk-a").team("red"))
            .key(Key::new("b", "sk-b").team("red"))
            .key(Key::new("c", "sk-c").team("blue"))
            .key(Key::new("d", "sk-d").team("red").set("app", json!("bot")))
            .key(Key::new("e", "sk-e").team("blue").set("app", json!("bot")))
    })
    .await;
    for (scope, expected) in scopes.into_iter().zip([
        ["miss", "miss", "miss", "miss", "miss"],
        ["miss", "hit", "miss", "hit", "hit"],
        ["miss", "miss", "miss", "miss", "hit"],
        ["miss", "hit", "hit", "hit", "hit"],
    ]) {
        let mut words = Vec::new();
        for key in ["sk-a", "sk-b", "sk-c", "sk-d", "sk-e"] {
            words.push(word(&gateway.with_key(key).post(CHAT, &ask(scope, "say hi")).await).to_owned());
        }
        assert_eq!(words, expected, "{scope}");
    }
}

#[tokio::test]
async fn an_answer_is_given_until_its_time_is_over() {
    let ttl = json!({"models": {"chat": {"cache": {"ttl": "1500ms"}}}});
    let (gateway, openai, _anthropic) = start(|builder| builder.with(ttl)).await;
    let first = gateway.chat(&ask("chat", "say hi")).await;
    is_hit(&gateway.chat(&ask("chat", "say hi")).await, &first);
    let hits = Cell::new(0);
    eventually("the answer to expire", async || {
        let expired = word(&gateway.chat(&ask("chat", "say hi")).await) == "miss";
        hits.set(hits.get() + u32::from(!expired));
        expired
    })
    .await;
    assert_eq!((hits.get() > 0, openai.count()), (true, 2));
}

#[tokio::test]
async fn a_client_may_want_an_answer_of_its_own_or_that_nothing_is_kept() {
    let (gateway, openai, _anthropic) = start(|builder| builder).await;
    let ask = async |control: &str, text: &str| {
        gateway.client().header("cache-control", control).post(CHAT, &ask("chat", text)).await
    };
    assert_eq!(word(&ask("no-store", "say hi").await), "bypass");
    let fresh = ask("no-cache", "say hi").await;
    assert_eq!((word(&fresh), stored(&gateway).await), ("bypass", 1));
    is_hit(&ask("max-age=0", "say hi").await, &fresh);
    openai.script(&["tokens=3"]);
    let fresher = ask("no-cache", "say hi").await;
    assert_ne!(fresher.body, fresh.body);
    is_hit(&ask("", "say hi").await, &fresher);
    assert_eq!(openai.count(), 3);
    let lines = gateway.log_lines(5).await;
    assert_eq!(lines.iter().filter(|line| line["cache"] == "bypass").count(), 3);
}

#[tokio::test]
async fn workers_know_each_others_answers() {
    let (gateway, openai, _anthropic) = start(|builder| builder.concurrency(2)).await;
    let first = gateway.chat(&ask("chat", "say hi")).await;
    for _ in 0..40 {
        // Each on a connection of its own, which either of the workers gets.
        is_hit(&gateway.chat(&ask("chat", "say hi")).await, &first);
    }
    assert_eq!(openai.count(), 1);
}
