//! Reads the turns of a Converse request: alternating roles, blocks of one kind each, results for the calls of the
//! previous turn.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::request::only;
use crate::simulator::prompt::{Prompt, image};
use crate::simulator::reply::Refusal;
use crate::simulator::wire::anthropic::answer::SIGNATURE;

const KINDS: [&str; 9] =
    ["text", "image", "document", "video", "toolUse", "toolResult", "reasoningContent", "cachePoint", "guardContent"];

/// Reads the system blocks.
pub fn system(blocks: &Value, prompt: &mut Prompt) -> Result<(), Refusal> {
    for (index, block) in blocks.as_array().into_iter().flatten().enumerate() {
        let place = format!("system.{index}");
        only(block, &place, &["text", "cachePoint", "guardContent"])?;
        match block["text"].as_str() {
            Some(words) => prompt.text_bytes += text(words, &place)?.len(),
            None => prompt.marked_bytes = prompt.text_bytes,
        }
    }
    Ok(())
}

/// Reads the messages; `configured` tells whether the request has tools.
pub fn read(messages: &Value, configured: bool, prompt: &mut Prompt) -> Result<(), Refusal> {
    let messages = messages.as_array().filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| {
        Refusal::invalid(
            "1 validation error detected: Value at 'messages' failed to satisfy constraint: Member must not be empty",
        )
    })?;
    prompt.messages = messages.len();
    let mut previous = "assistant";
    let mut open = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        only(message, &format!("messages/{index}"), &["role", "content"])?;
        let role = message["role"].as_str().filter(|role| ["user", "assistant"].contains(role));
        let role = role.ok_or_else(|| Refusal::invalid("Member must satisfy enum value set: [user, assistant]"))?;
        if role == previous {
            return Err(Refusal::invalid(match index {
                0 => {
                    "A conversation must start with a user message. Try again with a conversation that starts with a user message."
                }
                _ => {
                    "A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again."
                }
            }));
        }
        previous = role;
        let turn = Turn::read(index, role == "user", &message["content"], prompt)?;
        if !configured && (!turn.calls.is_empty() || !turn.results.is_empty()) {
            return Err(Refusal::invalid(
                "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
            ));
        }
        turn.answers(index, &open)?;
        open = turn.into(prompt, role == "user");
    }
    match open.first() {
        Some(_) => Err(Refusal::invalid(expected(messages.len(), &open))),
        None => Ok(()),
    }
}

fn expected(index: usize, open: &[String]) -> String {
    format!("Expected toolResult blocks at messages.{index}.content for the following Ids: {}", open.join(", "))
}

fn text<'a>(words: &'a str, place: &str) -> Result<&'a str, Refusal> {
    if words.trim().is_empty() {
        let message = "is blank. Add text to the text field, and try again.";
        return Err(Refusal::invalid(format!("The text field in the ContentBlock object at {place} {message}")));
    }
    Ok(words)
}

/// A message's blocks by kind.
#[derive(Default)]
struct Turn {
    texts: Vec<String>,
    images: Vec<String>,
    calls: Vec<String>,
    results: Vec<(String, String)>,
}

impl Turn {
    fn read(index: usize, user: bool, content: &Value, prompt: &mut Prompt) -> Result<Self, Refusal> {
        let blocks = content.as_array().filter(|blocks| !blocks.is_empty());
        let blocks = blocks.ok_or_else(|| {
            Refusal::invalid(format!(
                "The content field in the Message object at messages.{index} is empty. Add a ContentBlock object to the content field and try again."
            ))
        })?;
        let mut turn = Self::default();
        for (at, block) in blocks.iter().enumerate() {
            let place = format!("messages.{index}.content.{at}");
            only(block, &place, &KINDS)?;
            let mut kinds = KINDS.into_iter().filter(|kind| !block[*kind].is_null());
            let (Some(kind), None) = (kinds.next(), kinds.next()) else {
                return Err(Refusal::invalid(format!(
                    "The format of the value at {place} is invalid. Provide one member of the union."
                )));
            };
            turn.take(kind, &block[kind], user, &place, prompt)?;
        }
        let first = blocks.first().is_some_and(|block| block["reasoningContent"].is_object());
        if prompt.thinking && !turn.calls.is_empty() && !first {
            let message = "Expected `thinking` or `redacted_thinking`, but found `tool_use`.";
            return Err(Refusal::invalid(format!(
                "The model returned the following errors: messages.{index}: {message}"
            )));
        }
        Ok(turn)
    }

    fn take(&mut self, kind: &str, value: &Value, user: bool, place: &str, prompt: &mut Prompt) -> Result<(), Refusal> {
        let invalid = |what: &str| Refusal::invalid(format!("The format of the value at {place}.{what} is invalid."));
        match kind {
            "text" => {
                let words = text(value.as_str().unwrap_or(""), place)?;
                prompt.text_bytes += words.len();
                self.texts.push(words.to_owned());
            }
            "image" if user => self.images.push(picture(value).ok_or_else(|| invalid("image"))?),
            "document" | "video" | "guardContent" if user => {}
            "cachePoint" => prompt.marked_bytes = prompt.text_bytes,
            "toolUse" if !user => {
                only(value, place, &["toolUseId", "name", "input", "type"])?;
                let id = identifier(&value["toolUseId"]).ok_or_else(|| invalid("toolUse.toolUseId"))?;
                if !value["name"].is_string() || !value["input"].is_object() {
                    return Err(invalid("toolUse.input"));
                }
                self.calls.push(id);
            }
            "toolResult" if user => {
                only(value, place, &["toolUseId", "content", "status", "type"])?;
                let id = identifier(&value["toolUseId"]).ok_or_else(|| invalid("toolResult.toolUseId"))?;
                let said = said(&value["content"]).ok_or_else(|| invalid("toolResult.content"))?;
                prompt.text_bytes += said.len();
                self.results.push((id, said));
            }
            "reasoningContent" if !user => {
                let told = &value["reasoningText"];
                if value["redactedContent"].is_null() && told["signature"] != SIGNATURE {
                    return Err(Refusal::invalid(format!(
                        "The model returned the following errors: {place}: Invalid `signature` in `thinking` block"
                    )));
                }
            }
            _ => return Err(Refusal::invalid(format!("{place}: {kind} is not permitted in this role."))),
        }
        Ok(())
    }

    /// Checks that the results match the previous calls.
    fn answers(&self, index: usize, open: &[String]) -> Result<(), Refusal> {
        if self.results.len() > open.len() || self.results.iter().any(|(id, _)| !open.contains(id)) {
            return Err(Refusal::invalid(format!(
                "The number of toolResult blocks at messages.{index}.content exceeds the number of toolUse blocks of previous turn."
            )));
        }
        let missing = open.iter().filter(|id| !self.results.iter().any(|(given, _)| given == *id));
        match missing.cloned().collect::<Vec<_>>() {
            missing if missing.is_empty() => Ok(()),
            missing => Err(Refusal::invalid(expected(index, &missing))),
        }
    }

    fn into(self, prompt: &mut Prompt, user: bool) -> Vec<String> {
        if user && (!self.texts.is_empty() || !self.images.is_empty()) {
            prompt.hear(self.texts.concat(), self.images);
        }
        if user {
            prompt.tool_results = self.results.into_iter().map(|(_, said)| said).collect();
        }
        self.calls
    }
}

fn identifier(id: &Value) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    let id = id.as_str().filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(allowed));
    id.map(str::to_owned)
}

fn picture(value: &Value) -> Option<String> {
    let format = value["format"].as_str().filter(|format| ["png", "jpeg", "gif", "webp"].contains(format))?;
    let bytes = value["source"]["bytes"].as_str()?;
    STANDARD.decode(bytes).ok()?;
    Some(image(&format!("image/{format}"), bytes))
}

fn said(content: &Value) -> Option<String> {
    let block = |block: &Value| match block["text"].as_str() {
        Some(text) => Some(text.to_owned()),
        None if block["json"].is_object() => Some(block["json"].to_string()),
        None => ["image", "document"].iter().any(|kind| block[*kind].is_object()).then(String::new),
    };
    content.as_array()?.iter().map(block).collect()
}
