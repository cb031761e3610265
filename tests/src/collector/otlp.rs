//! Reads the parts of OTLP's JSON that tests assert on.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>, and `opentelemetry/proto/trace/v1/trace.proto` of
//! <https://github.com/open-telemetry/opentelemetry-proto>.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Event, Span};

/// `STATUS_CODE_ERROR`.
const ERROR: u64 = 2;

/// The spans of an `ExportTraceServiceRequest`; `None` if it is malformed.
pub fn spans(request: &[u8]) -> Option<Vec<Span>> {
    let request: Value = serde_json::from_slice(request).ok()?;
    let mut spans = Vec::new();
    for resource in request["resourceSpans"].as_array()? {
        for scope in resource["scopeSpans"].as_array()? {
            for span in scope["spans"].as_array()? {
                spans.push(read(span)?);
            }
        }
    }
    Some(spans)
}

fn read(span: &Value) -> Option<Span> {
    let events = span["events"].as_array().into_iter().flatten();
    let event = |event: &Value| {
        Some(Event { name: event["name"].as_str()?.to_owned(), time: time(event, "timeUnixNano")?, tags: tags(event)? })
    };
    Some(Span {
        trace: id(&span["traceId"], 32)?,
        id: id(&span["spanId"], 16)?,
        parent: if span["parentSpanId"].is_null() { String::new() } else { id(&span["parentSpanId"], 16)? },
        name: span["name"].as_str()?.to_owned(),
        kind: span["kind"].as_u64()?,
        start: time(span, "startTimeUnixNano")?,
        end: time(span, "endTimeUnixNano")?,
        tags: tags(span)?,
        events: events.map(event).collect::<Option<_>>()?,
        failed: span["status"]["code"] == ERROR,
    })
}

fn id(value: &Value, digits: usize) -> Option<String> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let text = value.as_str()?;
    (text.len() == digits && text.bytes().all(is_digit)).then(|| text.to_owned())
}

/// 64-bit integers are strings.
fn time(of: &Value, name: &str) -> Option<u64> {
    of[name].as_str()?.parse().ok()
}

fn tags(of: &Value) -> Option<BTreeMap<String, String>> {
    let tag = |attribute: &Value| Some((attribute["key"].as_str()?.to_owned(), text(&attribute["value"])?));
    of["attributes"].as_array()?.iter().map(tag).collect()
}

/// An attribute's value as text.
fn text(value: &Value) -> Option<String> {
    let (kind, value) = value.as_object()?.iter().next()?;
    Some(match &**kind {
        "stringValue" => value.as_str()?.to_owned(),
        "intValue" => value.as_str()?.parse::<i64>().ok()?.to_string(),
        "doubleValue" => value.as_f64()?.to_string(),
        "boolValue" => value.as_bool()?.to_string(),
        "arrayValue" => {
            let items: Vec<String> = value["values"].as_array()?.iter().map(text).collect::<Option<_>>()?;
            items.join(",")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_span_is_read_and_a_wrong_type_is_refused() {
        let span = json!({
            "traceId": "ab".repeat(16), "spanId": "01".repeat(8), "name": "chat m", "kind": 2,
            "startTimeUnixNano": "1", "endTimeUnixNano": "2", "status": {"code": 2},
            "attributes": [
                {"key": "error.type", "value": {"stringValue": "status_503"}},
                {"key": "n", "value": {"intValue": "7"}},
                {"key": "reasons", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}}},
            ],
            "events": [{"name": "e", "timeUnixNano": "3", "attributes": [{"key": "k", "value": {"boolValue": true}}]}],
        });
        let request = |span: &Value| json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).to_string();
        let tags = |tags: &[(&str, &str)]| tags.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let expected = Span {
            trace: "ab".repeat(16),
            id: "01".repeat(8),
            parent: String::new(),
            name: "chat m".to_owned(),
            kind: 2,
            start: 1,
            end: 2,
            tags: tags(&[("error.type", "status_503"), ("n", "7"), ("reasons", "a,b")]),
            events: vec![Event { name: "e".to_owned(), time: 3, tags: tags(&[("k", "true")]) }],
            failed: true,
        };
        assert_eq!(spans(request(&span).as_bytes()).unwrap(), [expected]);
        for (name, wrong) in [
            ("traceId", json!("AB".repeat(16))),
            ("spanId", json!("ab")),
            ("startTimeUnixNano", json!(1)),
            ("kind", json!("SERVER")),
            ("attributes", json!([{"key": "n", "value": {"intValue": 7}}])),
        ] {
            let mut span = span.clone();
            span[name] = wrong;
            assert_eq!(spans(request(&span).as_bytes()), None, "{name}");
        }
    }
}
