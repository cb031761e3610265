//! What belongs together stays with one target, whatever the strategy.

use serde_json::json;
use sluice_tests::until;
use tokio::task::JoinSet;

use super::{Three, model, prices, server, two};
use crate::{CHAT, ask};

/// Where each of them would go somewhere else by now, those that have a value go where it went.
#[tokio::test]
async fn every_strategy_keeps_what_belongs_together_with_one_target() {
    let sticky = json!({"header": "x-session"});
    let three = Three::start(|builder| {
        ["cheapest", "fastest", "least_busy"]
            .into_iter()
            .fold(builder, |builder, strategy| {
                builder.with(model(strategy, &two(), json!({"strategy": strategy, "sticky": sticky})))
            })
            .with(prices("cheapest", (1.0, 20.0), (10.0, 2.0)))
    })
    .await;
    let of = |session: &str| three.gateway.client().header("x-session", session);
    // A long prompt is cheaper at the one, a short one at the other.
    let (short, long) = (ask("cheapest", "hi"), ask("cheapest", &"so ".repeat(2000)));
    let first = server(&of("one").post(CHAT, &long).await);
    assert_eq!((&*first, &*server(&of("two").post(CHAT, &short).await)), ("a", "b"));
    for _ in 0..5 {
        assert_eq!(server(&of("one").post(CHAT, &short).await), "a");
        assert_eq!(server(&of("two").post(CHAT, &long).await), "b");
    }
    // All that are under way are where one session is; those of another go elsewhere, and its own do not.
    let own = server(&of("one").post(CHAT, &ask("least_busy", "hi")).await);
    let simulator = if own == "a" { &three.a } else { &three.b };
    let before = simulator.count();
    simulator.hold();
    let mut asking = JoinSet::new();
    for number in 1..=6 {
        let client = of("one");
        asking.spawn(async move { server(&client.post(CHAT, &ask("least_busy", "hi")).await) });
        until("the request to arrive", || (simulator.count() == before + number).then_some(())).await;
    }
    assert_ne!(server(&of("two").post(CHAT, &ask("least_busy", "hi")).await), own);
    simulator.release();
    assert!(asking.join_all().await.iter().all(|server| *server == own));
    // One becomes slow.
    let own = server(&of("one").post(CHAT, &ask("fastest", "hi")).await);
    let simulator = if own == "a" { &three.a } else { &three.b };
    simulator.always("wait=100");
    for _ in 0..12 {
        assert_eq!(server(&of("one").post(CHAT, &ask("fastest", "hi")).await), own);
    }
}
