//! Guarantees of the parts: texts that ask different things never match, embeddings keep their directions, and an index stays bounded.

mod index;
mod lexical;
mod pairs;
#[cfg(not(target_arch = "wasm32"))]
mod properties;
mod vector;

/// The signature of a text.
fn signature(text: &str) -> super::lexical::Signature {
    super::lexical::Lexicon::new([7; 32]).signature(text).unwrap()
}
