//! Reads the items of a provider's response: a whole one, or the complete items of a stream. Unknown items, such as those of tools that ran
//! at the provider, may have any fields and are dropped.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::{Form, Guises, Part, called};
use crate::dialect::functions::made_up_id;
use crate::dialect::openai::loose::{Text, arguments};
use crate::dialect::text_argument;
use crate::error::ApiError;
use crate::json;

use super::reasoning::{self, Pieces};
use super::toolbox::SEARCH;

/// No real response has as many items. Bounds the memory that a provider can make the gateway use.
pub(super) const MOST_ITEMS: usize = 4096;

#[derive(Debug)]
pub(super) enum Item<'a> {
    Message(Message<'a>),
    Call(Call<'a>),
    Reasoning(Reasoning<'a>),
    Other,
}

#[derive(Debug)]
pub(super) struct Message<'a> {
    content: Pieces<'a>,
}

/// A call of a tool that the client runs.
#[derive(Debug)]
pub(super) struct Call<'a> {
    item: ItemIn<'a>,
    pub form: Form,
}

#[derive(Debug)]
pub(super) struct Reasoning<'a> {
    pub id: Text<'a>,
    summary: Pieces<'a>,
    content: Pieces<'a>,
    pub encrypted_content: Text<'a>,
}

/// The fields of all known items.
#[derive(Debug, Deserialize)]
struct ItemIn<'a> {
    #[serde(borrow, default)]
    r#type: Text<'a>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    call_id: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    namespace: Text<'a>,
    #[serde(borrow, default)]
    execution: Text<'a>,
    #[serde(borrow, default)]
    input: Text<'a>,
    #[serde(borrow, default)]
    encrypted_content: Text<'a>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, default)]
    summary: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    environment: Option<&'a RawValue>,
}

impl ItemIn<'_> {
    /// Whether it ran in a container.
    fn is_contained(&self) -> bool {
        let environment: Option<ItemIn<'_>> = self.environment.and_then(|raw| parse(raw).ok());
        environment.is_some_and(|environment| &*environment.r#type.0 == "container_reference")
    }
}

impl<'a> Item<'a> {
    pub fn parse(raw: &'a RawValue) -> Result<Self, ApiError> {
        let mut item: ItemIn<'a> = parse(raw)?;
        let pieces = |raw: Option<&'a RawValue>| raw.map_or(Ok(Pieces::default()), parse);
        let form = match &*item.r#type.0 {
            "message" => return Ok(Self::Message(Message { content: pieces(item.content)? })),
            "reasoning" => {
                return Ok(Self::Reasoning(Reasoning {
                    summary: pieces(item.summary)?,
                    content: pieces(item.content)?,
                    id: item.id,
                    encrypted_content: item.encrypted_content,
                }));
            }
            "function_call" => Form::Function,
            "custom_tool_call" => Form::Text,
            "tool_search_call" if &*item.execution.0 == "client" => Form::Search,
            // A shell in a container is the provider's.
            "shell_call" if item.is_contained() => return Ok(Self::Other),
            "computer_call" | "local_shell_call" | "shell_call" | "apply_patch_call" | "mcp_approval_request" => {
                Form::Other
            }
            _ => return Ok(Self::Other),
        };
        match form {
            Form::Function | Form::Text => {}
            Form::Search => item.name.0 = SEARCH.into(),
            Form::Other => item.name = std::mem::take(&mut item.r#type),
        }
        if item.name.is_empty() {
            return Err(ApiError::bad_answer("The provider's answer contains a tool call without a name."));
        }
        Ok(Self::Call(Call { item, form }))
    }

    /// Appends the item's parts; `answer` is the response's id.
    pub fn parts(self, answer: &str, parts: &mut Vec<Part>, guises: &mut Guises) {
        match self {
            Self::Message(message) => parts.extend(message.parts()),
            Self::Call(call) => {
                let (id, arguments) = (call.id(answer, parts.len()), call.arguments(false));
                parts.push(Part::ToolCall { id, name: call.function(), arguments });
                if let Some((namespace, name)) = call.guise() {
                    guises.add_called(namespace, name, call.form);
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
        self.content.into_iter().filter_map(|said| {
            if !said.refusal.is_empty() {
                return Some(Part::Refusal { text: said.refusal.0.into_owned() });
            }
            (!said.text.is_empty()).then(|| Part::Text { text: said.text.0.into_owned(), cache: None })
        })
    }
}

impl Call<'_> {
    /// The function name.
    pub fn function(&self) -> String {
        called(&self.item.namespace.0, &self.item.name.0)
    }

    /// The tool's namespace and name, if it is not a function by its own name.
    pub fn guise(&self) -> Option<(&str, &str)> {
        let ItemIn { namespace, name, .. } = &self.item;
        (self.form != Form::Function || !namespace.is_empty()).then_some((&*namespace.0, &*name.0))
    }

    /// The call's id; generated if the server gives none.
    pub fn id(&self, answer: &str, place: usize) -> String {
        if self.item.call_id.is_empty() {
            return made_up_id(answer, 0, place);
        }
        self.item.call_id.0.clone().into_owned()
    }

    /// The arguments; only what follows the pieces if some were `said`.
    pub fn arguments(&self, said: bool) -> String {
        match (self.form, said) {
            (Form::Text, true) => text_argument::CLOSING.to_owned(),
            (Form::Text, false) => text_argument::wrap(&self.item.input.0),
            (_, true) => String::new(),
            (_, false) => arguments(self.item.arguments).into_owned(),
        }
    }
}

impl Reasoning<'_> {
    /// The readable text, if there is one.
    pub fn shown(&self) -> Option<String> {
        reasoning::shown(&self.summary, &self.content)
    }
}

/// Parses a part of a provider's response.
pub(super) fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, ApiError> {
    json::read(raw.get()).map_err(|wrong| ApiError::unreadable(&wrong))
}
