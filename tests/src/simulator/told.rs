//! Falsifies the reported usage: the provider reports other numbers than it counts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::fault::{Fault, Faults};
use super::order;
use super::reply::{Content, Reply};

/// The services' names for usage.
const NAMES: [&str; 4] = ["usage", "usageMetadata", "billed_units", "amazon-bedrock-invocationMetrics"];

/// Changes the usage in the reply as the faults require.
pub fn tampered(mut reply: Reply, faults: &Faults) -> Reply {
    for fault in faults.iter().filter(|fault| matches!(fault, Fault::Counts(_) | Fault::Usage(_))) {
        match &mut reply.content {
            Content::Whole(body) => {
                if let Some(changed) = changed(body, fault) {
                    *body = changed.into_bytes();
                }
            }
            Content::Stream(stream) => {
                for event in &mut stream.events {
                    event.data = changed(event.data.as_bytes(), fault).unwrap_or(std::mem::take(&mut event.data));
                }
            }
        }
    }
    reply
}

fn changed(json: &[u8], fault: &Fault) -> Option<String> {
    let mut value = serde_json::from_slice(json).ok()?;
    look(&mut value, fault);
    Some(order::write(&value))
}

fn look(value: &mut Value, fault: &Fault) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match fault {
                    Fault::Usage(instead) if NAMES.contains(&name.as_str()) && value.is_object() => {
                        value.clone_from(instead);
                    }
                    Fault::Counts(instead) if NAMES.contains(&name.as_str()) => count(value, instead),
                    _ if name == "bytes" => unwrapped(value, fault),
                    _ => look(value, fault),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| look(item, fault)),
        _ => {}
    }
}

/// Bedrock's streams carry another service's events in base64.
fn unwrapped(value: &mut Value, fault: &Fault) {
    let event = value.as_str().and_then(|text| STANDARD.decode(text).ok());
    if let Some(event) = event.and_then(|event| changed(&event, fault)) {
        *value = Value::String(STANDARD.encode(event));
    }
}

/// Replaces every number in the value.
fn count(value: &mut Value, instead: &Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|value| count(value, instead)),
        Value::Array(items) => items.iter_mut().for_each(|item| count(item, instead)),
        Value::Number(_) => value.clone_from(instead),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn usage_is_told_as_the_faults_want_it_and_nothing_else_changes() {
        let body = json!({"n": 1, "message": {"usage": {"input": 2, "details": {"cached": 3}, "tier": "x"}}});
        let told = |faults: &str| {
            let Content::Whole(body) = tampered(Reply::json(200, &body), &faults.parse().unwrap()).content else {
                panic!("a whole body")
            };
            serde_json::from_slice::<Value>(&body).unwrap()
        };
        assert_eq!(told("ok"), body);
        let counts = json!({"n": 1, "message": {"usage": {"input": "7", "details": {"cached": "7"}, "tier": "x"}}});
        assert_eq!(told("counts=\"7\""), counts);
        assert_eq!(told("usage=[1,2]"), json!({"n": 1, "message": {"usage": [1, 2]}}));
    }
}
