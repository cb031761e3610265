//! Retrieves and deletes stored responses.

use hyper::Method;
use serde_json::json;

use crate::simulator::call::Call;
use crate::simulator::memory::Thing;
use crate::simulator::reply::{Refusal, Reply};
use crate::simulator::wire::Asked;
use crate::simulator::wire::openai::Endpoint;

const PATH: &str = "/v1/responses/{id}";

/// `GET /v1/responses/{id}`.
pub static GET: Endpoint = Endpoint { method: Method::GET, path: PATH, answer: get };
/// `DELETE /v1/responses/{id}`.
pub static DELETE: Endpoint = Endpoint { method: Method::DELETE, path: PATH, answer: delete };

fn find(call: &Call<'_>) -> Result<(String, Thing), Refusal> {
    let id = call.captures(PATH).unwrap_or_default().concat();
    let kept = call.memory.get(&id).filter(|thing| thing.about["object"] == "response");
    let missing = || Refusal::new(404, format!("Response with id '{id}' not found."));
    Ok((id.clone(), kept.ok_or_else(missing)?))
}

fn get(call: &Call<'_>) -> Result<Asked, Refusal> {
    let (_, kept) = find(call)?;
    Ok(Asked::ready(Reply::json(200, &kept.about)))
}

fn delete(call: &Call<'_>) -> Result<Asked, Refusal> {
    let (id, _) = find(call)?;
    call.memory.forget(&id);
    Ok(Asked::ready(Reply::json(200, &json!({"id": id, "object": "response", "deleted": true}))))
}
