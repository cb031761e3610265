//! Makes up embedding vectors: a function of the text alone, of length one.

use sha2::{Digest as _, Sha256};

/// A vector for a text.
pub fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let number = |index: usize| {
        let digest = Sha256::new().chain_update(index.to_le_bytes()).chain_update(text).finalize();
        f32::from(digest[0]) - 127.5
    };
    let numbers = (0..dimensions).map(number).collect::<Vec<_>>();
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    numbers.into_iter().map(|number| number / length).collect()
}
