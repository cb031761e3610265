//! What the property tests of OpenAI's formats draw from.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::conversation::{Finish, Json, Source, Usage};

/// Never empty: an empty text says nothing on the wire.
pub(in crate::dialect) fn words() -> impl Strategy<Value = String> {
    "[ -~é漢\u{1f980}\n\r\t\u{0}\u{2028}]{1,8}"
}

pub(in crate::dialect) fn word() -> impl Strategy<Value = String> {
    "[a-z_]{1,6}"
}

pub(in crate::dialect) fn json() -> impl Strategy<Value = Json> {
    const ONE: &str =
        r#"{"type":"object","properties":{"a":{"const":1.50}},"required":["a"],"additionalProperties":false}"#;
    select(vec![ONE, r#"{ "type" : "object","properties":{ },"additionalProperties":false }"#])
        .prop_filter_map("JSON", |text| Json::parse(text).ok())
}

pub(in crate::dialect) fn base64() -> impl Strategy<Value = Source> {
    (select(vec!["image/png", "application/pdf"]), "[a-zA-Z0-9+/]{0,12}")
        .prop_map(|(media_type, data)| Source::Base64 { media_type: media_type.to_owned(), data })
}

pub(in crate::dialect) fn usage() -> impl Strategy<Value = Usage> {
    (0..1_u64 << 24, 0..1_u64 << 24, 0..1_u64 << 20, 0..1_u64 << 20, 0..1_u64 << 20).prop_map(
        |(input, output, cached, cache_write, reasoning)| Usage {
            input: input + cached + cache_write,
            cached,
            cache_write,
            output: output + reasoning,
            reasoning,
        },
    )
}

/// A class of service that clients know.
pub(in crate::dialect) fn tier() -> impl Strategy<Value = String> {
    select(vec!["auto", "default", "flex", "priority", "scale"]).prop_map(str::to_owned)
}

pub(in crate::dialect) fn finish() -> impl Strategy<Value = Finish> {
    select(vec![Finish::Stop, Finish::Length, Finish::ToolCalls, Finish::ContentFilter])
}

/// JSON that is nearly a message: the right names with any values, these words among them.
pub(in crate::dialect) fn nearly_json(
    names: &[&'static str],
    words: &[&'static str],
) -> impl Strategy<Value = String> + use<> {
    let names = names.to_vec();
    let values = [
        "null",
        "true",
        "0",
        "-1",
        "1e300",
        "18446744073709551615",
        "\"\"",
        "\"data:a/b;base64,\"",
        "\"\\ud83e\\udd80\"",
    ];
    let leaf = select([&values, words].concat()).prop_map(str::to_owned);
    leaf.prop_recursive(6, 40, 5, move |inner| {
        let entry = (select(names.clone()), inner.clone());
        prop_oneof![
            vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            vec(entry, 0..6).prop_map(|entries| {
                let fields: Vec<String> =
                    entries.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}
