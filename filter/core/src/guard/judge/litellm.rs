//! LiteLLM's generic guardrail API: <https://docs.litellm.ai/docs/adding_provider/generic_guardrail_api>.

use serde_json::Value;

use crate::guard::spec::Side;

use super::parts::Part;
use super::reply::{Unreadable, list, text};
use super::verdict::{Verdict, label, rewritten};
use super::{Question, add, write_members, write_strings};

/// The settings: the service's own parameters, a JSON object.
#[derive(Debug, PartialEq)]
pub struct Settings(pub String);

impl Settings {
    pub(super) fn request(&self, question: &Question<'_>, parts: &[Part]) -> (&'static str, String) {
        let kind = match question.side {
            Side::Prompts => "request",
            Side::Answers => "response",
        };
        let mut body = "{\"texts\":".to_owned();
        write_strings(parts.iter().map(|part| part.of(question.texts)), &mut body);
        write_members(
            &[("input_type", kind), ("litellm_call_id", question.request_id), ("model", question.model)],
            &mut body,
        );
        add(&mut body, &[",\"request_data\":{\"user_api_key_team_id\":"]);
        sluice_wire::json::write_string(question.team, &mut body);
        add(&mut body, &["},\"additional_provider_specific_params\":", &self.0, "}"]);
        ("/beta/litellm_basic_guardrail_api", body)
    }
}

pub(super) fn verdict(reply: &Value, parts: &[Part], texts: &[&str]) -> Result<Verdict, Unreadable> {
    match text(reply, "action") {
        Some("NONE") => Ok(Verdict::Pass),
        Some("BLOCKED") => Ok(Verdict::block("")),
        Some("GUARDRAIL_INTERVENED") => {
            let new: Vec<_> = list(reply, "texts")?.iter().map(Value::as_str).collect();
            rewritten(&new, vec![label("masked")], parts, texts)
        }
        _ => Err(Unreadable::without("a known `action`")),
    }
}
