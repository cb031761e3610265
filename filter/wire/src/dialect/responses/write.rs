//! Writes a request for a provider: a whole conversation, not stored (`store: false`) unless the client wants it.
//!
//! `stop`, penalties other than 0 and more than one choice are rejected, because the format does not support them. `seed`, `top_k`,
//! participants' names, cache marks, a tool's error flag, and reasoning of other providers are dropped and reported in
//! [`WrittenRequest::dropped`]. [`plan`](crate::dialect::openai::reasoning) decides on reasoning and sampling parameters. A request for
//! reasoning also requests its encrypted content, so that the next turn can send it back. A function is `strict` only if it says so: this
//! format's default is strict, unlike that of chat completions.

use crate::conversation::{CacheMark, Message, OutputFormat, Part, Request, Role, Source, Tool};
use crate::dialect::WrittenRequest;
use crate::dialect::at::{self, Misplaced};
use crate::dialect::bounds::{self, Numbers};
use crate::dialect::data_uri::{Url, file_name};
use crate::dialect::fields::drop_hint;
use crate::dialect::functions;
use crate::dialect::openai::body::{ChoiceOut, ContentOut, Sampling, SchemaOut};
use crate::dialect::openai::carried::Carried;
use crate::dialect::openai::reasoning::{Plan, Surface};
use crate::dialect::openai::{json, request};
use crate::dialect::schema;
use crate::error::ApiError;

use super::body::{Body, FormatOut, ItemOut, PartOut, ReasoningOut, TextOut, ToolOut};
use super::item::is_spoken;
use super::reasoning;

/// Writes `request` for `model`, the provider's name for the model.
pub(super) fn write(request: &Request, model: &str) -> Result<WrittenRequest, ApiError> {
    let mut dropped = request.dropped.clone();
    let numbers = Numbers::of(request, bounds::RESPONSES, &mut dropped)?;
    let mut writer = Writer { dropped, input: Vec::new() };
    for (index, message) in request.messages.iter().enumerate() {
        writer.message(message).map_err(|wrong| at::misplaced(index, message, wrong))?;
    }
    let tools = request.tools.iter().map(|tool| writer.tool(tool)).collect();
    let plan = Plan::of(request, model, Surface::Responses, &mut writer.dropped)?;
    let reasoning = plan.effort.map(|effort| ReasoningOut { effort });
    for (given, name) in [(request.top_k.is_some(), "top_k"), (request.seed.is_some(), "seed")] {
        if given {
            writer.drop(name);
        }
    }
    let max_output_tokens = plan.max_tokens.map(|most| most.max(LEAST_TOKENS));
    if max_output_tokens != plan.max_tokens {
        writer.drop("max_completion_tokens");
    }
    let user = request::user(request.user.as_deref(), &mut writer.dropped);
    let carried = Carried::of(request, model, Surface::Responses, &mut writer.dropped);
    let format = request.output.as_ref().map(|output| writer.format(output));
    let thinks = reasoning.as_ref().is_some_and(|reasoning| reasoning.effort != "none");
    let body = Body {
        model,
        tools,
        tool_choice: functions::choice(request)?.map(|choice| ChoiceOut::of(choice, Surface::Responses)),
        parallel_tool_calls: request.parallel_tool_calls.filter(|_| !request.tools.is_empty()),
        text: (format.is_some() || carried.verbosity.is_some())
            .then_some(TextOut { format, verbosity: carried.verbosity }),
        max_output_tokens,
        sampling: Sampling {
            temperature: plan.temperature.and(numbers.temperature),
            top_p: plan.top_p.and(numbers.top_p),
            ..Sampling::default()
        },
        reasoning,
        include: if thinks { &["reasoning.encrypted_content"] } else { &[] },
        user,
        service_tier: request.service_tier.as_deref(),
        store: carried.store.is_some(),
        carried,
        stream: request.stream.then_some(true),
        input: writer.input,
    };
    Ok(WrittenRequest { body: json::body(&body), dropped: writer.dropped })
}

/// The format's minimum limit ("integer below minimum value. Expected a value >= 16"). Agents request a single token to check the
/// connection.
const LEAST_TOKENS: u64 = 16;

/// The state while messages are written.
struct Writer<'a> {
    dropped: Vec<String>,
    input: Vec<ItemOut<'a>>,
}

impl<'a> Writer<'a> {
    fn drop(&mut self, name: &str) {
        drop_hint(&mut self.dropped, name);
    }

    fn mark(&mut self, mark: &Option<CacheMark>) {
        if mark.is_some() {
            self.drop("cache_control");
        }
    }

    fn tool(&mut self, tool: &'a Tool) -> ToolOut<'a> {
        self.mark(&tool.cache);
        ToolOut {
            r#type: "function",
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: schema::object(tool.parameters.as_ref()),
            strict: schema::strict_tool(tool, &mut self.dropped).unwrap_or_default(),
        }
    }

    fn format(&mut self, output: &'a OutputFormat) -> FormatOut<'a> {
        let strict = schema::strict_answer(output, &mut self.dropped);
        SchemaOut::of(output, strict).map_or(FormatOut::JsonObject, FormatOut::JsonSchema)
    }

    /// Writes a message as several items by kind: results first, then the rest in order.
    fn message(&mut self, message: &'a Message) -> Result<(), Misplaced<'a>> {
        if message.name.is_some() {
            self.drop("messages[].name");
        }
        for part in &message.parts {
            if let Part::ToolResult { call, content, is_error, cache } = part {
                if *is_error {
                    self.drop("is_error");
                }
                self.mark(cache);
                let output = self.content(content, Role::Tool)?;
                self.input.push(ItemOut::FunctionCallOutput { call_id: call, output });
            }
        }
        let is_result = |part: &Part| matches!(part, Part::ToolResult { .. });
        let is_content = |part: &Part| is_spoken(part) || matches!(part, Part::Image { .. } | Part::Document { .. });
        for run in message.parts.chunk_by(|one, next| is_content(one) && is_content(next)) {
            match run {
                [part] if is_result(part) => {}
                [part] if !is_content(part) => self.said_by_the_model(message.role, part)?,
                _ if message.role == Role::Tool => {
                    return Err(("content other than a tool result", message.parts.last()));
                }
                _ => {
                    let content = self.content(run, message.role)?;
                    self.input.push(ItemOut::Message { role: role_word(message.role), content });
                }
            }
        }
        Ok(())
    }

    /// Writes a call or reasoning.
    fn said_by_the_model(&mut self, role: Role, part: &'a Part) -> Result<(), Misplaced<'a>> {
        let (signature, shown) = match part {
            Part::ToolCall { .. } if role != Role::Assistant => return Err(("a tool call", Some(part))),
            Part::ToolCall { id, name, arguments } => {
                let arguments = if arguments.is_empty() { "{}" } else { arguments };
                self.input.push(ItemOut::FunctionCall { call_id: id, name, arguments });
                return Ok(());
            }
            _ if role != Role::Assistant => return Err(("reasoning", Some(part))),
            Part::Thinking { text, signature } => (signature.as_deref(), Some(text)),
            Part::RedactedThinking { data } => (Some(data.as_str()), None),
            _ => return Err(("a part", Some(part))),
        };
        let Some((id, encrypted_content)) = signature.and_then(reasoning::own) else {
            self.drop("messages[].thinking_blocks");
            return Ok(());
        };
        let summary = shown.map(|text| PartOut::SummaryText { text }).into_iter().collect();
        self.input.push(ItemOut::Reasoning { id, summary, encrypted_content });
        Ok(())
    }

    fn content(&mut self, parts: &'a [Part], role: Role) -> Result<ContentOut<'a, PartOut<'a>>, Misplaced<'a>> {
        match parts {
            [] => Ok(ContentOut::Text("")),
            [Part::Text { text, cache }] => {
                self.mark(cache);
                Ok(ContentOut::Text(text))
            }
            _ => parts.iter().map(|part| self.part(part, role)).collect::<Result<_, _>>().map(ContentOut::Parts),
        }
    }

    fn part(&mut self, part: &'a Part, role: Role) -> Result<PartOut<'a>, Misplaced<'a>> {
        let media = matches!(role, Role::User | Role::Tool);
        Ok(match part {
            Part::Text { text, cache } => {
                self.mark(cache);
                if role == Role::Assistant { PartOut::OutputText { text } } else { PartOut::InputText { text } }
            }
            Part::Refusal { text } if role == Role::Assistant => PartOut::Refusal { refusal: text },
            Part::Refusal { .. } => return Err(("a refusal", Some(part))),
            Part::Image { source, detail, cache } if media => {
                self.mark(cache);
                PartOut::InputImage { image_url: Url(source), detail: detail.as_deref() }
            }
            Part::Document { source, name, cache } if media => {
                self.mark(cache);
                match source {
                    Source::Url(_) => {
                        PartOut::InputFile { filename: name.as_deref(), file_data: None, file_url: Some(Url(source)) }
                    }
                    Source::Base64 { .. } => PartOut::InputFile {
                        filename: Some(file_name(name.as_deref(), source)),
                        file_data: Some(Url(source)),
                        file_url: None,
                    },
                }
            }
            Part::Image { .. } | Part::Document { .. } => return Err(("media", Some(part))),
            _ => return Err(("content other than text and media", Some(part))),
        })
    }
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User | Role::Tool => "user",
        Role::Assistant => "assistant",
    }
}
