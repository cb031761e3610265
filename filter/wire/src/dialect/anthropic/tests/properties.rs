//! The capabilities of this format for the property tests.

use crate::conversation::{Reasoning, ToolChoice};
use crate::dialect::anthropic::read_request::SCHEMA_NAME;
use crate::dialect::halves::ANTHROPIC;
use crate::dialect::laws::{
    Can, ID, ONE_LINE, Output, Pings, Results, Speech, Thinks, Turns, Word, laws, normal_for_claude,
};

pub(super) static CAN: Can = Can {
    said: ".{0,8}",
    marks: &[None, Some("1h")],
    images: &["image/jpeg", "image/png", "image/gif", "image/webp"],
    image_urls: true,
    documents: &["application/pdf"],
    document_names: Word::Maybe(ONE_LINE),
    document_urls: Some(Word::Maybe(ONE_LINE)),
    turns: Turns::Rounds { end_with_user: false },
    speech: Speech::Ordered(1),
    thinks: Thinks::Signed { asked: ID, unsigned: false, answered: ID },
    results: Results { media: true, least: 0, errors: true, marked_within: true },
    schemas: &[r#"{"type":"object", "properties":{},"additionalProperties":false,"default":TEXT}"#],
    strict: &[None, Some(true)],
    choices: &[ToolChoice::Auto, ToolChoice::None, ToolChoice::Required, ToolChoice::Named(String::new())],
    parallel: &[None, Some(false)],
    output: Output::Schemas { objects: false, name: Some(SCHEMA_NAME), strict: &[Some(true)] },
    temperature: Some((0, 100)),
    top_p: Some((0, 99)),
    top_k: Some((1, 500)),
    max_tokens: (1, 100_000),
    must_limit: true,
    reasoning: &[Reasoning::Budget(0), Reasoning::Adaptive, Reasoning::Disabled],
    budget: (1024, 50_000),
    user: Word::Maybe(ONE_LINE),
    tier: Word::Maybe("auto|default"),
    normal: normal_for_claude,
    names: (".{0,8}", ".{0,8}"),
    counted: true,
    counted_last: true,
    answer_tiers: &["default", "priority"],
    counted_first: true,
    pings: Pings::Pass,
    fields: "id type role model system messages content text thinking signature data name input source media_type url \
        tool_use_id is_error tools input_schema tool_choice budget_tokens output_config format schema stop_reason usage \
        input_tokens output_tokens cache_read_input_tokens message index content_block delta partial_json error",
    words: "message user assistant text thinking redacted_thinking tool_use tool_result image document base64 enabled adaptive \
        message_start content_block_start content_block_delta content_block_stop message_delta message_stop text_delta \
        input_json_delta signature_delta error overloaded_error end_turn",
    ..Can::of(ANTHROPIC)
};

laws!(super::CAN);
