//! Writes whole and streamed generated content. Calls are not split; usage grows from chunk to chunk; the last chunk
//! has the finish reason.

use serde_json::{Value, json};

use crate::simulator::fault::{Fault, Faults};
use crate::simulator::prompt::{Answer, Prompt, Stop, Usage};
use crate::simulator::reply::Event;

/// The signature of the thoughts before a call.
pub const SIGNATURE: &str = "c2ltLXRob3VnaHQtc2lnbmF0dXJl";

/// Whether a model signs its calls and requires the signatures in later requests.
pub fn signs(model: &str) -> bool {
    model.contains("gemini-3")
}

fn finish_reason(stop: &Stop) -> &str {
    match stop {
        Stop::Length => "MAX_TOKENS",
        Stop::Word(word) => word,
        Stop::End | Stop::Sequence(_) | Stop::Tools => "STOP",
    }
}

/// The usage; the answer's count excludes thoughts.
fn usage(usage: Usage) -> Value {
    let mut value = json!({
        "promptTokenCount": usage.input,
        "candidatesTokenCount": usage.output - usage.thinking,
        "totalTokenCount": usage.input + usage.output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input}],
    });
    if usage.cached > 0 {
        value["cachedContentTokenCount"] = json!(usage.cached);
    }
    if usage.thinking > 0 {
        value["thoughtsTokenCount"] = json!(usage.thinking);
    }
    value
}

/// The calls as parts; a signing model adds ids, and a signature on the first call.
fn calls(prompt: &Prompt, answer: &Answer) -> Vec<Value> {
    let signed = signs(&prompt.model);
    let call = |(index, call): (usize, &crate::simulator::prompt::Call)| {
        let mut part = json!({"functionCall": {"name": call.name, "args": call.arguments}});
        if signed {
            part["functionCall"]["id"] = json!(call.id);
        }
        if signed && index == 0 {
            part["thoughtSignature"] = json!(SIGNATURE);
        }
        part
    };
    answer.calls.iter().enumerate().map(call).collect()
}

fn candidate(index: usize, parts: &[Value], finish: Option<&str>) -> Value {
    let mut candidate = json!({"index": index, "content": {"role": "model"}});
    if !parts.is_empty() {
        candidate["content"]["parts"] = json!(parts);
    }
    if let Some(finish) = finish {
        candidate["finishReason"] = json!(finish);
        if finish == "SAFETY" {
            let rating = |category: &str, blocked: bool| {
                let probability = if blocked { "HIGH" } else { "NEGLIGIBLE" };
                json!({"category": category, "probability": probability, "blocked": blocked})
            };
            candidate["safetyRatings"] =
                json!([rating("HARM_CATEGORY_HARASSMENT", false), rating("HARM_CATEGORY_DANGEROUS_CONTENT", true),]);
        }
    }
    candidate
}

fn chunk(prompt: &Prompt, candidates: &[Value], used: Option<Usage>, faults: &Faults) -> Value {
    let mut chunk = json!({
        "candidates": candidates,
        "modelVersion": prompt.model,
        "responseId": format!("sim{}", prompt.messages),
    });
    if let Some(used) = used {
        chunk["usageMetadata"] = usage(used);
    }
    if faults.has(&Fault::Extra) {
        chunk["xFuture"] = json!({"nested": [1, {"deep": null}]});
    }
    chunk
}

/// Writes a whole answer.
pub fn whole(prompt: &Prompt, answer: &Answer, faults: &Faults) -> Value {
    let mut parts = Vec::new();
    parts.extend(answer.thinking.iter().map(|thought| json!({"text": thought, "thought": true})));
    if !answer.text.is_empty() {
        parts.push(json!({"text": answer.text.concat()}));
    }
    parts.extend(calls(prompt, answer));
    if faults.has(&Fault::Empty) {
        parts.clear();
    }
    let finish = finish_reason(&answer.stop);
    let candidates = (0..prompt.choices).map(|index| candidate(index, &parts, Some(finish))).collect::<Vec<_>>();
    chunk(prompt, &candidates, answer.usage, faults)
}

/// The answer to a blocked prompt: no candidate.
pub fn blocked(prompt: &Prompt) -> Value {
    let input = crate::simulator::prompt::tokens(prompt.text_bytes).max(1);
    json!({
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": input, "totalTokenCount": input},
        "modelVersion": prompt.model,
        "responseId": format!("sim{}", prompt.messages),
    })
}

/// Writes a streamed answer.
pub fn stream(prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event> {
    let mut events = Vec::new();
    for index in 0..prompt.choices {
        let mut spoken = 0;
        let mut say = |part: Value, tokens: u64| {
            spoken += tokens;
            let used = answer.usage.map(|usage| Usage { output: usage.thinking + spoken, ..usage });
            let chunk = chunk(prompt, &[candidate(index, &[part], None)], used, faults);
            events.push(Event::plain(&chunk).bringing(tokens));
        };
        if !faults.has(&Fault::Empty) {
            for thought in answer.thinking.iter().flat_map(|thinking| thinking.split_inclusive(' ')) {
                say(json!({"text": thought, "thought": true}), 0);
            }
            answer.counted().for_each(|(piece, tokens)| say(json!({"text": piece}), tokens));
            calls(prompt, answer).into_iter().for_each(|call| say(call, 0));
        }
        if !faults.has(&Fault::NoEnd) {
            let nothing = if faults.has(&Fault::Empty) { Vec::new() } else { vec![json!({"text": ""})] };
            let last = candidate(index, &nothing, Some(finish_reason(&answer.stop)));
            events.push(Event::plain(&chunk(prompt, &[last], answer.usage, faults)));
        }
    }
    events
}
