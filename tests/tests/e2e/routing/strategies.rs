//! The strategies that measure: prices, latencies and concurrent requests; and the rules that precede them: tiers, capabilities and routes.

use std::time::Duration;

use serde_json::json;
use sluice_tests::gateway::Builder;
use sluice_tests::until;
use tokio::task::JoinSet;

use super::{Three, counts, model, prices, server, target, two};
use crate::{CHAT, ask, refusal, said, with};

/// The settings that the tests here share.
pub fn settings(builder: Builder) -> Builder {
    let strategic = [
        ("cheap-a", "cheapest"),
        ("cheap-b", "cheapest"),
        ("cheap", "cheapest"),
        ("fastest", "fastest"),
        ("fast-again", "fastest"),
        ("least-busy", "least_busy"),
        ("left-busy", "least_busy"),
        ("pinned", "pinned"),
    ];
    let strategic = strategic.map(|(name, strategy)| model(name, &two(), json!({"strategy": strategy})));
    let tiers = [target("a", json!({})), target("b", json!({"tier": 2})), target("c", json!({"tier": 3}))];
    // An unreachable target is a mistake in the file, so a route names it.
    let named = json!({"routes": [{"match": {"headers": {"x-cheap": "*"}}, "targets": ["b", "c"]}]});
    let able = json!({"capabilities": {
        "a/able": {"vision": false, "tools": false}, "b/able": {"vision": true, "tools": false},
    }});
    let rules = json!({"routes": [
        {"match": {"headers": {"x-plan": "free*"}}, "targets": ["b"]},
        {"match": {"min_input_tokens": 1000}, "targets": ["c", "a"]},
        {"match": {"needs": ["tools"]}, "targets": ["c"]},
    ]});
    let all = ["a", "b", "c"].map(|provider| target(provider, json!({})));
    let others = [
        prices("cheap-a", (1.0, 4.0), (2.0, 8.0)),
        prices("cheap-b", (3.0, 12.0), (2.0, 8.0)),
        // One target has the cheaper prompt, the other the cheaper response.
        prices("cheap", (1.0, 20.0), (10.0, 2.0)),
        model("strict", &tiers, named),
        model("lenient", &tiers, json!({"allow_lower_tier": true})),
        model("able", &two(), json!({})),
        able,
        model("ruled", &all, rules),
    ];
    strategic.into_iter().chain(others).fold(builder, Builder::with)
}

#[tokio::test]
async fn cheapest_follows_the_prices() {
    for (model, expected) in [("cheap-a", "a"), ("cheap-b", "b")] {
        let three = Three::lease().await;
        for _ in 0..10 {
            assert_eq!(server(&three.gateway.chat(&ask(model, "hi")).await), expected);
        }
        // The other one is the fallback.
        let (cheap, dear) = if expected == "a" { (&three.a, "b") } else { (&three.b, "a") };
        cheap.always("status=503");
        assert_eq!(server(&three.gateway.chat(&ask(model, "hi")).await), dear);
    }
}

/// The cheaper target depends on the request.
#[tokio::test]
async fn cheapest_is_what_this_very_request_costs() {
    let three = Three::lease().await;
    let long = ask("cheap", &"a long story ".repeat(1_000));
    let reading = with(long, json!({"max_tokens": 10}));
    let writing = with(ask("cheap", "hi"), json!({"max_tokens": 1_000}));
    for _ in 0..5 {
        assert_eq!(server(&three.gateway.chat(&reading).await), "a");
        assert_eq!(server(&three.gateway.chat(&writing).await), "b");
    }
}

/// Sends requests in order until one provider served this many in a row; returns the number of requests before.
async fn asked_until(three: &Three, model: &str, provider: &str, row: usize, most: usize) -> usize {
    let mut servers = Vec::new();
    while servers.len() < most {
        servers.push(server(&three.gateway.stream(&ask(model, "say one two three")).await));
        if servers.len() >= row && servers[servers.len() - row..].iter().all(|server| server == provider) {
            return servers.len() - row;
        }
    }
    panic!("{provider} did not serve {row} in a row: {servers:?}");
}

#[tokio::test]
async fn fastest_follows_the_latencies() {
    let three = Three::lease().await;
    three.a.always("first=5+burst");
    three.b.always("first=400+burst");
    let found = asked_until(&three, "fastest", "a", 8, 40).await;
    // The fast target becomes slow, and the slow one fast.
    three.a.clear();
    three.b.clear();
    three.a.always("first=1500+burst");
    three.b.always("first=5+burst");
    let moved = asked_until(&three, "fastest", "b", 8, 40).await;
    println!("the fast one was found after {found} requests, and the one that became fast after {moved}");
    assert!(found <= 10 && moved <= 20, "after {found} and {moved} requests");
}

/// A target without requests cannot show that it is fast again, so requests explore it now and then.
#[tokio::test]
#[ignore = "takes a minute"]
async fn a_target_that_became_fast_again_is_found() {
    let three = Three::lease().await;
    three.a.always("first=300+burst");
    three.b.always("first=100+burst");
    asked_until(&three, "fast-again", "b", 8, 40).await;
    three.a.clear();
    three.a.always("first=5+burst");
    let began = std::time::Instant::now();
    let moved = asked_until(&three, "fast-again", "a", 8, 1_200).await;
    println!("found after {moved} requests and {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(90), "{:?}", began.elapsed());
}

#[tokio::test]
async fn least_busy_goes_where_fewest_requests_are_under_way() {
    let three = Three::lease().await;
    // Both targets keep their requests, so new ones are spread evenly.
    three.a.hold();
    three.b.hold();
    let under_way = || (three.a.count(), three.b.count());
    let mut asking = JoinSet::new();
    for number in 1..=10 {
        let client = three.gateway.client();
        asking.spawn(async move { server(&client.post(CHAT, &ask("least-busy", "hi")).await) });
        until("the request to arrive", || (under_way().0 + under_way().1 == number).then_some(())).await;
    }
    assert_eq!(under_way(), (5, 5));
    // One target finishes its requests. It gets all new requests while it responds at once.
    three.b.release();
    for _ in 0..5 {
        asking.join_next().await.expect("an answer").expect("a good one");
    }
    for _ in 0..20 {
        assert_eq!(server(&three.gateway.chat(&ask("least-busy", "hi")).await), "b");
    }
    // The other target has finished too, so the choice is random again.
    three.a.release();
    asking.join_all().await;
    let mut servers = Vec::new();
    for _ in 0..40 {
        servers.push(server(&three.gateway.chat(&ask("least-busy", "hi")).await));
    }
    let counts = counts(servers);
    assert!(counts.len() == 2 && counts.values().all(|count| *count >= 5), "{counts:?}");
}

/// A request whose client disconnected is no longer in flight.
#[tokio::test]
async fn a_request_whose_client_left_does_not_make_its_target_busy() {
    let three = Three::lease().await;
    three.a.hold();
    three.b.hold();
    let client = three.gateway.client();
    let leaving = tokio::spawn(async move { client.open("POST", CHAT, ask("left-busy", "hi").to_string()).await });
    let (busy, idle) = until("the request to arrive", || match (three.a.count(), three.b.count()) {
        (1, 0) => Some((&three.a, &three.b)),
        (0, 1) => Some((&three.b, &three.a)),
        _ => None,
    })
    .await;
    leaving.abort();
    busy.settled(1).await;
    three.gateway.log_lines(1).await;
    // One request is in flight at the other target, so the abandoned one's target is the least busy.
    let mut asking = JoinSet::new();
    for number in 1..=10 {
        let client = three.gateway.client();
        asking.spawn(async move { server(&client.post(CHAT, &ask("left-busy", "hi")).await) });
        let arrived = || busy.count() - 1 + idle.count();
        until("the request to arrive", || (arrived() == number).then_some(())).await;
    }
    assert_eq!((busy.count() - 1, idle.count()), (5, 5));
    busy.release();
    idle.release();
    asking.join_all().await;
}

#[tokio::test]
async fn a_pinned_model_has_no_fallback() {
    let three = Three::lease().await;
    three.a.always("status=503");
    // Only this target gets the retry.
    let answer = three.gateway.chat(&ask("pinned", "hi")).await;
    assert_eq!((refusal(&answer).0, answer.header("x-sluice-attempts")), (503, Some("2")));
    assert!(three.b.requests().is_empty());
}

#[tokio::test]
async fn a_lower_tier_serves_only_where_it_is_allowed_and_is_never_silent() {
    let three = Three::lease().await;
    three.a.always("status=503");
    let refused = three.gateway.chat(&ask("strict", "hi")).await;
    assert_eq!((refusal(&refused).0, refused.header("x-sluice-attempts")), (503, Some("2")));
    for (stream, body) in [(false, ask("lenient", "say hi")), (true, ask("lenient", "say hi"))] {
        let answer = three.gateway.chat(&with(body, json!({"stream": stream}))).await;
        assert_eq!((server(&answer), &*said(&answer)), ("b".to_owned(), "hi"));
        assert_eq!(answer.header("x-sluice-tier"), Some("2"));
        assert_eq!(answer.header("x-sluice-failures"), Some("a/lenient: status_503"));
    }
    let lines = three.gateway.log_lines(3).await;
    assert_eq!(
        lines.iter().map(|line| line["lower_tier"].clone()).collect::<Vec<_>>(),
        [json!(null), json!(2), json!(2)]
    );
    assert_eq!(three.gateway.counter("sluice.lower_tier").await, 2);
    three.a.clear();
    let answer = three.gateway.chat(&ask("lenient", "hi")).await;
    assert_eq!((server(&answer), answer.header("x-sluice-tier")), ("a".to_owned(), None));
}

#[tokio::test]
async fn a_request_goes_only_to_targets_that_can_take_it() {
    let three = Three::lease().await;
    assert_eq!(server(&three.gateway.chat(&ask("able", "hi")).await), "a");
    let picture = json!({"messages": [{"role": "user", "content": [
        {"type": "text", "text": "what is this"},
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
    ]}]});
    assert_eq!(server(&three.gateway.chat(&with(ask("able", ""), picture)).await), "b");
    assert_eq!(three.a.count(), 1);
    let tools = json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]});
    let answer = three.gateway.chat(&with(ask("able", "hi"), tools)).await;
    assert_eq!(refusal(&answer), (400, "capability_missing".to_owned()));
}

#[tokio::test]
async fn a_rule_sends_those_that_match_another_way() {
    let three = Three::lease().await;
    let client = three.gateway.client();
    let free = client.clone().header("x-plan", "free-2026");
    let long = ask("ruled", &"a long story ".repeat(1_000));
    let tools = json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]});
    assert_eq!(server(&client.post(CHAT, &ask("ruled", "hi")).await), "a");
    assert_eq!(server(&free.post(CHAT, &ask("ruled", "hi")).await), "b");
    assert_eq!(server(&free.post(CHAT, &long).await), "b", "the first that matches");
    assert_eq!(server(&client.post(CHAT, &long).await), "c");
    assert_eq!(server(&client.post(CHAT, &with(ask("ruled", "hi"), tools)).await), "c");
    // Targets outside the route are no fallback either.
    three.b.always("status=503");
    let refused = free.post(CHAT, &ask("ruled", "hi")).await;
    assert_eq!((refusal(&refused).0, refused.header("x-sluice-attempts")), (503, Some("2")));
}
