//! The prompt is too long for the model that was asked: one that is known to take more is asked, and no other.

use serde_json::json;
use sluice_tests::gateway::Builder;

use super::{Bench, Case, Sees, name, play};
use crate::{model_of, other};

/// What the targets of a case take at most; nothing is known of those without.
fn sizes(primary: &str, case: usize, first: Option<u64>, second: Option<u64>) -> impl Fn(Builder) -> Builder {
    let names = [false, true].map(|stream| name(case, stream));
    let targets: Vec<(String, Option<u64>)> = names
        .iter()
        .flat_map(|name| {
            let well = format!("{}/well-{name}", other(primary));
            [(format!("{primary}/{}-{name}", model_of(primary)), first), (well, second)]
        })
        .collect();
    move |builder| {
        targets.iter().fold(builder, |builder, (target, most)| match most {
            Some(most) => builder.with(json!({"capabilities": {target: {"max_input": most}}})),
            None => builder,
        })
    }
}

const TOO_LONG: Sees = Sees::Error(400, "context_length_exceeded");

#[tokio::test]
async fn a_prompt_that_is_too_long_goes_to_a_target_that_takes_more() {
    let elsewhere = Case::always("context", Sees::Second, (1, 1));
    let nowhere = Case::always("context", TOO_LONG, (1, 0));
    let cases = [
        (elsewhere, Some(1_000), Some(2_000)),
        (elsewhere, None, Some(2_000)),
        (nowhere, Some(1_000), Some(1_000)),
        (nowhere, Some(2_000), Some(1_000)),
        (nowhere, Some(1_000), None),
        (nowhere, None, None),
    ];
    for primary in ["openai", "anthropic"] {
        let settings = |builder| {
            let numbered = cases.into_iter().enumerate();
            numbered
                .fold(builder, |builder, (number, (_, first, second))| sizes(primary, number, first, second)(builder))
        };
        let cases: Vec<Case<'_>> = cases.iter().map(|(case, ..)| *case).collect();
        play(primary, &cases, &[false, true], settings).await;
    }
}

/// What is known to be too short is not asked at all: by an estimate, which leans towards too long.
#[tokio::test]
async fn a_target_that_is_known_to_be_too_short_is_not_asked() {
    let case = Case::always("ok", Sees::Second, (0, 1));
    for primary in ["openai", "anthropic"] {
        let bench = Bench::start(primary, 1, sizes(primary, 0, Some(1_000), Some(100_000))).await;
        let long = json!({"messages": [{"role": "user", "content": format!("say {}", "so ".repeat(4_000))}]});
        for stream in [false, true] {
            let outcome = bench.play(0, stream, &case, &long).await;
            assert_eq!(outcome.judge(&case, primary, &"so ".repeat(4_000)), Ok(()), "{primary}: {outcome}");
            let outcome = bench.play(0, stream, &Case::always("ok", Sees::First, (1, 0)), &json!({})).await;
            assert_eq!(outcome.answer.header("x-sluice-provider"), Some(primary), "{outcome}");
        }
    }
}
