//! Ranks documents by their relevance to a query, in the API of Cohere and others. The score is the number of the
//! query's words in a document.

use serde_json::{Value, json};

use super::Asked;
use super::openai::{Endpoint, required};
use crate::simulator::call::Call;
use crate::simulator::prompt::Usage;
use crate::simulator::reply::{Refusal, Reply};

/// `/v1/rerank`.
pub static RERANK: Endpoint = Endpoint::post("/v1/rerank", rank);

fn rank(call: &Call<'_>) -> Result<Asked, Refusal> {
    let body = call.json()?;
    let model = required(body["model"].as_str(), "model")?;
    let query = required(body["query"].as_str(), "query")?;
    let documents = body["documents"].as_array().filter(|documents| !documents.is_empty());
    let documents = documents.ok_or_else(|| Refusal::invalid("Missing required parameter: 'documents'."))?;
    let words = query.split_whitespace().collect::<Vec<_>>();
    let score = |document: &Value| {
        let text = document.as_str().or(document["text"].as_str()).unwrap_or("");
        words.iter().filter(|word| text.contains(*word)).count() as f64 / words.len().max(1) as f64
    };
    let mut ranked = documents.iter().map(score).enumerate().collect::<Vec<_>>();
    ranked.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let most = body["top_n"].as_u64().map_or(ranked.len(), |most| most as usize);
    let result = |(index, score): (usize, f64)| json!({"index": index, "relevance_score": score});
    let results = ranked.into_iter().take(most).map(result).collect::<Vec<_>>();
    let reply = json!({"id": "rerank-sim", "results": results, "meta": {"billed_units": {"search_units": 1}}});
    Ok(Asked::Ready { reply: Reply::json(200, &reply), model: Some(model.to_owned()), used: Usage::default() })
}
