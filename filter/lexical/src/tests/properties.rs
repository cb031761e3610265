//! Random texts.

use proptest::prelude::*;

use super::signature;
use crate::{Difference, Lexicon, Signature};

fn texts() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        prop::sample::select(vec![
            "how",
            "do",
            "I",
            "not",
            "don't",
            "can't",
            "the",
            "Oslo",
            "from",
            "to",
            "twenty",
            "two",
            "5",
            "-3",
            "1,000",
            "$5",
            "20%",
            "5kg",
            "a_b",
            "\"quoted\"",
            "'",
            "`x`",
            "„",
            "“",
            "«",
            "https://a.b/c",
            "what",
            "who",
            "my",
            "your",
            "was",
            "is",
            "?",
            ".",
            ":",
            ",",
            "\n",
            "translate",
            "l'eau",
            "ist",
            "nicht",
            "c'est",
            "and",
            "can you",
            "In",
            "…",
            "二",
            "дом",
            "é",
            "\u{301}",
            "-",
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
        "[a-z]{1,8}",
    ];
    prop::collection::vec(word, 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn every_text_has_a_bounded_signature_that_equals_itself(text in texts(), other in texts()) {
        let lexicon = Lexicon::new([7; 32]);
        let (one, two) = (lexicon.signature(&text).unwrap(), lexicon.signature(&other).unwrap());
        let bytes = one.bytes();
        prop_assert!(bytes.len() <= 1024);
        prop_assert_eq!(Signature::parse(&bytes), Some(one.clone()));
        let same = one.compare(&one);
        prop_assert!(same.is_ok() || same == Err(Difference::Empty), "{same:?}");
        prop_assert_eq!(one.compare(&two), two.compare(&one));
    }

    #[test]
    fn any_bytes_are_a_signature_or_none(bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
        if let Some(signature) = Signature::parse(&bytes) {
            prop_assert_eq!(signature.bytes(), bytes);
        }
    }

    #[test]
    fn a_changed_number_is_never_missed(before in "[a-z]{3,8}", one in 0..5000_u32, other in 0..5000_u32, after in "[a-z]{3,8}") {
        prop_assume!(one != other);
        let text = |number| format!("What is {before} {number} {after}?");
        prop_assert!(signature(&text(one)).compare(&signature(&text(other))).is_err());
    }
}
