//! The guardrail webhook of agentgateway and kgateway:
//! <https://agentgateway.dev/docs/kubernetes/latest/llm/guardrails/webhook>.

use serde_json::Value;

use crate::guard::spec::Side;

use super::parts::Part;
use super::reply::{Unreadable, list, text};
use super::verdict::{Verdict, label, rewritten};
use super::{Question, add, write_each};

pub(super) fn request(question: &Question<'_>, parts: &[Part]) -> (&'static str, String) {
    let (path, list, before, after) = match question.side {
        Side::Prompts => ("/request", "messages", "{\"role\":\"user\",\"content\":", "}"),
        Side::Answers => ("/response", "choices", "{\"message\":{\"role\":\"assistant\",\"content\":", "}}"),
    };
    let mut body = format!("{{\"body\":{{\"{list}\":");
    write_each(parts.iter().map(|part| part.of(question.texts)), &mut body, (before, after));
    add(&mut body, &["}}"]);
    (path, body)
}

/// The actions have no names: a body with texts masks, a body that is text rejects, and no body passes.
pub(super) fn verdict(reply: &Value, parts: &[Part], texts: &[&str]) -> Result<Verdict, Unreadable> {
    let action =
        reply.get("action").filter(|action| action.is_object()).ok_or_else(|| Unreadable::without("`action`"))?;
    match action.get("body").unwrap_or(&Value::Null) {
        Value::Null => Ok(Verdict::Pass),
        Value::String(_) => Ok(Verdict::block("")),
        body => {
            let name = if body.get("choices").is_some() { "choices" } else { "messages" };
            let new: Vec<_> = list(body, name)?.iter().map(content).collect();
            rewritten(&new, vec![label("masked")], parts, texts)
        }
    }
}

/// The text of a message or a choice.
fn content(item: &Value) -> Option<&str> {
    text(item.get("message").unwrap_or(item), "content")
}
