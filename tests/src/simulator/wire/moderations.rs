//! OpenAI's moderations: a text about violence is flagged.

use serde_json::{Value, json};

use super::Asked;
use super::openai::Endpoint;
use crate::simulator::call::Call;
use crate::simulator::prompt::Usage;
use crate::simulator::reply::{Refusal, Reply};

/// `/v1/moderations`.
pub static MODERATIONS: Endpoint = Endpoint::post("/v1/moderations", judge);

fn judge(call: &Call<'_>) -> Result<Asked, Refusal> {
    let body = call.json()?;
    let inputs = match &body["input"] {
        Value::String(_) => vec![body["input"].clone()],
        Value::Array(inputs) if !inputs.is_empty() => inputs.clone(),
        _ => return Err(Refusal::invalid("Missing required parameter: 'input'.")),
    };
    let model = body["model"].as_str().unwrap_or("omni-moderation-latest");
    let result = |input: &Value| {
        let violent = input.to_string().contains("violence");
        let score = if violent { 0.9 } else { 0.0001 };
        json!({
            "flagged": violent,
            "categories": {"violence": violent, "hate": false},
            "category_scores": {"violence": score, "hate": 0.0001},
        })
    };
    let results = inputs.iter().map(result).collect::<Vec<_>>();
    let reply = Reply::json(200, &json!({"id": "modr-sim", "model": model, "results": results}));
    Ok(Asked::Ready { reply, model: Some(model.to_owned()), used: Usage::default() })
}
