//! The prompt exceeds the model's context: the gateway tries a target unless its context is known to be as small or smaller.

use serde_json::json;
use sluice_tests::gateway::Builder;

use super::{BENCH, Case, Names, Sees, Set, play};

/// Sets the maximum context of a case's targets; the context of the others is unknown.
fn sized(builder: Builder, names: &Names, first: Option<u64>, second: Option<u64>) -> Builder {
    let sizes = [(&names.first, first), (&names.second, second)];
    sizes.into_iter().fold(builder, |builder, (target, most)| match most {
        Some(most) => builder.with(json!({"capabilities": {target: {"max_input": most}}})),
        None => builder,
    })
}

const TOO_LONG: Sees = Sees::Error(400, "context_length_exceeded");
const ELSEWHERE: Case<'_> = Case::always("context", Sees::Second, (1, 1));
const NOWHERE: Case<'_> = Case::always("context", TOO_LONG, (1, 0));
const CASES: [(Case<'_>, Option<u64>, Option<u64>); 6] = [
    (ELSEWHERE, Some(1_000), Some(2_000)),
    (ELSEWHERE, None, Some(2_000)),
    (NOWHERE, Some(1_000), Some(1_000)),
    (NOWHERE, Some(2_000), Some(1_000)),
    (ELSEWHERE, Some(1_000), None),
    (ELSEWHERE, None, None),
];

const LONG: Set = Set {
    name: "long",
    cases: CASES.len(),
    settings: |builder, names, case| sized(builder, names, CASES[case].1, CASES[case].2),
};
const SHORT: Set =
    Set { name: "short", cases: 1, settings: |builder, names, _| sized(builder, names, Some(1_000), Some(100_000)) };

/// The sets of the tests here.
pub const SETS: &[Set] = &[LONG, SHORT];

#[tokio::test]
async fn a_prompt_that_is_too_long_goes_to_a_target_that_may_take_more() {
    for primary in ["openai", "anthropic"] {
        play(primary, &LONG, &CASES.map(|(case, ..)| case), &[false, true]).await;
    }
}

/// A target whose context is known to be too small gets no request. The prompt's estimate leans high.
#[tokio::test]
async fn a_target_that_is_known_to_be_too_short_is_not_asked() {
    let case = Case::always("ok", Sees::Second, (0, 1));
    let bench = BENCH.lease().await;
    for primary in ["openai", "anthropic"] {
        let long = json!({"messages": [{"role": "user", "content": format!("say {}", "so ".repeat(4_000))}]});
        for stream in [false, true] {
            let names = Names::of(&SHORT, primary, 0, stream);
            let outcome = bench.play(&names, &case, &long).await;
            assert_eq!(outcome.judge(&case, primary, &"so ".repeat(4_000)), Ok(()), "{primary}: {outcome}");
            let outcome = bench.play(&names, &Case::always("ok", Sees::First, (1, 0)), &json!({})).await;
            assert_eq!(outcome.answer.header("x-sluice-provider"), Some(primary), "{outcome}");
        }
    }
}
