//! Writes whole and streamed answers of Cohere's chat. Text before calls is a plan, in a field of its own. A delta
//! holds a call as an object, not a list. `message-end` is the only terminator.

use serde_json::{Value, json};

use crate::simulator::fault::{Fault, Faults};
use crate::simulator::prompt::{Answer, Call, Prompt, Stop, Usage, pieces};
use crate::simulator::reply::Event;

fn finish_reason(stop: &Stop) -> &str {
    match stop {
        Stop::End => "COMPLETE",
        Stop::Sequence(_) => "STOP_SEQUENCE",
        Stop::Length => "MAX_TOKENS",
        Stop::Tools => "TOOL_CALL",
        Stop::Word(word) => word,
    }
}

/// The usage, as floating-point numbers. The billed units equal the tokens here.
fn usage(usage: Usage) -> Value {
    let (input, output) = (usage.input as f64, usage.output as f64);
    json!({
        "billed_units": {"input_tokens": input, "output_tokens": output},
        "tokens": {"input_tokens": input, "output_tokens": output},
        "cached_tokens": usage.cached as f64,
    })
}

fn identifier(prompt: &Prompt) -> String {
    format!("sim-{}", prompt.messages)
}

fn call(call: &Call, arguments: &str) -> Value {
    let function = json!({"name": call.name, "arguments": arguments});
    json!({"id": format!("{}_{}", call.name, call.id), "type": "function", "function": function})
}

/// Writes a whole answer.
pub fn whole(prompt: &Prompt, answer: &Answer, faults: &Faults) -> Value {
    let mut message = json!({"role": "assistant"});
    let mut content = Vec::new();
    content.extend(answer.thinking.iter().map(|thinking| json!({"type": "thinking", "thinking": thinking})));
    if answer.calls.is_empty() {
        content.push(json!({"type": "text", "text": answer.text.concat()}));
    } else {
        message["tool_plan"] = json!(answer.text.concat());
        message["tool_calls"] =
            answer.calls.iter().map(|one| call(one, &one.arguments.to_string())).collect::<Vec<_>>().into();
    }
    if !content.is_empty() && !faults.has(&Fault::Empty) {
        message["content"] = json!(content);
    }
    let mut body = json!({"id": identifier(prompt), "message": message, "finish_reason": finish_reason(&answer.stop)});
    if let Some(known) = answer.usage {
        body["usage"] = usage(known);
    }
    if faults.has(&Fault::Extra) {
        body["x_future"] = json!({"nested": [1, {"deep": null}]});
    }
    body
}

/// Writes a streamed answer.
pub fn stream(prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event> {
    let start = json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []});
    let mut events = Vec::new();
    tell(&mut events, "message-start", json!({"id": identifier(prompt), "delta": {"message": start}}), 0);
    if faults.has(&Fault::Extra) {
        tell(&mut events, "x-future", json!({"nested": [1, {"deep": null}]}), 0);
    }
    if !faults.has(&Fault::Empty) {
        content(answer, &mut events);
        calls(answer, &mut events);
    }
    if !faults.has(&Fault::NoEnd) {
        let mut delta = json!({"finish_reason": finish_reason(&answer.stop)});
        if let Some(known) = answer.usage {
            delta["usage"] = usage(known);
        }
        tell(&mut events, "message-end", json!({"id": identifier(prompt), "delta": delta}), 0);
    }
    events
}

fn tell(events: &mut Vec<Event>, name: &'static str, mut data: Value, tokens: u64) {
    data["type"] = json!(name);
    events.push(Event::named(name, &data).bringing(tokens));
}

fn content(answer: &Answer, events: &mut Vec<Event>) {
    let mut index = 0;
    let mut block = |kind: &str, pieces: Vec<(&str, u64)>| {
        let content = |content: Value| json!({"index": index, "delta": {"message": {"content": content}}});
        tell(events, "content-start", content(json!({"type": kind, kind: ""})), 0);
        for (piece, tokens) in pieces {
            tell(events, "content-delta", content(json!({kind: piece})), tokens);
        }
        tell(events, "content-end", json!({"index": index}), 0);
        index += 1;
    };
    if let Some(thinking) = &answer.thinking {
        block("thinking", thinking.split_inclusive(' ').map(|piece| (piece, 0)).collect());
    }
    if answer.calls.is_empty() {
        block("text", answer.counted().collect());
    }
}

fn calls(answer: &Answer, events: &mut Vec<Event>) {
    if answer.calls.is_empty() {
        return;
    }
    for (piece, tokens) in answer.counted() {
        tell(events, "tool-plan-delta", json!({"delta": {"message": {"tool_plan": piece}}}), tokens);
    }
    for (index, one) in answer.calls.iter().enumerate() {
        let delta = |calls: Value| json!({"index": index, "delta": {"message": {"tool_calls": calls}}});
        tell(events, "tool-call-start", delta(call(one, "")), 0);
        for piece in pieces(&one.arguments.to_string()) {
            tell(events, "tool-call-delta", delta(json!({"function": {"arguments": piece}})), 0);
        }
        tell(events, "tool-call-end", json!({"index": index}), 0);
    }
}
