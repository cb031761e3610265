//! The one typed model of embeddings: texts in, vectors out. What every dialect of them reads into and writes from.
//!
//! It borrows from the body it was read from: a request's texts and an answer's vectors are large, and mostly copied as they
//! stand. It knows no wire format.

use std::borrow::Cow;

use crate::conversation::Usage;
use crate::error::ApiError;

mod vector;

pub use vector::Vector;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request<'a> {
    /// The name the client asked for.
    pub model: Cow<'a, str>,
    /// What the vectors are to stand for, one each.
    pub inputs: Vec<Input<'a>>,
    /// How long a vector is to be; `None` is the model's own length.
    pub dimensions: Option<u64>,
    /// How the vectors are to be written.
    pub encoding: Encoding,
    /// The end user, for the provider's abuse detection.
    pub user: Option<Cow<'a, str>>,
    /// What the vectors are for, in Cohere's words: `search_document`, `search_query`, `classification`, `clustering`.
    pub input_type: Option<Cow<'a, str>>,
    /// Fields that change nothing in the vectors and that this model does not carry.
    pub dropped: Vec<String>,
}

/// One thing that a vector is to stand for.
#[derive(Debug, Clone, PartialEq)]
pub enum Input<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A text as the model's own tokens.
    Tokens(Vec<u32>),
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// As JSON numbers.
    #[default]
    Float,
    /// As base64 of 32-bit floats, little-endian.
    Base64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Response<'a> {
    /// The model that answered, as the provider calls it; empty when the wire format does not say.
    pub model: Cow<'a, str>,
    /// The vectors, in the order of the inputs.
    pub vectors: Vec<Vector<'a>>,
    /// Tokens used, when the provider said.
    pub usage: Option<Usage>,
}

impl Request<'_> {
    /// The inputs as texts, for providers that take no tokens, and at most so many texts in a request.
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
                // One alone need not stand in a list.
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

    /// About how many bytes the vectors take, so that the answer's memory is asked for once.
    pub fn size(&self) -> usize {
        self.vectors.iter().map(|vector| vector.len().saturating_add(64)).sum()
    }
}
