//! Writes a request for OpenAI, or for a compatible server that supports more (see [`Variation`](super::Variation)).
//!
//! Some parts do not fit OpenAI's messages. A tool result becomes a message of its own; its images and documents follow the results in a
//! user message. Earlier reasoning, cache marks, `top_k`, a tool's error flag and a `user` of more than 64 characters are dropped and
//! reported in [`WrittenRequest::dropped`]. [`reasoning`] decides on reasoning and sampling parameters. A streamed request always asks for
//! usage, since the gateway accounts for it.

use std::borrow::Cow;

use crate::conversation::{CacheMark, Message, OutputFormat, Part, Reasoning, Request, Role, Source, Tool};
use crate::dialect::WrittenRequest;
use crate::dialect::at::{self, Misplaced};
use crate::dialect::bounds::Numbers;
use crate::dialect::data_uri::{Url, file_name};
use crate::dialect::fields::drop_hint;
use crate::dialect::functions;
use crate::dialect::openai::body::{
    CallOut, ChoiceOut, ContentOut, FunctionOut, ImageOut, MarkOut, Sampling, SchemaOut, ToolOut,
};
use crate::dialect::openai::carried::Carried;
use crate::dialect::openai::details::DetailOut;
use crate::dialect::openai::json;
use crate::dialect::openai::reasoning::{Plan, Surface};
use crate::dialect::openai::request::{self, Streaming};
use crate::dialect::schema;
use crate::error::ApiError;

use super::Variation;
use super::body::{Body, FileOut, FormatOut, MessageOut, PartOut, ReasoningOut, ThinkingOut};

/// Writes `request` for `model`, the provider's name for the model.
pub(super) fn write(request: &Request, model: &str, variation: &Variation) -> Result<WrittenRequest, ApiError> {
    let extensions = variation.extensions;
    let mut dropped = request.dropped.clone();
    let numbers = Numbers::of(request, variation.bounds, &mut dropped)?;
    let thinks = variation.thinks;
    let mut writer = Writer { extensions, thinks, dropped, carried: Vec::new(), messages: Vec::new() };
    for (index, message) in request.messages.iter().enumerate() {
        writer.message(message).map_err(|wrong| at::misplaced(index, message, wrong))?;
    }
    writer.flush();
    let tools = request.tools.iter().map(|tool| writer.tool(tool)).collect();
    let rests = thinks
        && match &request.reasoning {
            Some(Reasoning::Effort(word)) => word == "none",
            other => *other == Some(Reasoning::Disabled),
        };
    let (plan, reasoning) = match extensions || rests {
        true => extended(request),
        false => (Plan::of(request, model, Surface::Chat, &mut writer.dropped)?, None),
    };
    let top_k = writer.extension(numbers.top_k, "top_k");
    let user = request::user(request.user.as_deref(), &mut writer.dropped);
    let carried = Carried::of(request, model, Surface::Chat, &mut writer.dropped);
    let body = Body {
        model,
        tools,
        tool_choice: functions::choice(request)?.map(|choice| ChoiceOut::of(choice, Surface::Chat)),
        parallel_tool_calls: request.parallel_tool_calls.filter(|_| !request.tools.is_empty()),
        response_format: request.output.as_ref().map(|output| writer.format(output)),
        max_completion_tokens: plan.max_tokens,
        sampling: Sampling {
            temperature: plan.temperature.and(numbers.temperature),
            top_p: plan.top_p.and(numbers.top_p),
            top_k,
            ..Sampling::of(&numbers, &request.stop)
        },
        reasoning_effort: plan.effort.filter(|_| !rests),
        thinking: rests.then_some(ThinkingOut { r#type: "disabled" }),
        reasoning,
        user,
        service_tier: request.service_tier.as_deref(),
        store: carried.store,
        verbosity: carried.verbosity,
        carried,
        streaming: Streaming::of(request.stream),
        messages: writer.messages,
    };
    Ok(WrittenRequest { body: json::body(&body), dropped: writer.dropped })
}

/// Reasoning and sampling parameters for a server that adapts them to its models, in OpenRouter's words.
fn extended(request: &Request) -> (Plan<'_>, Option<ReasoningOut>) {
    let (effort, reasoning) = match &request.reasoning {
        None => (None, None),
        Some(Reasoning::Effort(word) | Reasoning::Work(word)) => (Some(word.as_str()), None),
        Some(Reasoning::Budget(tokens)) => (None, Some(ReasoningOut::MaxTokens(*tokens))),
        Some(Reasoning::Disabled) => (Some("none"), None),
        Some(Reasoning::Adaptive) => (None, Some(ReasoningOut::Enabled(true))),
    };
    let Request { temperature, top_p, max_tokens, .. } = *request;
    (Plan { effort, temperature, top_p, max_tokens }, reasoning)
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

/// The state while messages are written.
struct Writer<'a> {
    extensions: bool,
    thinks: bool,
    dropped: Vec<String>,
    messages: Vec<MessageOut<'a>>,
    /// Images and documents of tool results, for the user message after the last result.
    carried: Vec<PartOut<'a>>,
}

impl<'a> Writer<'a> {
    /// Returns `value` if the server supports it; otherwise records `name` as dropped.
    fn extension<T>(&mut self, value: Option<T>, name: &str) -> Option<T> {
        if value.is_none() || self.extensions {
            return value;
        }
        self.drop(name);
        None
    }

    fn drop(&mut self, name: &str) {
        drop_hint(&mut self.dropped, name);
    }

    fn mark(&mut self, mark: &'a Option<CacheMark>) -> Option<MarkOut<'a>> {
        let mark = self.extension(mark.as_ref(), "cache_control")?;
        Some(MarkOut { r#type: "ephemeral", ttl: mark.ttl.as_deref() })
    }

    fn tool(&mut self, tool: &'a Tool) -> ToolOut<'a> {
        ToolOut {
            r#type: "function",
            function: FunctionOut {
                name: &tool.name,
                description: tool.description.as_deref(),
                parameters: schema::object(tool.parameters.as_ref()),
                strict: match self.extensions {
                    true => tool.strict,
                    false => schema::strict_tool(tool, &mut self.dropped),
                },
            },
            cache_control: self.mark(&tool.cache),
        }
    }

    fn format(&mut self, output: &'a OutputFormat) -> FormatOut<'a> {
        let strict = match output {
            OutputFormat::JsonSchema { strict, .. } if self.extensions => *strict,
            _ => schema::strict_answer(output, &mut self.dropped),
        };
        SchemaOut::of(output, strict).map_or(FormatOut::JsonObject, |json_schema| FormatOut::JsonSchema { json_schema })
    }

    fn message(&mut self, message: &'a Message) -> Result<(), Misplaced<'a>> {
        let mut out = MessageOut { role: role_word(message.role), name: message.name.as_deref(), ..Default::default() };
        let mut spoken = Vec::new();
        let mut results = false;
        for part in &message.parts {
            match part {
                Part::ToolResult { call, content, is_error, cache } => {
                    results = true;
                    if *is_error {
                        self.drop("is_error");
                    }
                    let cache_control = self.mark(cache);
                    let content = Some(self.result(call, content)?);
                    let name = message.name.as_deref().filter(|_| message.role == Role::Tool);
                    let tool_call_id = Some(call.as_str());
                    let result =
                        MessageOut { role: "tool", name, tool_call_id, content, cache_control, ..Default::default() };
                    self.messages.push(result);
                }
                Part::ToolCall { .. } if message.role == Role::Assistant => out.tool_calls.extend(CallOut::of(part)),
                Part::ToolCall { .. } => return Err(("a tool call", Some(part))),
                Part::Thinking { text, signature: None } if self.thinks && message.role == Role::Assistant => {
                    out.reasoning_content.push_str(text);
                }
                Part::Thinking { text, signature: None } if self.extensions && message.role == Role::Assistant => {
                    out.reasoning.push_str(text);
                }
                Part::Thinking { .. } | Part::RedactedThinking { .. } if message.role == Role::Assistant => {
                    match DetailOut::of(part).filter(|_| self.extensions) {
                        Some(detail) => out.reasoning_details.push(detail),
                        None => self.drop("thinking_blocks"),
                    }
                }
                Part::Thinking { .. } | Part::RedactedThinking { .. } => return Err(("reasoning", Some(part))),
                Part::Refusal { .. } if message.role != Role::Assistant => return Err(("a refusal", Some(part))),
                Part::Image { .. } | Part::Document { .. } if message.role != Role::User => {
                    return Err(("media", Some(part)));
                }
                _ => spoken.push(part),
            }
        }
        if results && spoken.is_empty() && out.tool_calls.is_empty() {
            return Ok(());
        }
        if message.role == Role::Tool {
            return Err(("content other than a tool result", message.parts.last()));
        }
        self.flush();
        match spoken.as_slice() {
            [Part::Refusal { text }] => out.refusal = Some(text),
            [] if !out.tool_calls.is_empty() => {}
            _ => out.content = Some(self.content(&spoken)?),
        }
        self.messages.push(out);
        Ok(())
    }

    fn content(&mut self, parts: &[&'a Part]) -> Result<ContentOut<'a, PartOut<'a>>, Misplaced<'a>> {
        match parts {
            [] => Ok(ContentOut::Text("")),
            [Part::Text { text, cache }] if cache.is_none() || !self.extensions => {
                self.mark(cache);
                Ok(ContentOut::Text(text))
            }
            _ => parts.iter().map(|part| self.part(part)).collect::<Result<_, _>>().map(ContentOut::Parts),
        }
    }

    fn part(&mut self, part: &'a Part) -> Result<PartOut<'a>, Misplaced<'a>> {
        Ok(match part {
            Part::Text { text, cache } => PartOut::Text { text: Cow::Borrowed(text), cache_control: self.mark(cache) },
            Part::Image { source, detail, cache } => PartOut::ImageUrl {
                image_url: ImageOut { url: Url(source), detail: detail.as_deref() },
                cache_control: self.mark(cache),
            },
            Part::Document { source: Source::Url(_), .. } => return Err(("a document by URL", Some(part))),
            Part::Document { source, name, cache } => PartOut::File {
                file: FileOut { filename: file_name(name.as_deref(), source), file_data: Url(source) },
                cache_control: self.mark(cache),
            },
            Part::Refusal { text } => PartOut::Refusal { refusal: text },
            _ => return Err(("a part", Some(part))),
        })
    }

    /// The content of a tool result; parts that it cannot hold are moved to the user message after it.
    fn result(&mut self, call: &str, parts: &'a [Part]) -> Result<ContentOut<'a, PartOut<'a>>, Misplaced<'a>> {
        let mut kept = Vec::new();
        let mut told = false;
        for part in parts {
            match part {
                Part::Image { .. } | Part::Document { .. } if !self.extensions => {
                    if !std::mem::replace(&mut told, true) {
                        let text = Cow::Owned(format!("From the result of tool call {call}:"));
                        self.carried.push(PartOut::Text { text, cache_control: None });
                    }
                    let part = self.part(part)?;
                    self.carried.push(part);
                }
                Part::Text { .. } | Part::Image { .. } | Part::Document { .. } => kept.push(part),
                _ => return Err(("a tool result with content other than text and media", Some(part))),
            }
        }
        self.content(&kept)
    }

    fn flush(&mut self) {
        if !self.carried.is_empty() {
            let content = Some(ContentOut::Parts(std::mem::take(&mut self.carried)));
            self.messages.push(MessageOut { role: "user", content, ..Default::default() });
        }
    }
}
