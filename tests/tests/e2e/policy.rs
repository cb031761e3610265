//! Features that keys, teams and models forbid: rejected by name, and not sent to a provider.

use serde_json::{Value, json};
use sluice_tests::client::Answer;
use sluice_tests::gateway::{KEY, Key};
use sluice_tests::money::micro;

use crate::{CHAT, Single, ask, refusal, with};

fn told(answer: &Answer) -> (u16, String, Value) {
    let (status, code) = refusal(answer);
    (status, code, answer.json()["error"]["param"].clone())
}

#[tokio::test]
async fn what_is_forbidden_to_a_key_a_team_or_a_model_is_refused_by_name() {
    let target = json!({"targets": [{"provider": "openai", "model": "gpt-sim"}], "forbid": ["n"]});
    let single = Single::with(|builder| {
        let free = Key::new("free", KEY);
        let key = Key::new("narrow", "sk-narrow").team("wary").set("forbid", json!(["tools.web_search", "logprobs"]));
        let file = json!({"models": {"one-answer": target}, "teams": {"wary": {"forbid": ["service_tier"]}}});
        builder.key(free).key(key).model("gpt", &[("openai", "gpt-sim")]).with(file)
    })
    .await;
    let (free, narrow) = (single.gateway.client(), single.gateway.with_key("sk-narrow"));
    let tools = json!({"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "web_search_preview"}]});
    for (client, model, more, param, whose) in [
        (&narrow, "gpt", json!({"logprobs": true}), "logprobs", "key narrow"),
        (&narrow, "gpt", json!({"web_search_options": {}}), "web_search_options", "key narrow"),
        (&narrow, "gpt", tools, "tools[1]", "key narrow"),
        (&narrow, "gpt", json!({"service_tier": "priority"}), "service_tier", "team wary"),
        (&free, "one-answer", json!({"n": 2}), "n", "model one-answer"),
    ] {
        let answer = client.post(CHAT, &with(ask(model, "hi"), more)).await;
        assert_eq!(told(&answer), (403, "parameter_not_allowed".to_owned(), json!(param)), "{}", answer.text());
        assert!(answer.text().contains(whose), "{}", answer.text());
    }
    let escaped = with(ask("gpt", "hi"), json!({"service_tier": "flex"})).to_string().replace("_tier", "\\u005ftier");
    let answer = narrow.request("POST", CHAT, escaped).await.expect("an answer");
    assert_eq!(told(&answer).2, "service_tier");
    assert_eq!(single.provider.count(), 0);
    // Only named features are forbidden.
    let more = json!({"service_tier": "default", "n": 2, "logprobs": true});
    assert_eq!(free.post(CHAT, &with(ask("gpt", "hi"), more)).await.status, 200);
    assert_eq!(narrow.post(CHAT, &ask("gpt", "hi")).await.status, 200);
}

#[tokio::test]
async fn a_dearer_class_of_service_is_reserved_and_charged_as_it_was_given() {
    let tier = json!({"input": 30, "output": 30});
    let price = json!({"input": 10, "output": 10, "service_tiers": {"priority": tier}});
    let single = Single::with(|builder| {
        let priced =
            json!({"prices": {"models": {"openai/gpt-sim": price}}, "teams": {"test": {"budget": {"total": 0.02}}}});
        builder.model("gpt", &[("openai", "gpt-sim")]).with(priced)
    })
    .await;
    let client = single.gateway.client();
    // A response of a thousand tokens: $0.01, or $0.03.
    let body = |tier: &str| with(ask("gpt", "hi"), json!({"max_tokens": 1000, "service_tier": tier}));
    for tier in ["priority", "auto"] {
        let answer = client.post(CHAT, &body(tier)).await;
        assert_eq!(refusal(&answer), (429, "insufficient_quota".to_owned()), "{tier}: {}", answer.text());
    }
    assert_eq!(single.provider.count(), 0);
    assert_eq!(client.post(CHAT, &body("default")).await.status, 200);
    // The simulator always grants the default tier.
    let small = with(body("priority"), json!({"max_tokens": 100}));
    let answer = client.post(CHAT, &small).await;
    assert_eq!((answer.status, &answer.json()["service_tier"]), (200, &json!("default")), "{}", answer.text());
    let line = single.gateway.log_lines(4).await.pop().expect("a line");
    let count = |name: &str| line[name].as_u64().expect("a count");
    let charged = line["cost_usd"].as_str().map(micro);
    assert_eq!(charged, Some(10 * (count("input_tokens") + count("output_tokens"))), "{line}");
}
