//! Random vectors.

use proptest::prelude::*;

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
}
