//! Recorded responses of real providers, as clients of each format read them: nothing fails, the text is complete, and the usage is the
//! provider's. Separate code in this file reads the expected values from the recordings.
//!
//! The recordings are beside the repository (`../shared/recorded`), or at `SLUICE_RECORDINGS`. Without them the test does nothing, and
//! reports that. With `SLUICE_TRANSLATED` it writes the clients' responses to that folder, where the official SDKs read them.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::unreachable, reason = "a test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sluice_wire::conversation::StreamEvent;
use sluice_wire::dialect::{
    ChatClient, ChatProvider, Client, Id, Opening, Provider, anthropic, bedrock, cohere, gemini, openai_chat, responses,
};
use sluice_wire::framing::eventstream;

/// The chat formats under test.
const CLIENTS: [&Client; 3] = [&openai_chat::CLIENT, &responses::CLIENT, &anthropic::CLIENT];

#[test]
fn recorded_answers_reach_clients_of_each_format_whole() {
    let Some(folder) = folder() else {
        println!("no recordings here: SLUICE_RECORDINGS can say where they are");
        return;
    };
    let mut tally: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    let mut wrong = Vec::new();
    for file in files(&folder) {
        let Some(recording) = Recording::read(&file) else { continue };
        let name = file.strip_prefix(&folder).unwrap_or(&file).display().to_string();
        for client in CLIENTS {
            let [tried, right] = tally.entry(recording.format.id.name()).or_default();
            *tried += 1;
            match recording.as_read_by(client) {
                Ok(()) => *right += 1,
                Err(why) => wrong.push(format!("{name} for {}: {why}", client.id().name())),
            }
        }
    }
    println!("answers, each for {} clients, and how many were right: {tally:?}", CLIENTS.len());
    assert!(tally.values().map(|[tried, _]| tried).sum::<usize>() > 0, "no recording was read");
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recorded");
    let folder = std::env::var_os("SLUICE_RECORDINGS").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = |path: &Path| std::fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = entries(folder)
        .filter(|path| path.is_dir())
        .flat_map(|provider| entries(&provider).collect::<Vec<_>>())
        .collect();
    files.sort();
    files
}

/// Whether this object ends its stream.
fn is_last(object: &Value) -> bool {
    let last = ["message_stop", "response.completed", "response.incomplete", "response.failed"];
    object["type"].as_str().is_some_and(|kind| last.contains(&kind))
}

/// Whether the recording needs a request that the gateway never sends: Gemini streams the arguments of calls in pieces only with
/// `streamFunctionCallArguments`.
fn is_foreign(objects: &[Value]) -> bool {
    let is_piece = |part: &Value| part["functionCall"]["willContinue"] == true;
    let parts = objects.iter().filter_map(|object| object["candidates"][0]["content"]["parts"].as_array());
    parts.flatten().any(is_piece)
}

struct Recording {
    /// The provider and the file name, with the length, since several files share a name.
    name: String,
    format: &'static Provider,
    /// The object of a non-streamed response, or those of a stream.
    objects: Vec<Value>,
    streamed: bool,
}

/// The text, and the tokens of the prompt and of the response.
#[derive(Debug, Default, PartialEq)]
struct Read {
    text: String,
    tokens: Option<(u64, u64)>,
}

impl Recording {
    /// Reads a file; `None` if it is not a chat response in a format that the gateway reads.
    fn read(file: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(file).ok()?;
        let streamed = file.to_string_lossy().ends_with(".chunks.txt");
        let objects: Vec<Value> = match streamed {
            true => {
                text.lines().filter_map(|line| serde_json::from_str(line.trim_start_matches("data: ")).ok()).collect()
            }
            false => vec![serde_json::from_str(&text).ok()?],
        };
        let format = format_of(objects.first()?).filter(|_| !is_foreign(&objects))?;
        // Some files hold several responses of one conversation in a row.
        let last = objects.iter().position(is_last).map_or(objects.len(), |last| last + 1);
        let name = file.file_name()?.to_string_lossy().split('.').next()?.to_owned();
        let provider = file.parent()?.file_name()?.to_string_lossy().into_owned();
        let number = text.len();
        let name = format!("{provider}.{name}.{number}");
        Some(Self { name, format, objects: objects.into_iter().take(last).collect(), streamed })
    }

    fn chat(&self) -> &'static ChatProvider {
        self.format.chat().expect("only formats of conversations are read")
    }

    fn expected(&self) -> Read {
        read(self.format.id, &self.objects)
    }

    fn as_read_by(&self, client: &Client) -> Result<(), String> {
        let writer = client.chat().expect("clients hold conversations");
        let (objects, failed) = if self.streamed { self.stream(writer)? } else { (vec![self.whole(writer)?], false) };
        self.publish(client, &objects);
        let (mut expected, got) = (self.expected(), read(client.id(), &objects));
        if client.id() == Id::Anthropic {
            // The provider's explanation of a refusal is a text.
            let details =
                self.objects.iter().flat_map(|object| [&object["stop_details"], &object["delta"]["stop_details"]]);
            expected.text.extend(details.filter_map(|details| details["explanation"].as_str()));
        }
        if failed || self.fails() {
            return if failed == self.fails() { Ok(()) } else { Err(format!("an error: {failed}")) };
        }
        if expected.text != got.text {
            return Err(format!("text {:?} became {:?}", cut(&expected.text), cut(&got.text)));
        }
        match expected.tokens {
            // A prompt has tokens, so zeros mean that the provider did not count.
            Some(tokens) if tokens != (0, 0) && got.tokens != Some(tokens) => {
                Err(format!("{tokens:?} tokens became {:?}", got.tokens))
            }
            _ => Ok(()),
        }
    }

    /// Writes the client's response where its SDK finds it.
    fn publish(&self, client: &Client, objects: &[Value]) {
        let Some(folder) = std::env::var_os("SLUICE_TRANSLATED") else { return };
        let manner = if self.streamed { "stream" } else { "whole" };
        let path = Path::new(&folder).join(format!("{}.{}.{manner}.json", self.name, client.id().name()));
        std::fs::write(path, serde_json::to_vec(objects).expect("JSON")).expect("a file in that folder");
    }

    /// Whether the recorded stream reports an error.
    fn fails(&self) -> bool {
        self.objects.iter().any(|object| {
            object["type"] == "error" || object["type"] == "response.failed" || object["error"].is_object()
        })
    }

    fn whole(&self, client: &ChatClient) -> Result<Value, String> {
        let body = serde_json::to_vec(&self.objects[0]).map_err(|error| error.to_string())?;
        let response = (self.chat().read_response)(&body).map_err(|error| error.message)?;
        serde_json::from_slice(&(client.write_response)(&response, 1_780_000_000)).map_err(|error| error.to_string())
    }

    /// The objects of the client's stream, and whether it ended with an error.
    fn stream(&self, client: &ChatClient) -> Result<(Vec<Value>, bool), String> {
        let (mut reader, mut events) = ((self.chat().stream_reader)(), Vec::new());
        let mut stopped = None;
        for portion in self.framed().chunks(1000) {
            if let Err(error) = reader.read(portion, &mut events) {
                stopped = Some(error);
                break;
            }
        }
        let opening = Opening {
            model: "m".to_owned(),
            now: 1_780_000_000,
            include_usage: true,
            estimate: 7,
            guises: sluice_wire::conversation::Guises::none(),
        };
        let (mut writer, mut out) = ((client.stream_writer)(opening), Vec::new());
        let ended = events.iter().any(|event| matches!(event, StreamEvent::End | StreamEvent::Error(_)));
        // Gemini's streams have no terminator and end with their last byte.
        let finished = events.iter().any(|event| matches!(event, StreamEvent::Finish { .. }));
        if !ended && finished && self.format.id == Id::Gemini {
            events.push(StreamEvent::End);
        } else if stopped.is_none() && !ended {
            return Err("the stream does not end".to_owned());
        }
        events.iter().for_each(|event| writer.write(event, &mut out));
        let text = String::from_utf8(out).map_err(|error| error.to_string())?;
        let datas = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        let objects: Result<Vec<Value>, _> = datas.map(serde_json::from_str).collect();
        let failed = stopped.is_some() || events.iter().any(|event| matches!(event, StreamEvent::Error(_)));
        Ok((objects.map_err(|error| error.to_string())?, failed))
    }

    /// The stream's bytes in the provider's framing.
    fn framed(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for object in &self.objects {
            match self.format.id {
                Id::Bedrock => {
                    let Some((kind, payload)) = object.as_object().and_then(|object| object.iter().next()) else {
                        continue;
                    };
                    let headers = [(":message-type", "event"), (":event-type", kind.as_str())];
                    eventstream::encode(&headers, payload.to_string().as_bytes(), &mut out);
                }
                _ => {
                    let kind = object["type"].as_str().unwrap_or("message");
                    out.extend_from_slice(format!("event: {kind}\ndata: {object}\n\n").as_bytes());
                }
            }
        }
        if self.format.id == Id::OpenAiChat {
            out.extend_from_slice(b"data: [DONE]\n\n");
        }
        out
    }
}

fn cut(text: &str) -> String {
    text.chars().take(120).collect()
}

fn format_of(object: &Value) -> Option<&'static Provider> {
    let is = |field: &str, words: &[&str]| object[field].as_str().is_some_and(|word| words.contains(&word));
    if is("object", &["chat.completion", "chat.completion.chunk"]) || object["choices"][0]["message"].is_object() {
        Some(&openai_chat::PROVIDER)
    } else if is("object", &["response"]) || is("type", &["response.created"]) {
        Some(&responses::PROVIDER)
    } else if is("type", &["message", "message_start"]) {
        Some(&anthropic::PROVIDER)
    } else if is("type", &["message-start"]) || object["message"]["content"].is_array() {
        Some(&cohere::PROVIDER)
    } else if object["candidates"].is_array() {
        Some(&gemini::PROVIDER)
    } else if object["output"]["message"].is_object() || object["messageStart"].is_object() {
        Some(&bedrock::PROVIDER)
    } else {
        None
    }
}

/// Reads a response in this format, streamed or not.
fn read(format: Id, objects: &[Value]) -> Read {
    let mut read = Read::default();
    for object in objects {
        read.text.push_str(&text(format.name(), object));
        if let Some((input, output)) = tokens(format.name(), object) {
            let (before_input, before_output) = read.tokens.unwrap_or_default();
            read.tokens = Some((input.unwrap_or(before_input), output.unwrap_or(before_output)));
        }
    }
    read
}

fn text(format: &str, object: &Value) -> String {
    let join = |parts: &Value, is_text: &dyn Fn(&Value) -> bool| -> String {
        let parts = parts.as_array().map(Vec::as_slice).unwrap_or_default();
        parts.iter().filter(|part| is_text(part)).filter_map(|part| part["text"].as_str()).collect()
    };
    let typed = |part: &Value| part["type"] == "text";
    let said = |value: &Value| match value {
        Value::Array(_) => join(value, &typed),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    let first = |choices: &Value| {
        choices.as_array().and_then(|list| list.iter().find(|c| c["index"] == 0 || c["index"].is_null())).cloned()
    };
    match format {
        "openai_chat" => {
            let choice = first(&object["choices"]).unwrap_or_default();
            said(&choice["message"]["content"]) + &said(&choice["delta"]["content"])
        }
        "anthropic" => match object["type"].as_str() {
            Some("message") => join(&object["content"], &typed),
            Some("message_start") => join(&object["message"]["content"], &typed),
            Some("content_block_start") => {
                let block = &object["content_block"];
                if typed(block) { said(&block["text"]) } else { String::new() }
            }
            Some("content_block_delta") if object["delta"]["type"] == "text_delta" => said(&object["delta"]["text"]),
            _ => String::new(),
        },
        "responses" => match object["type"].as_str() {
            Some("response.output_text.delta") => said(&object["delta"]),
            Some(_) => String::new(),
            None => {
                let items = object["output"].as_array().map(Vec::as_slice).unwrap_or_default();
                let messages = items.iter().filter(|item| item["type"] == "message");
                messages.map(|item| join(&item["content"], &|part| part["type"] == "output_text")).collect()
            }
        },
        "cohere" => said(&object["message"]["content"]) + &said(&object["delta"]["message"]["content"]["text"]),
        "gemini" => join(&object["candidates"][0]["content"]["parts"], &|part| part["thought"] != true),
        _ => {
            join(&object["output"]["message"]["content"], &|_| true)
                + &said(&object["contentBlockDelta"]["delta"]["text"])
        }
    }
}

/// The token counts of an object, if it has any.
fn tokens(format: &str, object: &Value) -> Option<(Option<u64>, Option<u64>)> {
    let sum = |usage: &Value, names: &[&str]| -> Option<u64> {
        let counts: Vec<u64> = names.iter().filter_map(|name| usage[*name].as_u64()).collect();
        (!counts.is_empty()).then(|| counts.iter().sum())
    };
    let (usage, input, output): (&Value, &[&str], &[&str]) = match format {
        "openai_chat" => {
            let usage = if object["usage"].is_object() { &object["usage"] } else { &object["x_groq"]["usage"] };
            (usage, &["prompt_tokens"], &["completion_tokens"])
        }
        "responses" => {
            let usage = if object["usage"].is_object() { &object["usage"] } else { &object["response"]["usage"] };
            (usage, &["input_tokens"], &["output_tokens"])
        }
        "anthropic" => {
            let usage = if object["usage"].is_object() { &object["usage"] } else { &object["message"]["usage"] };
            let input = &["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
            (usage, input, &["output_tokens"])
        }
        "gemini" => {
            let input = &["promptTokenCount", "toolUsePromptTokenCount"];
            (&object["usageMetadata"], input, &["candidatesTokenCount", "thoughtsTokenCount"])
        }
        "bedrock" => {
            let usage = if object["usage"].is_object() { &object["usage"] } else { &object["metadata"]["usage"] };
            (usage, &["inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"], &["outputTokens"])
        }
        _ => {
            let usage = if object["usage"].is_object() { &object["usage"] } else { &object["delta"]["usage"] };
            (&usage["tokens"], &["input_tokens"], &["output_tokens"])
        }
    };
    // xAI's output count excludes reasoning, which only the total includes.
    let more = usage["total_tokens"].as_u64().zip(sum(usage, input)).map(|(total, input)| total.saturating_sub(input));
    // Anthropic's totals exclude model calls for compaction and of the advisor.
    let left_out = |names: &[&str]| -> u64 {
        let all = usage["iterations"].as_array().into_iter().flatten();
        let extra = all.filter(|one| matches!(one["type"].as_str(), Some("compaction" | "advisor_message")));
        extra.filter_map(|one| sum(one, names)).sum()
    };
    let whole = |names: &[&str]| sum(usage, names).map(|count| count + left_out(names));
    let output = whole(output).max(more.filter(|_| format == "openai_chat"));
    usage.is_object().then(|| (whole(input), output))
}
