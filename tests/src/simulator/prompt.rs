//! The format-independent request, and the answer that the simulator makes up.
//!
//! Every answer is a function of the request: no clock, no randomness. Tokens are bytes divided by four, rounded up, so
//! that a test can predict the usage in any wire format.

use serde_json::{Map, Value, json};

use super::fault::{Fault, Faults};
use super::prompt_cache::Shares;
use super::scenario::Scenario;

/// The parts of a request that affect the answer.
#[derive(Debug, Clone, Default)]
pub struct Prompt {
    /// The requested model, including faults.
    pub model: String,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether a stream ends with a usage chunk (OpenAI).
    pub stream_usage: bool,
    /// The number of answers (OpenAI's `n`).
    pub choices: usize,
    /// The number of generated and counted answers, if larger than the number returned (`best_of`).
    pub worked_out: usize,
    /// The bytes of text in all messages.
    pub text_bytes: usize,
    /// The part of `text_bytes` in blocks marked for the provider's cache (Anthropic).
    pub marked_bytes: usize,
    /// The text of the last user message.
    pub last_user: String,
    /// The images in the last user message, each described by type and size, or by address.
    pub images: Vec<String>,
    /// The tool results since the last user message.
    pub tool_results: Vec<String>,
    /// The number of messages, for identifiers that are unique in a conversation.
    pub messages: usize,
    /// The offered tools.
    pub tools: Vec<Tool>,
    /// Whether the model must call a tool.
    pub tool_choice: ToolChoice,
    /// Whether several tool calls are allowed at once.
    pub parallel: bool,
    /// The schema of the answer; `{}` for any JSON.
    pub schema: Option<Value>,
    /// Whether to think.
    pub thinking: bool,
    /// Whether the model may decide to think before it calls a tool (Anthropic).
    pub adaptive: bool,
    /// Whether thoughts are counted but not returned.
    pub silent: bool,
    /// Whether thoughts are returned signed (OpenAI's responses).
    pub signed: bool,
    /// The request parameters that the answer repeats (OpenAI's responses).
    pub echo: Value,
    /// The maximum answer length, in tokens.
    pub max_tokens: Option<u64>,
    /// The stop sequences.
    pub stop: Vec<String>,
    /// A task with steps.
    pub task: Option<Scenario>,
    /// The parts of the prompt that are read from the provider's cache and written to it, if the provider has one.
    pub remembered: Option<Box<Shares>>,
}

#[derive(Debug, Clone, Default)]
pub struct Tool {
    pub name: String,
    /// The schema of the arguments.
    pub schema: Value,
    /// Whether the input is plain text (OpenAI's responses): the argument `input` of a step.
    pub custom: bool,
    /// The tool's namespace (OpenAI's responses).
    pub namespace: Option<String>,
}

/// Whether and when the model calls a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// If the prompt mentions weather.
    #[default]
    Auto,
    /// Never.
    None,
    /// The first tool.
    Any,
    /// The named tool.
    Named(String),
}

/// The model's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The thoughts before the answer, if returned.
    pub thinking: Option<String>,
    /// The text, in its streamed pieces.
    pub text: Vec<String>,
    /// The tool calls.
    pub calls: Vec<Call>,
    /// The finish reason.
    pub stop: Stop,
    /// The usage, whether the provider reports it or not.
    pub used: Usage,
    /// The usage, if the provider reports it.
    pub usage: Option<Usage>,
    /// Whether each piece of the text is one token, regardless of its length.
    pub piecewise: bool,
}

impl Answer {
    /// The pieces of text, each with its share of the text's tokens.
    pub fn counted(&self) -> impl Iterator<Item = (&str, u64)> {
        let (mut bytes, mut before) = (0, 0);
        self.text.iter().map(move |piece| {
            bytes += piece.len();
            let now = if self.piecewise { before + 1 } else { tokens(bytes) };
            let part = now - before;
            before = now;
            (piece.as_str(), part)
        })
    }
}

/// A tool call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The id, unique in the conversation, without the provider's prefix.
    pub id: String,
    pub name: String,
    /// The arguments, an object.
    pub arguments: Value,
}

/// A finish reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The answer is complete.
    End,
    /// At a stop sequence.
    Sequence(String),
    /// At the maximum length.
    Length,
    /// The model calls tools.
    Tools,
    /// A provider's own word, set by a fault.
    Word(String),
}

/// Token counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Usage {
    /// All tokens of the prompt, cached or not.
    pub input: u64,
    /// The part of `input` read from the provider's cache.
    pub cached: u64,
    /// The part of `input` written to the provider's cache.
    pub cache_written: u64,
    /// All tokens of the answer, including thoughts.
    pub output: u64,
    /// The part of `output` for thoughts.
    pub thinking: u64,
}

/// The tokens of a text of this many bytes.
pub fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

const CITIES: [&str; 2] = ["Oslo", "Tromsø"];

impl Prompt {
    /// Adds a user message and drops earlier tool results.
    pub fn hear(&mut self, text: String, images: Vec<String>) {
        (self.last_user, self.images) = (text, images);
        self.tool_results.clear();
    }

    /// The answer, with the faults that change its content rather than its delivery.
    pub fn answer(&self, faults: &Faults) -> Answer {
        let thinking = self.thinking.then(|| format!("The user says “{}”. Let me think — 考えます.", self.last_user));
        let calls = self.calls();
        let mut text = split(&self.text(&calls));
        let mut stop = if calls.is_empty() { Stop::End } else { Stop::Tools };
        for fault in faults.iter() {
            match fault {
                Fault::Tokens(count) => text = (0..*count).map(|index| format!("{:02} ", index % 100)).collect(),
                Fault::Large(kib) => text = vec!["0123456789abcdef".repeat(kib * 64), " and more".to_owned()],
                Fault::Huge(mib) => text = vec!["0123456789abcdef".repeat(4096); mib * 16],
                _ => {}
            }
        }
        if let Some(sequence) = self.cut_at_stop(&mut text) {
            stop = Stop::Sequence(sequence);
        } else if self.cut_at_length(&mut text) {
            stop = Stop::Length;
        }
        for fault in faults.iter() {
            match fault {
                Fault::Stop(word) => stop = Stop::Word(word.clone()),
                Fault::Empty => text.clear(),
                _ => {}
            }
        }
        let piecewise = faults.iter().any(|fault| matches!(fault, Fault::Tokens(_)));
        let mut answer = Answer { thinking, text, calls, stop, used: Usage::default(), usage: None, piecewise };
        answer.used = self.usage(&answer, faults);
        answer.thinking = answer.thinking.filter(|_| !self.silent);
        answer.usage = Some(answer.used).filter(|_| !faults.has(&Fault::NoUsage));
        answer
    }

    fn text(&self, calls: &[Call]) -> String {
        if let Some(task) = &self.task {
            return task.answer.clone().unwrap_or_else(|| format!("Step {} of {}.", task.done, task.steps.len()));
        }
        if !calls.is_empty() {
            return "Let me look that up.".to_owned();
        }
        if let Some(schema) = &self.schema {
            return example(schema, 0).to_string();
        }
        if !self.tool_results.is_empty() {
            return format!("The tool says: “{}”.", self.tool_results.join("” and “"));
        }
        match self.last_user.strip_prefix("say ") {
            Some(words) => words.to_owned(),
            None if self.images.is_empty() => format!("You said: “{}”. Grüße — 你好 🙂", self.last_user),
            None => format!("You said: “{}”, and showed {}.", self.last_user, self.images.join(" and ")),
        }
    }

    fn calls(&self) -> Vec<Call> {
        if let Some(task) = &self.task {
            return self.step(task).into_iter().collect();
        }
        let named = |name: &String| self.tools.iter().find(|tool| tool.name == *name);
        let asked = self.tool_results.is_empty() && self.last_user.contains("weather");
        let tool = match &self.tool_choice {
            ToolChoice::None => None,
            ToolChoice::Auto => self.tools.first().filter(|_| asked),
            ToolChoice::Any => self.tools.first(),
            ToolChoice::Named(name) => named(name),
        };
        let Some(tool) = tool else { return Vec::new() };
        let count = if self.parallel && self.last_user.contains("both") { 2 } else { 1 };
        let call = |index: usize| Call {
            id: format!("sim_{}_{index}", self.messages),
            name: tool.name.clone(),
            arguments: object(example(&tool.schema, index)),
        };
        (0..count).map(call).collect()
    }

    /// The call of the next step, if the tool is offered.
    fn step(&self, task: &Scenario) -> Option<Call> {
        let (name, arguments) = task.next()?;
        let tool = self.tools.iter().find(|tool| tool.name == *name)?;
        let id = format!("sim_{}_{}", self.messages, task.done);
        Some(Call { id, name: tool.name.clone(), arguments: arguments.clone() })
    }

    fn cut_at_stop(&self, text: &mut Vec<String>) -> Option<String> {
        if self.stop.is_empty() {
            return None;
        }
        let whole = text.concat();
        let (at, sequence) = self.stop.iter().filter_map(|stop| Some((whole.find(stop.as_str())?, stop))).min()?;
        *text = split(&whole[..at]);
        Some(sequence.clone())
    }

    fn cut_at_length(&self, text: &mut Vec<String>) -> bool {
        // Some servers treat zero as no limit.
        let Some(most @ 1..) = self.max_tokens else { return false };
        let mut bytes = 0;
        let kept = text.iter().take_while(|piece| {
            bytes += piece.len();
            tokens(bytes) <= most
        });
        let kept = kept.count();
        let cut = kept < text.len();
        text.truncate(kept);
        cut
    }

    fn usage(&self, answer: &Answer, faults: &Faults) -> Usage {
        let bytewise = faults.has(&Fault::Bytewise);
        let input = if bytewise { self.text_bytes as u64 } else { tokens(self.text_bytes) }.max(1);
        let marked = tokens(self.marked_bytes).min(input);
        // OpenAI caches a long prompt automatically. For Anthropic half of the marked blocks is new, half cached.
        let automatic = if self.marked_bytes == 0 && input >= 1024 && !bytewise { input / 128 * 128 } else { 0 };
        let forced = faults.iter().find_map(|fault| match fault {
            Fault::Cached(count) => Some((*count).min(input)),
            _ => None,
        });
        let (cached, cache_written) = match self.remembered.as_deref() {
            Some(&Shares { read, written }) => {
                let part = |share: f64| (input as f64 * share) as u64;
                (part(read), part(written))
            }
            None => (automatic + marked / 2, marked - marked / 2),
        };
        let cached = forced.unwrap_or(cached);
        let thinking = tokens(answer.thinking.as_deref().map_or(0, str::len));
        let spoken = answer.text.iter().map(String::len).sum::<usize>();
        let called = answer.calls.iter().map(|call| call.name.len() + call.arguments.to_string().len()).sum::<usize>();
        let each = thinking + if answer.piecewise { answer.text.len() as u64 } else { tokens(spoken + called) };
        let long = faults.iter().find_map(|fault| match fault {
            Fault::Long(most) => {
                Some(self.max_tokens.filter(|allowed| *allowed > 0).map_or(*most, |allowed| allowed.min(*most)))
            }
            _ => None,
        });
        let answers = self.choices.max(self.worked_out).max(1) as u64;
        Usage {
            input,
            cached,
            cache_written: cache_written.min(input - cached),
            output: long.unwrap_or(each) * answers,
            thinking: thinking * answers,
        }
    }
}

/// The description of an image of this type; the data is in base64.
pub fn image(media_type: &str, data: &str) -> String {
    format!("{media_type} of {} bytes", data.trim_end_matches('=').len() * 3 / 4)
}

/// The description of an image at this address; a data URL is described like inline data.
pub fn image_at(url: &str) -> String {
    let data = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    data.map_or_else(|| url.to_owned(), |(media_type, data)| image(media_type, data))
}

/// Splits a text after its spaces.
fn split(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

/// Splits a text into pieces of a few characters, as providers stream call arguments.
pub fn pieces(text: &str) -> Vec<String> {
    let characters = text.chars().collect::<Vec<_>>();
    characters.chunks(7).map(|piece| piece.iter().collect()).collect()
}

fn object(value: Value) -> Value {
    if value.is_object() { value } else { json!({}) }
}

/// A value that matches a JSON schema; values with different indexes differ.
pub fn example(schema: &Value, index: usize) -> Value {
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    match schema["type"].as_str() {
        Some("string") => json!(CITIES[index % CITIES.len()]),
        Some("integer" | "number") => json!(3 + index),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some("array") => json!([example(&schema["items"], index)]),
        _ => {
            let named = schema["properties"].as_object().into_iter().flatten();
            Value::Object(named.map(|(name, schema)| (name.clone(), example(schema, index))).collect::<Map<_, _>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(text: &str) -> Prompt {
        Prompt { last_user: text.into(), text_bytes: text.len(), choices: 1, ..Prompt::default() }
    }

    #[test]
    fn says_what_it_is_told_to() {
        assert_eq!(prompt("say a b").answer(&Faults::default()).text, ["a ", "b"]);
    }

    #[test]
    fn tokens_are_counted_from_bytes() {
        let answer = prompt("say 12345678").answer(&"tokens=3".parse().unwrap());
        let usage = answer.usage.unwrap();
        assert_eq!((usage.input, usage.output, answer.text.len()), (3, 3, 3));
    }

    #[test]
    fn ends_at_the_longest_length_and_at_stop_texts() {
        let long = Prompt { max_tokens: Some(1), ..prompt("say one two three") };
        assert_eq!(long.answer(&Faults::default()).stop, Stop::Length);
        let stop = Prompt { stop: vec!["two".into()], ..prompt("say one two three") };
        let answer = stop.answer(&Faults::default());
        assert_eq!((answer.text.concat().as_str(), answer.stop), ("one ", Stop::Sequence("two".into())));
    }
}
