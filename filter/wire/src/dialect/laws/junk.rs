//! Arbitrary input: nearly valid, damaged, or garbage.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::parts::Drawn;

const LEAVES: &str =
    r#"null true 0 -1 7 -1.5e3 1e300 18446744073709551615 {} [] "" "a" "data:a/b;base64," "\ud83e\udd80""#;

/// JSON that is nearly a message: valid field names with arbitrary values, including `words`.
pub fn nearly(fields: &str, words: &str) -> Drawn<String> {
    let names: Vec<String> = fields.split_ascii_whitespace().map(str::to_owned).collect();
    let words = words.split_ascii_whitespace().map(|word| format!("\"{word}\""));
    let leaves: Vec<String> = LEAVES.split_ascii_whitespace().map(str::to_owned).chain(words).collect();
    select(leaves)
        .prop_recursive(6, 40, 5, move |inner| {
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
        .boxed()
}

/// Positions in a valid text, and the bytes to put there.
pub type Damage = Vec<(prop::sample::Index, u8)>;

pub fn damage() -> Drawn<Damage> {
    vec((any::<prop::sample::Index>(), any::<u8>()), 1..4).boxed()
}

pub fn damaged(mut bytes: Vec<u8>, damage: &Damage) -> Vec<u8> {
    for (index, byte) in damage {
        let index = index.index(bytes.len());
        bytes[index] = *byte;
    }
    bytes
}
