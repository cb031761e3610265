//! The capabilities of this format for the property tests. A signature precedes the part that it signs, and calls are identified only by
//! position.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use crate::conversation::{Message, Part, Reasoning, Request, Role, StreamEvent, ToolChoice};
use crate::dialect::halves::GEMINI;
use crate::dialect::laws::{
    ANY_TEXT, Can, Drawn, ID, LAST, Output, Speech, Turns, Word, arguments, laws, shown, text, usage,
};

use super::{OLDER, google, message, words};

static CAN: Can = Can {
    written_for: Some(OLDER),
    model: "",
    text: ANY_TEXT,
    images: &["image/png"],
    image_urls: true,
    documents: &["application/pdf"],
    document_urls: Some(Word::Never),
    turns: Turns::Own(messages),
    speech: Speech::Own(spoken),
    schemas: &["{}", r#"{"a":1.50}"#, r#"{ "a" : [ ] }"#],
    bare_tools: true,
    strict: &[None, Some(true)],
    choices: &[ToolChoice::Auto, ToolChoice::None, ToolChoice::Required, ToolChoice::Named(String::new())],
    output: Output::Schemas { objects: true, name: Some("response"), strict: &[None] },
    temperature: Some((0, 200)),
    top_p: Some((0, 100)),
    frequency_penalty: Some((-200, 199)),
    presence_penalty: Some((-200, 199)),
    top_k: Some((1, u64::MAX)),
    seed: Some((i32::MIN as i64, i32::MAX as i64)),
    n: Some((1, 8)),
    reasoning: &[Reasoning::Budget(0), Reasoning::Disabled, Reasoning::Adaptive],
    budget: (1, 24_575),
    stops: 4,
    streams: false,
    normal,
    most_choices: 3,
    counted: true,
    counted_last: true,
    cache_writes: false,
    settled: true,
    stretch: Some(step),
    told: |events| events.into_iter().skip_while(|event| *event == StreamEvent::Ping).collect(),
    ends: false,
    fields: "candidates content parts text thought thoughtSignature functionCall functionResponse name args id response role \
        contents systemInstruction tools functionDeclarations generationConfig toolConfig functionCallingConfig mode \
        finishReason index usageMetadata promptTokenCount thoughtsTokenCount promptFeedback blockReason modelVersion \
        responseId error code message status details retryDelay violations quotaId reason inlineData mimeType data fileData",
    words: "user model STOP ANY 9e9s PerDay",
    ..Can::of(GEMINI)
};

laws!(super::CAN);

/// The tool choice makes functions strict, and requires tools.
fn normal(mut request: Request) -> Request {
    request.tool_choice = match request.tools.first() {
        Some(_) => request.tool_choice.or(Some(ToolChoice::Auto)),
        None => None,
    };
    let chosen = request.tool_choice == Some(ToolChoice::Auto);
    let strict = request.tools.first().and_then(|tool| tool.strict).filter(|_| chosen);
    request.tools.iter_mut().for_each(|tool| tool.strict = strict);
    request.include_usage = false;
    request
}

fn signature() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9+/]{1,8}"
}

/// The model's texts and calls, some with a signature before them, some with thoughts before the signature.
fn spoken(in_answer: bool) -> Drawn<Vec<Part>> {
    let said = (of(ANY_TEXT), of(signature()), prop_oneof![text(&CAN), called()]);
    let parts = vec(said, 1..4).prop_map(move |said| {
        let mut parts = Vec::new();
        for (thought, signature, part) in said {
            let thought = thought.filter(|_| in_answer);
            let owner = if matches!(part, Part::Text { .. }) { "text:" } else { "" };
            let signature = signature.map(|signature| google(&format!("{owner}{signature}")));
            if thought.is_some() || signature.is_some() {
                parts.push(Part::Thinking { text: thought.unwrap_or_default(), signature });
            }
            parts.push(part);
        }
        parts
    });
    parts.boxed()
}

/// A call; requests replace its identifier by [`number`].
fn called() -> impl Strategy<Value = Part> {
    (ID, ID, arguments(&CAN)).prop_map(|(id, name, arguments)| Part::ToolCall { id, name, arguments })
}

fn number(messages: &mut [Message]) {
    let calls = messages.iter_mut().flat_map(|message| &mut message.parts);
    let ids = calls.filter_map(|part| match part {
        Part::ToolCall { id, .. } => Some(id),
        _ => None,
    });
    ids.enumerate().for_each(|(index, id)| *id = format!("call__0_{index}"));
}

/// A turn of each speaker, and results for all calls, in the order of the calls.
fn exchange() -> impl Strategy<Value = (Vec<Part>, Vec<Part>, Vec<(String, bool)>)> {
    (vec(shown(&CAN), 1..4), spoken(false), vec((ANY_TEXT, any::<bool>()), 3))
}

fn messages() -> Drawn<Vec<Message>> {
    let messages = (of(vec(text(&CAN), 1..3)), vec(exchange(), 1..3)).prop_map(|(system, exchanges)| {
        let mut messages: Vec<Message> = system.into_iter().map(|parts| message(Role::System, parts)).collect();
        for (asked, said, _) in &exchanges {
            messages.push(message(Role::User, asked.clone()));
            messages.push(message(Role::Assistant, said.clone()));
        }
        number(&mut messages);
        // The functions' results for the last turn.
        let last = messages.last().map(|message| message.parts.clone()).unwrap_or_default();
        let ids = last.into_iter().filter_map(|part| match part {
            Part::ToolCall { id, .. } => Some(id),
            _ => None,
        });
        let outcomes = exchanges.into_iter().last().map(|(_, _, outcomes)| outcomes).unwrap_or_default();
        for (call, (text, is_error)) in ids.zip(outcomes) {
            let content = vec![words(&text)];
            messages.push(message(Role::Tool, vec![Part::ToolResult { call, content, is_error, cache: None }]));
        }
        messages
    });
    messages.boxed()
}

/// One step of a stream.
fn step() -> Drawn<Vec<StreamEvent>> {
    let choice = 0;
    let signed = |signature: String| StreamEvent::Signature { choice: 0, signature: google(&signature) };
    prop_oneof![
        ANY_TEXT.prop_map(move |text| vec![StreamEvent::Text { choice, text }]),
        ANY_TEXT.prop_map(move |text| vec![StreamEvent::Thinking { choice, text }]),
        signature().prop_map(move |signature| vec![signed(format!("text:{signature}"))]),
        Just(vec![StreamEvent::Ping]),
        usage(&CAN).prop_map(|usage| vec![StreamEvent::Usage(usage)]),
        (of(signature()), ID, ID, arguments(&CAN)).prop_map(move |(signature, id, name, json)| {
            let mut events: Vec<StreamEvent> = signature.map(signed).into_iter().collect();
            events.push(StreamEvent::ToolCall { choice, call: 0, id, name });
            events.push(StreamEvent::Arguments { choice, call: LAST, json });
            events.push(StreamEvent::Thinking { choice, text: "…".to_owned() });
            events
        }),
    ]
    .boxed()
}
