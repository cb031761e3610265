//! The capabilities of this format for the property tests.

use crate::conversation::{Reasoning, Request, Role, StreamEvent, ToolChoice};
use crate::dialect::cohere::client::read_request::SCHEMA_NAME;
use crate::dialect::halves::COHERE;
use crate::dialect::laws::{Can, ONE_LINE, Output, Speech, Thinks, Turns, Word, laws};

static CAN: Can = Can {
    images: &["image/png"],
    image_urls: true,
    details: Word::Maybe("low"),
    turns: Turns::Free(&[Role::System]),
    speech: Speech::Planned,
    thinks: Thinks::Plainly,
    schemas: &[r#"{"type": "object","x":TEXT}"#],
    strict: &[None, Some(true)],
    choices: &[ToolChoice::None, ToolChoice::Required],
    output: Output::Schemas { objects: true, name: Some(SCHEMA_NAME), strict: &[Some(true)] },
    temperature: Some((1, 99)),
    top_p: Some((1, 99)),
    frequency_penalty: Some((1, 99)),
    presence_penalty: Some((1, 99)),
    top_k: Some((0, 500)),
    seed: Some((0, i64::MAX - 1)),
    max_tokens: (501, 9999),
    reasoning: &[Reasoning::Disabled, Reasoning::Budget(0)],
    budget: (1, 499),
    stops: 5,
    normal,
    names: (ONE_LINE, ""),
    cache_writes: false,
    reasoning_tokens: false,
    told: calls_last,
    fields: "id type index delta message content text thinking tool_calls tool_plan function name arguments finish_reason usage \
        tokens input_tokens output_tokens model messages role response_format tools parameters image_url url",
    words: "message-end message-start content-start content-delta tool-plan-delta tool-call-start tool-call-delta user assistant \
        tool text thinking function json_object ERROR COMPLETE",
    ..Can::of(COHERE)
};

laws!(super::CAN);

/// Makes all tools as strict as the first, and drops a choice without tools.
fn normal(mut request: Request) -> Request {
    let strict = request.tools.first().and_then(|tool| tool.strict);
    request.tools.iter_mut().for_each(|tool| tool.strict = strict);
    request.tool_choice = request.tool_choice.filter(|_| !request.tools.is_empty());
    request
}

fn calls_last(mut events: Vec<StreamEvent>) -> Vec<StreamEvent> {
    events.sort_by_key(|event| matches!(event, StreamEvent::ToolCall { .. } | StreamEvent::Arguments { .. }));
    events
}
