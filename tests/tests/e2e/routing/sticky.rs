//! Related requests stay with one target under every strategy.

use serde_json::json;
use sluice_tests::until;
use tokio::task::JoinSet;

use super::{Three, model, prices, server, two};
use crate::{CHAT, ask};

/// By now the strategy would choose another target, but requests with a session value go to the value's target.
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
    // A long prompt is cheaper at one target, a short one at the other.
    let (short, long) = (ask("cheapest", "hi"), ask("cheapest", &"so ".repeat(2000)));
    let first = server(&of("one").post(CHAT, &long).await);
    assert_eq!((&*first, &*server(&of("two").post(CHAT, &short).await)), ("a", "b"));
    for _ in 0..5 {
        assert_eq!(server(&of("one").post(CHAT, &short).await), "a");
        assert_eq!(server(&of("two").post(CHAT, &long).await), "b");
    }
    // All requests in flight are at one session's target. Another session's requests would go elsewhere, but this session's stay.
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
    // One target becomes slow.
    let own = server(&of("one").post(CHAT, &ask("fastest", "hi")).await);
    let simulator = if own == "a" { &three.a } else { &three.b };
    simulator.always("wait=100");
    for _ in 0..12 {
        assert_eq!(server(&of("one").post(CHAT, &ask("fastest", "hi")).await), own);
    }
}
