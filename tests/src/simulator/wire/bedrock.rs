//! Amazon Bedrock: authentication by bearer key or signature, and the exceptions that all operations share.
//!
//! Source: the service model `bedrock-runtime-2023-09-30`, as in aws/aws-sdk-ruby `aws-sdk-bedrockruntime`.

mod answer;
pub mod converse;
mod history;
pub mod invoke;
mod request;
mod signature;

use serde_json::json;

use super::Trouble;
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::reply::{Event, Refusal, Reply};

/// The headers of every reply.
static HEADERS: [(&str, &str); 1] = [("x-amzn-requestid", "00000000-0000-4000-8000-000000000000")];
/// Bedrock sends no rate limit headers.
static LIMITS: [(&str, &str); 1] = [("x-amzn-bedrock-invocation-latency", "1")];

fn authenticate(call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
    let denied = |code, message: &str| Err(Refusal { code: Some(code), ..Refusal::new(403, message) });
    match (call.bearer(), call.header("authorization")) {
        ("", "") => denied("MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("", signed) => signature::check(call, signed, control.aws()),
        (key, _) if control.accepts(key) => Ok(()),
        _ => denied("AccessDeniedException", "Authentication failed: Please make sure your API Key is valid."),
    }
}

fn exception(refusal: &Refusal) -> &'static str {
    match (refusal.status, refusal.code) {
        (_, Some(code)) if code.ends_with("Exception") => code,
        (401 | 403, _) => "AccessDeniedException",
        (404, _) => "ResourceNotFoundException",
        (408, _) => "ModelTimeoutException",
        (424, _) => "ModelErrorException",
        (429, _) => "ThrottlingException",
        (503, _) => "ServiceUnavailableException",
        (400..=499, _) => "ValidationException",
        _ => "InternalServerException",
    }
}

fn refuse(refusal: &Refusal) -> Reply {
    let mut reply = Reply::json(refusal.status, &json!({"message": refusal.message}));
    let kind = format!("{}:http://internal.amazon.com/coral/com.amazon.bedrock/", exception(refusal));
    reply.headers.push(("x-amzn-errortype", kind));
    reply
}

/// An exception inside a stream: fewer kinds, with names in lower case.
fn exception_event(refusal: &Refusal) -> Event {
    let name = match refusal.status {
        424 => "modelStreamErrorException",
        429 => "throttlingException",
        503 => "serviceUnavailableException",
        400..=499 => "validationException",
        _ => "internalServerException",
    };
    Event::named(name, &json!({"message": refusal.message}))
}

fn trouble(trouble: Trouble) -> Refusal {
    match trouble {
        Trouble::Context => Refusal::invalid("Input is too long for requested model."),
        Trouble::Filter => {
            Refusal::invalid("The model returned the following errors: Output blocked by content filtering policy")
        }
        Trouble::Quota => Refusal::new(429, "Too many tokens per day, please wait before trying again."),
    }
}
