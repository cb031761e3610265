//! The cost of a failover: the log, the budget's count and the providers' usage agree to the micro-dollar.

use serde_json::{Value, json};
use sluice_tests::gateway::{Builder, Gateway, Key, Kind};
use sluice_tests::simulator::{Recorded, Simulator, Usage};

use crate::money::{Price, logged, spent};
use crate::{ask, said, with};

/// The price of each provider. Neither is a multiple of the other.
const OPENAI: Price = Price { input: 3.33, output: 14.77 };
const ANTHROPIC: Price = Price { input: 5.21, output: 25.93 };

struct Books {
    gateway: Gateway,
    openai: Simulator,
    anthropic: Simulator,
}

impl Books {
    async fn open(settings: impl FnOnce(Builder) -> Builder) -> Self {
        let (openai, anthropic) = (Simulator::start().await, Simulator::start().await);
        let builder = Gateway::builder()
            .provider("openai", Kind::OpenAi, &openai)
            .provider("anthropic", Kind::Anthropic, &anthropic)
            .model("openai-first", &[("openai", "gpt-sim"), ("anthropic", "claude-sim")])
            .model("anthropic-first", &[("anthropic", "claude-sim"), ("openai", "gpt-sim")])
            .price("openai/gpt-sim", OPENAI.input, OPENAI.output)
            .price("anthropic/claude-sim", ANTHROPIC.input, ANTHROPIC.output)
            .key(Key::new("payer", "sk-payer").budget(json!({"total": 0.05})))
            .with(json!({"circuit": {"failures": 1000}}));
        Self { gateway: settings(builder).start().await, openai, anthropic }
    }

    async fn ask(&self, model: &str, stream: bool, count: usize) -> (sluice_tests::client::Answer, Value) {
        let body = with(ask(model, "say one two three four five"), json!({"stream": stream, "max_tokens": 64}));
        let answer = self.gateway.chat(&body).await;
        (answer, self.gateway.log_lines(count).await.pop().expect("a line"))
    }

    /// The micro-dollars counted on the budget.
    async fn counted(&self) -> u64 {
        // This request costs more than the whole budget, so its error states the usage.
        spent(&self.gateway, "sk-payer", "openai-first").await
    }
}

fn billed(price: Price, requests: &[Recorded]) -> u64 {
    price.sum(requests)
}

/// A provider that returns an error uses nothing. A response without content reports its usage.
#[tokio::test]
async fn the_log_the_budget_and_the_providers_agree_on_what_a_failover_costs() {
    let books = Books::open(|builder| builder).await;
    let (mut owed, mut lines) = (0, 0);
    for (model, failing, fault, stream) in [
        ("openai-first", &books.openai, "status=503", false),
        ("openai-first", &books.openai, "status=503", true),
        ("openai-first", &books.openai, "status=500", false),
        ("openai-first", &books.openai, "reset", true),
        ("openai-first", &books.openai, "empty", true),
        ("anthropic-first", &books.anthropic, "status=529", false),
        ("anthropic-first", &books.anthropic, "error", true),
    ] {
        books.openai.clear();
        books.anthropic.clear();
        failing.always(fault);
        lines += 1;
        let (answer, line) = books.ask(model, stream, lines).await;
        assert_eq!((answer.status, &*said(&answer)), (200, "one two three four five"), "{model}, {fault}");
        let bill =
            billed(OPENAI, &books.openai.settled(1).await) + billed(ANTHROPIC, &books.anthropic.settled(1).await);
        owed += bill;
        assert_eq!(logged(std::slice::from_ref(&line), "payer"), bill, "{model}, {fault}, stream {stream}: {line}");
        assert_eq!(line["estimated"], Value::Null, "{model}, {fault}, stream {stream}: {line}");
        assert!(bill > 0);
    }
    let counted = books.counted().await;
    assert_eq!((counted, logged(&books.gateway.log(), "payer")), (owed, owed));
}

/// A provider that timed out keeps generating, and its usage is unknown. The gateway charges an estimate of its prompt, in addition to the
/// usage of the provider that responded.
#[tokio::test]
async fn an_attempt_that_was_given_up_is_charged_for_its_prompt() {
    let books = Books::open(|builder| builder.timeout("answer", "3s").timeout("first_token", "3s")).await;
    let mut lines = 0;
    for (model, failing, serving, price) in [
        ("openai-first", &books.openai, &books.anthropic, (OPENAI, ANTHROPIC)),
        ("anthropic-first", &books.anthropic, &books.openai, (ANTHROPIC, OPENAI)),
    ] {
        for stream in [false, true] {
            books.openai.clear();
            books.anthropic.clear();
            failing.always("first=3600000");
            lines += 1;
            let (answer, line) = books.ask(model, stream, lines).await;
            assert_eq!((answer.status, &*said(&answer)), (200, "one two three four five"), "{model}");
            let answered = billed(price.1, &serving.settled(1).await);
            let cost = logged(std::slice::from_ref(&line), "payer");
            let input = failing.requests()[0].json().to_string().len() as u64;
            let prompt = |tokens| price.0.cost(&Usage { input: tokens, ..Usage::default() });
            // About four bytes per token, for the text and the JSON around it.
            let estimate = prompt(input / 8)..=prompt(input);
            assert!(estimate.contains(&(cost - answered)), "{model}: {cost} of which {answered}, {line}");
            assert_eq!(line["estimated"], true, "{line}");
        }
    }
    assert_eq!(books.counted().await, logged(&books.gateway.log(), "payer"));
}
