//! Limits in a real Envoy with two workers: admission, errors, and refunds.

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Client};
use sluice_tests::gateway::{Builder, Gateway, Key, Kind};
use sluice_tests::shared::Shared;
use sluice_tests::simulator::Simulator;
use sluice_tests::{until, within_a_day};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{CHAT, Pair, Single, ask, refusal, with};

/// The keys of these tests, one per test: the id, which is also the secret, the limit, and its value.
const KEYS: [(&str, &str, u64); 9] = [
    ("three", "requests_per_minute", 3),
    ("tokens", "tokens_per_minute", 100),
    ("input", "input_tokens_per_minute", 30),
    ("output", "output_tokens_per_minute", 100),
    ("day", "tokens_per_day", 100),
    ("used", "tokens_per_day", 100),
    ("minute", "tokens_per_minute", 50),
    ("request", "max_request_tokens", 50),
    ("alone", "concurrent_requests", 1),
];

static LIMITED: Shared<Single> = Shared::new(1, || {
    Box::pin(Single::with(|builder| {
        let builder = builder
            .model("chat", &[("openai", "gpt-sim")])
            .model("ending", &[("openai", "gpt-ending")])
            .key(Key::new("other", "other"))
            .concurrency(2);
        let key = |(id, limit, most): (&str, &str, u64)| Key::new(id, id).limits(json!({limit: most}));
        KEYS.into_iter().map(key).fold(builder, Builder::key)
    }))
});

/// An estimate of about 20 prompt and 60 response tokens; the actual usage is 2 and 1.
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

/// A request in flight at the provider, which reports the start of its response.
async fn held(client: Client, provider: &Simulator, body: Value, begun: oneshot::Sender<()>) -> JoinHandle<Answer> {
    provider.hold();
    let waiting = tokio::spawn(async move { client.post_begun(CHAT, &body, || _ = begun.send(())).await });
    until("the request to arrive", || provider.requests().pop()).await;
    waiting
}

#[tokio::test]
async fn so_many_requests_pass_in_a_minute_and_answers_count_them() {
    let limited = LIMITED.lease().await;
    let client = limited.gateway.with_key("three");
    for remaining in [2, 1, 0] {
        let answer = client.post(CHAT, &body()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(number(&answer, "x-ratelimit-limit-requests"), 3);
        assert_eq!(number(&answer, "x-ratelimit-remaining-requests"), remaining);
        let reset = answer.header("x-ratelimit-reset-requests").expect("a header");
        assert!(reset.ends_with('s'), "{reset}");
        assert_eq!(answer.header("x-ratelimit-limit-tokens"), None);
    }
    let refused = client.post(CHAT, &body()).await;
    exceeded(&refused);
    assert_eq!(number(&refused, "x-ratelimit-remaining-requests"), 0);
    // Every third of a minute makes room for one more request.
    assert!((1..=20).contains(&number(&refused, "retry-after")), "{:?}", refused.headers);
    assert!(number(&refused, "retry-after-ms").div_ceil(1000) == number(&refused, "retry-after"));
    assert_eq!(refused.header("x-should-retry"), None);
    assert_eq!(limited.provider.count(), 3);
    assert_eq!(limited.gateway.with_key("other").post(CHAT, &body()).await.status, 200);
    assert_eq!(limited.gateway.counter("sluice.refused.limit").await, 1);
    let lines = limited.gateway.log_lines(5).await;
    assert!(lines.iter().any(|line| line["error"] == "rate_limit_exceeded" && line["key"] == "three"), "{lines:?}");
}

#[tokio::test]
async fn tokens_are_reserved_by_estimate_and_given_back_when_they_are_counted() {
    within_a_day().await;
    let limited = LIMITED.lease().await;
    let (gateway, provider) = (&limited.gateway, &limited.provider);
    let keys = ["tokens", "input", "output", "day"];
    let limits = KEYS.into_iter().filter(|(key, ..)| keys.contains(key));
    for (round, (key, limit, most)) in limits.enumerate() {
        let of_minute = limit.ends_with("minute");
        let client = limited.gateway.with_key(key);
        provider.clear();
        let first = held(client.clone(), provider, body(), oneshot::channel().0).await;
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
        // After both requests, a few tokens are used, and the same request fits.
        gateway.log_lines(round * 3 + 2).await;
        assert_eq!(client.post(CHAT, &body()).await.status, 200, "{limit}");
        gateway.log_lines(round * 3 + 3).await;
    }
}

#[tokio::test]
async fn what_was_used_counts_and_not_what_was_estimated() {
    within_a_day().await;
    let limited = LIMITED.lease().await;
    let client = limited.gateway.with_key("used");
    // The actual usage is 2 and 90.
    limited.provider.always("tokens=90");
    assert_eq!(client.post(CHAT, &with(ask("chat", "say hi"), json!({"max_tokens": 75}))).await.status, 200);
    limited.gateway.log_lines(1).await;
    exceeded(&client.post(CHAT, &with(ask("chat", "say hi"), json!({"max_tokens": 1}))).await);
}

#[tokio::test]
async fn a_request_that_never_fits_is_told_so() {
    let limited = LIMITED.lease().await;
    let ask = async |key: &str, body: Value| limited.gateway.with_key(key).post(CHAT, &body).await;
    let refused = ask("minute", body()).await;
    exceeded(&refused);
    assert_eq!((refused.header("retry-after"), refused.header("x-should-retry")), (None, Some("false")));
    assert_eq!(refusal(&ask("request", body()).await), (400, "max_request_tokens_exceeded".to_owned()));
    assert!(limited.provider.requests().is_empty());
    for key in ["minute", "request"] {
        assert_eq!(ask(key, with(body(), json!({"max_tokens": 5}))).await.status, 200, "{key}");
    }
}

#[tokio::test]
async fn a_place_among_concurrent_requests_is_free_again_however_a_request_ends() {
    let limited = LIMITED.lease().await;
    let (gateway, provider, client) = (&limited.gateway, &limited.provider, limited.gateway.with_key("alone"));
    let body = || with(body(), json!({"model": "ending"}));
    let mut lines = 0;
    for (end, faults) in [
        ("complete", "ok"),
        ("cancelled", "ok"),
        ("failed", "status=400"),
        ("reset", "reset"),
        ("broken", "pause-after=4+error-after=4"),
    ] {
        provider.clear();
        // The gateway retries a lost connection once, and a model's only target once more.
        let script = [faults; 3];
        provider.script(if end == "reset" { &script } else { &script[..1] });
        let (begun, begins) = oneshot::channel();
        let body_of_this = with(body(), json!({"stream": end == "broken"}));
        let waiting = held(client.clone(), provider, body_of_this, begun).await;
        let refused = client.post(CHAT, &body()).await;
        assert_eq!(refusal(&refused), (429, "concurrency_limit_exceeded".to_owned()), "{end}");
        assert_eq!(number(&refused, "retry-after"), 1);
        if end == "cancelled" {
            waiting.abort();
        } else {
            provider.release();
            begins.await.expect("a beginning, or an end");
            provider.go_on();
            let answer = waiting.await.expect("an answer");
            assert_eq!(answer.status == 200, end == "complete" || end == "broken", "{end}: {}", answer.text());
        }
        lines += 3;
        gateway.log_lines(lines - 1).await;
        provider.release();
        assert_eq!(client.post(CHAT, &body()).await.status, 200, "{end}");
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
    // Now the second target is full: its provider gets no request, and the client gets the first one's error.
    assert_eq!(served(&pair, "openai-first").await.0, 503);
    assert_eq!((pair.openai.count(), pair.anthropic.count()), (2, 1));
}
