//! Tests have Envoys in turn: of what one of them counted and kept the next one finds nothing.

use serde_json::json;
use sluice_tests::gateway::Key;

use crate::single::Single;
use crate::{ask, refusal};

/// So many turns, of the same processes unless other tests have them meanwhile.
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
            // The first answer is nobody's who came before, and the second is the first.
            assert_eq!(single.provider.count(), asked, "{turn}");
        }
        let third = gateway.chat(&ask("chat", "say hi")).await;
        assert_eq!(refusal(&third), (429, "rate_limit_exceeded".to_owned()), "{turn}");
        assert_eq!(gateway.quiet().await.len(), 3, "{turn}");
        assert_eq!(gateway.counter("sluice.refused.limit").await, 1, "{turn}");
    }
}
