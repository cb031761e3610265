//! Removes other providers' reasoning from a body that passes unchanged otherwise.
//!
//! In a translated response, a signature names its owner (`gemini#…`), and the client sends it back with the conversation. A later turn may
//! go to a provider of the client's own format, which rejects signatures that it did not make: "Invalid `signature` in `thinking` block"
//! (Anthropic), `invalid_encrypted_content` (OpenAI). Anthropic's own thinking always has a signature, so a block without one also belongs
//! to another provider. Such reasoning is dropped; every other byte passes. Translated requests do not need this: their writers check the
//! owner of each signature.

use serde_json::value::RawValue;

use crate::conversation::signature;
use crate::json;

use super::fields::Fields;
use super::quirk::Edits;

/// Providers that sign reasoning. Anthropic's and OpenAI's own clients get that provider's signatures without an owner.
const OWNERS: [&str; 3] = ["gemini", "openai", "anthropic"];

/// Replaces a turn that consisted only of such reasoning: a turn must not be empty.
const NOTHING: &str = r#"{"type":"text","text":"(reasoning)"}"#;

/// Whether this literal begins like a signature with an owner. If none in a body does, and no `signature` is empty, there is nothing to
/// [edit](edits).
pub fn may_begin(literal: &[u8]) -> bool {
    OWNERS.iter().any(|owner| literal.get(owner.len()) == Some(&b'#') && literal.starts_with(owner.as_bytes()))
}

/// The edits to a request body in Anthropic's format or OpenAI's Responses format.
pub fn edits(body: &[u8]) -> Edits {
    let list = |name: &str| {
        let raw = Fields::of(body).ok()?.take_raw(name)?;
        json::read::<Vec<&RawValue>>(raw.get()).ok().map(|elements| (raw, elements))
    };
    let mut edits = Edits::new();
    if let Some((raw, items)) = list("input") {
        edits.extend(without(body, raw, &items, is_foreign_item, None));
    }
    for message in list("messages").map(|(_, messages)| messages).unwrap_or_default() {
        let content = Fields::parse(message.get(), "").ok().and_then(|mut fields| fields.take_raw("content"));
        let blocks = content.and_then(|raw| Some((raw, json::read::<Vec<&RawValue>>(raw.get()).ok()?)));
        edits.extend(blocks.and_then(|(raw, blocks)| without(body, raw, &blocks, is_foreign_block, Some(NOTHING))));
    }
    edits
}

/// Removes the foreign elements of a list, if it has any. An empty list becomes `instead`.
fn without(
    body: &[u8],
    list: &RawValue,
    elements: &[&RawValue],
    is_foreign: fn(&RawValue) -> bool,
    instead: Option<&str>,
) -> Option<(std::ops::Range<usize>, String)> {
    let mut kept: Vec<&str> = elements.iter().filter(|raw| !is_foreign(raw)).map(|raw| raw.get()).collect();
    if kept.len() == elements.len() {
        return None;
    }
    if kept.is_empty() {
        kept.extend(instead);
    }
    let start = (list.get().as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
    Some((start..start.checked_add(list.get().len())?, format!("[{}]", kept.join(","))))
}

fn is_foreign_item(item: &RawValue) -> bool {
    holds(item, |kind| (kind == "reasoning").then_some("encrypted_content"))
}

fn is_foreign_block(block: &RawValue) -> bool {
    holds(block, |kind| match kind {
        "thinking" => Some("signature"),
        "redacted_thinking" => Some("data"),
        _ => None,
    })
}

/// Whether the object's signature, in the field for its type, belongs to another provider.
fn holds(object: &RawValue, field: impl Fn(&str) -> Option<&'static str>) -> bool {
    let signature = || {
        let mut fields = Fields::parse(object.get(), "").ok()?;
        let kind: String = fields.take("", "type").ok()??;
        fields.take::<String>("", field(&kind)?).ok()?
    };
    signature().is_some_and(|signature| signature::anthropics(&signature).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::quirk::edited;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn changed(body: &str) -> String {
        String::from_utf8(edited(body.as_bytes(), &edits(body.as_bytes()))).unwrap()
    }

    #[test]
    fn items_and_blocks_that_another_has_signed_are_left_out_and_nothing_else_is_touched() {
        for (body, expected) in [
            (
                r#"{"input":[ {"role":"user","content":"a # b"}, {"type":"reasoning","summary":[],"encrypted_content":"anthropic#E"},
                    {"type":"reasoning","summary":[],"encrypted_content":"gAAAA"},{"type":"function_call","name":"f"}] ,"x":1.50}"#,
                r#"{"input":[{"role":"user","content":"a # b"},{"type":"reasoning","summary":[],"encrypted_content":"gAAAA"},{"type":"function_call","name":"f"}] ,"x":1.50}"#,
            ),
            (
                r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"gemini#C"},
                    {"type":"tool_use","id":"c","name":"f","input":{}}]},{"role":"assistant","content":[{"type":"redacted_thinking","data":"openai#r.g"}]}]}"#,
                r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]},{"role":"assistant","content":[{"type":"text","text":"(reasoning)"}]}]}"#,
            ),
            (
                r#"{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":""},{"type":"text","text":"a"}]}]}"#,
                r#"{"messages":[{"role":"assistant","content":[{"type":"text","text":"a"}]}]}"#,
            ),
        ] {
            assert_eq!(changed(body), expected);
        }
    }

    #[test]
    fn a_signature_with_an_owner_is_known_by_its_beginning() {
        for (literal, may_begin) in [
            ("gemini#C", true),
            ("openai#", true),
            ("anthropic#E#", true),
            ("gemini", false),
            ("ogemini#", false),
            ("mistral#C", false),
            ("Gemini#C", false),
            ("", false),
        ] {
            assert_eq!(super::may_begin(literal.as_bytes()), may_begin, "{literal}");
        }
    }

    #[test]
    fn a_providers_own_signatures_pass() {
        for body in [
            r#"{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"EqQB"}]}]}"#,
            r#"{"input":[{"type":"reasoning","summary":[],"encrypted_content":null}]}"#,
            r##"{"messages":[{"role":"user","content":"# A heading, and \"gemini#\""}]}"##,
            r#"{"input":[{"type":"reasoning","encrypted_content":"gAAAA"},{"type":"reasoning","summary":[]}]}"#,
            r#"{"input":"gemini"}"#,
            "[]",
        ] {
            assert!(edits(body.as_bytes()).is_empty(), "{body}");
        }
    }
}
