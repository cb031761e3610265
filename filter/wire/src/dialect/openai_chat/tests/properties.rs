//! The capabilities of this format for the property tests.

use proptest::prelude::*;

use crate::conversation::{Part, Reasoning, Request, Role, StreamEvent, ToolChoice};
use crate::dialect::halves::{OPENAI_CHAT, OPENROUTER};
use crate::dialect::laws::{
    ANY_TEXT, Can, Drawn, ID, Looks, Output, Results, STRICT_SCHEMAS, Speech, Thinks, Turns, Word, laws,
    not_after_signatures, request,
};

/// In OpenRouter's variation, which supports everything.
static CAN: Can = Can {
    model: "m",
    text: ANY_TEXT,
    said: ANY_TEXT,
    marks: &[None, Some("5m"), Some("1h")],
    images: &["image/png", "application/pdf"],
    image_urls: true,
    details: Word::Maybe(ID),
    documents: &["image/png", "application/pdf"],
    document_names: Word::Always(ID),
    turns: Turns::Free(&[Role::System, Role::Developer]),
    thinks: Thinks::Signed { asked: ID, unsigned: false, answered: ANY_TEXT },
    speech: Speech::Ordered(0),
    refusals: true,
    any_arguments: true,
    results: Results { media: true, least: 0, errors: false, marked_within: true },
    schemas: STRICT_SCHEMAS,
    bare_tools: true,
    strict: &[None, Some(true), Some(false)],
    choices: &[ToolChoice::Auto, ToolChoice::None, ToolChoice::Required, ToolChoice::Named(String::new())],
    parallel: &[None, Some(true), Some(false)],
    output: Output::Schemas { objects: true, name: None, strict: &[None, Some(true), Some(false)] },
    temperature: Some((0, 200)),
    top_p: Some((0, 100)),
    frequency_penalty: Some((-200, 200)),
    presence_penalty: Some((-200, 200)),
    top_k: Some((0, u64::MAX)),
    seed: Some((i64::MIN, i64::MAX)),
    n: Some((1, 128)),
    // OpenRouter has its own parameter for anything else.
    reasoning: &[Reasoning::Effort(String::new())],
    user: Word::Maybe(ANY_TEXT),
    tier: Word::Maybe(ID),
    // A streamed request always asks for usage.
    normal: |request| Request { include_usage: request.stream, ..request },
    dated: true,
    most_choices: 3,
    counted: true,
    answer_tiers: &["auto", "default", "flex", "priority", "scale"],
    answered: one_text_and_one_refusal,
    interleaved: true,
    looks: Looks::AtSignaturesToo,
    told: |events| not_after_signatures(events, |event| matches!(event, StreamEvent::Signature { .. })),
    fields: "model messages role content type text tool_calls function arguments index id name choices delta message usage \
        prompt_tokens total_tokens completion_tokens error finish_reason thinking_blocks image_url url stop code detail x_groq \
        tools",
    words: "user text tool assistant function image_url",
    ..Can::of(OPENROUTER)
};

laws!(super::CAN);

fn one_text_and_one_refusal(parts: Vec<Part>) -> Vec<Part> {
    let rank = |part: &Part| match part {
        Part::Text { .. } => 1,
        Part::Refusal { .. } => 2,
        Part::ToolCall { .. } => 3,
        _ => 0,
    };
    let mut parts = parts;
    parts.sort_by_key(rank);
    parts.dedup_by(|next, last| matches!(rank(next), 1 | 2) && rank(next) == rank(last));
    parts
}

/// Requests with participants' names.
fn named() -> Drawn<Request> {
    (request(&CAN), proptest::collection::vec(proptest::option::of(ID), 6))
        .prop_map(|(mut request, names)| {
            request.messages.iter_mut().zip(names).for_each(|(message, name)| message.name = name);
            request
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn names_of_speakers_are_read_back(request in named()) {
        crate::dialect::laws::request_is_read_back(&CAN, &request)?;
    }

    #[test]
    fn what_openai_gets_is_a_request_too(request in named()) {
        let written = OPENAI_CHAT.write_request(&request, "m").unwrap();
        let read = OPENAI_CHAT.read_request(&written.body).unwrap();
        let again = OPENAI_CHAT.write_request(&read, "m").unwrap();
        prop_assert_eq!(again.body, written.body);
        prop_assert!(again.dropped.is_empty());
    }
}
