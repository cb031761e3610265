//! The gateway's error replies.

use sluice_wire::dialect::Client;
use sluice_wire::error::ApiError;
use sluice_wire::time::whole_seconds;

use crate::reservation::NO_RETRY;

use super::Reply;
use super::request_state::{AttemptState, attempt_headers};

/// Writes an error as a reply in the client's dialect. Without attempts, it has no attempt headers.
pub fn refusal(client: &Client, error: &ApiError, attempts: &[AttemptState]) -> Reply {
    let mut headers = Vec::new();
    if !attempts.is_empty() {
        headers.extend(attempt_headers(attempts));
    }
    if let Some(wait) = error.retry_after {
        headers.push(("retry-after", whole_seconds(wait).to_string()));
        headers.push(("retry-after-ms", wait.as_millis().to_string()));
    }
    if error.repeats() {
        headers.push((NO_RETRY.0, NO_RETRY.1.to_owned()));
    }
    let named = error.own.as_ref().and_then(|own| own.request_id.clone());
    headers.extend(client.provider.headers.request_id.zip(named));
    let body =
        error.own.as_ref().map_or_else(|| (client.manner.write_error)(error), |own| own.body.clone().into_bytes());
    Reply::json((client.manner.status)(error), headers, body)
}
