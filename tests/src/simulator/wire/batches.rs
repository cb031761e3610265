//! OpenAI's batches: create from an uploaded file, retrieve, list, cancel. A batch is in progress at the first
//! retrieval and completed at the second. Its object reports the usage, except with the metadata `{"tells":
//! "nothing"}`: only the results report the usage then.

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use super::Asked;
use super::openai::{Endpoint, required};
use crate::simulator::call::Call;
use crate::simulator::memory::Thing;
use crate::simulator::reply::{Refusal, Reply};

const ALL: &str = "/v1/batches";
const ONE: &str = "/v1/batches/{id}";
const CANCELLED: &str = "/v1/batches/{id}/cancel";
const PREFIX: &str = "batch_";

/// The input and output tokens of each request in a batch.
pub const EACH: [u64; 2] = [11, 7];

/// `POST /v1/batches`.
pub static CREATE: Endpoint = Endpoint::post(ALL, create);
/// `GET /v1/batches`.
pub static LIST: Endpoint = Endpoint { method: Method::GET, path: ALL, answer: list };
/// `GET /v1/batches/{id}`.
pub static GET: Endpoint = Endpoint { method: Method::GET, path: ONE, answer: get };
/// `POST /v1/batches/{id}/cancel`.
pub static CANCEL: Endpoint = Endpoint::post(CANCELLED, cancel);

fn create(call: &Call<'_>) -> Result<Asked, Refusal> {
    let body = call.json()?;
    let file = required(body["input_file_id"].as_str(), "input_file_id")?;
    let endpoint = required(body["endpoint"].as_str(), "endpoint")?;
    if body["completion_window"] != "24h" {
        return Err(Refusal::invalid("Invalid value for 'completion_window': expected '24h'."));
    }
    if call.memory.get(file).is_none_or(|thing| thing.about["purpose"] != "batch") {
        return Err(Refusal::invalid(format!("Invalid input file: '{file}' is no file for batches.")));
    }
    let id = call.memory.identifier(PREFIX);
    let about = json!({
        "id": id, "object": "batch", "endpoint": endpoint, "input_file_id": file, "completion_window": "24h",
        "status": "validating", "created_at": 1_780_000_000, "metadata": body["metadata"],
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
    });
    call.memory.keep(&id, about.clone(), Bytes::new());
    Ok(Asked::ready(Reply::json(200, &about)))
}

fn list(call: &Call<'_>) -> Result<Asked, Refusal> {
    let data = call.memory.list(PREFIX);
    Ok(Asked::ready(Reply::json(200, &json!({"object": "list", "data": data, "has_more": false}))))
}

fn find(call: &Call<'_>, pattern: &str) -> Result<(String, Thing), Refusal> {
    let id = call.captures(pattern).unwrap_or_default().concat();
    let thing = call.memory.get(&id).filter(|_| id.starts_with(PREFIX));
    let missing = || Refusal::new(404, format!("No batch found with id '{id}'."));
    Ok((id.clone(), thing.ok_or_else(missing)?))
}

fn get(call: &Call<'_>) -> Result<Asked, Refusal> {
    let (id, Thing { mut about, content }) = find(call, ONE)?;
    match about["status"].as_str() {
        Some("validating") => about["status"] = json!("in_progress"),
        Some("in_progress") => complete(call, &mut about),
        _ => {}
    }
    call.memory.keep(&id, about.clone(), content);
    Ok(Asked::ready(Reply::json(200, &about)))
}

/// Answers all requests in the batch's file.
fn complete(call: &Call<'_>, about: &mut Value) {
    let input = about["input_file_id"].as_str().and_then(|id| call.memory.get(id)).map(|thing| thing.content);
    let input = input.unwrap_or_default();
    let lines = input.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let [prompt, answer] = EACH;
    let result = |line: &[u8]| {
        let request: Value = serde_json::from_slice(line).unwrap_or_default();
        let message = json!({"role": "assistant", "content": "hi"});
        let body = json!({
            "id": "chatcmpl-batch", "object": "chat.completion", "created": 1_780_000_000, "model": request["body"]["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer},
        });
        json!({"custom_id": request["custom_id"], "response": {"status_code": 200, "body": body}, "error": null})
    };
    let results: Vec<String> = lines.map(|line| result(line).to_string() + "\n").collect();
    let count = results.len() as u64;
    let id = call.memory.identifier("file-");
    let results = Bytes::from(results.concat());
    let file = json!({"id": id, "object": "file", "bytes": results.len(), "purpose": "batch_output"});
    call.memory.keep(&id, file, results);
    about["status"] = json!("completed");
    about["output_file_id"] = json!(id);
    about["request_counts"] = json!({"total": count, "completed": count, "failed": 0});
    if about["metadata"]["tells"] != "nothing" {
        about["usage"] = json!({"input_tokens": prompt * count, "output_tokens": answer * count});
    }
}

fn cancel(call: &Call<'_>) -> Result<Asked, Refusal> {
    let (id, Thing { mut about, content }) = find(call, CANCELLED)?;
    about["status"] = json!("cancelling");
    call.memory.keep(&id, about.clone(), content);
    Ok(Asked::ready(Reply::json(200, &about)))
}
