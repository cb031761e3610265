//! Reads the items of a provider's response: a whole one, or the complete items of a stream. Unknown items, such as those of tools that ran
//! at the provider, may have any fields and are dropped.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::Part;
use crate::dialect::few::Few;
use crate::dialect::functions::made_up_id;
use crate::dialect::openai::loose::Text;
use crate::error::ApiError;
use crate::json;

use super::reasoning::{self, Piece};

/// No real response has as many items. Bounds the memory that a provider can make the gateway use.
pub(super) const MOST_ITEMS: usize = 4096;

/// The maximum number of texts in an item.
const MOST_PIECES: usize = 1024;

#[derive(Debug)]
pub(super) enum Item<'a> {
    Message(Message<'a>),
    Call(Call<'a>),
    Reasoning(Reasoning<'a>),
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<Few<ContentIn<'a>, MOST_PIECES>>,
}

#[derive(Debug, Deserialize)]
struct ContentIn<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Call<'a> {
    #[serde(borrow, default)]
    pub call_id: Text<'a>,
    #[serde(borrow, default)]
    pub name: Text<'a>,
    #[serde(borrow, default)]
    pub arguments: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Reasoning<'a> {
    #[serde(borrow, default)]
    pub id: Text<'a>,
    #[serde(borrow, default)]
    summary: Option<Few<Piece<'a>, MOST_PIECES>>,
    #[serde(borrow, default)]
    content: Option<Few<Piece<'a>, MOST_PIECES>>,
    #[serde(borrow, default)]
    pub encrypted_content: Text<'a>,
}

impl<'a> Item<'a> {
    pub fn parse(raw: &'a RawValue) -> Result<Self, ApiError> {
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(borrow, default)]
            r#type: Text<'a>,
        }
        let kind: Kind<'a> = parse(raw)?;
        Ok(match &*kind.r#type.0 {
            "message" => Self::Message(parse(raw)?),
            "function_call" => Self::Call(parse(raw)?),
            "reasoning" => Self::Reasoning(parse(raw)?),
            _ => Self::Other,
        })
    }

    /// Appends the item's parts; `answer` is the response's id.
    pub fn parts(self, answer: &str, parts: &mut Vec<Part>) -> Result<(), ApiError> {
        match self {
            Self::Message(message) => parts.extend(message.parts()),
            Self::Call(call) => {
                let id = call.id(answer, parts.len());
                let name = call.named()?;
                parts.push(Part::ToolCall { id, name, arguments: call.arguments.0.into_owned() });
            }
            Self::Reasoning(reasoning) => {
                let (shown, id) = (reasoning.shown(), &reasoning.id.0);
                parts.extend(reasoning::part(id, shown, &reasoning.encrypted_content.0));
            }
            Self::Other => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> {
    /// The message's parts.
    pub fn parts(self) -> impl Iterator<Item = Part> + use<'a> {
        self.content.unwrap_or_default().into_iter().filter_map(|said| {
            if !said.refusal.is_empty() {
                return Some(Part::Refusal { text: said.refusal.0.into_owned() });
            }
            (!said.text.is_empty()).then(|| Part::Text { text: said.text.0.into_owned(), cache: None })
        })
    }
}

impl Call<'_> {
    /// The call's id; generated if the server gives none.
    pub fn id(&self, answer: &str, place: usize) -> String {
        if self.call_id.is_empty() {
            return made_up_id(answer, 0, place);
        }
        self.call_id.0.clone().into_owned()
    }

    /// The function's name.
    pub fn named(&self) -> Result<String, ApiError> {
        if self.name.is_empty() {
            return Err(ApiError::bad_answer("The provider's answer contains a tool call without a name."));
        }
        Ok(self.name.0.clone().into_owned())
    }
}

impl Reasoning<'_> {
    /// The readable text, if there is one.
    pub fn shown(&self) -> Option<String> {
        let (summary, content) = (self.summary.as_deref(), self.content.as_deref());
        reasoning::shown(summary.unwrap_or_default(), content.unwrap_or_default())
    }
}

/// Parses a part of a provider's response.
pub(super) fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, ApiError> {
    json::read(raw.get()).map_err(|wrong| ApiError::unreadable(&wrong))
}
