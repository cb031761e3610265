//! Reads the body of `generateContent` into a conversation: the fields that [`write_request`](super::write_request) writes, and their older
//! forms. Any other field is rejected by name, because a translated request must not lose what we do not know.
//!
//! Calls without `id` are numbered through the conversation. A result without `id` belongs to the first call of its name in the model's
//! last turn that has no result yet. The media type of a URL is left to the next provider.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::{Json, Message, OutputFormat, Part, Reasoning, Request, Role, Source, Tool, ToolChoice};
use crate::dialect::fields::{Fields, join};
use crate::dialect::functions::made_up_id;
use crate::error::ApiError;

use super::super::answer::{CallIn, PartIn, ReceivedParts};

/// Reads a request; the path names the model and says whether the response is streamed.
pub(super) fn read(body: &[u8]) -> Result<Request, ApiError> {
    let text = str::from_utf8(body)
        .map_err(|_| ApiError { param: None, ..ApiError::invalid("", "The request body is not valid UTF-8.") })?;
    let mut fields = Fields::parse(text, "")?;
    let mut messages = Vec::new();
    if let Some(raw) = fields.take_raw("systemInstruction") {
        messages.extend(instruction(raw)?);
    }
    let contents: Option<Vec<&RawValue>> = fields.take("", "contents")?;
    let contents = contents.ok_or_else(|| ApiError::invalid("contents", "Missing required field: 'contents'."))?;
    let mut calls = Calls::default();
    for (index, raw) in contents.into_iter().enumerate() {
        turn(raw, &format!("contents[{index}]"), &mut calls, &mut messages)?;
    }
    let mut request = Request { messages, ..Request::default() };
    for raw in fields.take::<Vec<&RawValue>>("", "tools")?.unwrap_or_default() {
        request.tools.extend(functions(raw)?);
    }
    if let Some(raw) = fields.take_raw("toolConfig") {
        choice(raw, &mut request)?;
    }
    if let Some(raw) = fields.take_raw("generationConfig") {
        generation(raw, &mut request)?;
    }
    nothing_left(&fields, "")?;
    Ok(request)
}

fn nothing_left(fields: &Fields<'_>, at: &str) -> Result<(), ApiError> {
    match fields.rest().next() {
        None => Ok(()),
        Some((name, _)) => Err(unsupported(&join(at, name))),
    }
}

fn unsupported(at: &str) -> ApiError {
    ApiError::unsupported(
        at,
        format!("'{at}' is not supported by the provider that serves this model. Remove it, or use another model."),
    )
}

fn unknown(at: &str, word: &str) -> ApiError {
    ApiError::invalid(at, format!("Invalid value for '{at}': '{word}'."))
}

/// Returns the role and the parts of the turn at `at`.
fn open<'a>(raw: &'a RawValue, at: &str) -> Result<(Option<String>, Vec<&'a RawValue>), ApiError> {
    let mut fields = Fields::parse(raw.get(), at)?;
    let role = fields.take(at, "role")?;
    let parts = fields.take(at, "parts")?.unwrap_or_default();
    nothing_left(&fields, at)?;
    Ok((role, parts))
}

fn instruction(raw: &RawValue) -> Result<Option<Message>, ApiError> {
    let (_, parts) = open(raw, "systemInstruction")?;
    let text = |(index, raw): (usize, &RawValue)| {
        let at = format!("systemInstruction.parts[{index}]");
        let mut fields = Fields::parse(raw.get(), &at)?;
        let text = fields.take(&at, "text")?.unwrap_or_default();
        nothing_left(&fields, &at)?;
        Ok(Part::Text { text, cache: None })
    };
    let parts = parts.into_iter().enumerate().map(text).collect::<Result<Vec<_>, ApiError>>()?;
    Ok((!parts.is_empty()).then_some(Message { role: Role::System, parts, name: None }))
}

/// The calls so far.
#[derive(Default)]
struct Calls {
    count: usize,
    /// Identifier and name of the calls in the model's last turn without a result.
    open: Vec<(String, String)>,
}

fn turn(raw: &RawValue, at: &str, calls: &mut Calls, messages: &mut Vec<Message>) -> Result<(), ApiError> {
    let (role, parts) = open(raw, at)?;
    let parts = parts.into_iter().enumerate().map(|(index, raw)| (format!("{at}.parts[{index}]"), raw));
    let (role, parts) = match role.as_deref() {
        None | Some("user") => {
            let mut said = Vec::new();
            for (at, raw) in parts {
                match given(raw, &at, calls)? {
                    part @ Part::ToolResult { .. } => {
                        messages.push(Message { role: Role::Tool, parts: vec![part], name: None });
                    }
                    part => said.push(part),
                }
            }
            (Role::User, said)
        }
        Some("model") => {
            let mut received = ReceivedParts::default();
            let before = calls.count;
            for (at, raw) in parts {
                received
                    .add(spoken(raw, &at)?, |call| made_up_id("", 0, before + call))
                    .map_err(|error| ApiError::invalid(&at, error.message))?;
            }
            calls.count += received.calls;
            let called = received.parts.iter().filter_map(|part| match part {
                Part::ToolCall { id, name, .. } => Some((id.clone(), name.clone())),
                _ => None,
            });
            calls.open = called.collect();
            (Role::Assistant, received.parts)
        }
        Some(other) => return Err(unknown(&join(at, "role"), other)),
    };
    if !parts.is_empty() {
        messages.push(Message { role, parts, name: None });
    }
    Ok(())
}

/// Reads a part of the model.
fn spoken<'a>(raw: &'a RawValue, at: &str) -> Result<PartIn<'a>, ApiError> {
    let mut fields = Fields::parse(raw.get(), at)?;
    let part = PartIn {
        text: fields.take(at, "text")?,
        thought: fields.take(at, "thought")?,
        thought_signature: fields.take(at, "thoughtSignature")?,
        function_call: fields.take::<CallIn<'a>>(at, "functionCall")?,
    };
    nothing_left(&fields, at)?;
    Ok(part)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct InlineData {
    mime_type: String,
    data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileData {
    mime_type: Option<String>,
    file_uri: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionResponse<'a> {
    id: Option<String>,
    name: String,
    #[serde(borrow)]
    response: &'a RawValue,
}

/// Reads a part of the user.
fn given(raw: &RawValue, at: &str, calls: &mut Calls) -> Result<Part, ApiError> {
    let mut fields = Fields::parse(raw.get(), at)?;
    let media = |media_type: &str, source| {
        if media_type.starts_with("image/") {
            Part::Image { source, detail: None, cache: None }
        } else {
            Part::Document { source, name: None, cache: None }
        }
    };
    let part = if let Some(InlineData { mime_type, data }) = fields.take(at, "inlineData")? {
        media(&mime_type, Source::Base64 { media_type: mime_type.clone(), data })
    } else if let Some(FileData { mime_type, file_uri }) = fields.take(at, "fileData")? {
        media(&mime_type.unwrap_or_default(), Source::Url(file_uri))
    } else if let Some(response) = fields.take(at, "functionResponse")? {
        result(response, at, calls)?
    } else {
        Part::Text { text: fields.take(at, "text")?.unwrap_or_default(), cache: None }
    };
    nothing_left(&fields, at)?;
    Ok(part)
}

fn result(seen: FunctionResponse<'_>, at: &str, calls: &mut Calls) -> Result<Part, ApiError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Outcome {
        Output(String),
        Error(String),
    }
    let known = calls.open.iter().position(|(id, name)| seen.id.as_ref().map_or(*name == seen.name, |seen| seen == id));
    let Some((call, _)) = known.map(|position| calls.open.remove(position)) else {
        let at = join(at, "functionResponse.name");
        let message = format!("'{at}' must be the name of an earlier call that has no result yet.");
        return Err(ApiError::invalid(at, message));
    };
    let (text, is_error) = match serde_json::from_str(seen.response.get()) {
        Ok(Outcome::Output(text)) => (text, false),
        Ok(Outcome::Error(text)) => (text, true),
        Err(_) => (seen.response.get().to_owned(), false),
    };
    let content = if text.is_empty() { Vec::new() } else { vec![Part::Text { text, cache: None }] };
    Ok(Part::ToolResult { call, content, is_error, cache: None })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Function {
    name: String,
    description: Option<String>,
    #[serde(alias = "parameters")]
    parameters_json_schema: Option<Json>,
}

fn functions(raw: &RawValue) -> Result<Vec<Tool>, ApiError> {
    let mut fields = Fields::parse(raw.get(), "tools")?;
    let functions: Vec<Function> = fields.take("tools", "functionDeclarations")?.unwrap_or_default();
    nothing_left(&fields, "tools")?;
    let tool = |function| {
        let Function { name, description, parameters_json_schema } = function;
        Tool { name, description, parameters: parameters_json_schema, strict: None, cache: None }
    };
    Ok(functions.into_iter().map(tool).collect())
}

fn choice(raw: &RawValue, request: &mut Request) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Calling {
        mode: Option<String>,
        allowed_function_names: Option<Vec<String>>,
    }
    let mut fields = Fields::parse(raw.get(), "toolConfig")?;
    let at = "toolConfig.functionCallingConfig";
    let calling: Option<Calling> = fields.take("toolConfig", "functionCallingConfig")?;
    nothing_left(&fields, "toolConfig")?;
    let Some(Calling { mode, allowed_function_names }) = calling else { return Ok(()) };
    let names = allowed_function_names.unwrap_or_default();
    let mode = mode.as_deref().unwrap_or("AUTO");
    request.tool_choice = Some(match (mode, names.as_slice()) {
        ("ANY", [name]) => ToolChoice::Named(name.clone()),
        (_, [_, ..]) => return Err(unsupported(&join(at, "allowedFunctionNames"))),
        ("AUTO" | "MODE_UNSPECIFIED", []) => ToolChoice::Auto,
        ("NONE", []) => ToolChoice::None,
        ("ANY", []) => ToolChoice::Required,
        ("VALIDATED", []) => {
            request.tools.iter_mut().for_each(|tool| tool.strict = Some(true));
            ToolChoice::Auto
        }
        (other, []) => return Err(unknown(&join(at, "mode"), other)),
    });
    Ok(())
}

fn generation(raw: &RawValue, request: &mut Request) -> Result<(), ApiError> {
    let at = "generationConfig";
    let mut fields = Fields::parse(raw.get(), at)?;
    request.max_tokens = fields.take(at, "maxOutputTokens")?;
    request.temperature = fields.take(at, "temperature")?;
    request.top_p = fields.take(at, "topP")?;
    request.top_k = fields.take(at, "topK")?;
    request.n = fields.take(at, "candidateCount")?;
    request.stop = fields.take(at, "stopSequences")?.unwrap_or_default();
    request.seed = fields.take(at, "seed")?;
    request.presence_penalty = fields.take(at, "presencePenalty")?;
    request.frequency_penalty = fields.take(at, "frequencyPenalty")?;
    let schema = match fields.take::<Json>(at, "responseJsonSchema")? {
        Some(schema) => Some(schema),
        None => fields.take(at, "responseSchema")?,
    };
    request.output = match (fields.take::<String>(at, "responseMimeType")?.as_deref(), schema) {
        (Some("application/json"), Some(schema)) => {
            Some(OutputFormat::JsonSchema { name: "response".to_owned(), description: None, schema, strict: None })
        }
        (Some("application/json"), None) => Some(OutputFormat::JsonObject),
        (None | Some("text/plain"), None) => None,
        _ => return Err(unsupported(&join(at, "responseMimeType"))),
    };
    request.reasoning = fields.take::<Thinking>(at, "thinkingConfig")?.and_then(Thinking::read);
    nothing_left(&fields, at)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Thinking {
    include_thoughts: Option<bool>,
    thinking_budget: Option<i64>,
    thinking_level: Option<String>,
}

impl Thinking {
    /// Converts to reasoning; a request to show thoughts asks for reasoning.
    fn read(self) -> Option<Reasoning> {
        match (self.thinking_level, self.thinking_budget) {
            (Some(level), _) => Some(Reasoning::Effort(level.to_ascii_lowercase())),
            (None, Some(0)) => Some(Reasoning::Disabled),
            (None, Some(budget)) => Some(u64::try_from(budget).map_or(Reasoning::Adaptive, Reasoning::Budget)),
            (None, None) => self.include_thoughts.filter(|shown| *shown).map(|_| Reasoning::Adaptive),
        }
    }
}
