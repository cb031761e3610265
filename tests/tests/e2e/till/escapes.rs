//! Attempts to use more than the reservation: multipliers of an endpoint, limit fields of other endpoints, and letters and tokens that are
//! longer than they look. None exceeds a budget or a token limit.

use serde_json::{Value, json};
use sluice_tests::gateway::{Builder, Key};
use sluice_tests::shared::Shared;
use sluice_tests::simulator::Simulator;

use super::{COMPLETIONS, EMBEDDED, EMBEDDINGS, IMAGES, MESSAGES, RESPONSES, STRICT, Till, at_once, client};
use crate::money::{Price, logged};
use crate::{CHAT, ask, refusal, with};

/// A tenth of a dollar, and the tokens per minute. Two of the longest responses fit into each.
const BUDGET: u64 = 100_000;
const TOKENS: u64 = 10_000;
/// The number of concurrent requests of each attempt.
const TRIES: usize = 4;

/// Prices of models with the longest allowed responses, and of models with long prompts.
const OF_ANSWERS: Price = Price { input: 1.0, output: 10.0 };
const OF_PROMPTS: Price = Price { input: 100.0, output: 10.0 };

/// The gateway's and the provider's name of a model, and its price. One response costs at most one reservation.
const MODELS: [(&str, &str, &str, Price); 5] = [
    ("answers", "vllm", "gpt-sim+long=4096", OF_ANSWERS),
    ("letters", "vllm", "gpt-sim+bytewise", OF_PROMPTS),
    ("prompts", "vllm", "gpt-sim+cached=0", OF_PROMPTS),
    ("pictures", "openai", "image-sim", Price { input: 1.0, output: 100.0 }),
    ("vectors", "openai", "embed-sim", OF_PROMPTS),
];

/// An attempt to use more.
struct Escape {
    name: &'static str,
    path: &'static str,
    /// The model is one of [`MODELS`].
    body: Value,
    /// How many of [`TRIES`] the budget covers.
    fit: usize,
}

fn escapes() -> Vec<Escape> {
    let escape = |name, path, fit, body| Escape { name, path, body, fit };
    let completion = |prompt: Value, more| with(json!({"model": "answers", "prompt": prompt}), more);
    let response = |more| with(json!({"model": "answers", "input": "say hi"}), more);
    let pictures = |more| with(json!({"model": "pictures", "prompt": "a cat", "n": 10}), more);
    let of_tokens = |count| Value::from(vec![1; count]);
    vec![
        escape("prompts", COMPLETIONS, 0, completion(json!(vec!["hi"; 1000]), json!({"max_tokens": 4096}))),
        escape("token-lists", COMPLETIONS, 0, completion(json!(vec![[1]; 1000]), json!({"max_tokens": 4096}))),
        escape("best-of", COMPLETIONS, 0, completion(json!("say hi"), json!({"best_of": 20, "max_tokens": 1000}))),
        escape("n", CHAT, 0, with(ask("answers", "say hi"), json!({"n": 20, "max_tokens": 1000}))),
        escape("other-limit-chat", CHAT, 2, with(ask("answers", "say hi"), json!({"max_output_tokens": 1}))),
        escape("other-limit-responses", RESPONSES, 2, response(json!({"max_tokens": 1}))),
        escape("other-limit-responses-2", RESPONSES, 2, response(json!({"max_completion_tokens": 1}))),
        escape("zero-chat", CHAT, 2, with(ask("answers", "say hi"), json!({"max_tokens": 0}))),
        escape("zero-chat-2", CHAT, 2, with(ask("answers", "say hi"), json!({"max_completion_tokens": 0}))),
        escape("zero-responses", RESPONSES, 2, response(json!({"max_output_tokens": 0}))),
        escape("zero-completions", COMPLETIONS, 2, completion(json!("say hi"), json!({"max_tokens": 0}))),
        escape("other-limit-images", IMAGES, 0, pictures(json!({"max_tokens": 1}))),
        escape("letters", CHAT, 0, with(ask("letters", &"𐎀".repeat(400)), json!({"max_tokens": 5}))),
        escape("tokens", COMPLETIONS, 0, json!({"model": "prompts", "prompt": of_tokens(1500), "max_tokens": 5})),
        escape("embedded-tokens", EMBEDDINGS, 0, json!({"model": "vectors", "input": [of_tokens(1500)]})),
    ]
}

/// The key with only a budget, and the key with only a limit.
fn keys(name: &str) -> [String; 2] {
    [format!("budget-{name}"), format!("tokens-{name}")]
}

pub fn file(builder: Builder, provider: &Simulator) -> Builder {
    let of_provider = |path: &str, speaks: Value| {
        let url = format!("{}{path}", provider.url());
        json!({"kind": "openai", "url": url, "speaks": speaks, "key": {"env": "A_KEY"}})
    };
    let builder = builder.with(json!({"providers": {
        "vllm": of_provider("/vllm/v1", json!(["chat", "responses", "completions"])),
        "openai": of_provider("/v1", json!(["chat", "responses", "completions", "embeddings"])),
    }}));
    let builder = MODELS.into_iter().fold(builder, |builder, (name, provider, model, price)| {
        builder.model(name, &[(provider, model)]).price(&format!("{provider}/{model}"), price.input, price.output)
    });
    escapes().into_iter().fold(builder, |builder, escape| {
        let [budget, tokens] = keys(escape.name);
        let budget = Key::new(&budget, &budget).budget(json!({"total": crate::money::dollars(BUDGET)}));
        builder.key(budget).key(Key::new(&tokens, &tokens).limits(json!({"tokens_per_minute": TOKENS})))
    })
}

fn price(escape: &Escape) -> Price {
    MODELS.into_iter().find(|(name, ..)| escape.body["model"] == *name).expect("a model").3
}

/// Neither the provider's usage nor the charge, which is equal, exceeds the budget.
async fn none_gets_past(till: &'static Shared<Till>) {
    let till = till.lease().await;
    let mut past = Vec::new();
    for escape in escapes() {
        past.extend(past_a_budget(&till, &escape).await);
        past.extend(past_a_limit(&till, &escape).await);
    }
    assert!(past.is_empty(), "{past:#?}");
}

async fn past_a_budget(till: &Till, escape: &Escape) -> Option<String> {
    let Escape { name, path, body, fit } = escape;
    let [key, _] = keys(name);
    let client = |_| client(&till.gateway, path, &key);
    let (answers, passed) = at_once(&till.provider, TRIES, client, path, body).await;
    let cost = price(escape).sum(&till.provider.settled(passed).await);
    if cost > BUDGET {
        return Some(format!("{name}: {passed} of {TRIES} passed, for {cost} of {BUDGET} micro-dollars"));
    }
    assert_eq!(passed, *fit, "{name}: {:?}", answers.first());
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(refusal(refused), (429, "insufficient_quota".to_owned()), "{name}");
    }
    // The budget still admits a small request.
    let honest = with(ask("answers", "say hi"), json!({"max_tokens": 5}));
    assert_eq!(till.gateway.with_key(&key).post(CHAT, &honest).await.status, 200, "{name}");
    let cost = cost + OF_ANSWERS.sum(&till.provider.settled(passed + 1).await[passed..]);
    let lines = till.gateway.quiet().await;
    assert_eq!((logged(&lines, &key), till.spent(&key).await), (cost, cost), "{name}");
    None
}

async fn past_a_limit(till: &Till, escape: &Escape) -> Option<String> {
    let Escape { name, path, body, .. } = escape;
    let [_, key] = keys(name);
    let (_, passed) = at_once(&till.provider, TRIES, |_| client(&till.gateway, path, &key), path, body).await;
    let used = till.provider.settled(passed).await.into_iter().filter_map(|request| request.used);
    let used: u64 = used.map(|used| used.input + used.output).sum();
    (used > TOKENS).then(|| format!("{name}: {passed} of {TRIES} passed, for {used} of {TOKENS} tokens"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_request_multiplies_or_hides_gets_past_no_budget_in_envoys_memory() {
    none_gets_past(&EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_request_multiplies_or_hides_gets_past_no_budget_in_redis() {
    none_gets_past(&STRICT).await;
}

/// The places and forms of invalid counts.
fn no_numbers() -> Vec<(&'static str, Value, &'static str)> {
    let chat = |more| with(ask("answers", "say hi"), more);
    let completion = |more| with(json!({"model": "answers", "prompt": "say hi"}), more);
    let response = |more| with(json!({"model": "answers", "input": "say hi"}), more);
    vec![
        (CHAT, chat(json!({"n": "128"})), "n"),
        (CHAT, chat(json!({"n": true})), "n"),
        (CHAT, chat(json!({"max_tokens": "1"})), "max_tokens"),
        (CHAT, chat(json!({"max_completion_tokens": [1]})), "max_completion_tokens"),
        (COMPLETIONS, completion(json!({"n": "128"})), "n"),
        (COMPLETIONS, completion(json!({"best_of": "20"})), "best_of"),
        (COMPLETIONS, completion(json!({"best_of": {}})), "best_of"),
        (COMPLETIONS, completion(json!({"max_tokens": "1"})), "max_tokens"),
        (RESPONSES, response(json!({"max_output_tokens": "1"})), "max_output_tokens"),
        (MESSAGES, chat(json!({"max_tokens": "1"})), "max_tokens"),
    ]
}

#[tokio::test]
async fn a_count_that_is_no_number_is_a_400_that_names_it() {
    let till = EMBEDDED.lease().await;
    for (path, body, field) in no_numbers() {
        let answer = client(&till.gateway, path, "budget-n").post(path, &body).await;
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text());
        let message = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(&format!("'{field}'")), "{path} {body}: {message}");
    }
    let form = "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nvectors\r\n\
                --x\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\nten\r\n--x--\r\n";
    let client = till.gateway.with_key("budget-n").header("content-type", "multipart/form-data; boundary=x");
    let answer = client.request("POST", "/v1/images/edits", form).await.expect("an answer");
    assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!("n")), "{}", answer.text());
    assert_eq!(till.provider.count(), 0, "no provider was asked");
}
