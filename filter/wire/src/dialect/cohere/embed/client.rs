//! The client side of Cohere's embeddings, used by tests only: reads what the provider side writes, and writes what it reads.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::dialect::client::{Asks, Client, EmbeddingsClient, PeekSpec};
use crate::dialect::fields::{Fields, missing, nothing_left, required, wrong_word};
use crate::dialect::openai;
use crate::dialect::out::json;
use crate::embedding::{Encoding, Input, Request, Response, Vector};
use crate::error::ApiError;
use crate::lenient::Text;

use super::request::word;

/// The client side of Cohere's embeddings.
pub static CLIENT: Client = Client {
    provider: &super::PROVIDER,
    shape: PeekSpec::CHAT,
    own_names: &[],
    runs_tool: |_| false,
    manner: &openai::MANNER,
    asks: Asks::Embeddings(EmbeddingsClient { read_request: read, write_response: write }),
};

/// Reads a request of texts for vectors of one type.
fn read(body: &[u8]) -> Result<Request<'_>, ApiError> {
    let mut fields = Fields::of(body)?;
    let texts: Vec<Text<'_>> = fields.take("", "texts")?.ok_or_else(|| missing("texts"))?;
    let types: Option<Vec<String>> = fields.take("", "embedding_types")?;
    let request = Request {
        model: Cow::Owned(required(&mut fields, "", "model")?),
        inputs: texts.into_iter().map(|text| Input::Text(text.0)).collect(),
        dimensions: fields.take("", "output_dimension")?,
        encoding: match types.unwrap_or_default().as_slice() {
            [] => Encoding::Float,
            [one] if one == word(Encoding::Float) => Encoding::Float,
            [one] if one == word(Encoding::Base64) => Encoding::Base64,
            other => return Err(wrong_word("embedding_types", &other.join(", "), "float, base64; one of them")),
        },
        input_type: Some(Cow::Owned(required(&mut fields, "", "input_type")?)),
        ..Request::default()
    };
    nothing_left(&fields, "")?;
    Ok(request)
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'static str,
    embeddings: ByType<'a>,
    texts: [&'static str; 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<MetaShown>,
    response_type: &'static str,
}

/// `{"float": […]}`.
struct ByType<'a>(Encoding, Vec<Vector<'a>>);

impl Serialize for ByType<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(word(self.0), &self.1)])
    }
}

#[derive(Serialize)]
struct MetaShown {
    billed_units: UnitsShown,
}

#[derive(Serialize)]
struct UnitsShown {
    input_tokens: u64,
}

/// Writes a response with vectors in `encoding`. The texts are not repeated.
fn write(response: &Response<'_>, encoding: Encoding) -> Result<Vec<u8>, ApiError> {
    let shown = Shown {
        id: "",
        embeddings: ByType(encoding, response.encoded(encoding)?),
        texts: [],
        meta: response.usage.map(|usage| MetaShown { billed_units: UnitsShown { input_tokens: usage.input } }),
        response_type: "embeddings_by_type",
    };
    let mut out = Vec::with_capacity(response.size().saturating_add(256));
    json(&mut out, &shown);
    Ok(out)
}
