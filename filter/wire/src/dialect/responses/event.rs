//! One stream event as received. Its `type` decides; the SSE event's name repeats it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::bare;
use crate::dialect::openai::error;
use crate::dialect::openai::loose::{Count, Text};
use crate::error::ApiError;
use crate::framing::sse;
use crate::json;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow, default)]
    r#type: Text<'a>,
    #[serde(default)]
    pub output_index: Count,
    #[serde(default)]
    pub summary_index: Count,
    #[serde(default)]
    pub content_index: Count,
    #[serde(borrow, default)]
    pub delta: Text<'a>,
    #[serde(borrow, default)]
    pub item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

impl<'a> Event<'a> {
    /// Reads an event's data.
    pub fn parse(data: &'a [u8]) -> Result<Self, ApiError> {
        json::from_slice(data).map_err(|wrong| ApiError::unreadable(&wrong))
    }

    /// Creates the event that would have ended the item at `place`.
    pub fn whole(place: u64, item: &'a RawValue) -> Self {
        Self { output_index: Count(Some(place)), item: Some(item), ..Self::default() }
    }

    /// The event's type.
    pub fn name(&self, event: &'a sse::Event<'_>) -> Cow<'_, str> {
        if self.r#type.is_empty() {
            return String::from_utf8_lossy(event.name);
        }
        Cow::Borrowed(&self.r#type.0)
    }

    /// The error in an event of type `name`. By OpenAI's types its fields are the event's own; OpenAI's servers put them into `error`.
    pub fn failure(&self, name: &str, data: &[u8]) -> Option<ApiError> {
        match self.error {
            Some(raw) => Some(error::inside(raw.get().as_bytes())),
            None if name == "error" => Some(error::inside(data)),
            // Every event of the format has a type.
            None if self.r#type.is_empty() => bare::error(data),
            None => None,
        }
    }
}
