//! OpenAI's files: upload in a form, list, retrieve, download byte for byte, delete.

use bytes::Bytes;
use hyper::Method;
use serde_json::json;

use super::Asked;
use super::multipart::Form;
use super::openai::Endpoint;
use crate::simulator::call::Call;
use crate::simulator::memory::Thing;
use crate::simulator::reply::{Refusal, Reply};

const ALL: &str = "/v1/files";
const ONE: &str = "/v1/files/{id}";
const CONTENTS: &str = "/v1/files/{id}/content";
const PREFIX: &str = "file-";
const PURPOSES: [&str; 6] = ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"];

/// `POST /v1/files`.
pub static UPLOAD: Endpoint = Endpoint::post(ALL, upload);
/// `GET /v1/files`.
pub static LIST: Endpoint = Endpoint { method: Method::GET, path: ALL, answer: list };
/// `GET /v1/files/{id}`.
pub static GET: Endpoint = Endpoint { method: Method::GET, path: ONE, answer: get };
/// `DELETE /v1/files/{id}`.
pub static DELETE: Endpoint = Endpoint { method: Method::DELETE, path: ONE, answer: delete };
/// `GET /v1/files/{id}/content`.
pub static CONTENT: Endpoint = Endpoint { method: Method::GET, path: CONTENTS, answer: content };

fn upload(call: &Call<'_>) -> Result<Asked, Refusal> {
    let form = Form::read(call)?;
    let purpose = form.required("purpose")?;
    if !PURPOSES.contains(&purpose) {
        return Err(Refusal::invalid(format!("'{purpose}' is not one of {PURPOSES:?} - 'purpose'")));
    }
    let file = form.file("file")?;
    let id = call.memory.identifier(PREFIX);
    let about = json!({
        "id": id, "object": "file", "bytes": file.content.len(), "created_at": 1_780_000_000,
        "filename": file.filename, "purpose": purpose, "status": "processed",
    });
    call.memory.keep(&id, about.clone(), Bytes::from(file.content.clone()));
    Ok(Asked::ready(Reply::json(200, &about)))
}

fn list(call: &Call<'_>) -> Result<Asked, Refusal> {
    let data = call.memory.list(PREFIX);
    Ok(Asked::ready(Reply::json(200, &json!({"object": "list", "data": data, "has_more": false}))))
}

fn find(call: &Call<'_>, pattern: &str) -> Result<(String, Thing), Refusal> {
    let id = call.captures(pattern).unwrap_or_default().concat();
    let thing = call.memory.get(&id).filter(|_| id.starts_with(PREFIX));
    let missing = || Refusal::new(404, format!("No such File object: {id}"));
    Ok((id.clone(), thing.ok_or_else(missing)?))
}

fn get(call: &Call<'_>) -> Result<Asked, Refusal> {
    Ok(Asked::ready(Reply::json(200, &find(call, ONE)?.1.about)))
}

fn delete(call: &Call<'_>) -> Result<Asked, Refusal> {
    let (id, _) = find(call, ONE)?;
    call.memory.forget(&id);
    Ok(Asked::ready(Reply::json(200, &json!({"id": id, "object": "file", "deleted": true}))))
}

fn content(call: &Call<'_>) -> Result<Asked, Refusal> {
    Ok(Asked::ready(Reply::of("application/octet-stream", find(call, CONTENTS)?.1.content)))
}
