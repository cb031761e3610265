//! The provider sends nothing, or not in time.

use serde_json::json;
use sluice_tests::LIMIT;

use super::{Case, Sees, Set, model, play};

const CASES: &[Case<'_>] = &[
    Case::once(&["reset"], Sees::First, (2, 0)),
    Case::always("reset", Sees::Second, (2, 1)),
    Case::always("silence", Sees::Second, (1, 1)).after(LIMIT),
    // No headers in time; or headers at once, but no first token.
    Case::always("wait=3600000", Sees::Second, (1, 1)).after(LIMIT),
    Case::always("first=3600000", Sees::Second, (1, 1)).after(LIMIT),
];

/// The first-token timeout applies to the first provider, and again to the second.
const SILENCE: Set = Set {
    name: "silence",
    cases: CASES.len(),
    settings: |builder, names, _| model(builder, names, &json!({"timeouts": {"first_token": "3s", "answer": "3s"}})),
};

/// The sets of the tests here.
pub const SETS: &[Set] = &[SILENCE];

#[tokio::test]
async fn openai_is_silent() {
    play("openai", &SILENCE, CASES, &[false, true]).await;
}

#[tokio::test]
async fn anthropic_is_silent() {
    play("anthropic", &SILENCE, CASES, &[false, true]).await;
}
