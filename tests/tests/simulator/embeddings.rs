//! OpenAI's embeddings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::{start, with};

const PATH: &str = "/v1/embeddings";

#[tokio::test]
async fn a_vector_is_a_function_of_its_text_in_either_encoding() {
    let (simulator, client) = start().await;
    let body = json!({"model": "embed-sim", "input": ["hello", "you", "hello"], "dimensions": 5});
    let answer = client.post(PATH, &body).await.json();
    let vector = |index: usize| answer["data"][index]["embedding"].clone();
    assert_eq!((vector(0), vector(1) == vector(0)), (vector(2), false));
    assert_eq!(answer["usage"], json!({"prompt_tokens": 5, "total_tokens": 5}));
    assert_eq!(simulator.requests()[0].used.map(|used| used.input), Some(5));
    let encoded = client.post(PATH, &with(body, json!({"encoding_format": "base64"}))).await.json();
    let bytes = STANDARD.decode(encoded["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let numbers = bytes.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect::<Vec<_>>();
    let plain: Vec<f32> = serde_json::from_value(vector(0)).unwrap();
    assert_eq!(numbers, plain);
}

#[tokio::test]
async fn tokens_are_taken_and_nothing_is_refused() {
    let (_simulator, client) = start().await;
    let of = |input: Value| json!({"model": "m", "input": input});
    assert_eq!(client.post(PATH, &of(json!([1, 2, 3]))).await.json()["usage"]["prompt_tokens"], 3);
    for wrong in [json!(""), json!([]), json!([""]), Value::Null, json!({"a": 1})] {
        assert_eq!(client.post(PATH, &of(wrong)).await.status, 400);
    }
    assert_eq!(client.post(PATH, &with(of(json!("a")), json!({"dimensions": 0}))).await.status, 400);
    assert_eq!(client.post(PATH, &json!({"model": "m+status=429", "input": "a"})).await.status, 429);
}
