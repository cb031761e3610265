//! Writes whole and streamed answers of `Converse`. Usage follows the stop event in an event of its own. Deltas carry
//! the padding `p`, without meaning.

use serde_json::{Value, json};

use crate::simulator::fault::{Fault, Faults};
use crate::simulator::prompt::{Answer, Stop, Usage, pieces};
use crate::simulator::reply::Event;
use crate::simulator::wire::anthropic::answer::SIGNATURE;

fn stop_reason(stop: &Stop) -> &str {
    match stop {
        Stop::End => "end_turn",
        Stop::Sequence(_) => "stop_sequence",
        Stop::Length => "max_tokens",
        Stop::Tools => "tool_use",
        Stop::Word(word) => word,
    }
}

/// The trace of a guardrail that intervened: it found a denied topic in the prompt, and masked an address in the answer.
fn trace(stop: &Stop) -> Option<Value> {
    let topic = json!({"name": "Taxes", "type": "DENY", "action": "BLOCKED", "detected": true});
    let address = json!({"match": "ann@example.com", "type": "EMAIL", "action": "ANONYMIZED", "detected": true});
    (stop_reason(stop) == "guardrail_intervened").then(|| {
        json!({"guardrail": {
            "inputAssessment": {"g1": {"topicPolicy": {"topics": [topic]}}},
            "outputAssessments": {"g1": [{"sensitiveInformationPolicy": {"piiEntities": [address], "regexes": []}}]},
        }})
    })
}

/// The usage; the input excludes cached tokens, the total includes them.
fn usage(usage: Usage) -> Value {
    json!({
        "inputTokens": usage.input - usage.cached - usage.cache_written,
        "outputTokens": usage.output,
        "totalTokens": usage.input + usage.output,
        "cacheReadInputTokens": usage.cached,
        "cacheWriteInputTokens": usage.cache_written,
    })
}

/// Writes a whole answer.
pub fn whole(answer: &Answer, faults: &Faults) -> Value {
    let mut content = Vec::new();
    if let Some(thinking) = &answer.thinking {
        content.push(json!({"reasoningContent": {"reasoningText": {"text": thinking, "signature": SIGNATURE}}}));
    }
    if !answer.text.is_empty() {
        content.push(json!({"text": answer.text.concat()}));
    }
    content.extend(answer.calls.iter().map(|call| {
        json!({"toolUse": {"toolUseId": format!("tooluse_{}", call.id), "name": call.name, "input": call.arguments}})
    }));
    if faults.has(&Fault::Empty) {
        content.clear();
    }
    let mut body = json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_reason(&answer.stop),
        "metrics": {"latencyMs": 300},
    });
    if let Some(known) = answer.usage {
        body["usage"] = usage(known);
    }
    if let Some(trace) = trace(&answer.stop) {
        body["trace"] = trace;
    }
    if faults.has(&Fault::Extra) {
        body["xFuture"] = json!({"nested": [1, {"deep": null}]});
    }
    body
}

/// Writes a streamed answer.
pub fn stream(answer: &Answer, faults: &Faults) -> Vec<Event> {
    let mut events = vec![Event::named("messageStart", &json!({"role": "assistant", "p": "abcd"}))];
    if faults.has(&Fault::Extra) {
        events.push(Event::named("xFuture", &json!({"nested": [1, {"deep": null}]})));
    }
    if !faults.has(&Fault::Empty) {
        blocks(answer, &mut events);
    }
    if faults.has(&Fault::NoEnd) {
        return events;
    }
    let stop = json!({"stopReason": stop_reason(&answer.stop), "additionalModelResponseFields": null});
    events.push(Event::named("messageStop", &stop));
    let mut metadata = json!({"metrics": {"latencyMs": 300}, "p": "ab"});
    if let Some(known) = answer.usage {
        metadata["usage"] = usage(known);
    }
    if let Some(trace) = trace(&answer.stop) {
        metadata["trace"] = trace;
    }
    events.push(Event::named("metadata", &metadata));
    events
}

fn blocks(answer: &Answer, events: &mut Vec<Event>) {
    let mut index = 0;
    let mut block = |start: Option<Value>, deltas: Vec<(Value, u64)>| {
        if let Some(start) = start {
            events.push(Event::named("contentBlockStart", &json!({"contentBlockIndex": index, "start": start})));
        }
        for (delta, tokens) in deltas {
            let delta = json!({"contentBlockIndex": index, "delta": delta, "p": "abcdefgh"});
            events.push(Event::named("contentBlockDelta", &delta).bringing(tokens));
        }
        events.push(Event::named("contentBlockStop", &json!({"contentBlockIndex": index})));
        index += 1;
    };
    if let Some(thinking) = &answer.thinking {
        let thoughts = thinking.split_inclusive(' ').map(|piece| json!({"text": piece}));
        let told = thoughts.chain([json!({"signature": SIGNATURE})]);
        block(None, told.map(|thought| (json!({"reasoningContent": thought}), 0)).collect());
    }
    if !answer.text.is_empty() {
        block(None, answer.counted().map(|(piece, tokens)| (json!({"text": piece}), tokens)).collect());
    }
    for call in &answer.calls {
        let start = json!({"toolUse": {"toolUseId": format!("tooluse_{}", call.id), "name": call.name}});
        let input = if call.arguments == json!({}) { Vec::new() } else { pieces(&call.arguments.to_string()) };
        block(Some(start), input.iter().map(|piece| (json!({"toolUse": {"input": piece}}), 0)).collect());
    }
}
