//! Writes errors.

use serde::Serialize;

use crate::error::ApiError;

#[derive(Serialize)]
struct Shown<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

/// Writes `error` for a client.
pub(super) fn write(error: &ApiError) -> Vec<u8> {
    crate::json::written(&Shown { message: &error.message, code: error.code.as_deref() })
}
