//! `GenerateContentResponse` as it comes, whole or as one event of a stream: both have the same shape.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::conversation::{Finish, Part};
use crate::dialect::bare;
use crate::dialect::few::Few;
use crate::error::{ApiError, ErrorKind};
use crate::json;
use crate::lenient::maybe;

use super::seals::Seal;
use super::{error, usage};

/// Google gives 8 answers at most: the bound keeps a provider from filling our memory.
pub(super) const MOST_CHOICES: usize = 64;

/// The most parts of an answer, or of an event.
pub(super) const MOST_PARTS: usize = 1024;

/// An answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seen<'a> {
    #[serde(default, borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow)]
    candidates: Option<Few<Candidate<'a>, MOST_CHOICES>>,
    prompt_feedback: Option<Feedback>,
    #[serde(default, deserialize_with = "maybe")]
    pub(super) usage_metadata: Option<usage::Seen>,
    #[serde(default, borrow)]
    model_version: Option<&'a RawValue>,
    #[serde(default, borrow)]
    response_id: Option<&'a RawValue>,
}

/// One of the answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub(super) index: Option<u32>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
    pub(super) finish_reason: Option<FinishReason>,
}

#[derive(Debug, Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Option<Few<PartSeen<'a>, MOST_PARTS>>,
}

/// What Google thinks of the prompt.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<IgnoredAny>,
}

impl<'a> Seen<'a> {
    /// Reads `data`; whether it is an error's is for the caller to see.
    pub(super) fn parse(data: &'a [u8]) -> Result<Self, ApiError> {
        json::from_slice(data).map_err(|wrong| error::in_array(data).unwrap_or_else(|| unreadable(&wrong)))
    }

    /// Reads `body`, a whole answer. An error in its place is an error here.
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

impl<'a> Seen<'a> {
    /// The error that an event is, whose data this was read of.
    pub(super) fn failure(&self, data: &[u8]) -> Option<ApiError> {
        let own = self.candidates.is_some() || self.prompt_feedback.is_some() || self.usage_metadata.is_some();
        match self.error {
            Some(raw) => Some(error::inside(raw)),
            None if own => None,
            None => bare::error(data),
        }
    }

    /// The answers.
    pub(super) fn candidates(&mut self) -> Few<Candidate<'a>, MOST_CHOICES> {
        self.candidates.take().unwrap_or_default()
    }

    /// Whether the prompt was refused: then there are no candidates, and the 200 means nothing.
    pub(super) fn is_blocked(&self) -> bool {
        self.prompt_feedback.as_ref().is_some_and(|feedback| feedback.block_reason.is_some())
    }

    /// The model that answers; empty when it is not said.
    pub(super) fn model(&self) -> String {
        text(self.model_version)
    }

    /// The answer's name; empty when it is not said.
    pub(super) fn id(&self) -> String {
        text(self.response_id)
    }
}

impl<'a> Candidate<'a> {
    /// What it says.
    pub(super) fn parts(&mut self) -> Few<PartSeen<'a>, MOST_PARTS> {
        self.content.take().and_then(|content| content.parts).unwrap_or_default()
    }
}

fn text(raw: Option<&RawValue>) -> String {
    raw.and_then(|raw| json::read(raw.get()).ok()).unwrap_or_default()
}

/// The provider's JSON is not what it should be. The error's words name places, and no content.
pub(super) fn unreadable(error: &serde_json::Error) -> ApiError {
    let (line, column) = (error.line(), error.column());
    ApiError::bad_answer(format!(
        "The provider's answer is not in the expected format at line {line}, column {column}."
    ))
}

/// Why an answer ended, as far as it makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum FinishReason {
    /// It met the token limit.
    MaxTokens,
    /// Something of it may not be said.
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
    /// The model made a call that is none: there is no answer to show.
    #[serde(
        alias = "UNEXPECTED_TOOL_CALL",
        alias = "TOO_MANY_TOOL_CALLS",
        alias = "MISSING_THOUGHT_SIGNATURE",
        alias = "MALFORMED_RESPONSE"
    )]
    MalformedFunctionCall,
    /// `STOP`, `LANGUAGE`, `OTHER`, `NO_IMAGE`, `IMAGE_OTHER`, `FINISH_REASON_UNSPECIFIED`, and what will be invented.
    #[serde(other)]
    Stop,
}

impl FinishReason {
    /// In our terms; Google says `STOP` also when the model waits for the results of calls.
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

/// One part. Files, and what tools of Google's own did, are left out: an answer has no words for them here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PartSeen<'a> {
    pub(super) text: Option<String>,
    pub(super) thought: Option<bool>,
    pub(super) thought_signature: Option<String>,
    #[serde(borrow)]
    pub(super) function_call: Option<CallSeen<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CallSeen<'a> {
    id: Option<String>,
    name: Option<String>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
}

/// What a part says.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    Thought(String),
    /// The seal of what follows or, if that is nothing, of what was before.
    Seal(String),
    Text(String),
    Call {
        /// Empty when it came without one.
        id: String,
        name: String,
        arguments: &'a str,
    },
}

impl<'a> PartSeen<'a> {
    /// What it says, in order.
    pub(super) fn pieces(self) -> Result<impl Iterator<Item = Piece<'a>>, ApiError> {
        let thought = self.thought == Some(true);
        let signature = self.thought_signature.filter(|signature| !signature.is_empty());
        let seal = signature.map(|signature| {
            let of_text = !thought && self.function_call.is_none();
            let seal = if of_text { Seal::Text(&signature) } else { Seal::Call(&signature) };
            Piece::Seal(seal.marked())
        });
        let text = self.text.filter(|text| !text.is_empty());
        let (thought, text) = if thought { (text, None) } else { (None, text) };
        let call = self.function_call.map(CallSeen::read).transpose()?;
        Ok(thought.map(Piece::Thought).into_iter().chain(seal).chain(text.map(Piece::Text)).chain(call))
    }
}

impl<'a> CallSeen<'a> {
    fn read(self) -> Result<Piece<'a>, ApiError> {
        let name = self.name.filter(|name| !name.is_empty());
        let name =
            name.ok_or_else(|| ApiError::bad_answer("The provider's answer contains a tool call without a name."))?;
        let arguments = self.args.map_or("{}", RawValue::get);
        Ok(Piece::Call { id: self.id.unwrap_or_default(), name, arguments })
    }
}

/// What a model said, part by part.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) parts: Vec<Part>,
    pub(super) calls: usize,
}

impl Told {
    /// Adds a part; `id` names a call without a name of its own by its number.
    pub(super) fn add(&mut self, part: PartSeen<'_>, id: impl Fn(usize) -> String) -> Result<(), ApiError> {
        for piece in part.pieces()? {
            match piece {
                Piece::Thought(text) => self.parts.push(Part::Thinking { text, signature: None }),
                Piece::Seal(seal) => match self.parts.last_mut() {
                    Some(Part::Thinking { signature: signature @ None, .. }) => *signature = Some(seal),
                    _ => self.parts.push(Part::Thinking { text: String::new(), signature: Some(seal) }),
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
