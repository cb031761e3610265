//! The gateway's own webhook. `docs/guardrails.md` describes it for those who write one.

use serde_json::Value;

use crate::guard::spec::Side;

use super::parts::{Capacity, Part};
use super::reply::{Unreadable, list, text};
use super::verdict::{Verdict, label, rewritten};
use super::{Question, add, write_members, write_strings};

/// Below a megabyte for most texts: the usual limit of web servers.
pub const CAPACITY: Capacity = Capacity { characters: 250_000, parts: 10_000, overlap: 0 };

pub(super) fn request(question: &Question<'_>, parts: &[Part]) -> (&'static str, String) {
    let side = match question.side {
        Side::Prompts => "prompt",
        Side::Answers => "answer",
    };
    let mut body = "{\"texts\":".to_owned();
    write_strings(parts.iter().map(|part| part.of(question.texts)), &mut body);
    let Question { model, team, request_id, .. } = *question;
    write_members(&[("side", side), ("model", model), ("team", team), ("request_id", request_id)], &mut body);
    add(&mut body, &["}"]);
    ("", body)
}

pub(super) fn verdict(reply: &Value, parts: &[Part], texts: &[&str]) -> Result<Verdict, Unreadable> {
    let found = text(reply, "label");
    match text(reply, "action") {
        Some("pass") => Ok(Verdict::Pass),
        Some("block") => Ok(Verdict::block(found.unwrap_or_default())),
        Some("mask") => {
            let new: Vec<_> = list(reply, "texts")?.iter().map(Value::as_str).collect();
            rewritten(&new, vec![label(found.unwrap_or("masked"))], parts, texts)
        }
        _ => Err(Unreadable::without("an `action` that is pass, block or mask")),
    }
}
