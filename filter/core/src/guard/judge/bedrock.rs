//! Amazon Bedrock's guardrails: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ApplyGuardrail.html>.
//!
//! Envoy signs the requests.

use serde_json::Value;
use sluice_wire::percent::{RESERVED, encoded};

use crate::guard::spec::Side;

use super::parts::{Capacity, Part};
use super::reply::{Unreadable, list, text};
use super::verdict::{Verdict, label, note, rewritten};
use super::{Question, add, write_each};

/// 25 text units of 1,000 characters each. Quotas count text units a second.
pub const CAPACITY: Capacity = Capacity { characters: 25_000, parts: usize::MAX, overlap: 0 };

/// The settings: the path.
#[derive(Debug, PartialEq)]
pub struct Settings(pub(super) String);

impl Settings {
    /// A guardrail's id or ARN, and its version or `DRAFT`.
    pub fn new(guardrail: &str, version: &str) -> Self {
        let encoded = |text| encoded(text, &RESERVED);
        Self(format!("/guardrail/{}/version/{}/apply", encoded(guardrail), encoded(version)))
    }

    pub(super) fn request(&self, question: &Question<'_>, parts: &[Part]) -> (&str, String) {
        let source = match question.side {
            Side::Prompts => "INPUT",
            Side::Answers => "OUTPUT",
        };
        let mut body = format!("{{\"source\":\"{source}\",\"content\":");
        write_each(parts.iter().map(|part| part.of(question.texts)), &mut body, ("{\"text\":{\"text\":", "}}"));
        add(&mut body, &["}"]);
        (&self.0, body)
    }
}

pub(super) fn verdict(reply: &Value, parts: &[Part], texts: &[&str]) -> Result<Verdict, Unreadable> {
    match text(reply, "action") {
        Some("NONE") => return Ok(Verdict::Pass),
        Some("GUARDRAIL_INTERVENED") => {}
        _ => return Err(Unreadable::without("a known `action`")),
    }
    let assessments = reply.get("assessments").unwrap_or(&Value::Null);
    let mut masked = Vec::new();
    found(assessments, "ANONYMIZED", &mut masked);
    let mut blocked = Vec::new();
    found(assessments, "BLOCKED", &mut blocked);
    if blocked.is_empty() && !masked.is_empty() {
        let new: Vec<_> = list(reply, "outputs")?.iter().map(|output| text(output, "text")).collect();
        if new.len() == parts.len() {
            return rewritten(&new, masked, parts, texts);
        }
        // It is unknown which text an output belongs to.
    }
    // Without an assessment too, the guardrail has replaced the text by its message.
    Ok(Verdict::block(blocked.first().or(masked.first()).map_or("guardrail", |label| label)))
}

/// Collects the names of all policies that took an action.
fn found(value: &Value, action: &str, labels: &mut Vec<String>) {
    if text(value, "action") == Some(action) {
        // A custom word has neither, and the match itself is part of the text.
        let name = text(value, "name").or_else(|| text(value, "type")).unwrap_or("word");
        note(labels, label(name));
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| found(item, action, labels)),
        Value::Object(fields) => fields.values().for_each(|field| found(field, action, labels)),
        _ => {}
    }
}
