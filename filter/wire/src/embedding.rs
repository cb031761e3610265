//! The typed model of embeddings that every embeddings dialect reads into and writes from: texts in, vectors out.
//!
//! It borrows from the body: a request's texts and a response's vectors are large and mostly copied verbatim. It is independent of any wire
//! format.

use std::borrow::Cow;

use crate::conversation::Usage;
use crate::error::ApiError;

mod vector;

pub use vector::Vector;

/// A client's request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request<'a> {
    /// The model's name in the request.
    pub model: Cow<'a, str>,
    /// The inputs; each yields one vector.
    pub inputs: Vec<Input<'a>>,
    /// The length of the vectors; `None` is the model's default.
    pub dimensions: Option<u64>,
    /// The encoding of the vectors.
    pub encoding: Encoding,
    /// The end user, for the provider's abuse detection.
    pub user: Option<Cow<'a, str>>,
    /// The purpose of the vectors, in Cohere's terms: `search_document`, `search_query`, `classification`, `clustering`.
    pub input_type: Option<Cow<'a, str>>,
    /// Fields that do not affect the vectors and that this model does not carry.
    pub dropped: Vec<String>,
}

/// One input.
#[derive(Debug, Clone, PartialEq)]
pub enum Input<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A text as tokens of the model's own vocabulary.
    Tokens(Vec<u32>),
}

/// The encoding of vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// As JSON numbers.
    #[default]
    Float,
    /// As base64 of 32-bit floats, little-endian.
    Base64,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Response<'a> {
    /// The model named in the response, under the provider's name; empty if the wire format does not carry it.
    pub model: Cow<'a, str>,
    /// The vectors, in the order of the inputs.
    pub vectors: Vec<Vector<'a>>,
    /// Token usage, if the provider reported it.
    pub usage: Option<Usage>,
}

impl Request<'_> {
    /// The inputs as texts, for a provider that takes neither tokens nor more than `most` texts per request.
    pub fn texts(&self, most: usize) -> Result<Vec<&str>, ApiError> {
        if self.inputs.len() > most {
            let message = format!(
                "'input' has {} items, but the provider that serves this model accepts at most {most} per request. \
                 Send fewer items.",
                self.inputs.len()
            );
            return Err(ApiError::unsupported("input", message));
        }
        let texts = self.inputs.iter().enumerate().map(|(index, input)| match input {
            Input::Text(text) => Ok(&**text),
            Input::Tokens(_) => {
                // A single input need not be in a list.
                let at = if self.inputs.len() == 1 { "input".to_owned() } else { format!("input[{index}]") };
                let message = format!(
                    "'{at}' contains tokens, but the provider that serves this model accepts only text. Send text \
                     instead."
                );
                Err(ApiError::unsupported(at, message))
            }
        });
        texts.collect()
    }
}

impl Response<'_> {
    /// The vectors in `encoding`.
    pub fn encoded(&self, encoding: Encoding) -> Result<Vec<Vector<'_>>, ApiError> {
        self.vectors.iter().map(|vector| vector.encoded(encoding)).collect()
    }

    /// The approximate size of the vectors in bytes, to allocate the response's buffer once.
    pub fn size(&self) -> usize {
        self.vectors.iter().map(|vector| vector.len().saturating_add(64)).sum()
    }
}
