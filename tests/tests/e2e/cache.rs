//! The cache in a real Envoy: hits and their scope, responses that are never stored, and the accounting of a hit.

mod flight;
mod kept;
mod semantic;
mod settled;
mod shared;

use std::cell::Cell;

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Client};
use sluice_tests::eventually;
use sluice_tests::gateway::{Builder, Gateway, KEY, Key, Kind};
use sluice_tests::shared::{Fixture, Shared, renew};
use sluice_tests::simulator::Simulator;

use crate::{CHAT, ask, numbered, of_envoy, refusal, with};

const MESSAGES: &str = "/v1/messages";
const EMBEDDINGS: &str = "/v1/embeddings";

/// The number of tests that a shared gateway serves. Each has its own models, so no test gets another's cached response.
const TURNS: usize = 20;

/// A gateway with two workers and a provider of each kind. Its models cache responses for an hour.
struct Cached {
    gateway: Gateway,
    openai: Simulator,
    anthropic: Simulator,
    /// The number of tests that used it before.
    turn: usize,
}

/// A gateway with the models and keys of all tests that need no settings of their own.
static CACHED: Shared<Cached> =
    Shared::new(1, || Box::pin(Cached::of(TURNS, |builder| settled::settings(kept::settings(settings(builder))))));

/// The settings that the tests of this file share.
fn settings(builder: Builder) -> Builder {
    let scopes = SCOPES.map(|scope| (scope, json!({"ttl": "1h", "scope": scope})));
    let brief = [("brief", json!({"ttl": "1500ms"}))];
    let builder = scopes.into_iter().chain(brief).fold(builder, |builder, (name, cache)| {
        builder.model(name, &[("openai", "gpt-sim")]).with(json!({"models": {name: {"cache": cache}}}))
    });
    builder
        .with(json!({"apps": {"bot": {}}}))
        .key(Key::new("test", KEY))
        .key(Key::new("a", "sk-a").team("red"))
        .key(Key::new("b", "sk-b").team("red"))
        .key(Key::new("c", "sk-c").team("blue"))
        .key(Key::new("d", "sk-d").team("red").set("app", json!("bot")))
        .key(Key::new("e", "sk-e").team("blue").set("app", json!("bot")))
        .key(Key::new("named", "sk-named").set("control", json!(["cache"])))
}

impl Cached {
    /// A gateway with settings for this test alone.
    async fn with(settings: impl FnOnce(Builder) -> Builder) -> Self {
        Self::of(1, settings).await
    }

    async fn of(turns: usize, settings: impl FnOnce(Builder) -> Builder) -> Self {
        let (openai, anthropic) = (Simulator::start().await, Simulator::start().await);
        let builder = Gateway::builder().provider("openai", Kind::OpenAi, &openai).provider(
            "anthropic",
            Kind::Anthropic,
            &anthropic,
        );
        let models =
            [("chat", "openai", "gpt-sim"), ("claude", "anthropic", "claude-sim"), ("embed", "openai", "embed-sim")];
        let models =
            (0..turns).flat_map(|turn| models.map(|(name, provider, model)| (numbered(name, turn), provider, model)));
        let builder = models.fold(builder, |builder, (name, provider, model)| {
            let cache = json!({"models": {&name: {"cache": {"ttl": "1h"}}}});
            builder.model(&name, &[(provider, model)]).with(cache)
        });
        Self { gateway: settings(builder.concurrency(2)).start().await, openai, anthropic, turn: 0 }
    }

    /// The name of a model in this turn.
    fn name(&self, model: &str) -> String {
        numbered(model, self.turn)
    }

    /// A request with one message.
    fn ask(&self, model: &str, text: &str) -> Value {
        ask(&self.name(model), text)
    }

    /// The number of requests that reached a provider.
    fn asked(&self) -> usize {
        self.openai.count() + self.anthropic.count()
    }
}

impl Fixture for Cached {
    async fn renew(&mut self) -> bool {
        renew(&mut self.gateway, &[&self.openai, &self.anthropic]).await;
        self.turn += 1;
        self.turn < TURNS
    }
}

/// The cache header of the response.
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
    let cached = CACHED.lease().await;
    let gateway = &cached.gateway;
    let (chat, messages) = (gateway.client(), gateway.anthropic_client());
    let stream = |body: Value| with(body, json!({"stream": true}));
    let texts = Cell::new(0);
    let text = || {
        texts.set(texts.get() + 1);
        format!("say one two {}", texts.get())
    };
    let asks = |model: &str| cached.ask(model, &text());
    let message = |model: &str| with(asks(model), json!({"max_tokens": 64}));
    let with_usage = with(asks("chat"), json!({"stream": true, "stream_options": {"include_usage": true}}));
    let requests: [(&Client, &str, Value); 11] = [
        (&chat, CHAT, asks("chat")),
        (&chat, CHAT, stream(asks("chat"))),
        (&chat, CHAT, with_usage),
        (&chat, CHAT, asks("claude")),
        (&chat, CHAT, stream(asks("claude"))),
        (&messages, MESSAGES, message("claude")),
        (&messages, MESSAGES, stream(message("claude"))),
        (&messages, MESSAGES, message("chat")),
        (&messages, MESSAGES, stream(message("chat"))),
        (&chat, "/v1/responses", json!({"model": cached.name("chat"), "input": text(), "stream": true})),
        (&chat, EMBEDDINGS, json!({"model": cached.name("embed"), "input": [text()]})),
    ];
    for (number, (client, path, body)) in requests.iter().enumerate() {
        let first = client.post(path, body).await;
        assert_eq!(word(&first), "miss", "{path} {body}");
        let asked = cached.asked();
        for _ in 0..3 {
            is_hit(&client.post(path, body).await, &first);
        }
        assert_eq!((asked, cached.asked()), (number + 1, number + 1), "{path} {body}");
    }
    let lines = gateway.log_lines(requests.len() * 4).await;
    let logged = |word: &str| lines.iter().filter(|line| line["cache"] == word).count();
    assert_eq!((logged("miss"), logged("hit")), (requests.len(), 3 * requests.len()));
    for (counter, times) in [("hit", 3 * requests.len()), ("miss", requests.len()), ("stored", requests.len())] {
        assert_eq!(gateway.counter(&format!("sluice.cache.{counter}")).await, times as u64, "{counter}");
    }
}

#[tokio::test]
async fn another_word_is_another_request_and_so_is_a_beta_of_anthropics_but_no_other_spelling() {
    let cached = CACHED.lease().await;
    let gateway = &cached.gateway;
    let body = cached.ask("chat", "say hi").to_string();
    let named = body.replacen('{', r#"{ "user": "ann", "metadata": {"a": "b"}, "#, 1);
    for (body, expected) in
        [(body.clone(), "miss"), (format!("{body} "), "hit"), (named, "hit"), (body.replace("hi", "ho"), "miss")]
    {
        let answer = gateway.client().request("POST", CHAT, body).await.expect("an answer");
        assert_eq!(word(&answer), expected);
    }
    let message = with(cached.ask("claude", "say hi"), json!({"max_tokens": 64}));
    for (beta, expected) in [("a", "miss"), ("b", "miss"), ("a", "hit")] {
        let client = gateway.anthropic_client().header("anthropic-beta", beta);
        assert_eq!(word(&client.post(MESSAGES, &message).await), expected, "{beta}");
    }
    assert_eq!((cached.openai.count(), cached.anthropic.count()), (2, 2));
}

const SCOPES: [&str; 4] = ["key", "team", "app", "all"];

#[tokio::test]
async fn answers_are_shared_within_their_scope_and_never_beyond() {
    let cached = CACHED.lease().await;
    for (scope, expected) in SCOPES.into_iter().zip([
        ["miss", "miss", "miss", "miss", "miss"],
        ["miss", "hit", "miss", "hit", "hit"],
        ["miss", "miss", "miss", "miss", "hit"],
        ["miss", "hit", "hit", "hit", "hit"],
    ]) {
        let mut words = Vec::new();
        for key in ["sk-a", "sk-b", "sk-c", "sk-d", "sk-e"] {
            words.push(word(&cached.gateway.with_key(key).post(CHAT, &ask(scope, "say hi")).await).to_owned());
        }
        assert_eq!(words, expected, "{scope}");
    }
}

#[tokio::test]
async fn an_answer_is_given_until_its_time_is_over() {
    let cached = CACHED.lease().await;
    let again = async || cached.gateway.chat(&ask("brief", "say hi")).await;
    assert_eq!(word(&again().await), "miss");
    let hits = Cell::new(0);
    eventually("the answer to expire", async || {
        let expired = word(&again().await) == "miss";
        hits.set(hits.get() + u32::from(!expired));
        expired
    })
    .await;
    assert_eq!((hits.get() > 0, cached.asked()), (true, 2));
}

#[tokio::test]
async fn a_client_may_want_an_answer_of_its_own_or_that_nothing_is_kept() {
    let cached = CACHED.lease().await;
    let (gateway, openai) = (&cached.gateway, &cached.openai);
    let ask = async |control: &str, text: &str| {
        gateway.client().header("cache-control", control).post(CHAT, &cached.ask("chat", text)).await
    };
    assert_eq!(word(&ask("no-store", "say hi").await), "bypass");
    let fresh = ask("no-cache", "say hi").await;
    assert_eq!((word(&fresh), stored(gateway).await), ("bypass", 1));
    is_hit(&ask("max-age=3600, only-if-cached", "say hi").await, &fresh);
    let none = ask("only-if-cached", "say something else").await;
    assert_eq!(refusal(&none), (504, "not_cached".to_owned()));
    assert_eq!(none.header("x-sluice-cache"), Some("miss"));
    openai.script(&["tokens=3"]);
    let fresher = ask("no-cache", "say hi").await;
    assert_ne!(fresher.body, fresh.body);
    is_hit(&ask("", "say hi").await, &fresher);
    assert_eq!(openai.count(), 3);
    let lines = gateway.log_lines(6).await;
    assert_eq!(lines.iter().filter(|line| line["cache"] == "bypass").count(), 3);
}

#[tokio::test]
async fn workers_know_each_others_answers() {
    let cached = CACHED.lease().await;
    let first = cached.gateway.chat(&cached.ask("chat", "say hi")).await;
    for _ in 0..40 {
        // Each request uses a new connection, which either worker may get.
        is_hit(&cached.gateway.chat(&cached.ask("chat", "say hi")).await, &first);
    }
    assert_eq!(cached.asked(), 1);
}

#[tokio::test]
async fn a_whole_answer_serves_a_stream_and_the_reverse_in_the_clients_format() {
    let cached = CACHED.lease().await;
    let gateway = &cached.gateway;
    let (chat, messages) = (gateway.client(), gateway.anthropic_client());
    let body = |model: &str, text: &str| with(cached.ask(model, text), json!({"max_tokens": 64}));
    let responses = |text: &str| json!({"model": cached.name("chat"), "input": text});
    type Ask<'a> = (&'a Client, &'a str, Box<dyn Fn(&str) -> Value + 'a>);
    let requests: [Ask<'_>; 5] = [
        (&chat, CHAT, Box::new(|text| body("chat", text))),
        (&chat, CHAT, Box::new(|text| body("claude", text))),
        (&messages, MESSAGES, Box::new(|text| body("claude", text))),
        (&messages, MESSAGES, Box::new(|text| body("chat", text))),
        (&chat, "/v1/responses", Box::new(responses)),
    ];
    for (number, (client, path, body)) in requests.iter().enumerate() {
        for stream in [false, true] {
            let body = body(&format!("say one two {stream} {number}"));
            let first = client.post(path, &with(body.clone(), json!({"stream": stream}))).await;
            assert_eq!(word(&first), "miss", "{path} {body}");
            let asked = cached.asked();
            for _ in 0..2 {
                let other = client.post(path, &with(body.clone(), json!({"stream": !stream}))).await;
                assert_eq!((word(&other), cached.asked()), ("hit", asked), "{path} {body}");
                let kind = if stream { "application/json" } else { "text/event-stream" };
                assert!(other.header("content-type").is_some_and(|given| given.starts_with(kind)), "{path} {body}");
                assert!(other.text().contains("one"), "{}", other.text());
            }
            is_hit(&client.post(path, &with(body, json!({"stream": stream}))).await, &first);
        }
    }
}

#[tokio::test]
async fn a_namespace_is_a_part_of_its_own_for_keys_that_may_name_one() {
    let cached = CACHED.lease().await;
    let body = cached.ask("chat", "say hi");
    let ask = async |key: &str, name: &str| {
        cached.gateway.with_key(key).header("x-sluice-cache-namespace", name).post(CHAT, &body).await
    };
    assert_eq!(refusal(&ask(KEY, "a").await), (403, "control_not_allowed".to_owned()));
    assert_eq!(word(&cached.gateway.with_key("sk-named").post(CHAT, &body).await), "miss");
    for (name, expected) in [("a", "miss"), ("b", "miss"), ("a", "hit"), ("b", "hit")] {
        assert_eq!(word(&ask("sk-named", name).await), expected, "{name}");
    }
}
