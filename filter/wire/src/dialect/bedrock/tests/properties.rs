//! The capabilities of this format for the property tests.

use crate::conversation::{Part, Reasoning, Request, ToolChoice};
use crate::dialect::halves::BEDROCK;
use crate::dialect::laws::{Can, ID, Output, Pings, Results, Speech, Thinks, Turns, Word, laws, normal_for_claude};

use super::CLAUDE;

static CAN: Can = Can {
    written_for: Some(CLAUDE),
    model: "",
    said: ".{0,8}",
    marks: &[None, Some("1h")],
    images: &["image/jpeg", "image/png", "image/gif", "image/webp"],
    documents: &["application/pdf", "text/plain", "application/msword", "text/markdown"],
    // Names never repeat, since they have 24 random characters.
    document_names: Word::Always("[a-z0-9]{24}"),
    turns: Turns::Rounds { end_with_user: true },
    speech: Speech::Ordered(1),
    thinks: Thinks::Signed { asked: ID, unsigned: false, answered: ID },
    results: Results { media: true, least: 0, errors: true, marked_within: false },
    schemas: &[r#"{"type":"object", "properties":{},"additionalProperties":false,"default":TEXT}"#],
    // A history with calls and no tools gets tools.
    tools: 1..3,
    strict: &[None, Some(true)],
    choices: &[ToolChoice::Auto, ToolChoice::Required, ToolChoice::Named(String::new())],
    parallel: &[None, Some(false)],
    output: Output::Schemas { objects: false, name: None, strict: &[Some(true)] },
    temperature: Some((0, 100)),
    top_p: Some((0, 99)),
    top_k: Some((1, 500)),
    max_tokens: (1, 100_000),
    reasoning: &[Reasoning::Budget(0), Reasoning::Adaptive, Reasoning::Disabled],
    budget: (1024, 50_000),
    tier: Word::Maybe("priority|flex"),
    streams: false,
    normal: normal_for_claude,
    bared,
    names: ("", ""),
    counted_last: true,
    reasoning_tokens: false,
    answer_tiers: &["default", "priority"],
    pings: Pings::Never,
    frames: &["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"],
    fields: "role messages content text image document format source bytes name toolUse toolUseId input toolResult status json \
        reasoningContent reasoningText signature redactedContent cachePoint type system inferenceConfig maxTokens toolConfig \
        tools toolSpec inputSchema toolChoice output message stopReason usage inputTokens outputTokens contentBlockIndex start \
        delta metrics additionalModelRequestFields",
    words: "user assistant end_turn tool_use max_tokens png pdf success error default",
    ..Can::of(BEDROCK)
};

laws!(super::CAN);

/// Removes the text that is added to documents without one.
fn bared(mut request: Request) -> Request {
    let added = |part: &Part| matches!(part, Part::Text { text, .. } if text == "(document)");
    request.messages.iter_mut().for_each(|message| message.parts.retain(|part| !added(part)));
    request
}
