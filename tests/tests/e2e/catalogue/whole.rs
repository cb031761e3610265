//! Truncated streams with `delivery: whole`: the client gets another provider's response, and nothing of the first's.

use std::time::Duration;

use serde_json::json;
use sluice_tests::LIMIT;
use sluice_tests::gateway::Builder;

use super::{BENCH, Case, Names, PROMPT, SPOKEN, Sees, Set, model};
use crate::money::{Price, logged};
use crate::{ask, refusal};

/// A stream of up to sixty tokens.
const LONG: &str = "tokens=60+every=5+whole";
/// The truncations, after about forty tokens.
const CUTS: [&str; 6] =
    ["reset-after=42", "close-after=42", "eof-after=42", "malformed-after=42", "error-after=42", "stall-after=42"];
const FIRST: Price = Price { input: 3.33, output: 14.77 };
const SECOND: Price = Price { input: 5.21, output: 25.93 };

/// Models with `delivery: whole`, prices, and a shorter timeout per token than per response.
fn delivered_whole(builder: Builder, names: &Names, _case: usize) -> Builder {
    let times = json!({"answer": "30s", "first_token": "3s", "idle": "3s"});
    let builder = model(builder, names, &json!({"delivery": "whole", "timeouts": times}));
    builder.price(&names.first, FIRST.input, FIRST.output).price(&names.second, SECOND.input, SECOND.output)
}

const RESCUED: Set = Set { name: "rescued", cases: CUTS.len(), settings: delivered_whole };
const HEALTHY: Set = Set { name: "healthy", cases: 1, settings: delivered_whole };
const ALL_CUT: Set = Set { name: "all-cut", cases: CUTS.len(), settings: delivered_whole };

/// The sets of the tests here.
pub const SETS: &[Set] = &[RESCUED, HEALTHY, ALL_CUT];

async fn rescued(primary: &'static str) {
    let bench = BENCH.lease().await;
    let mut table = format!("\n{primary} is cut, delivered whole");
    for (number, cut) in CUTS.into_iter().enumerate() {
        let fault = format!("{LONG}+{cut}");
        let case = Case::always(&fault, Sees::Second, (1, 1));
        let case = if cut.starts_with("stall") { case.after(LIMIT) } else { case };
        let names = Names::of(&RESCUED, primary, number, true);
        let outcome = bench.play(&names, &case, &json!({})).await;
        table += &format!("\n{cut:<24}{outcome}");
        assert_eq!(outcome.judge(&case, primary, SPOKEN), Ok(()), "{primary}, {cut}: {outcome}; {:?}", outcome.answer);
        // Both providers are charged: the first by estimate, the second by its own count.
        let line = bench.gateway.log_lines(number + 1).await.pop().expect("a line");
        let second = SECOND.sum(&bench.simulators(primary).1.settled(1).await);
        let first = logged(std::slice::from_ref(&line), "test") - second;
        let produced = |tokens: u64| (FIRST.output * tokens as f64) as u64;
        assert!((produced(36)..produced(41) + 500).contains(&first), "{primary}, {cut}: {first}, {second}: {line}");
        assert_eq!(line["estimated"], true, "{primary}, {cut}: {line}");
    }
    println!("{table}");
}

#[tokio::test]
async fn a_cut_or_stalled_stream_of_openai_becomes_anthropics_whole_answer() {
    rescued("openai").await;
}

#[tokio::test]
async fn a_cut_or_stalled_stream_of_anthropic_becomes_openais_whole_answer() {
    rescued("anthropic").await;
}

/// The stream lasts longer than the first-token and idle timeouts. A stored stream is not silent.
#[tokio::test]
async fn a_healthy_stream_may_take_an_answers_time() {
    let bench = BENCH.lease().await;
    for primary in ["openai", "anthropic"] {
        let text: String = (0..60).map(|index| format!("{index:02} ")).collect();
        let case = Case::always("tokens=60+every=60", Sees::First, (1, 0)).after(Duration::from_millis(3_600));
        let names = Names::of(&HEALTHY, primary, 0, true);
        let outcome = bench.play(&names, &case, &json!({})).await;
        println!("{primary}: {outcome}");
        assert_eq!(outcome.judge(&case, primary, &text), Ok(()), "{primary}: {outcome}; {:?}", outcome.answer);
    }
}

/// Without another target the client gets an error, and nothing of the truncated response.
#[tokio::test]
async fn when_all_are_cut_the_client_reads_an_error_and_no_half_answer() {
    let bench = BENCH.lease().await;
    for primary in ["openai", "anthropic"] {
        let (first, second) = bench.simulators(primary);
        for (number, cut) in CUTS.into_iter().enumerate() {
            for simulator in [first, second] {
                simulator.clear();
                simulator.always(&format!("{LONG}+{cut}"));
            }
            let answer = bench.gateway.stream(&ask(&Names::of(&ALL_CUT, primary, number, true).model, PROMPT)).await;
            let (status, code) = refusal(&answer);
            println!("{primary}, {cut}: {status} {code}, {:?}", answer.header("x-sluice-failures"));
            assert!(status >= 500, "{primary}, {cut}: {answer:?}");
            let asked = (first.count(), second.count());
            // The last target's connection may have been stale.
            let lost = cut.starts_with("reset") || cut.starts_with("close");
            assert_eq!(asked, (1, if lost { 2 } else { 1 }), "{primary}, {cut}: {answer:?}");
        }
    }
}
