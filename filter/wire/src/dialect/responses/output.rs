//! Reads the items of a provider's response: a whole one, or the complete items of a stream. Unknown items, such as those of tools that ran
//! at the provider, may have any fields and are dropped.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::{Form, Guise, Guises, Part};
use crate::dialect::few::Few;
use crate::dialect::functions::made_up_id;
use crate::dialect::openai::loose::{Function, Text};
use crate::dialect::text_argument;
use crate::error::ApiError;
use crate::json;

use super::reasoning::{self, Piece};
use super::toolbox::SEARCH;

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

/// A call of a tool that the client runs.
#[derive(Debug)]
pub(super) struct Call<'a> {
    id: Text<'a>,
    function: Function<'a>,
    pub guise: Guise,
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
        let kind = &*kind.r#type.0;
        let form = match kind {
            "message" => return Ok(Self::Message(parse(raw)?)),
            "reasoning" => return Ok(Self::Reasoning(parse(raw)?)),
            "function_call" => Form::Function,
            "custom_tool_call" => Form::Text,
            "tool_search_call" => Form::Search,
            "computer_call" | "local_shell_call" | "shell_call" | "apply_patch_call" | "mcp_approval_request" => {
                Form::Other
            }
            _ => return Ok(Self::Other),
        };
        Ok(Call::parse(raw, kind, form)?.map_or(Self::Other, Self::Call))
    }

    /// Appends the item's parts; `answer` is the response's id.
    pub fn parts(self, answer: &str, parts: &mut Vec<Part>, guises: &mut Guises) {
        match self {
            Self::Message(message) => parts.extend(message.parts()),
            Self::Call(call) => {
                let (id, arguments) = (call.id(answer, parts.len()), call.arguments(false));
                parts.push(Part::ToolCall { id, name: call.guise.function.clone(), arguments });
                if !call.guise.is_plain() {
                    guises.add(call.guise);
                }
            }
            Self::Reasoning(reasoning) => {
                let (shown, id) = (reasoning.shown(), &reasoning.id.0);
                parts.extend(reasoning::part(id, shown, &reasoning.encrypted_content.0));
            }
            Self::Other => {}
        }
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

impl<'a> Call<'a> {
    /// Parses an item of type `kind`; `None` if the tool runs at the provider.
    fn parse(raw: &'a RawValue, kind: &str, form: Form) -> Result<Option<Self>, ApiError> {
        #[derive(Deserialize)]
        struct Fields<'a> {
            #[serde(borrow, default)]
            call_id: Text<'a>,
            #[serde(borrow, default)]
            namespace: Text<'a>,
            #[serde(borrow, default)]
            execution: Text<'a>,
        }
        let (fields, function): (Fields<'_>, Function<'_>) = (parse(raw)?, parse(raw)?);
        let name = match form {
            Form::Search if &*fields.execution.0 != "client" => return Ok(None),
            Form::Other if raw.get().contains("container_reference") => return Ok(None),
            Form::Search => SEARCH,
            Form::Other => kind,
            _ if function.name.is_empty() => {
                return Err(ApiError::bad_answer("The provider's answer contains a tool call without a name."));
            }
            _ => &*function.name.0,
        };
        let namespace = Some(&*fields.namespace.0).filter(|namespace| !namespace.is_empty());
        let guise = Guise::called(namespace, name, form);
        Ok(Some(Self { id: fields.call_id, function, guise }))
    }

    /// The call's id; generated if the server gives none.
    pub fn id(&self, answer: &str, place: usize) -> String {
        if self.id.is_empty() {
            return made_up_id(answer, 0, place);
        }
        self.id.0.clone().into_owned()
    }

    /// The arguments; only what follows the pieces if some were `said`.
    pub fn arguments(&self, said: bool) -> String {
        match (self.guise.form, said) {
            (Form::Text, true) => text_argument::CLOSING.to_owned(),
            (Form::Text, false) => text_argument::wrap(&self.function.input.0),
            (_, true) => String::new(),
            (_, false) => self.function.arguments().into_owned(),
        }
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
