//! Pass-through services: images, audio, files, batches, moderation and reranking.

use serde_json::json;
use sha2::{Digest as _, Sha256};
use sluice_tests::client::{Answer, Client};

use crate::start;

const BOUNDARY: &str = "x-boundary-of-the-test";

/// A form with fields, and a file of these bytes.
fn form(fields: &[(&str, &str)], file: &str, bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{file}\"; filename=\"a.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(bytes);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    body
}

async fn send(client: &Client, path: &str, body: Vec<u8>) -> Answer {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    client.clone().header("content-type", &kind).request("POST", path, body).await.expect("an answer")
}

async fn get(client: &Client, path: &str) -> Answer {
    client.request("GET", path, "").await.expect("an answer")
}

#[tokio::test]
async fn files_come_back_byte_for_byte() {
    let (simulator, client) = start().await;
    let bytes = [&b"\r\n--x-boundary"[..], &[0, 255, 13, 10, 13, 10]].concat();
    let body = form(&[("purpose", "batch")], "file", &bytes);
    let file = send(&client, "/v1/files", body.clone()).await.json();
    assert_eq!((&file["bytes"], &file["filename"]), (&json!(bytes.len()), &json!("a.bin")));
    let hash = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(simulator.requests()[0].sha256(), hash);
    let path = format!("/v1/files/{}", file["id"].as_str().unwrap());
    assert_eq!(get(&client, &format!("{path}/content")).await.body, bytes);
    assert_eq!(get(&client, "/v1/files").await.json()["data"][0], file);

    let batch = json!({"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let batch = client.post("/v1/batches", &batch).await.json();
    let of = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
    assert_eq!(client.post(&format!("{of}/cancel"), &json!({})).await.json()["status"], "cancelling");
    assert_eq!(get(&client, &of).await.json()["status"], "cancelling");
    assert_eq!(get(&client, "/v1/batches").await.json()["data"].as_array().map(Vec::len), Some(1));

    assert_eq!(client.request("DELETE", &path, "").await.unwrap().json()["deleted"], true);
    assert_eq!(get(&client, &path).await.status, 404);
    let cut = body[..body.len() - 8].to_vec();
    for wrong in [cut, form(&[("purpose", "x")], "file", b"a"), form(&[("purpose", "batch")], "other", b"a")] {
        assert_eq!(send(&client, "/v1/files", wrong).await.status, 400);
    }
}

#[tokio::test]
async fn images_and_sounds() {
    let (simulator, client) = start().await;
    let images = client.post("/v1/images/generations", &json!({"model": "m", "prompt": "a cat", "n": 2})).await.json();
    assert_eq!((images["data"].as_array().map(Vec::len), &images["usage"]["output_tokens"]), (Some(2), &json!(544)));
    let edit = send(&client, "/v1/images/edits", form(&[("prompt", "a dog")], "image", b"12345678")).await.json();
    assert_eq!(edit["usage"]["input_tokens_details"], json!({"text_tokens": 2, "image_tokens": 2}));
    let speech = client.post("/v1/audio/speech", &json!({"model": "m", "input": "hello", "voice": "alloy"})).await;
    assert_eq!((speech.header("content-type"), speech.body.len()), (Some("audio/mpeg"), 128));
    assert!(std::str::from_utf8(&speech.body).is_err(), "it is not text");
    let heard = send(&client, "/v1/audio/transcriptions", form(&[("model", "m")], "file", b"abc")).await.json();
    assert_eq!(heard["text"], "transcribed 3 bytes of a.bin");
    let text = form(&[("model", "m"), ("response_format", "text")], "file", b"abc");
    let text = send(&client, "/v1/audio/translations", text).await;
    assert_eq!(
        (text.header("content-type"), text.text().trim()),
        (Some("text/plain; charset=utf-8"), "translated 3 bytes of a.bin")
    );
    let failing = form(&[("model", "m+status=503")], "file", b"abc");
    assert_eq!(send(&client, "/v1/audio/translations", failing).await.status, 503);
    assert_eq!(client.post("/v1/audio/speech", &json!({"model": "m", "input": "hello"})).await.status, 400);
    assert_eq!(simulator.count(), 7);
}

#[tokio::test]
async fn texts_are_judged_and_ordered() {
    let (_simulator, client) = start().await;
    let judged = client.post("/v1/moderations", &json!({"input": ["flowers", "violence"]})).await.json();
    assert_eq!([0, 1].map(|index| judged["results"][index]["flagged"].clone()), [json!(false), json!(true)]);
    let documents = json!(["a dog", "a black cat", {"text": "a cat"}]);
    let body = json!({"model": "m", "query": "black cat", "documents": documents, "top_n": 2});
    let ranked = client.post("/v1/rerank", &body).await.json();
    assert_eq!([0, 1].map(|place| ranked["results"][place]["index"].clone()), [json!(1), json!(2)]);
}
