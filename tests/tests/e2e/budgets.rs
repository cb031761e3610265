//! Budgets in a real Envoy with two workers: rejections, warnings and counts.

use serde_json::{Value, json};
use sluice_tests::gateway::{Builder, Gateway, Key, Kind};
use sluice_tests::shared::Shared;
use sluice_tests::simulator::{Simulator, Usage};
use tokio::sync::OnceCell;

use crate::money::{Price, dollars, logged, micro, reserved_for, said, spent};
use crate::{CHAT, Pair, Single, ask, refusal, with};

/// High, so that every token shows in the cost.
const PRICE: Price = Price { input: 1000.0, output: 2000.0 };
const CHEAP: Price = Price { input: 1.5, output: 2.5 };
const DEAR: Price = Price { input: 1234.5, output: 6789.1 };

fn priced(builder: Builder) -> Builder {
    builder
        .model("chat", &[("openai", "gpt-sim")])
        .model("cheap", &[("openai", "gpt-mini")])
        .price("openai/gpt-sim", PRICE.input, PRICE.output)
        .price("openai/gpt-mini", CHEAP.input, CHEAP.output)
        .concurrency(2)
}

/// A request that reserves more than it uses.
fn body() -> Value {
    with(ask("chat", "say hi"), json!({"max_tokens": 4}))
}

/// The reservation of [`body`].
async fn reserved() -> u64 {
    static RESERVED: OnceCell<u64> = OnceCell::const_new();
    let asked = async || {
        let provider = Simulator::start().await;
        reserved_for(priced(Gateway::builder().provider("openai", Kind::OpenAi, &provider)), &body()).await
    };
    *RESERVED.get_or_init(asked).await
}

/// The periods of hard budgets, and their resets in error messages.
const PERIODS: [(&str, &str); 3] =
    [("daily", "00:00 UTC"), ("monthly", "first day of next month"), ("total", "not reset")];

/// The percentage of a soft budget that the first request spends, and whether the second gets the warning of 80 and of 100.
const SOFT: [(u64, u64, u64); 5] = [(79, 0, 0), (80, 1, 0), (99, 1, 0), (100, 0, 1), (250, 0, 1)];

/// A gateway with a key for each of these budgets. Each key's id is also its secret.
static BUDGETED: Shared<Single> = Shared::new(1, || {
    Box::pin(async {
        let cost = reserved().await;
        // A second request fits, because the first used less than it reserved. A third does not.
        let covered = cost + 2 * PRICE.cost(&Usage { input: 2, output: 1, ..Usage::default() }) - 1;
        let hard = PERIODS.map(|(period, _)| (period.to_owned(), json!({period: dollars(covered)})));
        // The first request spends exactly this share of the budget, in whole micro-dollars.
        let spent = PRICE.cost(&Usage { input: 2, output: 1, ..Usage::default() });
        let budget = |percent| json!({"monthly": dollars(spent * 100 / percent), "soft": true});
        let soft = SOFT.map(|(percent, ..)| (format!("at-{percent}"), budget(percent)));
        let then = ("then".to_owned(), json!({"total": dollars(cost), "then_model": "cheap"}));
        let key = |(name, budget): (String, Value)| Key::new(&name, &name).budget(budget);
        let keys = hard.into_iter().chain(soft).chain([then]).map(key);
        Single::with(|builder| keys.fold(priced(builder), Builder::key)).await
    })
});

#[tokio::test]
async fn a_hard_budget_refuses_what_it_does_not_cover_in_openais_words() {
    sluice_tests::within_a_day().await;
    let budgeted = BUDGETED.lease().await;
    let (gateway, provider, cost) = (&budgeted.gateway, &budgeted.provider, reserved().await);
    for (round, (period, anew)) in PERIODS.into_iter().enumerate() {
        provider.clear();
        let client = gateway.with_key(period);
        for count in [1, 2] {
            assert_eq!(client.post(CHAT, &body()).await.status, 200, "{period}");
            gateway.log_lines(round * 3 + count).await;
        }
        let refused = client.post(CHAT, &body()).await;
        assert_eq!(refusal(&refused), (429, "insufficient_quota".to_owned()));
        let error = refused.json()["error"].clone();
        assert_eq!(error["type"], "insufficient_quota");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(anew)), "{period}: {error}");
        assert_eq!(refused.header("x-should-retry"), Some("false"));
        let used = PRICE.sum(&provider.requests());
        assert_eq!((said(&refused, "Used"), said(&refused, "may cost")), (used, cost), "{period}");
        assert_eq!(provider.count(), 2);
        let lines = gateway.log_lines(round * 3 + 3).await;
        assert_eq!(logged(&lines, period), used, "{period}");
    }
    assert_eq!(gateway.counter("sluice.refused.budget").await, 3);
}

#[tokio::test]
async fn a_soft_budget_warns_at_80_and_at_100_percent_and_refuses_nothing() {
    let budgeted = BUDGETED.lease().await;
    let gateway = &budgeted.gateway;
    let (mut eighties, mut hundreds) = (0, 0);
    for (round, (percent, eighty, hundred)) in SOFT.into_iter().enumerate() {
        let client = gateway.with_key(&format!("at-{percent}"));
        let first = client.post(CHAT, &body()).await;
        // The first request reserves more than some of these budgets contain.
        assert_eq!((first.status, first.header("x-sluice-budget")), (200, None), "{percent}");
        let line = gateway.log_lines(round * 2 + 1).await.remove(round * 2);
        let answer = client.post(CHAT, &body()).await;
        assert_eq!(answer.status, 200, "{percent}");
        let warning = answer.header("x-sluice-budget").map(str::to_owned);
        assert_eq!(warning.is_some(), eighty + hundred > 0, "{percent}: {warning:?}");
        let expected = (format!("key=at-{percent}"), format!("/month {percent}%"));
        let right = |text: &String| text.contains(&expected.0) && text.ends_with(&expected.1);
        assert!(warning.iter().all(right), "{warning:?}");
        // The log line also includes the request's own cost.
        assert_eq!(line["budgets"], warning.map_or(Value::Null, |text| json!([text])));
        let line = gateway.log_lines(round * 2 + 2).await.remove(round * 2 + 1);
        assert_eq!(line["budgets"], json!([format!("key=at-{percent}/month {}%", percent * 2)]));
        (eighties, hundreds) = (eighties + eighty, hundreds + hundred);
        let counted = (gateway.counter("sluice.budget.used_80").await, gateway.counter("sluice.budget.used_100").await);
        assert_eq!(counted, (eighties, hundreds), "{percent}");
    }
}

#[tokio::test]
async fn a_budget_that_is_used_up_leads_to_another_model_and_says_so() {
    let budgeted = BUDGETED.lease().await;
    let (gateway, client) = (&budgeted.gateway, budgeted.gateway.with_key("then"));
    let first = client.post(CHAT, &body()).await;
    assert_eq!((first.header("x-sluice-model"), first.header("x-sluice-instead-of")), (Some("gpt-sim"), None));
    assert_eq!(gateway.log_lines(1).await[0]["instead"], Value::Null);
    for count in 2..5 {
        let answer = client.post(CHAT, &body()).await;
        assert_eq!(answer.header("x-sluice-model"), Some("gpt-mini"), "{}", answer.text());
        assert_eq!(answer.header("x-sluice-instead-of"), Some("chat"));
        let line = gateway.log_lines(count).await.remove(count - 1);
        assert_eq!((&line["model"], &line["instead"]), (&json!("chat"), &json!("cheap")));
    }
    let requests = budgeted.provider.requests();
    let asked = requests.iter().map(|request| request.json()["model"].clone()).collect::<Vec<_>>();
    assert_eq!(asked, ["gpt-sim", "gpt-mini", "gpt-mini", "gpt-mini"]);
    let all = PRICE.sum(&requests[..1]) + CHEAP.sum(&requests[1..]);
    assert_eq!(logged(&gateway.log(), "then"), all);
}

/// Models with a fallback or with an unpriced target, each with its own key and budget.
static PAIR: Shared<Pair> = Shared::new(1, || {
    Box::pin(Pair::of(1, |builder| {
        let unpriced = json!({"input": DEAR.input, "output": DEAR.output, "per_request": 0.5});
        builder
            .model("paid", &[("openai", "gpt-paid"), ("anthropic", "claude-paid")])
            .price("openai/gpt-paid", PRICE.input, PRICE.output)
            .price("anthropic/claude-paid", DEAR.input, DEAR.output)
            .model("uncovered", &[("openai", "gpt-uncovered"), ("anthropic", "claude-uncovered")])
            .price("openai/gpt-uncovered", CHEAP.input, CHEAP.output)
            .price("anthropic/claude-uncovered", DEAR.input, DEAR.output)
            .model("unpriced", &[("openai", "gpt-unpriced")])
            .with(json!({"prices": {"unpriced": unpriced}}))
            .key(Key::new("paid", "paid").budget(json!({"total": 5})))
            .key(Key::new("uncovered", "uncovered").budget(json!({"total": 0.01})))
            .key(Key::new("unpriced", "unpriced").budget(json!({"total": 5})))
    }))
});

#[tokio::test]
async fn a_fallback_is_paid_at_its_own_price() {
    let pair = PAIR.lease().await;
    pair.openai.always("status=503");
    let body = with(ask("paid", "say one two three"), json!({"max_tokens": 9}));
    assert_eq!(pair.gateway.with_key("paid").post(CHAT, &body).await.header("x-sluice-provider"), Some("anthropic"));
    let cost = DEAR.sum(&pair.anthropic.requests());
    let lines = pair.gateway.log_lines(1).await;
    assert_eq!((logged(&lines, "paid"), spent(&pair.gateway, "paid", "paid").await), (cost, cost));
    assert_eq!(PRICE.sum(&pair.openai.requests()), 0);
}

#[tokio::test]
async fn a_fallback_that_a_budget_does_not_cover_is_not_asked() {
    let pair = PAIR.lease().await;
    let client = pair.gateway.with_key("uncovered");
    let body = with(ask("uncovered", "say hi"), json!({"max_tokens": 9}));
    assert_eq!(client.post(CHAT, &body).await.status, 200);
    pair.openai.always("status=503");
    assert_eq!(client.post(CHAT, &body).await.status, 503);
    assert!(pair.anthropic.requests().is_empty());
}

#[tokio::test]
async fn a_model_without_a_price_costs_what_those_without_one_cost() {
    let pair = PAIR.lease().await;
    let body = with(ask("unpriced", "say hi"), json!({"max_tokens": 9}));
    assert_eq!(pair.gateway.with_key("unpriced").post(CHAT, &body).await.status, 200);
    let line = pair.gateway.log_lines(1).await.remove(0);
    let cost = line["cost_usd"].as_str().map(micro);
    assert_eq!(cost, Some(DEAR.sum(&pair.openai.requests()) + 500_000));
}

#[tokio::test]
async fn every_scope_has_its_budget() {
    let once = json!({"total": dollars(reserved().await)});
    let single = Single::with(|builder| {
        priced(builder)
            // The names have the same length, so the requests reserve the same amount.
            .model("full", &[("openai", "gpt-sim")])
            .model("pair", &[("openai", "gpt-sim")])
            .key(Key::new("a", "sk-a").team("full"))
            .key(Key::new("b", "sk-b").team("full"))
            .key(Key::new("c", "sk-c").set("app", json!("full")))
            .key(Key::new("d", "sk-d").team("far").set("app", json!("full")))
            .key(Key::new("e", "sk-e"))
            .key(Key::new("f", "sk-f"))
            .key(Key::new("g", "sk-g").team("far"))
            .with(json!({
                "teams": {"full": {"budget": once}},
                "apps": {"full": {"budget": once}},
                "models": {"full": {"budget": once}},
                "budgets": [{"match": {"model": "pair"}, "per": ["team"], "budget": once}],
            }))
    })
    .await;
    let gateway = &single.gateway;
    let mut lines = 0;
    for (scope, asked) in [
        ("a team", [("sk-a", "chat", 200), ("sk-b", "chat", 429), ("sk-e", "chat", 200)]),
        ("an app", [("sk-c", "chat", 200), ("sk-d", "chat", 429), ("sk-e", "chat", 200)]),
        ("a model", [("sk-e", "full", 200), ("sk-g", "full", 429), ("sk-g", "chat", 200)]),
        ("a team's model", [("sk-e", "pair", 200), ("sk-f", "pair", 429), ("sk-g", "pair", 200)]),
    ] {
        for (secret, model, status) in asked {
            let answer = gateway.with_key(secret).post(CHAT, &with(body(), json!({"model": model}))).await;
            assert_eq!(answer.status, status, "{scope}: {secret} {model}: {}", answer.text());
            lines += 1;
            gateway.log_lines(lines).await;
        }
    }
}
