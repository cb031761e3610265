//! The provider's stream is truncated or malformed.
//!
//! Before the client has received text, another provider can respond. After that, the rest of the response is lost, and the client gets an
//! error.

use serde_json::{Value, json};
use sluice_tests::LIMIT;
use sluice_tests::simulator::{Recorded, Usage};

use super::{BENCH, Case, Names, Sees, Set, model, play};
use crate::money::{Price, logged};

/// Before the client has received anything. If a stream has no terminator, the response itself may have ended it.
const EARLY: &[Case<'_>] = &[
    Case::always("malformed-after=0", Sees::Second, (1, 1)),
    Case::always("reset-after=1", Sees::Second, (1, 1)),
    Case::always("close-after=1", Sees::Second, (1, 1)),
    Case::always("eof-after=1", Sees::Second, (1, 1)),
    Case::always("error-after=1", Sees::Second, (1, 1)),
    Case::always("no-end", Sees::First, (1, 0)),
];

const BEFORE: Set = Set::plain("early", EARLY.len());
const AS_IT_WAS: Set = Set::plain("as-it-was", 3);
const IN_THE_MIDDLE: Set = Set {
    name: "cut",
    cases: CUTS.len(),
    settings: |builder, names, _| {
        let builder = builder.price(&names.first, PRICE.input, PRICE.output);
        model(builder, names, &json!({"timeouts": {"idle": "3s"}}))
    },
};

/// The sets of the tests here.
pub const SETS: &[Set] = &[BEFORE, AS_IT_WAS, IN_THE_MIDDLE];

#[tokio::test]
async fn before_the_first_token_another_provider_answers() {
    for primary in ["openai", "anthropic"] {
        play(primary, &BEFORE, EARLY, &[true]).await;
    }
}

/// The conversation that a provider received, in any format: roles and texts.
fn conversation(request: &Recorded) -> Vec<(String, String)> {
    let body = request.json();
    let text = |content: &Value| {
        let text = content.as_str().or(content[0]["text"].as_str());
        text.unwrap_or_else(|| panic!("no text in {content}")).to_owned()
    };
    let messages = body["messages"].as_array().expect("messages");
    messages.iter().map(|one| (one["role"].as_str().expect("a role").to_owned(), text(&one["content"]))).collect()
}

/// Some providers refuse to continue a partial response, so the gateway must not ask them to.
#[tokio::test]
async fn the_fallback_gets_the_request_as_it_was_and_nothing_of_a_half_answer() {
    let cases = [
        (false, Case::always("reset-after=1", Sees::Second, (1, 1))),
        (true, Case::always("reset-after=1", Sees::Second, (1, 1))),
        (true, Case::always("error-after=1", Sees::Second, (1, 1))),
    ];
    let messages = json!([
        {"role": "user", "content": "My name is Kim."},
        {"role": "assistant", "content": "Hello Kim."},
        {"role": "user", "content": super::PROMPT},
    ]);
    let bench = BENCH.lease().await;
    for primary in ["openai", "anthropic"] {
        for (number, (stream, case)) in cases.iter().enumerate() {
            let names = Names::of(&AS_IT_WAS, primary, number, *stream);
            let outcome = bench.play(&names, case, &json!({"messages": messages})).await;
            let judged = outcome.judge(case, primary, super::SPOKEN);
            assert_eq!(judged, Ok(()), "{primary}, {}: {outcome}", case.then);
            let (first, second) = (conversation(&outcome.first[0]), conversation(&outcome.second[0]));
            assert_eq!(first, second, "{primary}, {}", case.then);
            assert_eq!(second.last().map(|(role, _)| &**role), Some("user"), "{primary}, {}", case.then);
            assert_eq!(second.len(), 3, "{primary}, {}", case.then);
        }
    }
}

const PRICE: Price = Price { input: 3.33, output: 14.77 };
const TOKENS: usize = 60;
const SENT: usize = 40;

/// Events before the text: OpenAI's role; Anthropic's message start, ping, and block start.
fn before_the_text(provider: &str) -> usize {
    if provider == "openai" { 1 } else { 3 }
}

fn text() -> String {
    (0..TOKENS).map(|index| format!("{index:02} ")).collect()
}

/// The kind of truncation, whether the gateway must wait for a timeout, and whether all earlier bytes certainly arrive: a reset may lose
/// the last ones.
const CUTS: [(&str, bool, bool); 6] = [
    ("reset-after", false, false),
    ("close-after", false, true),
    ("eof-after", false, true),
    ("stall-after", true, true),
    ("malformed-after", false, true),
    ("error-after", false, true),
];

/// The client gets the beginning and an error, and the gateway makes no other attempt. The received part is charged.
async fn cut_in_the_middle(primary: &'static str) {
    let bench = BENCH.lease().await;
    let mut table = format!("\n{primary} is cut after {SENT} of {TOKENS} tokens");
    for (number, (cut, stalls, certain)) in CUTS.into_iter().enumerate() {
        let events = SENT + before_the_text(primary);
        let fault = format!("tokens={TOKENS}+whole+pause-after={events}+{cut}={events}");
        let case = Case::always(&fault, Sees::Broken, (1, 0));
        let case = if stalls { case.after(LIMIT) } else { case };
        let names = Names::of(&IN_THE_MIDDLE, primary, number, true);
        let outcome = bench.play(&names, &case, &json!({})).await;
        table += &format!("\n{cut:<24}{outcome}");
        let judged = outcome.judge(&case, primary, &text());
        assert_eq!(judged, Ok(()), "{primary}, {cut}: {outcome}; {:?}", outcome.answer);
        let seen = outcome.text.split_whitespace().count();
        assert!(seen <= SENT && (seen == SENT || !certain), "{primary}, {cut}: {seen} tokens were seen");

        let line = bench.gateway.log_lines(number + 1).await.pop().expect("a line");
        let charged = line["output_tokens"].as_u64().expect("a number");
        assert!((seen as u64..=SENT as u64).contains(&charged), "{primary}, {cut}: {line}");
        assert!(line["estimated"] == true && line["input_tokens"].as_u64() > Some(0), "{primary}, {cut}: {line}");
        let input = line["input_tokens"].as_u64().unwrap_or_default();
        let cost = PRICE.cost(&Usage { input, output: charged, ..Usage::default() });
        assert_eq!(logged(std::slice::from_ref(&line), "test"), cost, "{primary}, {cut}: {line}");
    }
    println!("{table}");
}

#[tokio::test]
async fn a_stream_of_openai_that_is_cut_is_never_shown_as_complete_and_is_charged() {
    cut_in_the_middle("openai").await;
}

#[tokio::test]
async fn a_stream_of_anthropic_that_is_cut_is_never_shown_as_complete_and_is_charged() {
    cut_in_the_middle("anthropic").await;
}
