//! Removes other providers' reasoning from a body that passes unchanged otherwise.
//!
//! In a translated response, a signature names its owner (`gemini#…`), and the client sends it back with the conversation. A later turn may
//! go to a provider of the client's own format, which rejects signatures that it did not make: "Invalid `signature` in `thinking` block"
//! (Anthropic), `invalid_encrypted_content` (OpenAI). Anthropic's own thinking always has a signature, so a block without one also belongs
//! to another provider. Such reasoning is dropped; every other byte passes. Translated requests do not need this: their writers check the
//! owner of each signature.
//!
//! Where a guardrail has rewritten a response in OpenAI's Responses format, OpenAI's own reasoning comes back marked (`openai#rs_1.gAAAA`).
//! It gets its id and its content again.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::conversation::signature;
use crate::json;

use super::fields::Fields;
use super::quirk::Edits;
use super::responses;

/// Providers that sign reasoning. Anthropic's and OpenAI's own clients get that provider's signatures without an owner.
const OWNERS: [&str; 3] = ["gemini", "openai", "anthropic"];

/// Replaces a turn that consisted only of such reasoning: a turn must not be empty.
const NOTHING: &str = r#"{"type":"text","text":"(reasoning)"}"#;

/// Whether this literal begins like a signature with an owner. If none in a body does, and no `signature` is empty, there is nothing to
/// [edit](edits).
pub fn may_begin(literal: &[u8]) -> bool {
    OWNERS.iter().any(|owner| literal.get(owner.len()) == Some(&b'#') && literal.starts_with(owner.as_bytes()))
}

/// The edits to a request body in Anthropic's format or OpenAI's Responses format, and whether they drop reasoning.
pub fn edits(body: &[u8]) -> (Edits, bool) {
    let list = |name: &str| {
        let raw = Fields::of(body).ok()?.take_raw(name)?;
        json::read::<Vec<&RawValue>>(raw.get()).ok().map(|elements| (raw, elements))
    };
    let (mut edits, mut dropped) = (Edits::new(), false);
    if let Some((raw, items)) = list("input") {
        edits.extend(kept(body, raw, &items, item, "", &mut dropped));
    }
    for message in list("messages").map(|(_, messages)| messages).unwrap_or_default() {
        let content = Fields::parse(message.get(), "").ok().and_then(|mut fields| fields.take_raw("content"));
        let blocks = content.and_then(|raw| Some((raw, json::read::<Vec<&RawValue>>(raw.get()).ok()?)));
        edits.extend(blocks.and_then(|(raw, blocks)| kept(body, raw, &blocks, block, NOTHING, &mut dropped)));
    }
    (edits, dropped)
}

/// What an element becomes; `None` if it is foreign.
type Kept<'a> = Option<Cow<'a, str>>;

/// Writes a list again, if `keep` changes any of its elements. An empty list becomes `instead`.
fn kept(
    body: &[u8],
    list: &RawValue,
    elements: &[&RawValue],
    keep: for<'a> fn(&'a str) -> Kept<'a>,
    instead: &str,
    dropped: &mut bool,
) -> Option<(std::ops::Range<usize>, String)> {
    let (mut text, mut same) = ("[".to_owned(), true);
    for element in elements {
        let kept = keep(element.get());
        *dropped |= kept.is_none();
        same &= matches!(kept, Some(Cow::Borrowed(_)));
        if let Some(kept) = kept {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&kept);
        }
    }
    if same {
        return None;
    }
    if text.len() == 1 {
        text.push_str(instead);
    }
    text.push(']');
    let start = (list.get().as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
    Some((start..start.checked_add(list.get().len())?, text))
}

fn item(item: &str) -> Kept<'_> {
    let Some(signature) = foreign(item, |kind| (kind == "reasoning").then_some("encrypted_content")) else {
        return Some(Cow::Borrowed(item));
    };
    responses::returned(item, &signature).map(Cow::Owned)
}

fn block(block: &str) -> Kept<'_> {
    let foreign = foreign(block, |kind| match kind {
        "thinking" => Some("signature"),
        "redacted_thinking" => Some("data"),
        _ => None,
    });
    foreign.is_none().then_some(Cow::Borrowed(block))
}

/// The object's signature, in the field for its type, if it names an owner or is empty.
fn foreign(object: &str, field: fn(&str) -> Option<&'static str>) -> Option<String> {
    let mut fields = Fields::parse(object, "").ok()?;
    let kind: String = fields.take("", "type").ok()??;
    let signature: String = fields.take("", field(&kind)?).ok()??;
    signature::anthropics(&signature).is_none().then_some(signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::quirk::edited;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn changed(body: &str) -> String {
        String::from_utf8(edited(body.as_bytes(), &edits(body.as_bytes()).0)).unwrap()
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
    fn openais_own_reasoning_gets_its_id_and_its_content_again() {
        let item = |fields: &str| {
            format!(r#"{{"input":[{{"role":"user","content":"hi"}}, {{"type":"reasoning",{fields}}} ],"x":1.50}}"#)
        };
        let summary = r#""summary":[{"type":"summary_text","text":"a \"b\""}]"#;
        for (fields, expected) in [
            (
                format!(r#"{summary},"id":"rs_9_0","encrypted_content":"openai#rs_1.gA/\u003d","status":null"#),
                format!(r#"{summary},"id":"rs_1","encrypted_content":"gA/=""#),
            ),
            (
                r#""id":"rs_9_0","summary":[],"encrypted_content":"openai#.gAAAA""#.to_owned(),
                r#""summary":[],"encrypted_content":"gAAAA""#.to_owned(),
            ),
            (
                r#""summary":[],"encrypted_content":"openai#rs\u0000.g\u0007""#.to_owned(),
                r#""id":"rs\u0000","summary":[],"encrypted_content":"g\u0007""#.to_owned(),
            ),
        ] {
            let body = item(&fields);
            let expected: serde_json::Value = serde_json::from_str(&item(&expected)).unwrap();
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&changed(&body)).unwrap(),
                expected,
                "{}",
                changed(&body)
            );
            assert!(changed(&body).ends_with(r#","x":1.50}"#) && !edits(body.as_bytes()).1);
        }
        // A signature that is none of OpenAI's.
        let body = item(r#""summary":[],"encrypted_content":"openai#""#);
        assert_eq!(changed(&body), r#"{"input":[{"role":"user","content":"hi"}],"x":1.50}"#);
        assert!(edits(body.as_bytes()).1);
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
            assert_eq!(edits(body.as_bytes()), (Edits::new(), false), "{body}");
        }
    }
}
