//! Why an attempt failed, and whether the next target should be tried for it.
//!
//! What says something of the provider (it is down, slow, overloaded, out of its own quota, or answers nonsense) moves
//! on; what says something of the request (400, 404, 422, a content policy) is the client's to read and is never retried.

use std::borrow::Cow;
use std::time::Duration;

use crate::error::{ApiError, ErrorKind};

use super::headers::HeaderMap;

/// A Retry-After up to this long is waited for when no other target is left; a longer one is passed to the client.
pub const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// One failed attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// A stable word for logs: `status_503`, `no_answer`, `error_in_answer`.
    pub reason: Cow<'static, str>,
    /// Whether another target may do better.
    pub elsewhere: bool,
    /// What the client reads when nothing else is tried.
    pub error: Box<ApiError>,
}

impl Failure {
    /// A reset, a refused connection or a timeout: none of them gives a callback, so all that is known is how long it took.
    pub fn no_answer(elapsed: Duration, limit: Duration) -> Self {
        // The clock of the limit starts a little after the attempt's own.
        let timed_out = elapsed.saturating_add(Duration::from_millis(20)) >= limit;
        let error = if timed_out {
            ApiError::new(504, ErrorKind::Timeout, "The provider did not answer in time.").with_code("provider_timeout")
        } else {
            ApiError::new(503, ErrorKind::Server, "The provider could not be reached, or closed the connection.")
                .with_code("provider_unavailable")
        };
        Self { reason: if timed_out { "timeout" } else { "no_answer" }.into(), elsewhere: true, error: error.into() }
    }

    /// The provider answered with an error status.
    pub fn status(status: u16, error: ApiError) -> Self {
        Self {
            reason: format!("status_{status}").into(),
            elsewhere: worth_trying_elsewhere(status),
            error: ours(error).into(),
        }
    }

    /// An error in the body of an answer whose status was a success.
    pub fn in_answer(error: ApiError) -> Self {
        let reason = match error.code.as_deref() {
            Some("invalid_provider_response") => "bad_answer",
            Some("stream_truncated") => "stream_truncated",
            _ => "error_in_answer",
        };
        Self { reason: reason.into(), elsewhere: worth_trying_elsewhere(error.status), error: ours(error).into() }
    }

    /// A stream that had begun and then was silent for too long.
    pub fn stalled() -> Self {
        let error =
            ApiError::new(504, ErrorKind::Timeout, "The provider's stream fell silent.").with_code("stream_stalled");
        Self { reason: "stream_stalled".into(), elsewhere: false, error: error.into() }
    }

    /// An answer without content.
    pub fn empty() -> Self {
        Self {
            reason: "empty_answer".into(),
            elsewhere: true,
            error: ApiError::bad_answer("The provider's answer is empty.").into(),
        }
    }

    /// How long to wait before the same target is asked again, when it asked for a short wait.
    pub fn short_wait(&self) -> Option<Duration> {
        self.error.retry_after.filter(|wait| self.elsewhere && *wait <= LONGEST_WAIT)
    }
}

/// 401, 402 and 403 are about the gateway's own account with the provider, not about the request; what is neither a
/// success nor an error (a redirect, say) is no answer of a provider at all.
pub fn worth_trying_elsewhere(status: u16) -> bool {
    matches!(status, 0..=399 | 401..=403 | 408 | 409 | 429 | 500..)
}

/// The provider's verdict on the gateway's credential is not one on the client's key: a client that read 401 would throw
/// its key away.
fn ours(error: ApiError) -> ApiError {
    match error.status {
        401..=403 => ApiError {
            status: 502,
            kind: ErrorKind::Server,
            code: Some("provider_refused_credential".into()),
            message: "The provider refused the gateway's own credential: the gateway's operator has to look at it."
                .to_owned(),
            param: None,
            retry_after: None,
        },
        _ => error,
    }
}

/// Reads `retry-after-ms` or `retry-after` in seconds; a date is not read here, and passes to the client as it is.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| -> Option<f64> { headers.text(name)?.trim().parse().ok() };
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number("retry-after"))?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_blames_the_request_stays_and_what_blames_the_provider_moves_on() {
        for status in [400, 404, 413, 415, 422] {
            assert!(!worth_trying_elsewhere(status), "{status}");
        }
        for status in [101, 301, 304, 401, 402, 403, 408, 409, 429, 500, 502, 503, 504, 529, 600] {
            assert!(worth_trying_elsewhere(status), "{status}");
        }
    }

    #[test]
    fn a_refused_credential_of_ours_is_not_the_clients_401() {
        let failure = Failure::status(401, ApiError::new(401, ErrorKind::Authentication, "bad key sk-123"));
        assert_eq!(failure.error.status, 502);
        assert!(!failure.error.message.contains("sk-123"));
    }

    #[test]
    fn retry_after_is_read_in_both_units_and_only_when_it_is_a_time() {
        let with = |name: &'static str, value: &'static str| retry_after(&[(name, value)].into_iter().collect());
        assert_eq!(with("retry-after", " 1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(with("retry-after-ms", "20"), Some(Duration::from_millis(20)));
        for odd in ["-1", "NaN", "inf", "1e300", "Wed, 21 Oct 2026 07:28:00 GMT", ""] {
            assert_eq!(with("retry-after", odd), None, "{odd}");
        }
    }

    #[test]
    fn only_a_short_wait_is_waited_for() {
        let after = |seconds| {
            let error = ApiError {
                retry_after: Some(Duration::from_secs(seconds)),
                ..ApiError::new(429, ErrorKind::RateLimit, "slow down")
            };
            Failure::status(429, error).short_wait()
        };
        assert_eq!(after(1), Some(Duration::from_secs(1)));
        assert_eq!(after(60), None);
    }
}
