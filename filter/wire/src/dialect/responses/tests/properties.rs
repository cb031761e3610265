//! The capabilities of this format for the property tests.

use proptest::prelude::*;

use crate::conversation::{Reasoning, Request, Role, StreamEvent, ToolChoice};
use crate::dialect::halves::RESPONSES;
use crate::dialect::laws::{
    ANY_TEXT, Can, ID, Looks, Output, Results, STRICT_SCHEMAS, Speech, Thinks, Turns, Word, laws, not_after_signatures,
    response,
};

static CAN: Can = Can {
    model: "m",
    text: ANY_TEXT,
    said: ANY_TEXT,
    images: &["image/png", "application/pdf"],
    image_urls: true,
    details: Word::Maybe(ID),
    documents: &["image/png", "application/pdf"],
    document_names: Word::Always(ID),
    document_urls: Some(Word::Maybe(ID)),
    turns: Turns::Free(&[Role::System, Role::Developer]),
    speech: Speech::Mixed(1),
    thinks: Thinks::Signed {
        asked: "openai#rs_[a-z_]{1,6}\\.[a-z_]{1,6}",
        unsigned: false,
        answered: "(openai#rs_[a-z_]{1,6}\\.|gemini#|)[a-z_]{1,6}",
    },
    refusals: true,
    any_arguments: true,
    results: Results { media: true, least: 1, errors: false, marked_within: false },
    schemas: STRICT_SCHEMAS,
    bare_tools: true,
    strict: &[Some(true), Some(false)],
    choices: &[ToolChoice::Auto, ToolChoice::None, ToolChoice::Required, ToolChoice::Named(String::new())],
    parallel: &[None, Some(true), Some(false)],
    output: Output::Schemas { objects: true, name: None, strict: &[None, Some(true), Some(false)] },
    temperature: Some((0, 200)),
    top_p: Some((0, 100)),
    reasoning: &[Reasoning::Effort(String::new())],
    stops: 0,
    user: Word::Maybe(ANY_TEXT),
    tier: Word::Maybe(ID),
    normal: turns_of_the_model_are_one,
    names: ("resp_[a-zA-Z0-9_-]{1,8}", ID),
    dated: true,
    answer_tiers: &["auto", "default", "flex", "priority", "scale"],
    settled: true,
    interleaved: true,
    looks: Looks::AtMore,
    // A signature comes in one piece at the end of its item.
    told: |events| {
        not_after_signatures(events, |event| {
            matches!(event, StreamEvent::Signature { .. } | StreamEvent::Arguments { .. } | StreamEvent::Ping)
        })
    },
    fields: "model input type role content text summary encrypted_content id call_id name arguments output status error \
        incomplete_details usage input_tokens response item delta output_index tools tool_choice reasoning image_url namespace \
        execution format definition",
    words: "message user function_call reasoning input_text response.completed response.output_item.done \
        response.function_call_arguments.delta function custom namespace tool_search client additional_tools custom_tool_call \
        tool_search_output failed",
    ..Can::of(RESPONSES)
};

laws!(super::CAN);

/// Successive items of the model are a single turn.
fn turns_of_the_model_are_one(mut request: Request) -> Request {
    request.messages.dedup_by(|next, last| next.role == Role::Assistant && last.role == next.role);
    request
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_client_sends_back_is_what_it_got(response in response(&CAN)) {
        let written = String::from_utf8(RESPONSES.write_response(&response, 0)).unwrap();
        let (_, output) = written.split_once(r#""output":"#).unwrap();
        let (output, _) = output.rsplit_once(r#","parallel_tool_calls""#).unwrap();
        let body = format!(r#"{{"model":"m","input":{output}}}"#);
        let parts = response.choices[0].parts.clone();
        match RESPONSES.read_request(body.as_bytes()) {
            Ok(request) => prop_assert_eq!(request.messages[0].parts.clone(), parts),
            Err(_) => prop_assert!(parts.is_empty()),
        }
    }
}
