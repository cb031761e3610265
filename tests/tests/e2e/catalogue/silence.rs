//! The provider says nothing, or not in time.

use serde_json::{Map, Value, json};
use sluice_tests::gateway::Builder;

use super::{A_SECOND, Case, Sees, name, play};

const CASES: &[Case<'_>] = &[
    Case::always("reset", Sees::Second, (1, 1)),
    Case::always("silence", Sees::Second, (1, 1)).after(A_SECOND),
    // No headers in time, and headers at once but no first token.
    Case::always("wait=20000", Sees::Second, (1, 1)).after(A_SECOND),
    Case::always("first=20000", Sees::Second, (1, 1)).after(A_SECOND),
];

/// A second for the first token of the first provider, and of the second one too; all else has its usual time.
fn impatient(builder: Builder) -> Builder {
    let times = json!({"timeouts": {"first_token": "1s", "answer": "1s"}});
    let names = (0..CASES.len()).flat_map(|case| [false, true].map(|stream| name(case, stream)));
    let models: Map<String, Value> = names.map(|name| (name, times.clone())).collect();
    builder.with(json!({"models": models}))
}

#[tokio::test]
async fn openai_is_silent() {
    play("openai", CASES, &[false, true], impatient).await;
}

#[tokio::test]
async fn anthropic_is_silent() {
    play("anthropic", CASES, &[false, true], impatient).await;
}
