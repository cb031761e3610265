//! Random texts and vectors.

use proptest::prelude::*;

use super::signature;
use crate::cache::semantic::lexical::{Lexicon, Signature};
use crate::cache::semantic::vector::Vector;

fn cosine(one: &[f32], other: &[f32]) -> f64 {
    let dot = |one: &[f32], other: &[f32]| -> f64 {
        one.iter().zip(other).map(|(one, other)| f64::from(*one) * f64::from(*other)).sum()
    };
    dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
}

/// By how much rounding turns a vector at most, as a part of its length.
fn turned(numbers: &[f32]) -> f64 {
    let length = numbers.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    let largest = numbers.iter().fold(0_f64, |largest, number| largest.max(f64::from(number.abs())));
    (numbers.len() as f64).sqrt() * largest / length / 254.0
}

fn vectors() -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
    let numbers = |length| prop::collection::vec(-1_f32..1.0, length);
    let random = (1..600_usize).prop_flat_map(move |length| (numbers(length), numbers(length)));
    // Random vectors are almost orthogonal: near ones, too.
    let near = (1..600_usize, 0.0..0.3_f32).prop_flat_map(move |(length, far)| {
        (numbers(length), numbers(length)).prop_map(move |(one, other)| {
            let near = one.iter().zip(&other).map(|(one, other)| one + far * other).collect();
            (one, near)
        })
    });
    let tiny = 1e-30_f32..1e30;
    (prop_oneof![random, near], tiny).prop_map(|((one, other), scale)| (one, other.iter().map(|x| x * scale).collect()))
}

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
    fn similarity_is_the_cosine_within_the_bound((one, other) in vectors()) {
        let (Some(first), Some(second)) = (Vector::of(&one), Vector::of(&other)) else { return Ok(()) };
        let similarity = f64::from(first.similarity(&second).unwrap());
        let bound = 2.0 * (turned(&one) + turned(&other)) + 1e-5;
        let exact = cosine(&one, &other);
        prop_assert!((similarity - exact).abs() <= bound, "{similarity} {exact} {bound}");
        if one.len() >= 64 {
            prop_assert!((similarity - exact).abs() <= 0.005, "{similarity} {exact}");
        }
        let stored: Vec<u8> = first.bytes().collect();
        prop_assert_eq!(Vector::parse(&stored), Some(first));
    }

    #[test]
    fn every_text_has_a_bounded_signature_that_equals_itself(text in texts(), other in texts()) {
        let lexicon = Lexicon::new([7; 32]);
        let (one, two) = (lexicon.signature(&text).unwrap(), lexicon.signature(&other).unwrap());
        let bytes = one.bytes();
        prop_assert!(bytes.len() <= 1024);
        prop_assert_eq!(Signature::parse(&bytes), Some(one.clone()));
        let same = one.compare(&one);
        prop_assert!(same.is_ok() || same == Err(crate::cache::semantic::lexical::Difference::Empty), "{same:?}");
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
