//! `toolConfig`, and the tool choices that only Anthropic's own parameters can express.
//!
//! | request | sent as |
//! |---|---|
//! | no call (`none`) | no tools; if the history has calls or results, which Converse takes only beside tools, the tools stay, and `none` is dropped and reported |
//! | calls in the history, and no tools | the functions that were called, without arguments: Converse rejects the history otherwise |
//! | at most one call | Anthropic's `tool_choice`, instead of Converse's, because the two would contradict each other; 400 for other models |

use serde::Serialize;

use crate::conversation::{Request, Tool};
use crate::dialect::claude::{self, Choice};
use crate::dialect::functions::Schema;
use crate::dialect::hints::Dropped;
use crate::dialect::schema;
use crate::error::ApiError;

use super::block::CachePoint;
use super::model::Family;
use super::turns::Turns;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'a> {
    tools: Vec<ToolOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ChoiceOut<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum ToolOut<'a> {
    ToolSpec {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        input_schema: InputSchema<'a>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        strict: bool,
    },
    CachePoint(CachePoint<'a>),
}

#[derive(Serialize)]
struct InputSchema<'a> {
    json: Schema<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum ChoiceOut<'a> {
    Auto {},
    Any {},
    Tool { name: &'a str },
}

/// A request's tools in Converse's form, and the tool choice in Anthropic's where that is needed.
pub(super) struct Tools<'a> {
    pub(super) config: Option<ToolConfig<'a>>,
    pub(super) choice: Option<Choice<'a>>,
}

impl<'a> Tools<'a> {
    pub(super) fn of(
        request: &'a Request,
        turns: &Turns<'a>,
        family: Family,
        dropped: &mut Dropped,
    ) -> Result<Self, ApiError> {
        let choice = claude::choice(request)?;
        if choice.as_ref().is_some_and(|choice| choice.r#type == "none") {
            if !turns.has_tools() {
                return Ok(Self { config: None, choice: None });
            }
            dropped.name("tool_choice");
        }
        let mut tools = Vec::with_capacity(request.tools.len());
        for tool in &request.tools {
            put(tool, family, dropped, &mut tools);
        }
        if tools.is_empty() {
            tools.extend(turns.called.iter().map(|name| remembered(name)));
        }
        if tools.is_empty() {
            return Ok(Self { config: None, choice: None });
        }
        let single = choice.as_ref().is_some_and(|choice| choice.disable_parallel_tool_use);
        if single && family != Family::Claude {
            dropped.name("parallel_tool_calls");
        } else if single {
            return Ok(Self { config: Some(ToolConfig { tools, tool_choice: None }), choice });
        }
        let tool_choice = choice.and_then(|choice| match (choice.r#type, choice.name) {
            ("auto", _) => Some(ChoiceOut::Auto {}),
            ("any", _) => Some(ChoiceOut::Any {}),
            ("tool", Some(name)) => Some(ChoiceOut::Tool { name }),
            _ => None,
        });
        Ok(Self { config: Some(ToolConfig { tools, tool_choice }), choice: None })
    }
}

fn put<'a>(tool: &'a Tool, family: Family, dropped: &mut Dropped, tools: &mut Vec<ToolOut<'a>>) {
    let strict = tool.strict.filter(|strict| *strict);
    tools.push(ToolOut::ToolSpec {
        name: &tool.name,
        // AWS rejects an empty description.
        description: tool.description.as_deref().filter(|description| !description.is_empty()),
        input_schema: InputSchema { json: Schema::of(schema::anthropics(tool, &mut dropped.0)) },
        strict: dropped.unless("tools.function.strict", strict, |_| family == Family::Claude).is_some(),
    });
    let mark = dropped.unless("cache_control", tool.cache.as_ref(), |_| family.caches_tools());
    tools.extend(mark.map(|mark| ToolOut::CachePoint(mark.into())));
}

/// Declares a function that is only known from its calls.
fn remembered(name: &str) -> ToolOut<'_> {
    let input_schema = InputSchema { json: Schema::NoArguments };
    ToolOut::ToolSpec { name, description: None, input_schema, strict: false }
}
