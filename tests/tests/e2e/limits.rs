//! Limits in a real Envoy with two workers: what passes, what is refused and how, and what is given back.

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Client};
use sluice_tests::gateway::{Builder, Gateway, KEY, Key, Kind};
use sluice_tests::simulator::Simulator;
use sluice_tests::until;

use crate::{CHAT, Pair, ask, refusal, with};

/// A gateway without keys, before one provider.
async fn unlimited() -> (Builder, Simulator) {
    let provider = Simulator::start().await;
    let builder = Gateway::builder()
        .provider("openai", Kind::OpenAi, &provider)
        .model("chat", &[("openai", "gpt-sim")])
        .concurrency(2);
    (builder, provider)
}

/// A gateway with a key that has these limits, and another key.
async fn limited(limits: Value) -> (Gateway, Simulator) {
    let (builder, provider) = unlimited().await;
    let builder = builder.key(Key::new("test", KEY).limits(limits)).key(Key::new("other", "sk-other"));
    (builder.start().await, provider)
}

/// About 20 tokens of prompt and 60 of answer by estimate; 2 and 1 in truth.
fn body() -> Value {
    with(ask("chat", "say hi"), json!({"max_tokens": 60}))
}

fn number(answer: &Answer, header: &str) -> u64 {
    let value = answer.header(header).unwrap_or_else(|| panic!("no {header} in {:?}", answer.headers));
    value.parse().unwrap_or_else(|_| panic!("{header}: {value}"))
}

fn exceeded(answer: &Answer) {
    assert_eq!(refusal(answer), (429, "rate_limit_exceeded".to_owned()));
}

/// A request that waits at the provider.
async fn held(client: Client, provider: &Simulator, body: Value) -> tokio::task::JoinHandle<Answer> {
    provider.hold();
    let waiting = tokio::spawn(async move { client.post(CHAT, &body).await });
    until("the request to arrive", || provider.requests().pop()).await;
    waiting
}

#[tokio::test]
async fn so_many_requests_pass_in_a_minute_and_answers_count_them() {
    let (gateway, provider) = limited(json!({"requests_per_minute": 3})).await;
    for remaining in [2, 1, 0] {
        let answer = gateway.chat(&body()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(number(&answer, "x-ratelimit-limit-requests"), 3);
        assert_eq!(number(&answer, "x-ratelimit-remaining-requests"), remaining);
        let reset = answer.header("x-ratelimit-reset-requests").expect("a header");
        assert!(reset.ends_with('s'), "{reset}");
        assert_eq!(answer.header("x-ratelimit-limit-tokens"), None);
    }
    let refused = gateway.chat(&body()).await;
    exceeded(&refused);
    assert_eq!(number(&refused, "x-ratelimit-remaining-requests"), 0);
    // One more in every third of a minute.
    assert!((1..=20).contains(&number(&refused, "retry-after")), "{:?}", refused.headers);
    assert!(number(&refused, "retry-after-ms").div_ceil(1000) == number(&refused, "retry-after"));
    assert_eq!(refused.header("x-should-retry"), None);
    assert_eq!(provider.requests().len(), 3);
    assert_eq!(gateway.with_key("sk-other").post(CHAT, &body()).await.status, 200);
    assert_eq!(gateway.counter("sluice.refused.limit").await, 1);
    let lines = gateway.log_lines(5).await;
    assert!(lines.iter().any(|line| line["error"] == "rate_limit_exceeded" && line["key"] == "test"), "{lines:?}");
}

#[tokio::test]
async fn tokens_are_reserved_by_estimate_and_given_back_when_they_are_counted() {
    let limits = [
        ("tokens_per_minute", 100, true),
        ("input_tokens_per_minute", 30, true),
        ("output_tokens_per_minute", 100, true),
        ("tokens_per_day", 100, false),
    ];
    let (builder, provider) = unlimited().await;
    let key = |(limit, most, _)| Key::new(limit, limit).limits(json!({limit: most}));
    let gateway = limits.into_iter().map(key).fold(builder, Builder::key).start().await;
    for (round, (limit, most, of_minute)) in limits.into_iter().enumerate() {
        let client = gateway.with_key(limit);
        provider.clear();
        let first = held(client.clone(), &provider, body()).await;
        let refused = client.post(CHAT, &body()).await;
        exceeded(&refused);
        let wait = number(&refused, "retry-after");
        assert!((1..=if of_minute { 60 } else { 86_400 }).contains(&wait), "{limit}: {wait}");
        provider.release();
        let first = first.await.expect("an answer");
        assert_eq!(first.status, 200, "{limit}");
        if of_minute {
            assert_eq!(number(&first, "x-ratelimit-limit-tokens"), most, "{limit}");
            assert!(number(&first, "x-ratelimit-remaining-tokens") < most, "{limit}");
        } else {
            assert_eq!(first.header("x-ratelimit-limit-tokens"), None);
        }
        // Once both are over, a few tokens are used, and the same request fits.
        gateway.log_lines(round * 3 + 2).await;
        assert_eq!(client.post(CHAT, &body()).await.status, 200, "{limit}");
        gateway.log_lines(round * 3 + 3).await;
    }
}

#[tokio::test]
async fn what_was_used_counts_and_not_what_was_estimated() {
    let (gateway, provider) = limited(json!({"tokens_per_day": 100})).await;
    // 2 and 90 in truth.
    provider.always("tokens=90");
    assert_eq!(gateway.chat(&with(ask("chat", "say hi"), json!({"max_tokens": 75}))).await.status, 200);
    gateway.log_lines(1).await;
    exceeded(&gateway.chat(&with(ask("chat", "say hi"), json!({"max_tokens": 1}))).await);
}

#[tokio::test]
async fn a_request_that_never_fits_is_told_so() {
    let (builder, provider) = unlimited().await;
    let gateway = builder
        .key(Key::new("minute", "sk-minute").limits(json!({"tokens_per_minute": 50})))
        .key(Key::new("request", "sk-request").limits(json!({"max_request_tokens": 50})))
        .start()
        .await;
    let ask = async |secret: &str, body: Value| gateway.with_key(secret).post(CHAT, &body).await;
    let refused = ask("sk-minute", body()).await;
    exceeded(&refused);
    assert_eq!((refused.header("retry-after"), refused.header("x-should-retry")), (None, Some("false")));
    assert_eq!(refusal(&ask("sk-request", body()).await), (400, "max_request_tokens_exceeded".to_owned()));
    assert!(provider.requests().is_empty());
    for secret in ["sk-minute", "sk-request"] {
        assert_eq!(ask(secret, with(body(), json!({"max_tokens": 5}))).await.status, 200, "{secret}");
    }
}

#[tokio::test]
async fn a_place_among_concurrent_requests_is_free_again_however_a_request_ends() {
    let (gateway, provider) = limited(json!({"concurrent_requests": 1})).await;
    let mut lines = 0;
    for (end, faults) in [
        ("complete", "ok"),
        ("cancelled", "ok"),
        ("failed", "status=400"),
        ("reset", "reset"),
        ("broken", "every=5+error-after=4"),
    ] {
        provider.clear();
        // What lost its connection is asked for once more.
        let script = [faults; 2];
        provider.script(if end == "reset" { &script } else { &script[..1] });
        let waiting = held(gateway.client(), &provider, with(body(), json!({"stream": end == "broken"}))).await;
        let refused = gateway.chat(&body()).await;
        assert_eq!(refusal(&refused), (429, "concurrency_limit_exceeded".to_owned()), "{end}");
        assert_eq!(number(&refused, "retry-after"), 1);
        if end == "cancelled" {
            waiting.abort();
        } else {
            provider.release();
            let answer = waiting.await.expect("an answer");
            assert_eq!(answer.status == 200, end == "complete" || end == "broken", "{end}: {}", answer.text());
        }
        lines += 3;
        gateway.log_lines(lines - 1).await;
        provider.release();
        assert_eq!(gateway.chat(&body()).await.status, 200, "{end}");
        gateway.log_lines(lines).await;
    }
}

#[tokio::test]
async fn every_scope_has_its_limit() {
    let provider = Simulator::start().await;
    let one = json!({"requests_per_minute": 1});
    let builder = ["openai", "full"]
        .iter()
        .fold(Gateway::builder(), |builder, name| builder.provider(name, Kind::OpenAi, &provider));
    let builder = ["free", "full", "each", "pair"]
        .iter()
        .fold(builder, |builder, model| builder.model(model, &[("openai", "gpt-sim")]));
    let gateway = builder
        .model("one", &[("full", "gpt-sim")])
        .model("two", &[("full", "gpt-sim")])
        .key(Key::new("a", "sk-a").team("full"))
        .key(Key::new("b", "sk-b").team("full"))
        .key(Key::new("c", "sk-c").set("app", json!("full")))
        .key(Key::new("d", "sk-d").team("far").set("app", json!("full")))
        .key(Key::new("e", "sk-e"))
        .key(Key::new("f", "sk-f").team("far"))
        .key(Key::new("g", "sk-g"))
        .with(json!({
            "teams": {"full": {"limits": one}},
            "apps": {"full": {"limits": one}},
            "models": {"full": {"limits": one}},
            "providers": {"full": {"limits": one}},
            "limits": [
                {"match": {"model": "each"}, "per": ["key"], "limits": one},
                {"match": {"model": "pair"}, "per": ["team"], "limits": one},
            ],
        }))
        .start()
        .await;
    for (scope, asked) in [
        ("a team", [("sk-a", "free", 200), ("sk-b", "free", 429), ("sk-e", "free", 200)]),
        ("an app", [("sk-c", "free", 200), ("sk-d", "free", 429), ("sk-f", "free", 200)]),
        ("a model", [("sk-e", "full", 200), ("sk-f", "full", 429), ("sk-f", "free", 200)]),
        ("a provider", [("sk-e", "one", 200), ("sk-f", "two", 429), ("sk-f", "free", 200)]),
        ("each key", [("sk-e", "each", 200), ("sk-e", "each", 429), ("sk-g", "each", 200)]),
        ("each team", [("sk-e", "pair", 200), ("sk-g", "pair", 429), ("sk-f", "pair", 200)]),
    ] {
        for (secret, model, status) in asked {
            let answer = gateway.with_key(secret).post(CHAT, &ask(model, "hi")).await;
            assert_eq!(answer.status, status, "{scope}: {secret} {model}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_provider_that_is_full_gives_way_to_the_next_and_a_fallback_asks_it_too() {
    let one = json!({"limits": {"requests_per_minute": 1}});
    let served = async |pair: &Pair, model: &str| {
        let answer = pair.gateway.chat(&ask(model, "hi")).await;
        (answer.status, answer.header("x-sluice-provider").map(str::to_owned))
    };
    let pair = Pair::with(|builder| builder.with(json!({"providers": {"openai": one}}))).await;
    assert_eq!(served(&pair, "openai-first").await, (200, Some("openai".to_owned())));
    assert_eq!(served(&pair, "openai-first").await, (200, Some("anthropic".to_owned())));

    let pair = Pair::with(|builder| builder.with(json!({"providers": {"anthropic": one}}))).await;
    pair.openai.always("status=503");
    assert_eq!(served(&pair, "openai-first").await, (200, Some("anthropic".to_owned())));
    // Now the second is full: its provider is not asked, and the client hears of the first.
    assert_eq!(served(&pair, "openai-first").await.0, 503);
    assert_eq!((pair.openai.requests().len(), pair.anthropic.requests().len()), (2, 1));
}
