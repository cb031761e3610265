//! Guarantees of the parts: embeddings keep their directions, and an index stays bounded.

mod index;
#[cfg(not(target_arch = "wasm32"))]
mod properties;
mod vector;

/// The signature of a text.
fn signature(text: &str) -> sluice_lexical::Signature {
    sluice_lexical::Lexicon::new([7; 32]).signature(text).unwrap()
}
