//! Reading a written value returns it, and no input makes a reader panic.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::conversation::Usage;
use crate::dialect::laws::nearly;
use crate::embedding::{Input, Request, Response, Vector};

use super::*;

fn some_text() -> impl Strategy<Value = Cow<'static, str>> {
    "[a-z \"\\\\é\n]{0,6}[a-z😀]".prop_map(Cow::Owned)
}

fn inputs() -> impl Strategy<Value = Vec<Input<'static>>> {
    prop_oneof![
        3 => vec(some_text().prop_map(Input::Text), 1..5),
        1 => vec(vec(any::<u32>(), 1..4).prop_map(Input::Tokens), 1..3),
    ]
}

fn request() -> impl Strategy<Value = Request<'static>> {
    let encoding = prop_oneof![Just(Encoding::Float), Just(Encoding::Base64)];
    ("[a-z]{1,6}", inputs(), option::of(1..4096u64), encoding, option::of(some_text())).prop_map(
        |(model, inputs, dimensions, encoding, user)| Request {
            model: Cow::Owned(model),
            inputs,
            dimensions,
            encoding,
            user,
            ..Request::default()
        },
    )
}

fn numbers() -> impl Strategy<Value = Vec<f32>> {
    vec(prop_oneof![Just(0.0f32), -1.0f32..1.0, prop::num::f32::NORMAL], 1..8)
}

fn vector(numbers: &[f32]) -> Vector<'static> {
    Vector::Numbers(Cow::Owned(serde_json::value::to_raw_value(numbers).unwrap()))
}

/// `request` in the format's normal form: without the fields that its table drops, and with its defaults.
fn normal(format: Vectors, request: Request<'static>) -> Request<'static> {
    let typed = Some(Cow::Borrowed("clustering"));
    match format.name() {
        "cohere_embed" => Request { user: None, input_type: typed, ..request },
        "gemini_embed" => Request { user: None, input_type: typed, encoding: Encoding::Float, ..request },
        _ => request,
    }
}

fn read_everything(bytes: &[u8]) {
    for format in EMBEDDINGS {
        let _ = format.read_request(bytes);
        let _ = format.provider.peek_response.map(|peek| peek(bytes));
        let _ = format.usage_of(bytes);
        assert!(!format.read_error(500, None, bytes).message.is_empty());
        if let Ok(response) = format.read_response(bytes) {
            for client in EMBEDDINGS {
                let _ = client.write_response(&response, Encoding::Float);
                let _ = client.write_response(&response, Encoding::Base64);
            }
        }
    }
}

const FIELDS: &str = "model input texts requests content parts text data embedding embeddings values float base64 index usage meta \
    billed_units input_tokens error message code details retryDelay encoding_format";

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_written_request_is_read_back(request in request()) {
        for format in EMBEDDINGS {
            let request = normal(format, request.clone());
            if request.texts(usize::MAX).is_err() && format.name() != "openai_embeddings" {
                prop_assert!(format.write_request(&request, &request.model).is_err());
                continue;
            }
            let written = format.write_request(&request, &request.model).unwrap();
            prop_assert!(written.dropped.is_empty());
            prop_assert_eq!(format.read_request(&written.body).unwrap(), request);
        }
    }

    #[test]
    fn a_written_response_is_read_back(vectors in vec(numbers(), 1..4), input in option::of(0..9999u64)) {
        let usage = input.map(|input| Usage { input, ..Usage::default() });
        let vectors: Vec<Vector<'_>> = vectors.iter().map(|numbers| vector(numbers)).collect();
        let response = Response { model: Cow::Borrowed("m"), vectors, usage };
        for format in EMBEDDINGS {
            for encoding in [Encoding::Float, Encoding::Base64] {
                let written = format.write_response(&response, encoding).unwrap();
                let read = format.read_response(&written).unwrap();
                // The floats are bit-identical either way.
                prop_assert_eq!(read.encoded(Encoding::Float).unwrap(), response.vectors.clone());
                prop_assert!(read.usage.is_none() || read.usage == usage);
                if let Some(peek) = format.provider.peek_response {
                    prop_assert_eq!(peek(&written).unwrap().usage, read.usage);
                }
                prop_assert_eq!(format.usage_of(&written), read.usage);
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
        read_everything(&bytes);
    }

    #[test]
    fn nothing_nearly_right_panics(json in nearly(FIELDS, "base64 float AACAPw== 1s")) {
        read_everything(json.as_bytes());
    }
}
