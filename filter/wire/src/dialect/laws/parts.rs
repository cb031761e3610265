//! Texts, media, reasoning, calls and their results.

use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

use crate::conversation::{CacheMark, Json, Message, Part, Role, Source};

use super::can::{Can, Speech, Thinks, Word};

/// Every strategy is boxed, because the format decides at run time which ones apply.
pub type Drawn<T> = BoxedStrategy<T>;

/// Not blank, and without trailing whitespace.
pub const ONE_LINE: &str = "[a-z \"\\\\é\n]{0,6}[a-z😀]";
/// Never empty: an empty text is not written.
pub const ANY_TEXT: &str = "[ -~é漢\u{1f980}\n\r\t\u{0}\u{2028}]{1,8}";
pub const ID: &str = "[a-zA-Z0-9_-]{1,8}";
const DATA: &str = "[a-zA-Z0-9+/]{0,12}";

impl Word {
    pub fn drawn(self) -> Drawn<Option<String>> {
        match self {
            Self::Never => Just(None).boxed(),
            Self::Always(pattern) => pattern.prop_map(Some).boxed(),
            Self::Maybe(pattern) => of(pattern).boxed(),
        }
    }
}

pub fn mark(can: &Can) -> Drawn<Option<CacheMark>> {
    if can.marks.is_empty() {
        return Just(None).boxed();
    }
    let mark = select(can.marks).prop_map(|ttl| CacheMark { ttl: ttl.map(str::to_owned) });
    weighted(0.25, mark).boxed()
}

pub fn text(can: &Can) -> Drawn<Part> {
    (can.text, mark(can)).prop_map(|(text, cache)| Part::Text { text, cache }).boxed()
}

fn held(kinds: &'static [&'static str]) -> Drawn<Source> {
    (select(kinds), DATA)
        .prop_map(|(media_type, data)| Source::Base64 { media_type: media_type.to_owned(), data })
        .boxed()
}

fn fetched(ending: &'static str) -> Drawn<Source> {
    ID.prop_map(move |path| Source::Url(format!("https://a/{path}.{ending}"))).boxed()
}

fn images(can: &Can) -> Vec<Drawn<Part>> {
    let mut sources = Vec::new();
    sources.extend((!can.images.is_empty()).then(|| held(can.images)));
    sources.extend(can.image_urls.then(|| fetched("png")));
    let image = |source| {
        (source, can.details.drawn(), mark(can))
            .prop_map(|(source, detail, cache)| Part::Image { source, detail, cache })
            .boxed()
    };
    sources.into_iter().map(image).collect()
}

fn documents(can: &Can) -> Vec<Drawn<Part>> {
    let mut sources = Vec::new();
    sources.extend((!can.documents.is_empty()).then(|| (held(can.documents), can.document_names)));
    sources.extend(can.document_urls.map(|names| (fetched("pdf"), names)));
    let document = |(source, names): (Drawn<Source>, Word)| {
        (source, names.drawn(), mark(can))
            .prop_map(|(source, name, cache)| Part::Document { source, name, cache })
            .boxed()
    };
    sources.into_iter().map(document).collect()
}

/// Mostly text, sometimes other visible content.
pub fn shown(can: &Can) -> Drawn<Part> {
    let others = images(can).into_iter().chain(documents(can)).map(|other| (1, other));
    Union::new_weighted([(4, text(can))].into_iter().chain(others).collect()).boxed()
}

pub fn arguments(can: &Can) -> Drawn<String> {
    if can.any_arguments {
        return can.text.boxed();
    }
    let some = ONE_LINE.prop_map(|text| format!("{{\"a\": [1.0, {}]}}", serde_json::json!(text)));
    prop_oneof![select(vec!["{}", r#"{"a":1.50}"#, r#"{ "a" : [ ] }"#]).prop_map(str::to_owned), some].boxed()
}

pub fn schema(can: &Can) -> Drawn<Json> {
    (select(can.schemas), ONE_LINE)
        .prop_map(|(schema, text)| Json::parse(&schema.replace("TEXT", &serde_json::json!(text).to_string())).unwrap())
        .boxed()
}

fn call(can: &Can) -> Drawn<Part> {
    (ID, ID, arguments(can)).prop_map(|(id, name, arguments)| Part::ToolCall { id, name, arguments }).boxed()
}

pub fn result(can: &Can) -> Drawn<Message> {
    let part = if can.results.media { shown(can) } else { text(can) };
    let part = if can.results.marked_within { part } else { part.prop_map(unmarked).boxed() };
    let failed = if can.results.errors { any::<bool>().boxed() } else { Just(false).boxed() };
    (ID, vec(part, can.results.least..3), failed, mark(can))
        .prop_map(|(call, content, is_error, cache)| {
            let parts = vec![Part::ToolResult { call, content, is_error, cache }];
            Message { role: Role::Tool, parts, name: None }
        })
        .boxed()
}

fn unmarked(mut part: Part) -> Part {
    if let Part::Text { cache, .. } | Part::Image { cache, .. } | Part::Document { cache, .. } = &mut part {
        *cache = None;
    }
    part
}

/// `None` if the format has no reasoning.
fn thought(can: &Can, in_answer: bool) -> Option<Drawn<Part>> {
    let thought = |(text, signature)| Part::Thinking { text, signature };
    let (signature, must) = match can.thinks {
        Thinks::Never => return None,
        Thinks::Plainly => return Some((can.text, Just(None)).prop_map(thought).boxed()),
        Thinks::Signed { answered, .. } if in_answer => (answered, false),
        Thinks::Signed { asked, unsigned, .. } => (asked, !unsigned),
    };
    let signed = if must { signature.prop_map(Some).boxed() } else { of(signature).boxed() };
    let hidden = signature.prop_map(|data| Part::RedactedThinking { data });
    Some(prop_oneof![2 => (can.text, signed).prop_map(thought), 1 => hidden].boxed())
}

/// The model's output, in a request or a response.
pub fn speech(can: &Can, in_answer: bool) -> Drawn<Vec<Part>> {
    let text = match in_answer {
        true => can.said.prop_map(|text| Part::Text { text, cache: None }).boxed(),
        false => text(can),
    };
    let refusal = can.refusals.then(|| can.text.prop_map(|text| Part::Refusal { text }).boxed());
    let thoughts = |most| match thought(can, in_answer) {
        Some(thought) => vec(thought, 0..=most).boxed(),
        None => Just(vec![]).boxed(),
    };
    let any = |parts: Vec<Option<Drawn<Part>>>| Union::new(parts.into_iter().flatten());
    let spoken = any(vec![Some(text.clone()), Some(text.clone()), refusal]).boxed();
    let concat = |(one, two, three): (Vec<Part>, Vec<Part>, Vec<Part>)| [one, two, three].concat();
    match can.speech {
        Speech::Own(speech) => speech(in_answer),
        Speech::Ordered(least) => {
            let texts = vec(spoken, if in_answer { 0..3 } else { least..3 });
            (thoughts(2), texts, vec(call(can), 0..3)).prop_map(concat).boxed()
        }
        Speech::Mixed(least) => {
            let part = any(vec![Some(spoken), Some(call(can)), thought(can, in_answer)]);
            vec(part, if in_answer { 0..6 } else { least..6 }).boxed()
        }
        Speech::Planned => prop_oneof![
            (thoughts(1), vec(spoken, 0..2), vec(call(can), 1..3)).prop_map(concat),
            vec(any(vec![Some(text), thought(can, in_answer)]), 0..4),
        ]
        .boxed(),
    }
}
