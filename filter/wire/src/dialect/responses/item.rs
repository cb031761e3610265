//! The items of an answer as clients know them. Whole answers and streams make them by the same rule: texts and refusals
//! that follow each other are one message, everything else is an item of its own; an item is named by its place.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::conversation::{Form, Guises, Part};
use crate::dialect::functions::Input;
use crate::dialect::text_argument;

use super::reasoning;

/// An item.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item<'a> {
    Reasoning {
        id: Id<'a>,
        summary: Vec<Summary<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<Cow<'a, str>>,
    },
    Message {
        id: Id<'a>,
        status: Status,
        role: &'static str,
        content: Vec<Content<'a>>,
    },
    FunctionCall {
        id: Id<'a>,
        call_id: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        arguments: &'a str,
        status: Status,
    },
    CustomToolCall {
        id: Id<'a>,
        call_id: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        input: String,
        status: Status,
    },
    ToolSearchCall {
        id: Id<'a>,
        call_id: &'a str,
        execution: &'static str,
        arguments: Input<'a>,
        status: Status,
    },
}

/// How far an item, or an answer, has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    InProgress,
    Completed,
    Incomplete,
    Failed,
}

/// What is shown of reasoning.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "summary_text")]
pub(super) struct Summary<'a> {
    pub text: &'a str,
}

/// A part of a message.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub(super) enum Content<'a> {
    #[serde(rename = "output_text")]
    Text { annotations: [(); 0], logprobs: [(); 0], text: &'a str },
    #[serde(rename = "refusal")]
    Refusal { refusal: &'a str },
}

impl<'a> Content<'a> {
    /// A text.
    pub fn text(text: &'a str) -> Self {
        Self::Text { annotations: [], logprobs: [], text }
    }

    fn of(part: &'a Part) -> Option<Self> {
        match part {
            Part::Text { text, .. } => Some(Self::text(text)),
            Part::Refusal { text } => Some(Self::Refusal { refusal: text }),
            _ => None,
        }
    }
}

/// An item's name: what it is, in which answer, and where in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id<'a> {
    kind: &'static str,
    answer: &'a str,
    index: usize,
}

impl<'a> Id<'a> {
    /// The name of the item at `index` that begins with `part`, in the answer of this name.
    pub fn of(part: &Part, guises: &Guises, answer: &'a str, index: usize) -> Self {
        let kind = match part {
            Part::Thinking { .. } | Part::RedactedThinking { .. } => "rs",
            Part::ToolCall { name, .. } => match guises.form(name) {
                Form::Function => "fc",
                Form::Text => "ctc",
                Form::Search => "tsc",
            },
            _ => "msg",
        };
        Self { kind, answer, index }
    }
}

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // OpenAI takes back no name that is longer than 64.
        let answer = self.answer.strip_prefix(ANSWER).unwrap_or(self.answer);
        write!(f, "{}_{answer:.40}_{}", self.kind, self.index)
    }
}

impl Serialize for Id<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How an answer's name begins.
const ANSWER: &str = "resp_";

/// The answer's name for clients: the provider's where that is one, else made of it, or of the time.
pub(super) fn answer_id(id: &str, now: u64) -> Cow<'_, str> {
    match id {
        "" => Cow::Owned(format!("{ANSWER}{now}")),
        _ if id.starts_with(ANSWER) => Cow::Borrowed(id),
        _ => Cow::Owned(format!("{ANSWER}{id}")),
    }
}

/// Whether the part is one of a message.
pub(super) fn is_spoken(part: &Part) -> bool {
    matches!(part, Part::Text { .. } | Part::Refusal { .. })
}

/// What the parts of an answer become, calls in the form that the client knows its tools in; `last` is how far the last of them has come. Parts that no assistant says are
/// left out.
pub(super) fn items<'a>(parts: &'a [Part], guises: &'a Guises, answer: &'a str, last: Status) -> Vec<Item<'a>> {
    let runs = parts.chunk_by(|one, next| is_spoken(one) && is_spoken(next));
    let mut items: Vec<Item<'a>> = Vec::new();
    for run in runs {
        items.extend(item(run, guises, answer, items.len(), Status::Completed));
    }
    if let Some(
        Item::Message { status, .. }
        | Item::FunctionCall { status, .. }
        | Item::CustomToolCall { status, .. }
        | Item::ToolSearchCall { status, .. },
    ) = items.last_mut()
    {
        *status = last;
    }
    items
}

/// The item at `index` that begins with `part`, with nothing in it yet.
pub(super) fn begun<'a>(part: &'a Part, guises: &'a Guises, answer: &'a str, index: usize) -> Option<Item<'a>> {
    let whole = item(std::slice::from_ref(part), guises, answer, index, Status::InProgress)?;
    Some(match whole {
        Item::Message { id, status, role, .. } => Item::Message { id, status, role, content: Vec::new() },
        Item::Reasoning { id, .. } => Item::Reasoning { id, summary: Vec::new(), encrypted_content: None },
        Item::FunctionCall { id, call_id, name, namespace, status, .. } => {
            Item::FunctionCall { id, call_id, name, namespace, arguments: "", status }
        }
        Item::CustomToolCall { .. } | Item::ToolSearchCall { .. } => whole,
    })
}

/// The item at `index` that is made of `run`.
pub(super) fn item<'a>(
    run: &'a [Part],
    guises: &'a Guises,
    answer: &'a str,
    index: usize,
    status: Status,
) -> Option<Item<'a>> {
    let first = run.first()?;
    let id = Id::of(first, guises, answer, index);
    Some(match first {
        Part::Text { .. } | Part::Refusal { .. } => {
            Item::Message { id, status, role: "assistant", content: run.iter().filter_map(Content::of).collect() }
        }
        Part::ToolCall { id: call_id, name, arguments } => {
            let guise = guises.of(name);
            let name = guise.map_or(name, |guise| &guise.name);
            let namespace = guise.and_then(|guise| guise.namespace.as_deref());
            match guise.map_or(Form::Function, |guise| guise.form) {
                Form::Function => {
                    // Clients parse the arguments: none are an empty object.
                    let arguments = if arguments.is_empty() { "{}" } else { arguments };
                    Item::FunctionCall { id, call_id, name, namespace, arguments, status }
                }
                Form::Text => {
                    let input = text_argument::whole(arguments);
                    Item::CustomToolCall { id, call_id, name, namespace, input, status }
                }
                Form::Search => {
                    let arguments = Input::parse(arguments).unwrap_or(Input::Invalid(arguments));
                    Item::ToolSearchCall { id, call_id, execution: "client", arguments, status }
                }
            }
        }
        Part::Thinking { text, signature } => {
            let encrypted_content = signature.as_deref().map(reasoning::wrap);
            Item::Reasoning { id, summary: vec![Summary { text }], encrypted_content }
        }
        Part::RedactedThinking { data } => {
            Item::Reasoning { id, summary: Vec::new(), encrypted_content: Some(reasoning::wrap(data)) }
        }
        Part::Image { .. } | Part::Document { .. } | Part::ToolResult { .. } => return None,
    })
}
