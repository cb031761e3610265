//! Writes JSON with fields in roughly the providers' order: identity first, usage last. A plain value tree would sort
//! fields alphabetically, and a reader that relies on that order must fail.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

const FIRST: [&str; 16] = [
    "id",
    "type",
    "object",
    "created",
    "index",
    "role",
    "model",
    "name",
    "message",
    "delta",
    "content_block",
    "choices",
    "content",
    "text",
    "thinking",
    "function",
];
const LAST: [&str; 7] =
    ["logprobs", "finish_reason", "stop_reason", "stop_sequence", "usage", "service_tier", "system_fingerprint"];

/// The rank of a field; unlisted fields are in the middle.
fn place(name: &str) -> usize {
    let first = FIRST.iter().position(|known| *known == name);
    let last = LAST.iter().position(|known| *known == name).map(|place| FIRST.len() + 1 + place);
    first.or(last).unwrap_or(FIRST.len())
}

struct InOrder<'a>(&'a Value);

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(fields) => {
                let mut fields = fields.iter().collect::<Vec<_>>();
                fields.sort_by_key(|(name, _)| place(name));
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, &InOrder(value))?;
                }
                map.end()
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(InOrder)),
            other => other.serialize(serializer),
        }
    }
}

pub fn write(value: &Value) -> String {
    serde_json::to_string(&InOrder(value)).expect("a tree of values is JSON")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn fields_stand_as_the_providers_have_them() {
        let written = super::write(
            &json!({"usage": {}, "choices": [{"finish_reason": null, "delta": {}, "index": 0}], "id": "1"}),
        );
        assert_eq!(written, r#"{"id":"1","choices":[{"index":0,"delta":{},"finish_reason":null}],"usage":{}}"#);
    }
}
