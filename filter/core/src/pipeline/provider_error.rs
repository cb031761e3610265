//! A provider's own error, for the log: type, code, field and message.

use serde_json::Value;
use sluice_wire::json;

/// The longest word that is logged; the message has a limit of its own.
const LONGEST_WORD: usize = 128;

/// A provider's own error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderError {
    /// The provider's error type.
    pub kind: Option<String>,
    /// The provider's error code.
    pub code: Option<String>,
    /// The request's field at fault.
    pub param: Option<String>,
    /// The message for humans. It may repeat a part of the request, unless `is_cut`.
    pub message: Option<String>,
    /// Whether parts of the request were cut out.
    pub is_cut: bool,
}

impl ProviderError {
    /// Reads the body of an error in any provider's format; `None` if it has none of these fields.
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut body: Value = json::from_slice(body).ok()?;
        // Google sends a list where a stream was requested.
        if let Some(first) = body.as_array_mut().and_then(|list| list.first_mut()) {
            body = first.take();
        }
        let error = match body.get("error") {
            Some(Value::Object(error)) => error.clone(),
            Some(Value::String(message)) => {
                return Some(Self { message: Some(message.clone()), ..Self::default() });
            }
            _ => body.as_object()?.clone(),
        };
        let word = |names: &[&str]| {
            let value = names.iter().find_map(|name| error.get(*name).filter(|value| !value.is_null()))?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (value.is_string() || value.is_number()).then(|| text.chars().take(LONGEST_WORD).collect::<String>())
        };
        let message = ["message", "Message", "detail"].iter().find_map(|name| error.get(*name)?.as_str());
        let provider_error = Self {
            kind: word(&["type", "status", "__type"]),
            code: word(&["code"]),
            param: word(&["param"]),
            message: message.map(str::to_owned),
            is_cut: false,
        };
        (!provider_error.is_empty()).then_some(provider_error)
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        [&self.kind, &self.code, &self.param, &self.message].into_iter().all(Option::is_none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_providers_shape_is_read() {
        for (body, kind, code, param, message) in [
            (
                r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#,
                Some("t"),
                Some("c"),
                Some("p"),
                Some("m"),
            ),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
                Some("overloaded_error"),
                None,
                None,
                Some("m"),
            ),
            (
                r#"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]"#,
                Some("RESOURCE_EXHAUSTED"),
                Some("429"),
                None,
                Some("m"),
            ),
            (r#"{"message":"m","__type":"ThrottlingException"}"#, Some("ThrottlingException"), None, None, Some("m")),
            (r#"{"object":"error","message":"m","type":"t","code":"3000"}"#, Some("t"), Some("3000"), None, Some("m")),
            (r#"{"error":"m"}"#, None, None, None, Some("m")),
            (r#"{"detail":"m"}"#, None, None, None, Some("m")),
        ] {
            let read = ProviderError::read(body.as_bytes()).unwrap();
            let text = |text: &Option<String>| text.clone();
            assert_eq!(text(&read.kind).as_deref(), kind, "{body}");
            assert_eq!((read.code.as_deref(), read.param.as_deref(), read.message.as_deref()), (code, param, message));
        }
        for body in ["", "{}", "[]", "<html>", "null", "7"] {
            assert_eq!(ProviderError::read(body.as_bytes()), None, "{body}");
        }
    }
}
