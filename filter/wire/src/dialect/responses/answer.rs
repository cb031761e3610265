//! The response object: a whole response, and the object in events that begin and end a stream.
//!
//! The client's request parameters (tools, temperature) are not repeated in it. The object has OpenAI's defaults instead, and `store:
//! false`, since translated responses are not stored.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::conversation::{Choice, Finish, Guises, Part, Response};
use crate::dialect::bare;
use crate::dialect::few::Few;
use crate::dialect::openai::loose::{Count, Text};
use crate::dialect::openai::{error, json};
use crate::dialect::tiers;
use crate::error::{ApiError, ErrorKind};
use crate::json::from_slice;
use crate::lenient::maybe;

use super::item::{Item as ItemShown, Status, answer_id, items};
use super::output::{Item, MOST_ITEMS, parse};
use super::usage;

/// The object as received.
#[derive(Debug, Deserialize)]
pub(super) struct ResponseIn<'a> {
    #[serde(borrow, default)]
    pub id: Text<'a>,
    #[serde(borrow, default)]
    pub model: Text<'a>,
    #[serde(default)]
    created_at: Count,
    #[serde(borrow, default)]
    pub status: Text<'a>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    incomplete_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub output: Option<Few<&'a RawValue, MOST_ITEMS>>,
    #[serde(default, deserialize_with = "maybe")]
    pub usage: Option<usage::UsageIn>,
    #[serde(borrow, default)]
    pub service_tier: Text<'a>,
}

impl ResponseIn<'_> {
    /// The error in the object.
    pub fn failure(&self) -> Option<ApiError> {
        match (self.error, &*self.status.0) {
            (Some(raw), _) => Some(error::inside(raw.get().as_bytes())),
            (None, "failed" | "cancelled") => Some(failed()),
            _ => None,
        }
    }

    /// The finish reason. Any unknown reason for an incomplete response counts as the token limit.
    pub fn finish(&self, called: bool) -> Finish {
        #[derive(Deserialize)]
        struct Details<'a> {
            #[serde(borrow, default)]
            reason: Text<'a>,
        }
        if &*self.status.0 == "incomplete" {
            let details: Option<Details<'_>> = self.incomplete_details.and_then(|raw| parse(raw).ok());
            let filtered = details.is_some_and(|details| &*details.reason.0 == "content_filter");
            return if filtered { Finish::ContentFilter } else { Finish::Length };
        }
        if called { Finish::ToolCalls } else { Finish::Stop }
    }
}

pub(super) fn no_output() -> ApiError {
    ApiError::bad_answer("The provider's answer contains no output.")
}

/// The error for a failure without details.
pub(super) fn failed() -> ApiError {
    ApiError::new(502, ErrorKind::Server, "The provider failed while it answered.")
}

/// Reads a provider's whole response. An error hidden in a 200 is returned as an error.
pub(super) fn read(body: &[u8]) -> Result<Response, ApiError> {
    let seen: ResponseIn<'_> = from_slice(body).map_err(|wrong| ApiError::unreadable(&wrong))?;
    if let Some(error) = seen.failure() {
        return Err(error);
    }
    if matches!(&*seen.status.0, "queued" | "in_progress") {
        return Err(ApiError::bad_answer("The provider returned an unfinished answer."));
    }
    let Some(output) = &seen.output else {
        return Err(bare::error(body).unwrap_or_else(no_output));
    };
    let (mut parts, mut guises) = (Vec::new(), Guises::none());
    for raw in output.iter() {
        Item::parse(raw)?.parts(&seen.id.0, &mut parts, &mut guises);
    }
    let called = parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
    let finish = seen.finish(called);
    Ok(Response {
        id: seen.id.0.into_owned(),
        model: seen.model.0.into_owned(),
        created: seen.created_at.0,
        choices: vec![Choice { parts, finish }],
        usage: seen.usage.and_then(|usage| usage.read()),
        service_tier: (!seen.service_tier.is_empty()).then(|| seen.service_tier.0.into_owned()),
        guises,
    })
}

/// The object in the form for clients.
#[derive(Debug, Serialize)]
pub(super) struct Shown<'a> {
    id: &'a str,
    object: &'static str,
    created_at: u64,
    status: Status,
    background: bool,
    error: Option<ErrorShown<'a>>,
    incomplete_details: Option<Details>,
    instructions: Option<()>,
    max_output_tokens: Option<()>,
    metadata: Empty,
    model: &'a str,
    output: Vec<ItemShown<'a>>,
    parallel_tool_calls: bool,
    previous_response_id: Option<()>,
    reasoning: ReasoningShown,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    store: bool,
    temperature: Option<()>,
    text: TextShown,
    tool_choice: &'static str,
    tools: [(); 0],
    top_p: Option<()>,
    truncation: &'static str,
    usage: Option<usage::Shown>,
    user: Option<()>,
}

#[derive(Debug, Serialize)]
struct ErrorShown<'a> {
    code: &'static str,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct Details {
    reason: &'static str,
}

#[derive(Debug, Serialize)]
struct Empty {}

#[derive(Debug, Serialize)]
struct ReasoningShown {
    effort: Option<()>,
    summary: Option<()>,
}

#[derive(Debug, Serialize)]
struct TextShown {
    format: FormatShown,
}

#[derive(Debug, Serialize)]
struct FormatShown {
    r#type: &'static str,
}

/// The outcome of a response, for its object.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended<'a> {
    /// In progress.
    NotYet,
    /// Ended with a finish reason.
    With(Finish),
    /// Failed.
    Failed(&'a ApiError),
}

impl<'a> Ended<'a> {
    /// The status of the response, and of its last item.
    fn status(&self) -> (Status, Status) {
        match self {
            Self::NotYet => (Status::InProgress, Status::InProgress),
            Self::With(Finish::Stop | Finish::ToolCalls) => (Status::Completed, Status::Completed),
            Self::With(Finish::Length | Finish::ContentFilter) => (Status::Incomplete, Status::Incomplete),
            Self::Failed(_) => (Status::Failed, Status::Incomplete),
        }
    }

    fn reason(&self) -> Option<&'static str> {
        match self {
            Self::With(Finish::Length) => Some("max_output_tokens"),
            Self::With(Finish::ContentFilter) => Some("content_filter"),
            _ => None,
        }
    }

    fn error(&self) -> Option<ErrorShown<'a>> {
        match self {
            Self::Failed(error) => Some(ErrorShown { code: failure_code(error), message: &error.message }),
            _ => None,
        }
    }
}

impl<'a> Shown<'a> {
    /// The object of a response with `parts`.
    pub fn new(
        id: &'a str,
        model: &'a str,
        created_at: u64,
        (parts, guises): (&'a [Part], &'a Guises),
        ended: Ended<'a>,
    ) -> Self {
        let (status, last) = ended.status();
        Self {
            id,
            object: "response",
            created_at,
            status,
            background: false,
            error: ended.error(),
            incomplete_details: ended.reason().map(|reason| Details { reason }),
            instructions: None,
            max_output_tokens: None,
            metadata: Empty {},
            model,
            output: items(parts, guises, id, last),
            parallel_tool_calls: true,
            previous_response_id: None,
            reasoning: ReasoningShown { effort: None, summary: None },
            service_tier: None,
            store: false,
            temperature: None,
            text: TextShown { format: FormatShown { r#type: "text" } },
            tool_choice: "auto",
            tools: [],
            top_p: None,
            truncation: "disabled",
            usage: None,
            user: None,
        }
    }

    /// Adds usage.
    pub fn used(self, usage: Option<crate::conversation::Usage>) -> Self {
        Self { usage: usage.map(usage::Shown::from), ..self }
    }
}

/// Maps the error to one of the few codes allowed in the object.
fn failure_code(error: &ApiError) -> &'static str {
    match error.kind {
        ErrorKind::RateLimit => "rate_limit_exceeded",
        ErrorKind::InvalidRequest | ErrorKind::ContextLength | ErrorKind::ContentPolicy => "invalid_prompt",
        _ => "server_error",
    }
}

/// Writes a response. The creation time is the provider's, or else `now`. The format holds one choice: the first.
pub(super) fn write(response: &Response, now: u64) -> Vec<u8> {
    let created = response.created.unwrap_or(now);
    let id: Cow<'_, str> = answer_id(&response.id, created);
    let (parts, finish) = response
        .choices
        .first()
        .map_or((&[] as &[Part], Finish::default()), |choice| (choice.parts.as_slice(), choice.finish));
    let said = (parts, &response.guises);
    let shown = Shown::new(&id, &response.model, created, said, Ended::With(finish)).used(response.usage);
    json::body(&Shown { service_tier: response.service_tier.as_deref().and_then(tiers::openais), ..shown })
}
