//! Makes up embedding vectors of length one: the sum of a vector for each word, so texts with the same words are similar.

use sha2::{Digest as _, Sha256};

/// A vector for a text.
pub fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let lower = text.to_lowercase();
    let words = lower.split(|symbol: char| !symbol.is_alphanumeric()).filter(|word| !word.is_empty());
    // A text without words is a word itself.
    let words: Vec<&str> = if words.clone().next().is_none() { vec![text] } else { words.collect() };
    let number = |index: usize, word: &str| {
        let digest = Sha256::new().chain_update(index.to_le_bytes()).chain_update(word).finalize();
        f32::from(digest[0]) - 127.5
    };
    let sum = |index: usize| words.iter().map(|word| number(index, word)).sum::<f32>();
    let numbers = (0..dimensions).map(sum).collect::<Vec<_>>();
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    numbers.into_iter().map(|number| number / length).collect()
}
