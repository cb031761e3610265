//! Errors in the place of an event or of a whole response. Servers write them in their framework's format, not in the format that they
//! otherwise speak.
//!
//! | shape | of |
//! |---|---|
//! | `{"error":…}`, also in an array | most; Google's compatible endpoint wraps it |
//! | `{"object":"error","message","type","code"}` | vLLM, Mistral, LM Studio |
//! | `{"type":"error","message"}` | proxies |
//! | `{"message"}` with a `code` or `status` | Azure's and Kong's gateways |
//! | `{"detail":…}` | FastAPI |
//!
//! Call this only on JSON without any field of its expected format.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::ApiError;
use crate::json;
use crate::lenient::Text;

use super::openai::error;

/// The fields that distinguish an error.
#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    object: Text<'a>,
    #[serde(borrow, default)]
    r#type: Text<'a>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
}

impl Shape<'_> {
    fn is_error(&self) -> bool {
        let says = |raw: Option<&RawValue>| raw.is_some_and(|raw| raw.get().starts_with(['"', '[', '{']));
        if self.error.is_some() || &*self.object.0 == "error" || &*self.r#type.0 == "error" {
            return true;
        }
        if !self.object.is_empty() || !self.r#type.0.is_empty() && !self.r#type.0.ends_with("Error") {
            return false;
        }
        says(self.detail) || says(self.message) && (self.code.is_some() || self.status.is_some())
    }
}

/// Returns the error in `json`, if it is one.
pub fn error(json: &[u8]) -> Option<ApiError> {
    let is_error = match json.trim_ascii_start().first() {
        Some(b'{') => json::from_slice::<Shape<'_>>(json).ok()?.is_error(),
        Some(b'[') => json::from_slice::<(Shape<'_>,)>(json).ok()?.0.error.is_some(),
        _ => false,
    };
    is_error.then(|| error::inside(json))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn an_error_is_known_in_every_shape() {
        for json in [
            r#"{"error":"busy"}"#,
            r#"{"error":{"message":"busy","code":503}}"#,
            r#" [{"error":{"message":"busy"}}]"#,
            r#"{"object":"error","message":"busy","type":"InternalServerError","code":500}"#,
            r#"{"type":"error","message":"busy"}"#,
            r#"{"message":"busy","code":"500"}"#,
            r#"{"message":"busy","status":500,"type":"ServiceError"}"#,
            r#"{"detail":"busy"}"#,
            r#"{"detail":[{"loc":["body"],"msg":"busy"}]}"#,
        ] {
            let error = error(json.as_bytes()).unwrap_or_else(|| panic!("{json}"));
            assert!(error.message.contains("busy"), "{json}: {}", error.message);
            assert!(error.status >= 400, "{json}");
        }
    }

    #[test]
    fn what_else_servers_say_is_no_error() {
        for json in [
            "{}",
            "[]",
            "[[]]",
            "7",
            "",
            r#"{"error":null}"#,
            r#"{"message":"Loading the model."}"#,
            r#"{"message":{"content":"hi"}}"#,
            r#"{"type":"notice","message":"queued","code":1}"#,
            r#"{"object":"chat.completion.chunk","message":"x","code":1}"#,
            r#"{"id":"c","model":"m","prompt_filter_results":[]}"#,
        ] {
            assert_eq!(error(json.as_bytes()), None, "{json}");
        }
    }
}
