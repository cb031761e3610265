//! Providers with invalid counts: beyond any context, negative, fractional, text, or missing. The response is forwarded, and charged by
//! estimate. No budget or limit locks up, and nothing is free.

use serde_json::{Value, json};
use sluice_tests::client::Answer;
use sluice_tests::gateway::{Builder, Key};
use sluice_tests::shared::Shared;
use sluice_tests::simulator::{Simulator, Usage};

use super::{COMPLETIONS, EMBEDDED, EMBEDDINGS, MESSAGES, RESPONSES, STRICT, Till, client};
use crate::money::{Price, logged};
use crate::{CHAT, ask, with};

const PRICE: Price = Price { input: 3.33, output: 14.77 };
/// The longest requested response.
const LONGEST: u64 = 64;
/// The bytes of the text.
const SAID: u64 = "one two three".len() as u64;

/// The provider's name and kind, the simulator's path, its model, and the format if the provider has several.
type Wire = (&'static str, &'static str, &'static str, &'static str, &'static str);

const WIRES: [Wire; 10] = [
    ("w-chat", "openai", "/v1", "gpt-sim", "chat"),
    ("w-responses", "openai", "/v1", "gpt-sim", "responses"),
    ("w-completions", "openai", "/v1", "gpt-sim", "completions"),
    ("w-embeddings", "openai", "/v1", "embed-sim", "embeddings"),
    ("w-anthropic", "anthropic", "/v1", "claude-sim", ""),
    ("w-gemini", "gemini", "/v1beta", "gemini-2.5-sim", ""),
    ("w-vertex-anthropic", "vertex-anthropic", "/v1/projects/p/locations/l/publishers/anthropic", "claude-sim", ""),
    ("w-bedrock", "bedrock", "", "claude-sim", ""),
    ("w-bedrock-anthropic", "bedrock-anthropic", "", "claude-sim", ""),
    ("w-cohere", "cohere", "/v2", "command-sim", ""),
];

/// Client formats and providers: each format with its own provider, and chat completions with all chat providers.
const ASKED: [(&str, &str); 12] = [
    (CHAT, "w-chat"),
    (CHAT, "w-responses"),
    (CHAT, "w-anthropic"),
    (CHAT, "w-gemini"),
    (CHAT, "w-vertex-anthropic"),
    (CHAT, "w-bedrock"),
    (CHAT, "w-bedrock-anthropic"),
    (CHAT, "w-cohere"),
    (RESPONSES, "w-responses"),
    (COMPLETIONS, "w-completions"),
    (MESSAGES, "w-anthropic"),
    (EMBEDDINGS, "w-embeddings"),
];

/// The values in place of a count, or of the usage.
const NONSENSE: [&str; 12] = [
    "counts=9223372036854775808",
    "counts=18446744073709551616",
    "counts=1e30",
    "counts=100000001",
    "counts=-5",
    "counts=0.5",
    "counts=\"many\"",
    "counts=\"9223372036854775808\"",
    "counts=null",
    "usage=\"none\"",
    "usage=[1,2]",
    "usage=true",
];

pub fn file(builder: Builder, simulator: &Simulator) -> Builder {
    WIRES.into_iter().fold(builder, |builder, (name, kind, path, model, speaks)| {
        let mut provider = json!({"kind": kind, "url": simulator.url() + path, "key": {"env": "A_KEY"}});
        if !speaks.is_empty() {
            provider["speaks"] = json!([speaks]);
        }
        let builder = builder.with(json!({"providers": {name: provider}})).model(name, &[(name, model)]);
        let key = Key::new(name, name).budget(json!({"total": 1})).limits(json!({"tokens_per_day": 1_000_000}));
        builder.price(&format!("{name}/{model}"), PRICE.input, PRICE.output).key(key)
    })
}

fn body(path: &str, model: &str) -> Value {
    let text = "say one two three";
    match path {
        CHAT | MESSAGES => with(ask(model, text), json!({"max_tokens": LONGEST})),
        RESPONSES => json!({"model": model, "input": text, "max_output_tokens": LONGEST}),
        COMPLETIONS => json!({"model": model, "prompt": text, "max_tokens": LONGEST}),
        _ => json!({"model": model, "input": text}),
    }
}

/// Whether the text is complete, streamed or not, in any format.
fn is_whole(answer: &Answer, path: &str) -> bool {
    let text = answer.text();
    let words = ["one", "two", "three"].iter().all(|word| text.contains(word));
    answer.status == 200 && answer.complete && (path == EMBEDDINGS || words) && !text.contains("\"error\":{")
}

/// A request, its response, and their description for messages.
struct Asked {
    model: &'static str,
    body: Value,
    answer: Answer,
    context: String,
}

impl Asked {
    /// Asserts a charge by estimate: at least the text of prompt and response, and at most all transferred bytes.
    fn check(&self, lines: &[Value]) {
        let Self { model, body, answer, context } = self;
        let line = lines.iter().find(|line| line["request_id"].as_str() == answer.header("x-request-id"));
        let line = line.unwrap_or_else(|| panic!("no line of {context}"));
        assert_eq!(line["estimated"], true, "{context}: {line}");
        let speaks = u64::from(*model != "w-embeddings");
        let (sent, came) = (body.to_string().len() as u64, answer.body.len() as u64);
        let least = Usage { input: SAID / 4, output: speaks * (SAID / 4), ..Usage::default() };
        let most = Usage { input: sent, output: speaks * came, ..Usage::default() };
        let cost = logged(std::slice::from_ref(line), model);
        assert!((PRICE.cost(&least)..=PRICE.cost(&most)).contains(&cost), "{context}: {line}");
    }
}

async fn ask_all(till: &Till) -> Vec<Asked> {
    let mut all = Vec::new();
    for (path, model) in ASKED {
        let client = client(&till.gateway, path, model);
        for nonsense in NONSENSE {
            till.provider.clear();
            till.provider.always(nonsense);
            for stream in [false, true].into_iter().filter(|stream| !(*stream && path == EMBEDDINGS)) {
                let body = with(body(path, model), if stream { json!({"stream": true}) } else { json!({}) });
                let answer = client.post(path, &body).await;
                let context = format!("{path} of {model}, {nonsense}, stream {stream}");
                assert!(is_whole(&answer, path), "{context}: {} {}", answer.status, answer.text());
                all.push(Asked { model, body, answer, context });
            }
        }
    }
    all
}

async fn nonsense_is_no_count(till: &'static Shared<Till>) {
    sluice_tests::within_a_day().await;
    let till = till.lease().await;
    let asked = ask_all(&till).await;
    let lines = till.gateway.quiet().await;
    asked.iter().for_each(|asked| asked.check(&lines));
    for (name, ..) in WIRES {
        assert_eq!(till.spent(name).await, logged(&lines, name), "{name}");
    }
}

#[tokio::test]
async fn a_count_that_no_answer_can_have_is_estimated_and_locks_no_budget_in_envoys_memory() {
    nonsense_is_no_count(&EMBEDDED).await;
}

#[tokio::test]
async fn a_count_that_no_answer_can_have_is_estimated_and_locks_no_budget_in_redis() {
    nonsense_is_no_count(&STRICT).await;
}

/// A valid half of the usage does not make the other half free.
#[tokio::test]
async fn an_answer_is_not_free_because_its_provider_counted_the_prompt_only() {
    let till = EMBEDDED.lease().await;
    let body = body(CHAT, "w-chat");
    for (number, nonsense) in
        ["usage={\"prompt_tokens\":5}", "usage={\"prompt_tokens\":5,\"completion_tokens\":-1}"].into_iter().enumerate()
    {
        till.provider.always(nonsense);
        let answer = client(&till.gateway, CHAT, "w-chat").post(CHAT, &body).await;
        assert!(is_whole(&answer, CHAT), "{}", answer.text());
        let line = till.gateway.log_lines(number + 1).await.remove(number);
        let least = PRICE.cost(&Usage { input: 5, output: SAID / 4, ..Usage::default() });
        assert!(logged(std::slice::from_ref(&line), "w-chat") >= least, "{nonsense}: {line}");
        assert_eq!(line["estimated"], true, "{line}");
    }
}
