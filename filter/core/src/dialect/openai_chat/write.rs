//! Writes a request for a provider: OpenAI, or a server like it that takes more (see [`Variation`](super::Variation)).
//!
//! Where a message holds what OpenAI's cannot: the result of a tool call becomes a message of its own; pictures and
//! documents in it follow the results in a user message; earlier reasoning, caching marks, `top_k`, a tool's error
//! flag and a `user` of more than 64 characters are left out and named in [`Written::dropped`]. A thinking budget becomes an effort: up to 4,096 tokens `low`,
//! up to 16,384 `medium`, beyond `high`. A streamed request always asks for usage, since the gateway accounts for it.

use std::borrow::Cow;

use super::body::{
    Body, ChoiceOut, ContentOut, FileOut, FormatOut, FunctionOut, ImageOut, MarkOut, MessageOut, NameOut, PartOut,
    SchemaOut, ThinkingOut, ToolOut,
};
use super::out::{Block, Call};
use crate::conversation::{CacheMark, Message, OutputFormat, Part, Reasoning, Request, Role, Source, Tool, ToolChoice};
use crate::dialect::Written;
use crate::dialect::data_uri::{Url, file_name};
use crate::dialect::fields::drop_hint;
use crate::dialect::openai::request::StreamOptions;
use crate::dialect::openai::{json, table};
use crate::error::ApiError;

/// Writes `request` under the provider's name for the model.
pub(super) fn write(request: &Request, model: &str, extensions: bool) -> Result<Written, ApiError> {
    let mut writer = Writer { extensions, dropped: request.dropped.clone(), carried: Vec::new(), messages: Vec::new() };
    for (index, message) in request.messages.iter().enumerate() {
        writer.message(message).map_err(|word| {
            let path = format!("messages[{index}].content");
            ApiError {
                message: format!("'{path}' holds {word} that the provider has no place for."),
                ..table::refused(&path)
            }
        })?;
    }
    writer.flush();
    let tools = request.tools.iter().map(|tool| writer.tool(tool)).collect();
    let (reasoning_effort, thinking) = writer.reasoning(request.reasoning.as_ref());
    let top_k = writer.extension(request.top_k, "top_k");
    let user = writer.user(request.user.as_deref());
    let body = Body {
        model,
        tools,
        tool_choice: request.tool_choice.as_ref().map(choice),
        parallel_tool_calls: request.parallel_tool_calls,
        response_format: request.output.as_ref().map(format),
        max_completion_tokens: request.max_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        top_k,
        stop: &request.stop,
        seed: request.seed,
        frequency_penalty: request.frequency_penalty,
        presence_penalty: request.presence_penalty,
        n: request.n,
        reasoning_effort,
        thinking,
        user,
        service_tier: request.service_tier.as_deref(),
        stream: request.stream.then_some(true),
        stream_options: request.stream.then_some(StreamOptions { include_usage: true }),
        messages: writer.messages,
    };
    Ok(Written { body: json::body(&body), dropped: writer.dropped })
}

/// OpenAI takes no longer `user`, in characters, and coding agents send longer ones.
const LONGEST_USER: usize = 64;

fn choice(choice: &ToolChoice) -> ChoiceOut<'_> {
    match choice {
        ToolChoice::Auto => ChoiceOut::Word("auto"),
        ToolChoice::None => ChoiceOut::Word("none"),
        ToolChoice::Required => ChoiceOut::Word("required"),
        ToolChoice::Named(name) => ChoiceOut::Named { r#type: "function", function: NameOut { name } },
    }
}

fn format(output: &OutputFormat) -> FormatOut<'_> {
    match output {
        OutputFormat::JsonObject => FormatOut::JsonObject,
        OutputFormat::JsonSchema { name, description, schema, strict } => FormatOut::JsonSchema {
            json_schema: SchemaOut { name, description: description.as_deref(), schema, strict: *strict },
        },
    }
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

/// What gathers while messages are written.
struct Writer<'a> {
    extensions: bool,
    dropped: Vec<String>,
    messages: Vec<MessageOut<'a>>,
    /// Pictures and documents of tool results, for the user message after the last of them.
    carried: Vec<PartOut<'a>>,
}

/// Names what a message cannot hold.
type Misplaced = &'static str;

impl<'a> Writer<'a> {
    /// `value` where the server takes it; otherwise it is named as dropped.
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
                parameters: tool.parameters.as_ref(),
                strict: tool.strict,
            },
            cache_control: self.mark(&tool.cache),
        }
    }

    fn reasoning(&mut self, reasoning: Option<&'a Reasoning>) -> (Option<&'a str>, Option<ThinkingOut>) {
        match reasoning {
            None => (None, None),
            Some(Reasoning::Effort(effort)) => (Some(effort), None),
            Some(Reasoning::Budget(budget_tokens)) if self.extensions => {
                (None, Some(ThinkingOut::Enabled { budget_tokens: *budget_tokens }))
            }
            Some(Reasoning::Budget(..=4096)) => (Some("low"), None),
            Some(Reasoning::Budget(..=16384)) => (Some("medium"), None),
            Some(Reasoning::Budget(_)) => (Some("high"), None),
            // Models that cannot reason answer 400 to any effort, and most that can know no `none`.
            Some(Reasoning::Disabled) => (None, self.extension(Some(ThinkingOut::Disabled), "thinking")),
            // As the model sees fit is what happens without a word.
            Some(Reasoning::Adaptive) => (None, self.extensions.then_some(ThinkingOut::Adaptive)),
        }
    }

    /// A name that is too long would be refused; without one, the provider only knows less of whom it serves.
    fn user(&mut self, user: Option<&'a str>) -> Option<&'a str> {
        let short = user.filter(|user| user.chars().nth(LONGEST_USER).is_none());
        if short.is_none() && user.is_some() {
            self.drop("user");
        }
        short
    }

    fn message(&mut self, message: &'a Message) -> Result<(), Misplaced> {
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
                Part::ToolCall { .. } if message.role == Role::Assistant => out.tool_calls.extend(Call::of(part)),
                Part::ToolCall { .. } => return Err("a tool call"),
                Part::Thinking { .. } | Part::RedactedThinking { .. } if message.role == Role::Assistant => {
                    out.thinking_blocks.extend(self.extension(Block::of(part), "thinking_blocks"));
                }
                Part::Thinking { .. } | Part::RedactedThinking { .. } => return Err("reasoning"),
                Part::Refusal { .. } if message.role != Role::Assistant => return Err("a refusal"),
                Part::Image { .. } | Part::Document { .. } if message.role != Role::User => return Err("media"),
                _ => spoken.push(part),
            }
        }
        if results && spoken.is_empty() && out.tool_calls.is_empty() {
            return Ok(());
        }
        if message.role == Role::Tool {
            return Err("something besides the result of a tool call");
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

    fn content(&mut self, parts: &[&'a Part]) -> Result<ContentOut<'a>, Misplaced> {
        match parts {
            [] => Ok(ContentOut::Text("")),
            [Part::Text { text, cache }] if cache.is_none() || !self.extensions => {
                self.mark(cache);
                Ok(ContentOut::Text(text))
            }
            _ => parts.iter().map(|part| self.part(part)).collect::<Result<_, _>>().map(ContentOut::Parts),
        }
    }

    fn part(&mut self, part: &'a Part) -> Result<PartOut<'a>, Misplaced> {
        Ok(match part {
            Part::Text { text, cache } => PartOut::Text { text: Cow::Borrowed(text), cache_control: self.mark(cache) },
            Part::Image { source, detail, cache } => PartOut::ImageUrl {
                image_url: ImageOut { url: Url(source), detail: detail.as_deref() },
                cache_control: self.mark(cache),
            },
            Part::Document { source: Source::Url(_), .. } => return Err("a document by its address"),
            Part::Document { source, name, cache } => PartOut::File {
                file: FileOut { filename: file_name(name.as_deref(), source), file_data: Url(source) },
                cache_control: self.mark(cache),
            },
            Part::Refusal { text } => PartOut::Refusal { refusal: text },
            _ => return Err("a part"),
        })
    }

    /// The content of a tool's result; what it may not hold is kept for the message after it.
    fn result(&mut self, call: &str, parts: &'a [Part]) -> Result<ContentOut<'a>, Misplaced> {
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
                _ => return Err("a tool's result with something besides text and media"),
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
