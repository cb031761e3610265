//! The requests and responses that the matrix needs from a client format.

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Event};

/// A client format.
pub trait Format: Sync {
    /// Its name on the page.
    fn name(&self) -> &'static str;
    /// Its path.
    fn path(&self) -> &'static str;
    /// The body of a request.
    fn body(&self, ask: &Ask) -> Value;
    /// Reads a non-streamed response.
    fn whole(&self, body: &Value) -> Said;
    /// Reads a complete stream; the error is a defect of the stream.
    fn stream(&self, events: &[Event]) -> Result<Said, String>;
    /// Reads an error.
    fn error(&self, body: &Value) -> Option<Problem>;
    /// The fields for a feature, any of which an error may name.
    fn fields(&self, feature: Feature) -> &'static [&'static str];
    /// Whether the format itself has these fields; another format's fields are rejected, or passed to a provider of that format.
    fn has(&self, _feature: Feature) -> bool {
        true
    }
}

/// The features of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    Chat,
    Stream,
    Tools,
    Image,
    Structured,
    Thinking,
    Error,
    Usage,
}

impl Feature {
    /// All features, in the order of the page's columns.
    pub const ALL: [Self; 8] = [
        Self::Chat,
        Self::Stream,
        Self::Tools,
        Self::Image,
        Self::Structured,
        Self::Thinking,
        Self::Error,
        Self::Usage,
    ];

    /// The column's title.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Stream => "stream",
            Self::Tools => "tools",
            Self::Image => "image",
            Self::Structured => "structured output",
            Self::Thinking => "thinking",
            Self::Error => "errors",
            Self::Usage => "usage",
        }
    }
}

/// A request in no particular format.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    pub model: String,
    pub text: String,
    pub stream: bool,
    pub tools: bool,
    pub image: bool,
    pub schema: bool,
    pub thinking: bool,
    /// The previous turn of the assistant, with the tool results by call identifier.
    pub before: Option<(Value, Vec<(String, &'static str)>)>,
}

/// One pixel; the image data is never decoded.
pub const PNG: &str = "iVBORw0KGgo=";

/// The schema of the tool and of structured outputs.
pub fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false})
}

/// The tokens in the client's usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    pub input: u64,
    pub cached: u64,
    pub output: u64,
    /// `None` if the format has no such field.
    pub reasoning: Option<u64>,
}

/// A response in no particular format.
#[derive(Debug, Clone, Default)]
pub struct Said {
    pub text: String,
    pub thinking: String,
    /// Identifier, name, arguments.
    pub calls: Vec<(String, String, Value)>,
    /// Whether it ended with tool calls; `None` without a valid finish reason.
    pub to_call: Option<bool>,
    pub usage: Option<Told>,
    /// The turn to send back.
    pub turn: Value,
}

/// An error as the client reads it.
#[derive(Debug)]
pub struct Problem {
    pub kind: String,
    pub message: String,
    pub param: Option<String>,
}

impl Said {
    /// Reads a response with a status of 200.
    pub fn read(format: &dyn Format, answer: &Answer, stream: bool) -> Result<Self, String> {
        if !answer.complete {
            return Err(format!("broken off: {}", answer.text()));
        }
        if stream { format.stream(&answer.events()) } else { Ok(format.whole(&answer.json())) }
    }
}

/// The text in a value, or an empty one.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Arguments as JSON; invalid JSON stays a text.
pub fn arguments(value: &Value) -> Value {
    serde_json::from_str(text(value)).unwrap_or_else(|_| value.clone())
}

/// The number in a value, or zero.
pub fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// An error in OpenAI's format.
pub fn openai_error(body: &Value) -> Option<Problem> {
    let error = body["error"].as_object()?;
    let field = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = field("code").or_else(|| field("type"))?;
    Some(Problem { kind, message: field("message")?, param: field("param") })
}
