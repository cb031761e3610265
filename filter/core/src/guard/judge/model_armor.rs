//! Google Cloud's Model Armor: <https://docs.cloud.google.com/model-armor/reference/rest/v1/projects.locations.templates>.

use serde_json::Value;

use crate::guard::spec::Side;

use super::parts::{Capacity, Part, SEPARATOR, joined};
use super::reply::{Unreadable, text};
use super::verdict::{Verdict, label, rewritten};
use super::{Question, add};

/// Filters skip texts above their token limits, the lowest of which is 10,000. A token has at least one character in nearly every language.
pub const CAPACITY: Capacity = Capacity { characters: 10_000, parts: usize::MAX, overlap: 0 };

/// The settings.
#[derive(Debug, PartialEq)]
pub struct Settings {
    pub(super) template: String,
    /// The paths for prompts and for answers.
    paths: [String; 2],
}

impl Settings {
    /// A template's resource name, `projects/…/locations/…/templates/…`.
    pub fn new(template: &str) -> Self {
        let paths = ["sanitizeUserPrompt", "sanitizeModelResponse"].map(|method| format!("/v1/{template}:{method}"));
        Self { template: template.to_owned(), paths }
    }

    pub(super) fn request(&self, question: &Question<'_>, parts: &[Part]) -> (&str, String) {
        let [prompts, answers] = &self.paths;
        let (path, data) = match question.side {
            Side::Prompts => (prompts, "userPromptData"),
            Side::Answers => (answers, "modelResponseData"),
        };
        let mut body = format!("{{\"{data}\":{{\"text\":");
        sluice_wire::json::write_string(&joined(parts, question.texts), &mut body);
        add(&mut body, &["}}"]);
        (path, body)
    }
}

pub(super) fn verdict(reply: &Value, parts: &[Part], texts: &[&str]) -> Result<Verdict, Unreadable> {
    let result = reply.get("sanitizationResult").unwrap_or(&Value::Null);
    let filters = result.get("filterResults").and_then(Value::as_object);
    match text(result, "filterMatchState") {
        Some("MATCH_FOUND") => {}
        // A filter that was skipped has not judged the text.
        Some("NO_MATCH_FOUND") if matches!(text(result, "invocationResult"), None | Some("SUCCESS")) => {
            return Ok(Verdict::Pass);
        }
        Some("NO_MATCH_FOUND") => {
            return Err(Unreadable::Unexpected("the result of only some of its filters".to_owned()));
        }
        _ => return Err(Unreadable::without("a known `filterMatchState`")),
    }
    let mut matching = filters.into_iter().flatten().filter(|(_, filter)| matches(filter)).map(|(name, _)| &**name);
    let (first, others) = (matching.next().unwrap_or("filter"), matching.next());
    let personal = filters.and_then(|filters| filters.get("sdp")?.get("sdpFilterResult")?.get("deidentifyResult"));
    let Some(new) = personal.and_then(|result| text(result.get("data")?, "text")) else {
        return Ok(Verdict::block(first));
    };
    if first != "sdp" || others.is_some() || parts.iter().any(|part| part.of(texts).contains(SEPARATOR)) {
        return Ok(Verdict::block(first));
    }
    let new: Vec<_> = new.split(SEPARATOR).map(Some).collect();
    if new.len() != parts.len() {
        // It has changed a separator too: no text can be changed alone.
        return Ok(Verdict::block(first));
    }
    rewritten(&new, vec![label(first)], parts, texts)
}

/// Whether a filter, or a part of it, has a match.
fn matches(value: &Value) -> bool {
    match value {
        Value::Object(fields) => text(value, "matchState") == Some("MATCH_FOUND") || fields.values().any(matches),
        Value::Array(items) => items.iter().any(matches),
        _ => false,
    }
}
