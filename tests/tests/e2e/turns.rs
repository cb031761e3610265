//! Tests use Envoys in turn: no counts and no cached responses carry over to the next test.

use serde_json::json;
use sluice_tests::gateway::Key;

use crate::single::Single;
use crate::{ask, refusal};

/// The number of turns; they share processes unless other tests take them meanwhile.
const TURNS: usize = 4;

#[tokio::test]
async fn whoever_is_next_finds_nothing_counted_or_kept() {
    for turn in 0..TURNS {
        let single = Single::with(|builder| {
            builder
                .model("chat", &[("openai", "gpt-sim")])
                .with(json!({"models": {"chat": {"cache": {"ttl": "1h"}}}}))
                .key(Key::new("poor", "poor").limits(json!({"requests_per_minute": 2})))
        })
        .await;
        let gateway = &single.gateway;
        let counted = gateway.counter("sluice.refused.limit").await;
        assert_eq!((gateway.log().len(), counted), (0, 0), "{turn}");
        for asked in [1, 1] {
            assert_eq!(gateway.chat(&ask("chat", "say hi")).await.status, 200, "{turn}");
            // The first response is not from an earlier turn's cache, and the second is from this turn's.
            assert_eq!(single.provider.count(), asked, "{turn}");
        }
        let third = gateway.chat(&ask("chat", "say hi")).await;
        assert_eq!(refusal(&third), (429, "rate_limit_exceeded".to_owned()), "{turn}");
        assert_eq!(gateway.quiet().await.len(), 3, "{turn}");
        assert_eq!(gateway.counter("sluice.refused.limit").await, 1, "{turn}");
    }
}
