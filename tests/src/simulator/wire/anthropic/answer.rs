//! Writes whole and streamed answers of Anthropic's messages. [`request`](super::request) reads and checks requests.

use serde_json::{Value, json};

use crate::simulator::fault::{Fault, Faults};
use crate::simulator::prompt::{Answer, Prompt, Stop, Usage, pieces};
use crate::simulator::reply::Event;

/// The signature on every thinking block; the simulator rejects a returned block with another signature.
pub const SIGNATURE: &str = "EqQBsim0signature+of/the=thoughts";

/// The final usage; Anthropic excludes cached tokens from the input.
fn usage(usage: Usage) -> Value {
    let Usage { input, cached, cache_written, output, thinking } = usage;
    let mut value = json!({
        "input_tokens": input - cached - cache_written,
        "cache_creation_input_tokens": cache_written,
        "cache_read_input_tokens": cached,
        "cache_creation": {"ephemeral_5m_input_tokens": cache_written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "service_tier": "standard",
    });
    if thinking > 0 {
        value["output_tokens_details"] = json!({"thinking_tokens": thinking});
    }
    value
}

fn stop_reason(stop: &Stop) -> &str {
    match stop {
        Stop::End => "end_turn",
        Stop::Sequence(_) => "stop_sequence",
        Stop::Length => "max_tokens",
        Stop::Tools => "tool_use",
        Stop::Word(word) => word,
    }
}

fn stop_sequence(stop: &Stop) -> Option<&str> {
    match stop {
        Stop::Sequence(text) => Some(text),
        _ => None,
    }
}

/// Writes a whole answer.
pub fn whole(prompt: &Prompt, answer: &Answer, faults: &Faults) -> Value {
    let mut content = Vec::new();
    if let Some(thinking) = &answer.thinking {
        content.push(json!({"type": "thinking", "thinking": thinking, "signature": SIGNATURE}));
    }
    if !answer.text.is_empty() {
        content.push(json!({"type": "text", "text": answer.text.concat()}));
    }
    content.extend(answer.calls.iter().map(|call| {
        json!({"type": "tool_use", "id": format!("toolu_{}", call.id), "name": call.name, "input": call.arguments})
    }));
    if faults.has(&Fault::Empty) {
        content.clear();
    }
    let mut body = json!({
        "id": format!("msg_sim{}", prompt.messages),
        "type": "message",
        "role": "assistant",
        "model": prompt.model,
        "content": content,
        "stop_reason": stop_reason(&answer.stop),
        "stop_sequence": stop_sequence(&answer.stop),
    });
    if let Some(known) = answer.usage {
        body["usage"] = usage(known);
    }
    if faults.has(&Fault::Extra) {
        body["x_future"] = json!({"nested": [1, {"deep": null}]});
    }
    body
}

/// Writes a streamed answer, including its terminator.
pub fn stream(prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event> {
    let mut message = json!({
        "id": format!("msg_sim{}", prompt.messages), "type": "message", "role": "assistant", "model": prompt.model,
        "content": [], "stop_reason": null, "stop_sequence": null,
    });
    if let Some(known) = answer.usage {
        message["usage"] = usage(Usage { output: 1, thinking: 0, ..known });
    }
    let mut events = vec![
        Event::named("message_start", &json!({"type": "message_start", "message": message})),
        Event::named("ping", &json!({"type": "ping"})),
    ];
    if faults.has(&Fault::Extra) {
        events.push(Event::named("x_future", &json!({"type": "x_future", "nested": [1, {"deep": null}]})));
    }
    if !faults.has(&Fault::Empty) {
        blocks(answer, &mut events);
    }
    let delta = json!({"stop_reason": stop_reason(&answer.stop), "stop_sequence": stop_sequence(&answer.stop)});
    let mut last = json!({"type": "message_delta", "delta": delta});
    if let Some(known) = answer.usage {
        last["usage"] = json!({"output_tokens": known.output});
        if known.thinking > 0 {
            last["usage"]["output_tokens_details"] = json!({"thinking_tokens": known.thinking});
        }
    }
    events.push(Event::named("message_delta", &last));
    if !faults.has(&Fault::NoEnd) {
        events.push(Event::named("message_stop", &json!({"type": "message_stop"})));
    }
    events
}

fn blocks(answer: &Answer, events: &mut Vec<Event>) {
    let mut index = 0;
    let mut block = |start: Value, deltas: Vec<(Value, u64)>| {
        let start = json!({"type": "content_block_start", "index": index, "content_block": start});
        events.push(Event::named("content_block_start", &start));
        for (delta, tokens) in deltas {
            let delta = json!({"type": "content_block_delta", "index": index, "delta": delta});
            events.push(Event::named("content_block_delta", &delta).bringing(tokens));
        }
        events.push(Event::named("content_block_stop", &json!({"type": "content_block_stop", "index": index})));
        index += 1;
    };
    if let Some(thinking) = &answer.thinking {
        let thoughts =
            thinking.split_inclusive(' ').map(|piece| (json!({"type": "thinking_delta", "thinking": piece}), 0));
        let signature = (json!({"type": "signature_delta", "signature": SIGNATURE}), 0);
        block(json!({"type": "thinking", "thinking": "", "signature": ""}), thoughts.chain([signature]).collect());
    }
    if !answer.text.is_empty() {
        let delta = |(piece, tokens)| (json!({"type": "text_delta", "text": piece}), tokens);
        let deltas = answer.counted().map(delta).collect();
        block(json!({"type": "text", "text": ""}), deltas);
    }
    for call in &answer.calls {
        let start = json!({"type": "tool_use", "id": format!("toolu_{}", call.id), "name": call.name, "input": {}});
        let input = if call.arguments == json!({}) { Vec::new() } else { pieces(&call.arguments.to_string()) };
        // Like Anthropic, the simulator sends an empty first piece; a call without arguments has no other.
        let input = std::iter::once(String::new()).chain(input);
        block(start, input.map(|piece| (json!({"type": "input_json_delta", "partial_json": piece}), 0)).collect());
    }
}
