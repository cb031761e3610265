//! The items of a response, for clients. Whole responses and streams form them by the same rule: successive texts and refusals are one
//! message, everything else is a separate item. An item's id contains its index.

use std::borrow::Cow;
use std::fmt;

use serde::de::IgnoredAny;
use serde::{Serialize, Serializer};

use crate::conversation::{Form, Guises, Part};
use crate::dialect::functions::Input;
use crate::dialect::text_argument;
use crate::json::from_slice;

use super::reasoning;

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

/// The status of an item or a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    InProgress,
    Completed,
    Incomplete,
    Failed,
}

/// Readable reasoning.
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

/// An item's id: its kind, the response's id, and its index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id<'a> {
    kind: &'static str,
    answer: &'a str,
    index: usize,
}

impl<'a> Id<'a> {
    /// The id of the item at `index` whose first part is `part`.
    pub fn of(part: &Part, guises: &Guises, answer: &'a str, index: usize) -> Self {
        let kind = match part {
            Part::Thinking { .. } | Part::RedactedThinking { .. } => "rs",
            Part::ToolCall { name, .. } => match guises.form(name) {
                Form::Function | Form::Other => "fc",
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
        // OpenAI accepts ids of at most 64 characters.
        let answer = self.answer.strip_prefix(ANSWER).unwrap_or(self.answer);
        write!(f, "{}_{answer:.40}_{}", self.kind, self.index)
    }
}

impl Serialize for Id<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The prefix of response ids.
const ANSWER: &str = "resp_";

/// The response's id for clients: the provider's if it has the prefix, else derived from it or from the time.
pub(super) fn answer_id(id: &str, now: u64) -> Cow<'_, str> {
    match id {
        "" => Cow::Owned(format!("{ANSWER}{now}")),
        _ if id.starts_with(ANSWER) => Cow::Borrowed(id),
        _ => Cow::Owned(format!("{ANSWER}{id}")),
    }
}

/// Whether the part belongs to a message.
pub(super) fn is_spoken(part: &Part) -> bool {
    matches!(part, Part::Text { .. } | Part::Refusal { .. })
}

/// Converts the parts of a response to items, with calls in the form that the client declared. `last` is the status of the last item. Parts
/// that an assistant cannot produce are dropped.
pub(super) fn items<'a>(parts: &'a [Part], guises: &'a Guises, answer: &'a str, last: Status) -> Vec<Item<'a>> {
    let mut runs = parts.chunk_by(|one, next| is_spoken(one) && is_spoken(next)).peekable();
    let mut items: Vec<Item<'a>> = Vec::new();
    while let Some(run) = runs.next() {
        let is_last = runs.peek().is_none() || (last == Status::Incomplete && run.first().is_some_and(is_cut));
        let status = if is_last { last } else { Status::Completed };
        items.extend(item(run, guises, answer, items.len(), status));
    }
    items
}

/// Whether the part is a call whose arguments are incomplete, if the response is.
pub(super) fn is_cut(part: &Part) -> bool {
    matches!(part, Part::ToolCall { arguments, .. } if from_slice::<IgnoredAny>(arguments.as_bytes()).is_err())
}

/// The item at `index` that begins with `part`, still empty.
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

/// The item at `index` made of `run`.
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
                Form::Function | Form::Other => {
                    // Clients parse the arguments, so empty ones become `{}`, unless the call is incomplete.
                    let is_whole = status != Status::Incomplete;
                    let arguments = if arguments.is_empty() && is_whole { "{}" } else { arguments };
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
