//! The semantic cache: responses to requests that ask the same in other words.

use std::time::Instant;

use sluice_tests::redis::Store;

use super::*;

const ASKED: &str = "How do I reset my password?";
const AGAIN: &str = "How can I reset my password?";

/// The kinds of providers with embeddings, and the simulator's path for each.
const EMBEDDERS: [(&str, &str); 4] = [("openai", "/v1"), ("gemini", "/v1beta"), ("cohere", "/v2"), ("azure", "")];

fn semantic(embedder: &str) -> Value {
    json!({"ttl": "1h", "semantic": {"embeddings": embedder, "threshold": 0.5, "scope": "team", "timeout": "5s"}})
}

/// A gateway whose models `chat-…` and `claude-…` ask a provider of each kind for embeddings.
fn compared(chat: &Simulator, embeddings: &Simulator) -> Builder {
    let builder = Gateway::builder().provider("one", Kind::OpenAi, chat).provider("two", Kind::Anthropic, chat);
    let builder = EMBEDDERS.iter().fold(builder, |builder, (kind, path)| {
        let (provider, embedder) = (format!("embeddings-{kind}"), format!("embed-{kind}"));
        let url = embeddings.url() + path;
        let name = |model: &str| format!("{model}-{kind}");
        builder
            .with(json!({"providers": {&provider: {"kind": kind, "url": url, "key": {"env": "A_KEY"}}}}))
            .model(&embedder, &[(&provider, "embed-sim")])
            .model(&name("chat"), &[("one", "gpt-sim")])
            .model(&name("claude"), &[("two", "claude-sim")])
            .with(json!({"models": {name("chat"): {"cache": semantic(&embedder)},
                                    name("claude"): {"cache": semantic(&embedder)}}}))
    });
    builder
        .with(json!({"prices": {"unpriced": {"input": 1.0, "output": 1.0}}}))
        .environment("A_KEY", "the-key-for-embeddings")
        .concurrency(2)
}

#[tokio::test]
async fn the_same_in_other_words_is_answered_from_the_cache_with_embeddings_of_each_provider() {
    let (chat, embeddings) = (Simulator::start().await, Simulator::start().await);
    let gateway = compared(&chat, &embeddings).start().await;
    for (kind, _) in EMBEDDERS {
        for (model, path) in [("chat", CHAT), ("claude", MESSAGES)] {
            let client = if path == CHAT { gateway.client() } else { gateway.anthropic_client() };
            let ask = |text: &str| with(ask(&format!("{model}-{kind}"), text), json!({"max_tokens": 64}));
            let first = client.post(path, &ask(ASKED)).await;
            assert_eq!(word(&first), "miss");
            let before = chat.count();
            // Another worker may have stored it.
            eventually("the response to a similar request", async || {
                word(&client.post(path, &ask(AGAIN)).await) != "miss"
            })
            .await;
            // That it was stored is all that may delay it: the second lookup at the latest finds it.
            assert!(chat.count() <= before + 1, "{kind} {model}");
            if chat.count() == before {
                let again = client.post(path, &ask("How may I reset my password?")).await;
                assert_eq!((word(&again), &again.body), ("semantic", &first.body), "{kind} {model}");
                assert!(again.header("age").is_some());
                let similarity: f64 =
                    again.header("x-sluice-similarity").expect("a similarity").parse().expect("a number");
                assert!((0.5..1.0).contains(&similarity), "{similarity}");
            }
            let other = client.post(path, &ask("How can I not reset my password?")).await;
            assert_eq!((word(&other), other.header("x-sluice-similarity")), ("miss", None));
        }
    }
    let requests = embeddings.requests();
    assert_eq!(of_envoy(&requests), [""; 0]);
    for request in &requests {
        let values: Vec<&str> =
            request.headers.iter().filter_map(|(_, value)| std::str::from_utf8(value).ok()).collect();
        assert!(values.iter().any(|value| value.contains("the-key-for-embeddings")), "{values:?}");
        assert!(!values.iter().any(|value| value.contains(KEY)), "the client's own key");
    }
    let lines = gateway.quiet().await;
    let served = lines.iter().find(|line| line["semantic"] == "served").expect("a line");
    assert_eq!((&served["attempts"], &served["cache"]), (&json!(0), &json!("semantic")));
    assert!(served["embedding_tokens"].as_u64().is_some_and(|tokens| tokens > 0), "{served}");
    assert_eq!(served["cost_usd"], served["embedding_usd"]);
}

#[tokio::test]
async fn a_dead_slow_or_lying_provider_of_embeddings_costs_at_most_its_timeout() {
    let (chat, embeddings) = (Simulator::start().await, Simulator::start().await);
    let short = json!({"models": {"chat-openai": {"cache": {"semantic": {"timeout": "300ms"}}}}});
    let gateway = compared(&chat, &embeddings).with(short).start().await;
    let fails = async |text: &str| {
        let begun = Instant::now();
        let answer = gateway.chat(&ask("chat-openai", text)).await;
        assert_eq!((word(&answer), answer.header("x-sluice-similarity")), ("miss", None));
        begun.elapsed()
    };
    for faults in ["status=500", "status=429", "reset"] {
        embeddings.always(faults);
        // Each worker makes no call for a second after a failed one.
        for number in 0..20 {
            fails(&format!("Tell me about {faults} {number}")).await;
        }
    }
    embeddings.clear();
    embeddings.hold();
    for number in 0..4 {
        fails(&format!("Who waits for {number}?")).await;
    }
    embeddings.release();
    assert!(gateway.counter("sluice.cache.embedding_failed").await >= 1);
    let lines = gateway.quiet().await;
    assert!(lines.iter().any(|line| line["semantic"] == "failed"), "{lines:?}");
    assert!(lines.iter().all(|line| line["cache"] == "miss" && line["error"].is_null()), "{lines:?}");
    // A response that was stored without an embedding is found by equal requests only, so each question is new.
    let number = Cell::new(0_u32);
    eventually("similar requests to be found again", async || {
        number.set(number.get() + 1);
        let thing: String =
            format!("{:b}", number.get()).chars().map(|digit| if digit == '0' { 'o' } else { 'x' }).collect();
        gateway.chat(&ask("chat-openai", &format!("How do I reset my {thing} password?"))).await;
        word(&gateway.chat(&ask("chat-openai", &format!("How can I reset my {thing} password?"))).await) == "semantic"
    })
    .await;
}

#[tokio::test]
async fn envoys_share_the_index() {
    let (chat, embeddings) = (Simulator::start().await, Simulator::start().await);
    let store = Store::lease().await;
    let shared = json!({"cache": {"shared": true, "shared_timeout": "1s"}});
    let envoy = async || {
        let builder = compared(&chat, &embeddings).with(shared.clone()).store(&store);
        builder.environment("SLUICE_CACHE_KEY", "0123456789abcdef0123456789abcdef").start().await
    };
    let (one, two) = (envoy().await, envoy().await);
    assert_eq!(word(&one.chat(&ask("chat-openai", ASKED)).await), "miss");
    let number = Cell::new(0);
    eventually("the other Envoy to know the similar request", async || {
        // A miss stores a response of this Envoy's own, so each question must be new to it.
        let words = ["can", "should", "may", "might", "could", "must"];
        number.set(number.get() + 1);
        let verb = words[number.get() % words.len()];
        let only = two.client().header("cache-control", "only-if-cached");
        let answer = only.post(CHAT, &ask("chat-openai", &format!("How {verb} I reset my password?"))).await;
        answer.status == 200 && word(&answer) == "semantic"
    })
    .await;
    assert_eq!(chat.count(), 1);
}
