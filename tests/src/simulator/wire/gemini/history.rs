//! Reads the turns of a request: roles, calls and their responses in equal number, and the thought signatures that the
//! calls of the current turn must carry.

use serde_json::Value;

use super::answer::{SIGNATURE, signs};
use super::fields::field;
use crate::simulator::prompt::{Prompt, image};
use crate::simulator::reply::Refusal;

/// Signatures that Google accepts for a turn of another model.
/// Source: <https://ai.google.dev/gemini-api/docs/thought-signatures>.
const DUMMIES: [&str; 2] = ["skip_thought_signature_validator", "context_engineering_is_the_way_to_go"];

/// A turn's parts by kind.
#[derive(Default)]
struct Turn<'a> {
    texts: Vec<&'a str>,
    images: Vec<String>,
    calls: Vec<&'a Value>,
    responses: Vec<String>,
}

/// Reads the contents.
pub fn read(contents: &Value, prompt: &mut Prompt) -> Result<(), Refusal> {
    let contents = contents.as_array().filter(|contents| !contents.is_empty());
    let contents =
        contents.ok_or_else(|| Refusal::invalid("* GenerateContentRequest.contents: contents is not specified\n"))?;
    prompt.messages = contents.len();
    let mut called = 0;
    // The first unsigned call since the last user message.
    let mut unsigned = None;
    for (index, content) in contents.iter().enumerate() {
        let turn = Turn::read(index, content)?;
        prompt.text_bytes += turn.bytes();
        if turn.responses.len() != called {
            return Err(Refusal::invalid(
                "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.",
            ));
        }
        called = turn.calls.len();
        match content["role"].as_str() {
            None | Some("user" | "function") if called == 0 => {
                if !turn.texts.is_empty() || !turn.images.is_empty() {
                    prompt.hear(turn.texts.concat(), turn.images);
                    unsigned = None;
                } else {
                    prompt.tool_results.clear();
                }
                prompt.tool_results.extend(turn.responses);
            }
            Some("model") => unsigned = unsigned.or_else(|| turn.unsigned(index)),
            _ => return Err(Refusal::invalid("Please use a valid role: user, model.")),
        }
    }
    if called > 0 || contents.last().is_some_and(|last| last["role"] == "model") {
        return Err(Refusal::invalid(
            "Please ensure that single turn requests end with a user role or the role field is empty.",
        ));
    }
    match unsigned.filter(|_| signs(&prompt.model)) {
        Some(message) => Err(Refusal::invalid(message)),
        None => Ok(()),
    }
}

impl<'a> Turn<'a> {
    fn read(index: usize, content: &'a Value) -> Result<Self, Refusal> {
        let parts = content["parts"].as_array().filter(|parts| !parts.is_empty());
        let place = format!("* GenerateContentRequest.contents[{index}].parts");
        let parts = parts.ok_or_else(|| Refusal::invalid(format!("{place}: contents.parts must not be empty.\n")))?;
        let mut turn = Self::default();
        for (at, part) in parts.iter().enumerate() {
            let place = format!("{place}[{at}]");
            let kinds = [
                "text",
                "inlineData",
                "fileData",
                "functionCall",
                "functionResponse",
                "executableCode",
                "codeExecutionResult",
            ];
            let mut given = kinds.into_iter().filter(|kind| !field(part, kind).is_null());
            match (given.next(), given.next()) {
                (Some(kind), None) => turn.take(kind, part, &place)?,
                _ => {
                    return Err(Refusal::invalid(format!(
                        "{place}.data: required oneof field 'data' must have one initialized field\n"
                    )));
                }
            }
        }
        Ok(turn)
    }

    fn take(&mut self, kind: &str, part: &'a Value, place: &str) -> Result<(), Refusal> {
        let value = field(part, kind);
        let wants = |name: &str| {
            let text = field(value, name).as_str().filter(|text| !text.is_empty());
            text.ok_or_else(|| Refusal::invalid(format!("{place}.{kind}.{name}: must not be empty\n")))
        };
        if let Some(signature) = field(part, "thoughtSignature").as_str()
            && signature != SIGNATURE
            && !DUMMIES.contains(&signature)
        {
            return Err(Refusal::invalid("Corrupted thought signature."));
        }
        match kind {
            "text" if field(part, "thought") == true => {}
            "text" => self.texts.push(value.as_str().unwrap_or("")),
            "inlineData" => self.images.push(image(wants("mimeType")?, wants("data")?)),
            "fileData" => self.images.push(wants("fileUri")?.to_owned()),
            "functionCall" => {
                wants("name")?;
                self.calls.push(part);
            }
            "functionResponse" => {
                wants("name")?;
                self.responses.push(said(&value["response"], place)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// The bytes of the turn's texts.
    fn bytes(&self) -> usize {
        let responses = self.responses.iter().map(String::len);
        self.texts.iter().map(|text| text.len()).chain(responses).sum()
    }

    /// The error message for a first call without a signature.
    fn unsigned(&self, index: usize) -> Option<String> {
        let first = self.calls.first().filter(|call| field(call, "thoughtSignature").is_null());
        first.map(|call| {
            let name = field(call, "functionCall")["name"].as_str().unwrap_or("");
            format!(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to work \
                 correctly, and missing thought_signature may lead to degraded model performance. Additional data, \
                 function call `default_api:{name}` , position {}.",
                index + 1
            )
        })
    }
}

/// A response as text; an object with a single text field becomes that text.
fn said(response: &Value, place: &str) -> Result<String, Refusal> {
    let Some(fields) = response.as_object() else {
        return Err(Refusal::invalid(format!(
            "Invalid value at '{place}.function_response.response' (type.googleapis.com/google.protobuf.Struct)"
        )));
    };
    let mut values = fields.values();
    match (values.next(), values.next()) {
        (Some(Value::String(text)), None) => Ok(text.clone()),
        _ => Ok(response.to_string()),
    }
}
