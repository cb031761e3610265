//! Patterns and aliases: for every name that a client uses, the entry has one counter, one log name and one label.

use serde_json::{Value, json};

use crate::{CHAT, Single, ask, refusal};

#[tokio::test]
async fn names_that_nobody_wrote_down_are_served_counted_and_logged_by_their_pattern() {
    let single = Single::with(|builder| {
        let star = json!({"targets": [{"provider": "openai", "model": "*"}], "limits": {"requests_per_minute": 3}});
        builder.with(json!({"models": {"gpt-*": star}, "aliases": {"gpt-*[1m]": "gpt-*", "fast": "gpt-sim"}}))
    })
    .await;
    let client = single.gateway.client();
    for (asked, model) in [("gpt-sim", "gpt-sim"), ("gpt-new-2027[1m]", "gpt-new-2027"), ("fast", "gpt-sim")] {
        let answer = client.post(CHAT, &ask(asked, "say hi")).await;
        assert_eq!((answer.status, answer.header("x-sluice-model")), (200, Some(model)), "{asked}: {}", answer.text());
    }
    let asked: Vec<Value> = single.provider.requests().iter().map(|request| request.json()["model"].clone()).collect();
    assert_eq!(asked, ["gpt-sim", "gpt-new-2027", "gpt-sim"]);
    assert_eq!(refusal(&client.post(CHAT, &ask("gpt-other", "say hi")).await), (429, "rate_limit_exceeded".to_owned()));
    for unknown in ["gpt-*", "gpt-a/../x", "o3"] {
        // The first is the pattern itself, the second is not a valid name, and the third matches no pattern.
        let answer = client.post(CHAT, &ask(unknown, "say hi")).await;
        assert_eq!(refusal(&answer), (404, "model_not_found".to_owned()), "{unknown}");
    }
    let lines = single.gateway.quiet().await;
    let of = |status: u16| lines.iter().filter(move |line| line["status"] == status);
    assert!(of(200).chain(of(429)).all(|line| line["model"] == "gpt-*"), "{lines:?}");
    assert!(of(404).all(|line| line["model"].is_null()), "{lines:?}");
    let stats = single.gateway.envoy("/stats").await;
    assert!(!stats.contains("gpt-new-2027"), "no statistic has a client's name in it");
}
