//! Azure OpenAI: OpenAI's formats under a deployment's path or under `/openai/v1`. Azure has two kinds of keys, a
//! version in the query, and content filter results in every answer. A stream starts with a chunk that has only filter
//! results.
//!
//! Source: <https://learn.microsoft.com/azure/ai-services/openai/reference>.

use hyper::Method;
use serde_json::{Value, json};

use super::openai::{self, chat, chat_request, completions, embeddings, responses};
use super::{Asked, Chat, Trouble, Wire};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::fault::{Fault, Faults};
use crate::simulator::prompt::{Answer, Prompt};
use crate::simulator::reply::{Event, Refusal, Reply};

pub struct Azure;

const DEPLOYMENTS: &str = "/openai/deployments/";
const VERSIONLESS: &str = "/openai/v1/";

/// The deployment, if the path names one, and the operation.
fn operation<'a>(call: &Call<'a>) -> Option<(Option<String>, &'a str)> {
    if let Some(operation) = call.path.strip_prefix(VERSIONLESS) {
        return Some((None, operation));
    }
    if call.path == "/openai/responses" {
        return Some((None, "responses"));
    }
    let (_, operation) = call.path.strip_prefix(DEPLOYMENTS)?.split_once('/')?;
    let deployment = call.captures(&format!("{DEPLOYMENTS}{{deployment}}/{operation}"))?;
    Some((Some(deployment.concat()), operation))
}

impl Wire for Azure {
    fn serves(&self, call: &Call<'_>) -> bool {
        call.method == Method::POST && operation(call).is_some()
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        let keys = [call.header("api-key"), call.bearer()];
        if keys.iter().any(|key| control.accepts(key)) {
            return Ok(());
        }
        Err(Refusal::new(
            401,
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.",
        ))
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        let missing = || Refusal::new(404, "Resource not found");
        let (deployment, operation) = operation(call).ok_or_else(missing)?;
        if !call.path.starts_with(VERSIONLESS) && call.parameter("api-version").is_none_or(|version| version.is_empty())
        {
            return Err(missing());
        }
        let mut body = call.json()?;
        // The deployment overrides the model in the body.
        if let Some(deployment) = deployment {
            body["model"] = json!(deployment);
        }
        match operation {
            "chat/completions" => Ok(Asked::Chat(chat_request::read(&body)?, &Filtered)),
            "completions" => Ok(Asked::Chat(completions::read(&body)?, &completions::Completions)),
            "embeddings" => embeddings::answer(&body),
            "responses" => responses::read(call, &body),
            _ => Err(missing()),
        }
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        Reply::json(refusal.status, &error(refusal))
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[("apim-request-id", "00000000-0000-4000-8000-000000000000"), ("x-ms-region", "Sweden Central")]
    }

    fn trouble(&self, trouble: Trouble) -> Refusal {
        let refusal = openai::trouble(trouble);
        match trouble {
            Trouble::Filter => Refusal {
                message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.".to_owned(),
                ..refusal
            },
            _ => refusal,
        }
    }
}

/// Writes an error in OpenAI's format; errors of Azure's front end have only a code and a message.
fn error(refusal: &Refusal) -> Value {
    let gate = |code: &str| json!({"error": {"code": code, "message": refusal.message}});
    match (refusal.status, refusal.code) {
        (400, Some("content_filter")) => json!({"error": {
            "message": refusal.message, "type": null, "param": "prompt", "code": "content_filter", "status": 400,
            "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": verdict(true)},
        }}),
        (404, Some("model_not_found")) => gate("DeploymentNotFound"),
        (401 | 403 | 404, _) => gate(&refusal.status.to_string()),
        (429, Some("rate_limit_exceeded")) => gate("429"),
        _ => openai::error(refusal),
    }
}

fn verdict(violent: bool) -> Value {
    let safe = json!({"filtered": false, "severity": "safe"});
    let violence = if violent { json!({"filtered": true, "severity": "high"}) } else { safe.clone() };
    json!({"hate": safe, "self_harm": safe, "sexual": safe, "violence": violence})
}

fn prompt_verdict() -> Value {
    json!([{"prompt_index": 0, "content_filter_results": verdict(false)}])
}

/// Writes chat completions with content filter results.
struct Filtered;

fn judged(mut body: Value) -> Value {
    for choice in body["choices"].as_array_mut().into_iter().flatten() {
        choice["content_filter_results"] = verdict(choice["finish_reason"] == "content_filter");
    }
    body
}

impl Chat for Filtered {
    fn whole(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Reply {
        let mut body = judged(chat::whole(prompt, answer, faults));
        body["prompt_filter_results"] = prompt_verdict();
        Reply::json(200, &body)
    }

    fn stream(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event> {
        let first = json!({
            "choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": prompt_verdict(),
        });
        let judge = |event: Event| match serde_json::from_str(&event.data) {
            Ok(chunk) => Event::plain(&judged(chunk)).bringing(event.tokens),
            Err(_) => event,
        };
        let chunks = chat::stream(prompt, answer, faults).into_iter().map(judge);
        let first = (!faults.has(&Fault::Empty)).then(|| Event::plain(&first));
        first.into_iter().chain(chunks).collect()
    }

    fn error_event(&self, refusal: &Refusal) -> Event {
        Event::plain(&openai::error(refusal))
    }
}
