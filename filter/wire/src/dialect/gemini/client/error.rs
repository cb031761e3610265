//! Writes errors.

use serde::Serialize;

use crate::error::{ApiError, ErrorKind};

use super::super::error::WORDS;

/// Writes `error` for a client.
pub(super) fn write(error: &ApiError, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct Whole<'a> {
        error: Inner<'a>,
    }
    #[derive(Serialize)]
    struct Inner<'a> {
        code: u16,
        message: &'a str,
        status: &'static str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        details: Vec<Detail<'a>>,
    }
    #[derive(Serialize)]
    #[serde(tag = "@type")]
    enum Detail<'a> {
        #[serde(rename = "type.googleapis.com/google.rpc.ErrorInfo")]
        Info { reason: &'a str },
        #[serde(rename = "type.googleapis.com/google.rpc.RetryInfo", rename_all = "camelCase")]
        Retry { retry_delay: String },
    }
    let kind = match error.kind {
        ErrorKind::ContextLength | ErrorKind::ContentPolicy | ErrorKind::TooLarge => ErrorKind::InvalidRequest,
        ErrorKind::InsufficientQuota => ErrorKind::RateLimit,
        kind => kind,
    };
    let status = WORDS.iter().find(|(_, known, _)| *known == kind).map_or("UNKNOWN", |(word, ..)| *word);
    let retry = error.retry_after.map(|time| Detail::Retry { retry_delay: format!("{}s", time.as_secs_f64()) });
    let info = error.code.as_deref().map(|reason| Detail::Info { reason });
    let details = info.into_iter().chain(retry).collect();
    let inner = Inner { code: error.status, message: &error.message, status, details };
    // Serialising strings and numbers into a `Vec` cannot fail.
    crate::json::write(&Whole { error: inner }, out).unwrap_or_default();
}
