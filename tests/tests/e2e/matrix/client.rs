//! What a format of clients must be able to say and to read, for the matrix.

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Event};

/// A format that clients speak.
pub trait Format: Sync {
    /// What the page calls it.
    fn name(&self) -> &'static str;
    /// Where it is asked.
    fn path(&self) -> &'static str;
    /// The body of a request.
    fn body(&self, ask: &Ask) -> Value;
    /// Reads an answer in one piece.
    fn whole(&self, body: &Value) -> Said;
    /// Reads a stream that came to its end; an error says what is wrong with it.
    fn stream(&self, events: &[Event]) -> Result<Said, String>;
    /// Reads an error.
    fn error(&self, body: &Value) -> Option<Problem>;
    /// The fields with which it asks for something, whichever may be refused.
    fn fields(&self, feature: Feature) -> &'static [&'static str];
    /// Whether these fields are its own; those of another format are refused, or passed to a provider of the same format.
    fn has(&self, _feature: Feature) -> bool {
        true
    }
}

/// What is looked at.
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
    /// All of them, as the page's columns.
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

    /// The column's head.
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

/// A request, in nobody's terms.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    pub model: String,
    pub text: String,
    pub stream: bool,
    pub tools: bool,
    pub image: bool,
    pub schema: bool,
    pub thinking: bool,
    /// The assistant's turn that came before, with what the tools said to each call by its identifier.
    pub before: Option<(Value, Vec<(String, &'static str)>)>,
}

/// One pixel, as far as anybody looks.
pub const PNG: &str = "iVBORw0KGgo=";

/// The schema of the tool and of structured answers.
pub fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false})
}

/// Tokens as the client was told of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    pub input: u64,
    pub cached: u64,
    pub output: u64,
    /// `None` where the format has no place for it.
    pub reasoning: Option<u64>,
}

/// An answer, in nobody's terms.
#[derive(Debug, Clone, Default)]
pub struct Said {
    pub text: String,
    pub thinking: String,
    /// Identifier, name, arguments.
    pub calls: Vec<(String, String, Value)>,
    /// Whether it ended to call tools; nothing when it did not end as an answer does.
    pub to_call: Option<bool>,
    pub usage: Option<Told>,
    /// To be sent back.
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
    /// Reads an answer with a status of 200.
    pub fn read(format: &dyn Format, answer: &Answer, stream: bool) -> Result<Self, String> {
        if !answer.complete {
            return Err(format!("broken off: {}", answer.text()));
        }
        if stream { format.stream(&answer.events()) } else { Ok(format.whole(&answer.json())) }
    }
}

/// The text at a place, or none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Arguments written as text; what is no JSON stays text.
pub fn arguments(value: &Value) -> Value {
    serde_json::from_str(text(value)).unwrap_or_else(|_| value.clone())
}

/// A number at a place, or zero.
pub fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// An error in OpenAI's shape.
pub fn openai_error(body: &Value) -> Option<Problem> {
    let error = body["error"].as_object()?;
    let field = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = field("code").or_else(|| field("type"))?;
    Some(Problem { kind, message: field("message")?, param: field("param") })
}
