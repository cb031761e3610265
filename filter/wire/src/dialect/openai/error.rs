//! Errors. Written in OpenAI's format; read from the response of any server, or of a proxy in front of it.
//!
//! | kind | `type` | `code` unless the error has its own |
//! |---|---|---|
//! | `InvalidRequest`, `NotFound`, `TooLarge`, `Permission` | `invalid_request_error` | none |
//! | `ContextLength` | `invalid_request_error` | `context_length_exceeded` |
//! | `ContentPolicy` | `invalid_request_error` | `content_policy_violation` |
//! | `Authentication` | `invalid_request_error` | `invalid_api_key` |
//! | `RateLimit` | `rate_limit_exceeded` | `rate_limit_exceeded` |
//! | `InsufficientQuota` | `insufficient_quota` | `insufficient_quota` |
//! | `Overloaded` | `server_error` | `overloaded` |
//! | `Timeout` | `timeout` | `timeout` |
//! | `Server` | `server_error` | none |

use serde::Serialize;
use serde_json::Value;

use crate::error::{ApiError, ErrorKind};
use crate::json::{from_slice, number};

use super::json;

/// The maximum length of a provider's message for clients.
const LONGEST_MESSAGE: usize = 2000;
/// The longest non-JSON body used as a message: a proxy's one line, not a page.
const LONGEST_PLAIN: usize = 200;
/// The longest error parsed inside a 200 response: it becomes a tree, which takes a multiple of its text's memory.
const LONGEST_ERROR: usize = 64 << 10;

/// An error in the form for clients.
#[derive(Debug, Serialize)]
pub(in crate::dialect) struct Shown<'a> {
    pub message: &'a str,
    r#type: &'static str,
    pub param: Option<&'a str>,
    pub code: Option<&'a str>,
}

/// Converts `error` to that form.
pub(in crate::dialect) fn shown(error: &ApiError) -> Shown<'_> {
    use ErrorKind::*;
    let (word, code) = match error.kind {
        InvalidRequest | NotFound | TooLarge | Permission => ("invalid_request_error", None),
        ContextLength => ("invalid_request_error", Some("context_length_exceeded")),
        ContentPolicy => ("invalid_request_error", Some("content_policy_violation")),
        Authentication => ("invalid_request_error", Some("invalid_api_key")),
        RateLimit => ("rate_limit_exceeded", Some("rate_limit_exceeded")),
        InsufficientQuota => ("insufficient_quota", Some("insufficient_quota")),
        Overloaded => ("server_error", Some("overloaded")),
        Timeout => ("timeout", Some("timeout")),
        Server => ("server_error", None),
    };
    Shown { message: &error.message, r#type: word, param: error.param.as_deref(), code: error.code.as_deref().or(code) }
}

/// Appends `error` as a JSON object.
fn write(error: &ApiError, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct Body<'a> {
        error: Shown<'a>,
    }
    json::append(out, &Body { error: shown(error) });
}

/// Appends `error` as a stream chunk.
pub(in crate::dialect) fn chunk(error: &ApiError, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    write(error, out);
    out.extend_from_slice(b"\n\n");
}

/// Writes `error` as a whole body.
pub(in crate::dialect) fn body(error: &ApiError) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write(error, &mut out);
    out
}

/// The status for OpenAI's clients, which do not know Anthropic's 529, "overloaded".
pub(in crate::dialect) fn status(error: &ApiError) -> u16 {
    if error.status == 529 { 503 } else { error.status }
}

/// Reads a provider's error.
pub(in crate::dialect) fn read(status: u16, body: &[u8]) -> ApiError {
    match from_slice::<Value>(body) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => from_value(Some(status), &value),
        Ok(_) | Err(_) => {
            let kind = by_status(status);
            let text = str::from_utf8(body).unwrap_or_default().trim();
            let plain =
                !text.is_empty() && text.len() <= LONGEST_PLAIN && !text.contains(|c: char| c == '<' || c.is_control());
            let message = if plain && kind != ErrorKind::Authentication {
                format!("The provider answered with status {status}: {text}")
            } else {
                format!("The provider answered with status {status} and an unreadable error.")
            };
            ApiError::new(failing(status).unwrap_or(502), kind, message)
        }
    }
}

/// Reads an `error` field in a 200 response, or an error in the place of an event. The status is derived from the content.
pub(in crate::dialect) fn inside(value: &[u8]) -> ApiError {
    let error = if value.len() > LONGEST_ERROR { None } else { from_slice::<Value>(value).ok() };
    match error {
        Some(error) => from_value(None, &error),
        None => ApiError::bad_answer("The provider failed, and its error is unreadable."),
    }
}

fn from_value(status: Option<u16>, value: &Value) -> ApiError {
    // Google's compatible endpoint wraps the object in an array.
    let value = value.as_array().and_then(|list| list.first()).unwrap_or(value);
    match value.get("error") {
        Some(error) if !error.is_null() => from_parts(status, error, value),
        _ => from_parts(status, value, value),
    }
}

/// Reads `error`, a string or an object. Some servers put the other fields in `around`, the object that contains it.
fn from_parts(status: Option<u16>, error: &Value, around: &Value) -> ApiError {
    let field = |name: &str| error.get(name).filter(|value| !value.is_null()).or_else(|| around.get(name));
    let text = |name: &str| field(name).and_then(Value::as_str).unwrap_or_default();
    let (code, word) = (text("code"), text("type"));
    let numeric = field("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let status = status.and_then(failing).or_else(|| numeric.and_then(failing));

    let mut message = error.as_str().map(str::to_owned).unwrap_or_default();
    for name in ["message", "detail", "error_description"] {
        if message.is_empty() {
            message = field(name).map(words_of).unwrap_or_default();
        }
    }
    let kind = classify(status, code, word, &message);
    let status = status.unwrap_or_else(|| usual_status(kind));
    if message.is_empty() {
        message = format!("The provider answered with status {status} and an unreadable error.");
    }
    if kind == ErrorKind::Authentication {
        // OpenAI repeats part of the key, which is the gateway's and none of the client's business.
        message = "The provider rejected the gateway's credential.".to_owned();
    }
    shorten(&mut message);
    let mut read = ApiError::new(status, kind, message);
    read.param = field("param").and_then(Value::as_str).filter(|param| !param.is_empty()).map(str::to_owned);
    if is_word(code) {
        read = read.with_code(code.to_owned());
    }
    read
}

/// A message, or FastAPI's list of `{loc, msg}`.
fn words_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            let said: Vec<String> = list.iter().take(5).map(words_of).filter(|text| !text.is_empty()).collect();
            said.join("; ")
        }
        Value::Object(object) => {
            let said = ["msg", "message", "detail"].iter().find_map(|name| object.get(*name)).map(words_of);
            let said = said.unwrap_or_default();
            let place = object.get("loc").and_then(Value::as_array).map(|loc| {
                let steps = loc.iter().map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned));
                steps.collect::<Vec<_>>().join(".")
            });
            match place {
                Some(place) if !place.is_empty() && !said.is_empty() => format!("{place}: {said}"),
                _ => said,
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

fn shorten(message: &mut String) {
    if message.len() > LONGEST_MESSAGE {
        message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
        message.push('…');
    }
}

/// Whether `code` is usable as a stable code.
fn is_word(code: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (1..=64).contains(&code.len())
        && code.chars().all(letters)
        && code.contains(|c: char| c.is_ascii_alphabetic())
        && number(code).is_none()
}

fn failing(status: u16) -> Option<u16> {
    (400..600).contains(&status).then_some(status)
}

/// Derives the kind from exact codes first, then from typical messages, then from the status.
fn classify(status: Option<u16>, code: &str, word: &str, message: &str) -> ErrorKind {
    if let Some(kind) = by_word(code).or_else(|| by_word(word)) {
        return kind;
    }
    let message = message.to_ascii_lowercase();
    if status == Some(429) {
        let spent = ["insufficient_quota", "exceeded your current quota", "insufficient balance"];
        return if spent.iter().any(|text| message.contains(text)) {
            ErrorKind::InsufficientQuota
        } else {
            ErrorKind::RateLimit
        };
    }
    // xAI's status for a rejected key is 400. At the front, because a message may repeat the prompt.
    if message.starts_with("incorrect api key provided") {
        return ErrorKind::Authentication;
    }
    if matches!(status, None | Some(400 | 413 | 422)) && tells_of_context(&message) {
        return ErrorKind::ContextLength;
    }
    match (status, word) {
        (Some(status), _) => by_status(status),
        (None, "invalid_request_error" | "BadRequestError") => ErrorKind::InvalidRequest,
        (None, _) => ErrorKind::Server,
    }
}

fn tells_of_context(message: &str) -> bool {
    const TALES: &[&str] = &[
        "context length",
        "context_length",
        "context window",
        "maximum context",
        "context size",
        "prompt is too long",
        "input is too long",
        "reduce the length of",
        "exceeds the maximum number of tokens",
        "maximum prompt length",
        "maximum model length",
        "model token limit",
        "range of input length",
    ];
    TALES.iter().any(|tale| message.contains(tale))
}

fn by_word(word: &str) -> Option<ErrorKind> {
    use ErrorKind::*;
    Some(match word {
        "context_length_exceeded" => ContextLength,
        "content_filter" | "ResponsibleAIPolicyViolation" => ContentPolicy,
        "bio_policy" | "cyber_policy" => ContentPolicy,
        "invalid_prompt" => InvalidRequest,
        "failed_to_download_image" | "image_file_not_found" | "empty_image_file" => InvalidRequest,
        "image_parse_error" | "image_file_too_large" | "unsupported_image_media_type" => InvalidRequest,
        "invalid_base64_image" => InvalidRequest,
        "insufficient_quota" | "billing_hard_limit_reached" | "billing_not_active" | "billing_error" => {
            InsufficientQuota
        }
        "rate_limit_exceeded" | "rate_limit_error" | "requests" | "tokens" => RateLimit,
        "invalid_api_key" | "authentication_error" | "AuthenticationError" => Authentication,
        "permission_error" | "permission_denied" => Permission,
        "model_not_found" | "not_found_error" | "NotFoundError" | "DeploymentNotFound" => NotFound,
        "overloaded" | "overloaded_error" | "server_is_overloaded" | "slow_down" | "service_unavailable" => Overloaded,
        "timeout" | "timeout_error" => Timeout,
        _ if word.ends_with("_policy_violation") => ContentPolicy,
        _ if word.starts_with("invalid_image") || word.starts_with("image_too_") => InvalidRequest,
        _ => return None,
    })
}

fn by_status(status: u16) -> ErrorKind {
    use ErrorKind::*;
    match status {
        401 => Authentication,
        402 => InsufficientQuota,
        403 => Permission,
        404 => NotFound,
        408 | 504 | 524 => Timeout,
        // A conflict is temporary, like a server failure.
        409 => Server,
        413 => TooLarge,
        429 => RateLimit,
        503 | 529 => Overloaded,
        400..500 => InvalidRequest,
        _ => Server,
    }
}

fn usual_status(kind: ErrorKind) -> u16 {
    use ErrorKind::*;
    match kind {
        InvalidRequest | ContextLength | ContentPolicy => 400,
        Authentication => 401,
        Permission => 403,
        NotFound => 404,
        TooLarge => 413,
        RateLimit | InsufficientQuota => 429,
        Overloaded => 503,
        Timeout => 504,
        Server => 502,
    }
}
