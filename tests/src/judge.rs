//! A simulated judge: one server with the APIs of all guardrail services that the gateway can ask, each at its own path. Words in the texts
//! say how it behaves.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::simulator::Recorded;
use crate::standin::{Answer, StandIn};

/// A text with this word must not pass.
pub const BLOCK: &str = "BLOCKME";
/// This word is masked, or the text blocked by a service that cannot mask.
pub const MASK: &str = "MASKME";
/// The judge never answers.
pub const SLOW: &str = "SLOWME";
/// The judge closes the connection without an answer.
pub const DOWN: &str = "DOWNME";
/// The judge answers with status 503.
pub const BUSY: &str = "BUSYME";
/// The judge answers with JSON of another kind.
pub const NONSENSE: &str = "NONSENSEME";

/// The judge closes the connection when it receives a call with this word for the first time.
pub const DOWN_ONCE: &str = "DOWNONCE";
/// The judge answers with status 503 when it receives a call with this word for the first time.
pub const BUSY_ONCE: &str = "BUSYONCE";

/// The replacement of [`MASK`].
pub const MASKED: &str = "[masked]";

/// Starts a judge.
///
/// # Panics
/// If no port is free.
pub async fn start() -> StandIn {
    let known = Mutex::new(BTreeSet::new());
    StandIn::answering(move |request| {
        let is_new = known.lock().unwrap_or_else(PoisonError::into_inner).insert(request.body.clone());
        let has = |word: &str| is_new && request.body.windows(word.len()).any(|part| part == word.as_bytes());
        if has(DOWN_ONCE) {
            Answer::Closed
        } else if has(BUSY_ONCE) {
            sent(503, &json!({ "error": "busy" }))
        } else {
            answer(request)
        }
    })
    .await
}

/// The answer to a request in any of the APIs. A request that the service would reject gets status 400.
#[must_use]
pub fn answer(request: &Recorded) -> Answer {
    let body = request.json();
    let Some((service, texts)) = asked(request, &body) else { return sent(400, &json!({ "error": "bad request" })) };
    let has = |word| texts.iter().any(|text| text.contains(word));
    if has(SLOW) {
        Answer::Never
    } else if has(DOWN) {
        Answer::Closed
    } else if has(BUSY) {
        sent(503, &json!({ "error": "busy" }))
    } else if has(NONSENSE) {
        sent(200, &json!({ "verdict": 7 }))
    } else {
        sent(200, &service(&texts, has(BLOCK), has(MASK)))
    }
}

fn sent(status: u16, body: &Value) -> Answer {
    Answer::Sent(status, Bytes::from(body.to_string()))
}

/// Judges texts that contain [`BLOCK`] (the first flag) or [`MASK`] (the second).
type Service = fn(&[String], bool, bool) -> Value;

/// The service that the path belongs to, and the texts; `None` if the service would reject the request.
fn asked(request: &Recorded, body: &Value) -> Option<(Service, Vec<String>)> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let is_json = request.header("content-type") == Some("application/json");
    if request.method != "POST" || !is_json {
        return None;
    }
    if path.ends_with("/moderations") {
        body["model"].as_str()?;
        Some((openai, strings(&body["input"], "")?))
    } else if path.ends_with("/analyze") {
        body["language"].as_str()?;
        Some((presidio, vec![body["text"].as_str().filter(|text| !text.is_empty())?.to_owned()]))
    } else if path.ends_with("/contentsafety/text:analyze") && query.starts_with("api-version=") {
        let text = body["text"].as_str().filter(|text| text.chars().count() <= 10_000)?;
        Some((azure, vec![text.to_owned()]))
    } else if path.contains("/guardrail/") && path.ends_with("/apply") {
        matches!(body["source"].as_str()?, "INPUT" | "OUTPUT").then_some(())?;
        Some((bedrock, strings(&body["content"], "/text/text")?))
    } else if path.ends_with(":sanitizeUserPrompt") {
        Some((model_armor, vec![body["userPromptData"]["text"].as_str()?.to_owned()]))
    } else if path.ends_with(":sanitizeModelResponse") {
        Some((model_armor, vec![body["modelResponseData"]["text"].as_str()?.to_owned()]))
    } else if path.ends_with("/beta/litellm_basic_guardrail_api") {
        matches!(body["input_type"].as_str()?, "request" | "response").then_some(())?;
        body["request_data"].as_object().and(body["additional_provider_specific_params"].as_object())?;
        Some((litellm, strings(&body["texts"], "")?))
    } else if path.ends_with("/request") {
        Some((agentgateway_request, strings(&body["body"]["messages"], "/content")?))
    } else if path.ends_with("/response") {
        Some((agentgateway_response, strings(&body["body"]["choices"], "/message/content")?))
    } else {
        matches!(body["side"].as_str()?, "prompt" | "answer").then_some(())?;
        body["model"].as_str().and(body["team"].as_str())?;
        Some((webhook, strings(&body["texts"], "")?))
    }
}

/// The string at a place in each item.
fn strings(list: &Value, place: &str) -> Option<Vec<String>> {
    list.as_array()?.iter().map(|item| item.pointer(place)?.as_str().map(str::to_owned)).collect()
}

fn masked(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| text.replace(MASK, MASKED)).collect()
}

fn openai(texts: &[String], _: bool, _: bool) -> Value {
    let result = |text: &String| {
        let flagged = text.contains(BLOCK) || text.contains(MASK);
        json!({
            "flagged": flagged,
            "categories": { "harassment": false, "violence": flagged },
            "category_scores": { "harassment": 0.001, "violence": if flagged { 0.9 } else { 0.001 } },
        })
    };
    json!({ "id": "modr-1", "model": "omni", "results": texts.iter().map(result).collect::<Vec<_>>() })
}

/// The offsets are characters.
fn presidio(texts: &[String], _: bool, _: bool) -> Value {
    let text = texts.concat();
    let find = |word: &'static str| {
        let text = text.clone();
        let starts: Vec<usize> = text.match_indices(word).map(|(at, _)| text[..at].chars().count()).collect();
        starts.into_iter().map(
            move |start| json!({ "entity_type": "PERSON", "start": start, "end": start + word.len(), "score": 0.85 }),
        )
    };
    find(BLOCK).chain(find(MASK)).collect()
}

fn azure(_: &[String], block: bool, mask: bool) -> Value {
    let analysis = |category: &str| {
        let severity = if category == "Violence" && (block || mask) { 6 } else { 0 };
        json!({ "category": category, "severity": severity })
    };
    let analyses: Vec<Value> = ["Hate", "SelfHarm", "Sexual", "Violence"].map(analysis).into();
    json!({ "blocklistsMatch": [], "categoriesAnalysis": analyses })
}

fn bedrock(texts: &[String], block: bool, mask: bool) -> Value {
    let outputs = |texts: Vec<String>| texts.iter().map(|text| json!({ "text": text })).collect::<Vec<_>>();
    let (action, outputs, assessment) = match (block, mask) {
        (true, _) => {
            let topic = json!({ "name": "Investments", "type": "DENY", "action": "BLOCKED" });
            (
                "GUARDRAIL_INTERVENED",
                outputs(vec!["Sorry.".to_owned()]),
                json!({ "topicPolicy": { "topics": [topic] } }),
            )
        }
        (false, true) => {
            let entity = json!({ "match": MASK, "type": "NAME", "action": "ANONYMIZED" });
            let policy = json!({ "sensitiveInformationPolicy": { "piiEntities": [entity] } });
            ("GUARDRAIL_INTERVENED", outputs(masked(texts)), policy)
        }
        (false, false) => ("NONE", Vec::new(), json!({})),
    };
    json!({ "action": action, "outputs": outputs, "assessments": [assessment], "usage": { "topicPolicyUnits": 1 } })
}

fn model_armor(texts: &[String], block: bool, mask: bool) -> Value {
    let state = |is: bool| if is { "MATCH_FOUND" } else { "NO_MATCH_FOUND" };
    let mut deidentified = json!({ "executionState": "EXECUTION_SUCCESS", "matchState": state(mask) });
    if mask {
        deidentified["data"] = json!({ "text": masked(texts).concat() });
    }
    let jailbreak = json!({ "executionState": "EXECUTION_SUCCESS", "matchState": state(block) });
    json!({ "sanitizationResult": {
        "filterMatchState": state(block || mask),
        "invocationResult": "SUCCESS",
        "filterResults": {
            "pi_and_jailbreak": { "piAndJailbreakFilterResult": jailbreak },
            "sdp": { "sdpFilterResult": { "deidentifyResult": deidentified } },
        },
    } })
}

fn webhook(texts: &[String], block: bool, mask: bool) -> Value {
    match (block, mask) {
        (true, _) => json!({ "action": "block", "label": "policy", "reason": "against the policy" }),
        (false, true) => json!({ "action": "mask", "label": "name", "texts": masked(texts) }),
        (false, false) => json!({ "action": "pass" }),
    }
}

fn agentgateway_request(texts: &[String], block: bool, mask: bool) -> Value {
    let message = |text: &String| json!({ "role": "user", "content": text });
    agentgateway(&json!({ "messages": masked(texts).iter().map(message).collect::<Vec<_>>() }), block, mask)
}

fn agentgateway_response(texts: &[String], block: bool, mask: bool) -> Value {
    let choice = |text: &String| json!({ "message": { "role": "assistant", "content": text } });
    agentgateway(&json!({ "choices": masked(texts).iter().map(choice).collect::<Vec<_>>() }), block, mask)
}

fn agentgateway(body: &Value, block: bool, mask: bool) -> Value {
    let action = match (block, mask) {
        (true, _) => json!({ "body": "No.", "status_code": 403, "reason": "against the policy" }),
        (false, true) => json!({ "body": body, "reason": "names" }),
        (false, false) => json!({ "reason": "fine" }),
    };
    json!({ "action": action })
}

fn litellm(texts: &[String], block: bool, mask: bool) -> Value {
    match (block, mask) {
        (true, _) => json!({ "action": "BLOCKED", "blocked_reason": "against the policy" }),
        (false, true) => json!({ "action": "GUARDRAIL_INTERVENED", "texts": masked(texts) }),
        (false, false) => json!({ "action": "NONE" }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hyper::Request;
    use sluice_core::callout::{Call, Called, Endpoint};
    use sluice_core::guard::judge::{self, Api, Judge, Question, Unreadable, Verdict};
    use sluice_core::guard::spec::Side;

    use super::*;

    fn judges() -> Vec<Judge> {
        let openai = judge::openai::Settings { model: "omni".to_owned(), categories: Vec::new() };
        let azure = judge::azure::CATEGORIES.map(|name| (name.to_owned(), None)).into();
        let apis = [
            Api::OpenAi(openai),
            Api::Presidio(judge::presidio::Settings::new("en", &[], None)),
            Api::Azure(judge::azure::Settings::new(azure, &[])),
            Api::Bedrock(judge::bedrock::Settings::new("g", "DRAFT")),
            Api::ModelArmor(judge::model_armor::Settings::new("projects/p/locations/l/templates/t")),
            Api::Webhook,
            Api::Agentgateway,
            Api::LiteLlm(judge::litellm::Settings("{}".to_owned())),
        ];
        let server = Endpoint { authority: "j".to_owned(), tls: false, path: "/base".to_owned() };
        let (name, cluster, timeout) = ("j".to_owned(), "c".to_owned(), Duration::from_secs(1));
        let judge = |api| Judge {
            name: name.clone(),
            cluster: cluster.clone(),
            server: server.clone(),
            timeout,
            retries: 0,
            price: None,
            api,
        };
        apis.into_iter().map(judge).collect()
    }

    /// The request of a call, as the server receives it.
    fn received(call: &Call) -> Recorded {
        let request = Request::builder()
            .method(call.headers.text(":method").unwrap())
            .uri(call.headers.text(":path").unwrap())
            .header("content-type", call.headers.text("content-type").unwrap());
        Recorded::new(&request.body(()).unwrap().into_parts().0, &Bytes::from(call.body.clone()))
    }

    fn verdict(judge: &Judge, side: Side, texts: &[&str]) -> Result<Verdict, Unreadable> {
        let question = Question { side, texts, model: "m", team: "t", request_id: "r" };
        let mut verdict = Verdict::Pass;
        for asked in judge.calls(&question)? {
            let called = match answer(&received(&asked.call)) {
                Answer::Sent(status, body) => Called { status: Some(status), body: body.into() },
                Answer::Never | Answer::Closed => Called { status: None, body: Vec::new() },
            };
            verdict = verdict.and(judge.verdict(&asked.parts, texts, &called)?);
        }
        Ok(verdict)
    }

    #[test]
    fn the_gateway_and_the_simulated_judge_understand_each_other_in_every_api() {
        for judge in judges() {
            for side in [Side::Prompts, Side::Answers] {
                let verdict = |text: &str| verdict(&judge, side, &["Grüße 💶", text]);
                let api = &judge.api;
                assert_eq!(verdict("nothing"), Ok(Verdict::Pass), "{api:?}");
                let masks = !matches!(api, Api::OpenAi(_) | Api::Azure(_));
                match verdict("to MASKME too").unwrap() {
                    Verdict::Mask { edits, .. } if masks => {
                        let text = &judge::edited(&["Grüße 💶", "to MASKME too"], edits)[0];
                        assert!(["to [masked] too", "to [PERSON] too"].contains(&&*text.1) && text.0 == 1, "{text:?}");
                    }
                    Verdict::Block { .. } if !masks => {}
                    other => panic!("{api:?}: {other:?}"),
                }
                match (api, verdict("BLOCKME").unwrap()) {
                    (Api::Presidio(_), Verdict::Mask { .. }) | (_, Verdict::Block { .. }) => {}
                    other => panic!("{other:?}"),
                }
                assert_eq!(verdict("SLOWME"), Err(Unreadable::NoResponse));
                assert_eq!(verdict("DOWNME"), Err(Unreadable::NoResponse));
                assert_eq!(verdict("BUSYME"), Err(Unreadable::Status(503)));
                assert!(matches!(verdict("NONSENSEME"), Err(Unreadable::Unexpected(_))), "{api:?}");
            }
        }
    }

    #[test]
    fn a_long_prompt_takes_several_calls() {
        let long = format!("{}\nMASKME", "word ".repeat(30_000));
        for judge in judges() {
            let found = verdict(&judge, Side::Prompts, &["short", &long]).unwrap();
            assert_ne!(found, Verdict::Pass, "{:?}", judge.api);
        }
    }
}
