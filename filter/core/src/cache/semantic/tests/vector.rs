#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::cache::semantic::vector::{MOST_DIMENSIONS, Vector};

#[test]
fn only_the_direction_counts() {
    let one = Vector::of(&[0.1, -0.2, 0.3]).unwrap();
    assert_eq!(one, Vector::of(&[1e30, -2e30, 3e30]).unwrap());
    assert_eq!(one, Vector::of(&[1e-42, -2e-42, 3e-42]).unwrap());
    assert!(one.similarity(&one).unwrap() > 0.9999);
    assert!(one.similarity(&Vector::of(&[-0.1, 0.2, -0.3]).unwrap()).unwrap() < -0.9999);
}

#[test]
fn what_has_no_direction_is_no_vector() {
    for numbers in [&[][..], &[0.0, -0.0], &[1.0, f32::NAN], &[f32::INFINITY, 1.0], &[1.0; MOST_DIMENSIONS + 1]] {
        assert_eq!(Vector::of(numbers), None);
    }
    assert!(Vector::of(&[f32::MAX; MOST_DIMENSIONS]).is_some());
    for bytes in [&[][..], &[0, 0], &[1; MOST_DIMENSIONS + 1]] {
        assert_eq!(Vector::parse(bytes), None);
    }
}

#[test]
fn vectors_of_other_dimensions_are_not_comparable() {
    let (two, three) = (Vector::of(&[1.0, 1.0]).unwrap(), Vector::of(&[1.0, 1.0, 1.0]).unwrap());
    assert_eq!(two.similarity(&three), None);
}
