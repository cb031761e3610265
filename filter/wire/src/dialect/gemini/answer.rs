//! `GenerateContentResponse` as received; a whole response and an event of a stream have the same form.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::{Finish, Part};
use crate::dialect::bare;
use crate::dialect::few::Few;
use crate::error::{ApiError, ErrorKind};
use crate::json;
use crate::lenient::{Text, maybe};

use super::signatures::Signature;
use super::{error, usage};

/// Google gives at most 8; the limit bounds our memory.
pub(super) const MOST_CHOICES: usize = 64;

/// The most parts in a response or an event.
pub(super) const MOST_PARTS: usize = 1024;

/// A response.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResponseIn<'a> {
    #[serde(default, borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow)]
    candidates: Option<Few<Candidate<'a>, MOST_CHOICES>>,
    /// Google's verdict on the prompt.
    #[serde(default, borrow)]
    prompt_feedback: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "maybe")]
    pub(super) usage_metadata: Option<usage::UsageIn>,
    #[serde(default, borrow)]
    model_version: Option<&'a RawValue>,
    #[serde(default, borrow)]
    response_id: Option<&'a RawValue>,
}

/// One of the response's choices.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub(super) index: Option<u32>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
    pub(super) finish_reason: Option<FinishReason>,
    #[serde(default, borrow)]
    finish_message: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Option<Few<PartIn<'a>, MOST_PARTS>>,
}

impl<'a> ResponseIn<'a> {
    /// Reads `data`; the caller checks whether it is an error.
    pub(super) fn parse(data: &'a [u8]) -> Result<Self, ApiError> {
        json::from_slice(data).map_err(|wrong| error::in_array(data).unwrap_or_else(|| unreadable(&wrong)))
    }

    /// Reads `body`, a whole response; an error in its place is returned as one.
    pub(super) fn whole(body: &'a [u8]) -> Result<Self, ApiError> {
        let seen = Self::parse(body)?;
        match seen.error {
            Some(raw) => Err(error::inside(raw)),
            None if seen.candidates.as_ref().is_none_or(|list| list.is_empty()) && !seen.is_blocked() => {
                let none = || ApiError::bad_answer("The provider's answer contains no candidates.");
                Err(bare::error(body).unwrap_or_else(none))
            }
            None => Ok(seen),
        }
    }
}

impl<'a> ResponseIn<'a> {
    /// The error that an event is; `data` is the event's text.
    pub(super) fn failure(&self, data: &[u8]) -> Option<ApiError> {
        let own = self.candidates.is_some() || self.prompt_feedback.is_some() || self.usage_metadata.is_some();
        match self.error {
            Some(raw) => Some(error::inside(raw)),
            None if own => None,
            None => bare::error(data),
        }
    }

    /// Takes the candidates.
    pub(super) fn candidates(&mut self) -> Few<Candidate<'a>, MOST_CHOICES> {
        self.candidates.take().unwrap_or_default()
    }

    /// Whether the prompt was blocked: a 200 without candidates.
    pub(super) fn is_blocked(&self) -> bool {
        let reason = self.prompt_feedback.and_then(|feedback| json::member(feedback.get(), "blockReason"));
        reason.is_some_and(|reason| reason != "null")
    }

    /// Google's explanation of the block, if there is one.
    pub(super) fn why_blocked(&self) -> Option<String> {
        json::text_in(self.prompt_feedback?.get(), "blockReasonMessage")
    }

    /// The model's name; empty if missing.
    pub(super) fn model(&self) -> String {
        text(self.model_version)
    }

    /// The response's id; empty if missing.
    pub(super) fn id(&self) -> String {
        text(self.response_id)
    }
}

impl<'a> Candidate<'a> {
    /// Takes the parts.
    pub(super) fn parts(&mut self) -> Few<PartIn<'a>, MOST_PARTS> {
        self.content.take().and_then(|content| content.parts).unwrap_or_default()
    }
}

impl Candidate<'_> {
    /// Google's explanation of a response that ended in this way, if a filter ended it.
    pub(super) fn why(&mut self, finish: Finish) -> Option<String> {
        let said = std::mem::take(&mut self.finish_message).0.into_owned();
        (finish == Finish::ContentFilter && !said.is_empty()).then_some(said)
    }
}

fn text(raw: Option<&RawValue>) -> String {
    raw.and_then(|raw| json::read(raw.get()).ok()).unwrap_or_default()
}

/// An error for JSON that cannot be read. It gives the position, and no content.
pub(super) fn unreadable(error: &serde_json::Error) -> ApiError {
    let (line, column) = (error.line(), error.column());
    ApiError::bad_answer(format!(
        "The provider's answer is not in the expected format at line {line}, column {column}."
    ))
}

/// The finish reason, as far as we distinguish it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum FinishReason {
    /// The token limit was met.
    MaxTokens,
    /// A filter stopped the response.
    #[serde(
        alias = "RECITATION",
        alias = "BLOCKLIST",
        alias = "PROHIBITED_CONTENT",
        alias = "SPII",
        alias = "MODEL_ARMOR",
        alias = "IMAGE_SAFETY",
        alias = "IMAGE_PROHIBITED_CONTENT",
        alias = "IMAGE_RECITATION"
    )]
    Safety,
    /// The model made an invalid call: there is nothing to show.
    #[serde(
        alias = "UNEXPECTED_TOOL_CALL",
        alias = "TOO_MANY_TOOL_CALLS",
        alias = "MISSING_THOUGHT_SIGNATURE",
        alias = "MALFORMED_RESPONSE"
    )]
    MalformedFunctionCall,
    /// `STOP`, `LANGUAGE`, `OTHER`, `NO_IMAGE`, `IMAGE_OTHER`, `FINISH_REASON_UNSPECIFIED`, and unknown reasons.
    #[serde(other)]
    Stop,
}

impl FinishReason {
    /// Converts the reason; Google also says `STOP` when the model waits for results of calls.
    pub(super) fn read(self, called: bool) -> Result<Finish, ApiError> {
        match self {
            Self::MaxTokens => Ok(Finish::Length),
            Self::Safety => Ok(Finish::ContentFilter),
            Self::Stop if called => Ok(Finish::ToolCalls),
            Self::Stop => Ok(Finish::Stop),
            Self::MalformedFunctionCall => {
                Err(ApiError::new(502, ErrorKind::Server, "The provider's model made an invalid tool call. Try again."))
            }
        }
    }
}

/// One part. Files, and the output of Google's own tools, are dropped: our response has no place for them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PartIn<'a> {
    pub(super) text: Option<String>,
    pub(super) thought: Option<bool>,
    pub(super) thought_signature: Option<String>,
    #[serde(borrow)]
    pub(super) function_call: Option<CallIn<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CallIn<'a> {
    id: Option<String>,
    name: Option<String>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
}

/// A piece of a part.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    Thought(String),
    /// The signature of the next piece or, if there is none, of the previous one.
    Signature(String),
    Text(String),
    Call {
        /// Empty if the call came without one.
        id: String,
        name: String,
        arguments: &'a str,
    },
}

impl<'a> PartIn<'a> {
    /// Splits the part into pieces, in order.
    pub(super) fn pieces(self) -> Result<impl Iterator<Item = Piece<'a>>, ApiError> {
        let thought = self.thought == Some(true);
        let signature = self.thought_signature.filter(|signature| !signature.is_empty());
        let signature = signature.map(|signature| {
            let of_text = !thought && self.function_call.is_none();
            let signature = if of_text { Signature::Text(&signature) } else { Signature::Call(&signature) };
            Piece::Signature(signature.marked())
        });
        let text = self.text.filter(|text| !text.is_empty());
        let (thought, text) = if thought { (text, None) } else { (None, text) };
        let call = self.function_call.map(CallIn::read).transpose()?;
        Ok(thought.map(Piece::Thought).into_iter().chain(signature).chain(text.map(Piece::Text)).chain(call))
    }
}

impl<'a> CallIn<'a> {
    fn read(self) -> Result<Piece<'a>, ApiError> {
        let name = self.name.filter(|name| !name.is_empty());
        let name =
            name.ok_or_else(|| ApiError::bad_answer("The provider's answer contains a tool call without a name."))?;
        let arguments = self.args.map_or("{}", RawValue::get);
        Ok(Piece::Call { id: self.id.unwrap_or_default(), name, arguments })
    }
}

/// Collects the parts of a model's response.
#[derive(Debug, Default)]
pub(super) struct ReceivedParts {
    pub(super) parts: Vec<Part>,
    pub(super) calls: usize,
}

impl ReceivedParts {
    /// Adds a part; `id` makes the identifier of a call without one, from the call's number.
    pub(super) fn add(&mut self, part: PartIn<'_>, id: impl Fn(usize) -> String) -> Result<(), ApiError> {
        for piece in part.pieces()? {
            match piece {
                Piece::Thought(text) => self.parts.push(Part::Thinking { text, signature: None }),
                Piece::Signature(marked) => match self.parts.last_mut() {
                    Some(Part::Thinking { signature: signature @ None, .. }) => *signature = Some(marked),
                    _ => self.parts.push(Part::Thinking { text: String::new(), signature: Some(marked) }),
                },
                Piece::Text(text) => self.parts.push(Part::Text { text, cache: None }),
                Piece::Call { id: given, name, arguments } => {
                    let id = if given.is_empty() { id(self.calls) } else { given };
                    self.calls += 1;
                    self.parts.push(Part::ToolCall { id, name, arguments: arguments.to_owned() });
                }
            }
        }
        Ok(())
    }
}
