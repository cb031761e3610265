//! Why an attempt failed, and whether to try again.
//!
//! A failure of the provider (down, slow, overloaded, out of quota, or an invalid response) is a reason to try again. A fault of the
//! request (400, 404, 422, a content policy) goes to the client and is never retried. Two exceptions: a prompt that is too long for one
//! model may fit another, and a missing model is not the client's fault, because the gateway file names the provider's models.
//!
//! A failure that a request can cause by its own parameters, or a client by reading slowly, is a reason to try again but never counts
//! against the target: all tenants share its circuit.

use std::borrow::Cow;
use std::time::Duration;

use sluice_wire::calendar::http_date;
use sluice_wire::error::{ANSWER_TOO_LARGE, ApiError, ErrorKind};
use sluice_wire::headers::HeaderMap;
use sluice_wire::json;

use crate::guard::answer::GuardFailure;
use crate::guard::{Finding, UNJUDGED};
use crate::memory_limiter::{Exhausted, OVERLOADED};
use crate::routing::spec::Trigger;

use super::{Effect, Unreadable, metric, missing};

/// When no other target is left, a Retry-After up to this long is waited for; a longer one is passed to the client.
pub const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Envoy's timers start slightly before or after the clock that is read here.
pub const SLACK: Duration = Duration::from_millis(20);

/// The logged reason of an attempt whose prompt or response a guardrail blocked.
pub const GUARDRAIL: &str = "guardrail";

/// The logged reason of an attempt that ended because a host call failed.
pub const NOT_CARRIED_OUT: &str = "not_carried_out";

/// The client's error for it.
pub fn not_carried_out() -> ApiError {
    let message = "The gateway failed while it processed this request. Ask the gateway's operator to check its log.";
    ApiError::new(500, ErrorKind::Server, message).with_code("gateway_failed")
}

/// One failed attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// A stable reason for logs: `status_503`, `no_answer`, `error_in_answer`.
    pub reason: Cow<'static, str>,
    /// The retry trigger; `None` if this is no reason to try again.
    pub trigger: Option<Trigger>,
    /// The client's error when nothing else is tried.
    pub error: Box<ApiError>,
    /// How much work the provider did in vain.
    pub work: Work,
    /// The guardrail's match, if a guardrail blocked the response.
    pub finding: Option<Box<Finding>>,
    /// The request itself may have caused the failure: it does not count against the target.
    pub excused: bool,
}

/// The work a provider did for a response that is not delivered, where the provider does not report it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Unknown.
    Unknown,
    /// The output seen so far.
    Seen,
    /// The output of the elapsed time: the client waited for less time than the gateway would have.
    Unheard,
    /// The maximum allowed: the response was made, but could not be read.
    Allowed,
}

impl Failure {
    /// A reset, a refused connection or a timeout. None of them gives a callback, so only the elapsed time tells them apart. `slack`: how
    /// much earlier than `limit` Envoy may have timed out.
    pub fn no_answer(elapsed: Duration, limit: Duration, slack: Duration) -> Self {
        let timed_out = elapsed.saturating_add(slack) >= limit;
        let error = if timed_out {
            ApiError::new(
                504,
                ErrorKind::Timeout,
                "The provider did not answer before the timeout. It may still have done the work. Ask for a shorter \
                 answer, or allow more time.",
            )
            .with_code("provider_timeout")
        } else {
            ApiError::new(
                503,
                ErrorKind::Server,
                "The gateway could not reach the provider, or the provider closed the connection before it answered.",
            )
            .with_code("provider_unavailable")
        };
        match timed_out {
            true => Self::of("timeout", Trigger::Timeout, error).after(Work::Seen),
            false => Self::of("no_answer", Trigger::Unreachable, error),
        }
    }

    /// The connection was closed before any byte of a response: usually it had been idle for too long, which is not the provider's fault.
    pub fn lost_connection() -> Self {
        Self::no_answer(Duration::ZERO, Duration::MAX, SLACK).excused()
    }

    /// The provider responded with an error status.
    pub fn status(status: u16, error: ApiError) -> Self {
        // The provider's own status, or the one that it was mapped to.
        let trigger = of_error(&error, of_status(status).or_else(|| of_status(error.status)));
        Self {
            trigger,
            // With a wildcard model, the client may have named a model that does not exist.
            excused: trigger == Some(Trigger::ModelNotFound),
            ..Self::ours(format!("status_{status}"), ours(error))
        }
    }

    /// An error in the body of a successful response.
    pub fn in_answer(error: ApiError) -> Self {
        let (reason, trigger) = match error.code.as_deref() {
            Some("invalid_provider_response") => ("bad_answer", Some(Trigger::BadAnswer)),
            Some("stream_truncated") => ("stream_truncated", Some(Trigger::Truncated)),
            Some(ANSWER_TOO_LARGE) => {
                return Self::of("answer_too_large", Trigger::BadAnswer, error).after(Work::Allowed).excused();
            }
            _ => ("error_in_answer", of_status(error.status).map(|_| Trigger::ErrorInAnswer)),
        };
        let work = if trigger == Some(Trigger::Truncated) { Work::Seen } else { Work::Unknown };
        Self { trigger: of_error(&error, trigger), ..Self::ours(reason, ours(error)) }.after(work)
    }

    /// The response is compressed, although the request did not allow that.
    pub fn compressed() -> Self {
        let error = ApiError::bad_answer(
            "The provider compressed its answer, although the gateway asked for an uncompressed answer.",
        );
        Self::of("bad_answer", Trigger::BadAnswer, error).after(Work::Allowed)
    }

    /// A stream ended early.
    pub fn truncated() -> Self {
        let error = ApiError::new(502, ErrorKind::Server, "The provider's answer ended before it was complete.");
        Self::in_answer(error.with_code("stream_truncated"))
    }

    /// A stream went silent for too long.
    pub fn stalled() -> Self {
        let error = ApiError::new(
            504,
            ErrorKind::Timeout,
            "The provider's stream stopped: it sent no more data for the whole idle timeout.",
        )
        .with_code("stream_stalled");
        Self::of("stream_stalled", Trigger::Stalled, error).after(Work::Seen)
    }

    /// A stream went silent while its client was reading it. Envoy reads no more from the provider while the client does not read, so the
    /// client may be the cause.
    pub fn stalled_before_its_reader() -> Self {
        Self::stalled().excused()
    }

    /// A response without content.
    pub fn empty() -> Self {
        Self::of("empty_answer", Trigger::EmptyAnswer, ApiError::bad_answer("The provider's answer is empty."))
    }

    /// An empty response that ended regularly: `max_tokens: 1` or a `stop` can cause that.
    pub fn ended_empty() -> Self {
        Self::empty().excused()
    }

    /// A guardrail or the schema check rejects the response.
    pub fn objection(objection: GuardFailure) -> Self {
        match objection {
            GuardFailure::Blocked(finding) => {
                let error = finding.error();
                // Another target's response would wait for the same judge.
                let trigger = Some(Trigger::Guardrail).filter(|_| finding.label != UNJUDGED);
                Self { finding: Some(finding.into()), trigger, ..Self::ours(GUARDRAIL, error) }
            }
            GuardFailure::Invalid(why) => {
                let message = format!("The model's answer is not the requested JSON: {why}.");
                let error = ApiError::new(502, ErrorKind::Server, message).with_code("invalid_structured_output");
                Self::of("invalid_structured_output", Trigger::InvalidStructuredOutput, error)
            }
        }
        .excused()
    }

    /// Judges block the prompt, which the provider has received.
    pub fn blocked_prompt(finding: &Finding) -> Self {
        Self::ours(GUARDRAIL, finding.error()).after(Work::Seen).excused()
    }

    /// Whether the failure concerns the key that was used, and perhaps no other.
    pub fn blames_key(&self) -> bool {
        self.trigger.is_some() && (self.trigger == Some(Trigger::RefusedCredential) || self.is_limit())
    }

    /// Whether the provider limits the rate or is out of quota.
    pub fn is_limit(&self) -> bool {
        matches!(self.error.kind, ErrorKind::RateLimit | ErrorKind::InsufficientQuota)
    }

    /// Whether the same provider is likely to recover in a moment, because it restarts or is overloaded. A 500 is retried immediately; 501,
    /// 504 and the like do not pass quickly.
    pub fn passes_soon(&self) -> bool {
        let busy =
            self.error.kind == ErrorKind::Overloaded || [502, 503, 529].iter().any(|status| self.is_status(*status));
        busy && matches!(self.trigger, Some(Trigger::ServerError | Trigger::ErrorInAnswer))
    }

    /// Whether the provider responded with this status.
    pub fn is_status(&self, status: u16) -> bool {
        self.reason.strip_prefix("status_").and_then(|text| text.parse().ok()) == Some(status)
    }

    /// The worker's memory is full in the middle of a good response. No other target would change that.
    pub fn exhausted(exhausted: Exhausted, effects: &mut Vec<Effect>) -> Self {
        effects.push(Effect::Count(metric::OVERLOADED));
        Self::ours(OVERLOADED, exhausted.error())
    }

    /// Envoy did not let the response be read. The provider has not failed, and another response may be readable.
    pub fn unreadable() -> Self {
        Self::of(NOT_CARRIED_OUT, Trigger::BadAnswer, not_carried_out()).after(Work::Allowed).excused()
    }

    /// A host call failed. No provider has failed, and another target would not help.
    pub fn not_carried_out() -> Self {
        Self::ours(NOT_CARRIED_OUT, not_carried_out())
    }

    /// The gateway itself rejects the attempt before it is sent: no target has failed.
    pub fn ours(reason: impl Into<Cow<'static, str>>, error: ApiError) -> Self {
        Self {
            reason: reason.into(),
            trigger: None,
            error: error.into(),
            work: Work::Unknown,
            finding: None,
            excused: false,
        }
    }

    fn of(reason: &'static str, trigger: Trigger, error: ApiError) -> Self {
        Self { trigger: Some(trigger), ..Self::ours(reason, error) }
    }

    fn after(self, work: Work) -> Self {
        Self { work, ..self }
    }

    fn excused(self) -> Self {
        Self { excused: true, ..self }
    }
}

impl From<Unreadable> for Failure {
    fn from(Unreadable: Unreadable) -> Self {
        Self::unreadable()
    }
}

/// Maps a status to a retry trigger. 401, 402 and 403 concern the gateway's own account with the provider, not the request; 424 is AWS's
/// status for a failed model. A status that is neither success nor error (a redirect, say) is not a valid response.
pub fn of_status(status: u16) -> Option<Trigger> {
    Some(match status {
        401..=403 => Trigger::RefusedCredential,
        408 => Trigger::RequestTimeout,
        409 => Trigger::Conflict,
        429 => Trigger::RateLimited,
        424 | 500.. => Trigger::ServerError,
        0..=399 => Trigger::BadAnswer,
        _ => return None,
    })
}

/// The retry trigger of an error: its kind takes precedence over its status.
fn of_error(error: &ApiError, by_status: Option<Trigger>) -> Option<Trigger> {
    match error.kind {
        ErrorKind::ContextLength => Some(Trigger::ContextLength),
        ErrorKind::ContentPolicy => None,
        _ if missing::is_model(error) => Some(Trigger::ModelNotFound),
        // Some providers use 400 for errors of the gateway's own account, where others have a dedicated status.
        ErrorKind::Authentication => by_status.or(Some(Trigger::RefusedCredential)),
        ErrorKind::RateLimit | ErrorKind::InsufficientQuota => by_status.or(Some(Trigger::RateLimited)),
        _ => by_status,
    }
}

/// Maps a provider's error to the client's. A rejected gateway credential becomes 502: a client that read 401 would discard its own key. A
/// content policy error is passed on. A status that is not an error becomes 502: with 304, a client reads no body, and would take the body
/// for the next response.
fn ours(error: ApiError) -> ApiError {
    match (error.status, error.kind) {
        (401..=403, kind) if kind != ErrorKind::ContentPolicy => refused_credential(),
        (_, ErrorKind::Authentication) => refused_credential(),
        (400..=599, _) => error,
        _ => ApiError { status: 502, ..error },
    }
}

fn refused_credential() -> ApiError {
    let message = "The provider rejected the gateway's credential or account. Ask the gateway's operator to check \
                   them.";
    ApiError::new(502, ErrorKind::Server, message).with_code("provider_refused_credential")
}

/// The provider's requested wait, relative to `now` (Unix seconds): in milliseconds (Azure and OpenAI; Azure's SDKs read both names), in
/// seconds, or as a date (RFC 9110, 10.2.3). A date in the past is a zero wait.
pub fn retry_after(headers: &HeaderMap, now: u64) -> Option<Duration> {
    let time = |name: &str, unit: f64| {
        let number = json::number(headers.text(name)?.trim())?;
        Duration::try_from_secs_f64(number * unit).ok()
    };
    let moment = || {
        let moment = http_date(headers.text("retry-after")?)?;
        Some(Duration::from_secs(moment.saturating_sub(now)))
    };
    time("retry-after-ms", 0.001)
        .or_else(|| time("x-ms-retry-after-ms", 0.001))
        .or_else(|| time("retry-after", 1.0))
        .or_else(moment)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_blames_the_request_stays_and_what_blames_the_provider_is_a_reason_to_try_again() {
        for status in [400, 404, 413, 415, 422] {
            assert_eq!(of_status(status), None, "{status}");
        }
        for status in [101, 301, 304, 401, 402, 403, 408, 409, 424, 429, 500, 502, 503, 504, 529, 600] {
            assert!(of_status(status).is_some(), "{status}");
        }
    }

    #[test]
    fn a_prompt_that_is_too_long_may_fit_elsewhere_and_what_a_policy_forbids_does_not() {
        let failure = |status, kind| Failure::status(status, ApiError::new(status, kind, "no"));
        assert_eq!(failure(400, ErrorKind::ContextLength).trigger, Some(Trigger::ContextLength));
        for status in [400, 403, 500] {
            assert_eq!(failure(status, ErrorKind::ContentPolicy).trigger, None);
        }
    }

    #[test]
    fn what_a_provider_says_in_its_own_way_is_judged_by_what_it_means() {
        use sluice_wire::dialect::{bedrock, cohere, gemini};
        let key = br#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}"#;
        let gemini = Failure::status(400, (gemini::PROVIDER.read_error)(400, None, key));
        assert_eq!((gemini.trigger, gemini.error.status), (Some(Trigger::RefusedCredential), 502));
        let bedrock =
            |word, status| Failure::status(status, (bedrock::PROVIDER.read_error)(status, Some(word), b"{}")).trigger;
        assert_eq!(bedrock("ServiceQuotaExceededException", 400), Some(Trigger::RateLimited));
        assert_eq!(bedrock("ModelErrorException", 424), Some(Trigger::ServerError));
        assert_eq!(bedrock("ValidationException", 400), None);
        let cohere = |status| Failure::status(status, (cohere::PROVIDER.read_error)(status, None, b"{}")).trigger;
        assert_eq!((cohere(498), cohere(499)), (None, Some(Trigger::ServerError)));
        for (kind, trigger) in [
            (ErrorKind::Authentication, Trigger::RefusedCredential),
            (ErrorKind::InsufficientQuota, Trigger::RateLimited),
        ] {
            let failure = Failure::status(400, ApiError::new(400, kind, "no"));
            assert_eq!((failure.trigger, failure.blames_key()), (Some(trigger), true));
        }
    }

    #[test]
    fn a_refused_credential_of_ours_is_not_the_clients_401() {
        let failure = Failure::status(401, ApiError::new(401, ErrorKind::Authentication, "bad key sk-123"));
        assert_eq!(failure.error.status, 502);
        assert!(!failure.error.message.contains("sk-123"));
    }

    #[test]
    fn a_status_that_is_no_error_never_reaches_the_client_as_one() {
        // With some of these statuses, a client reads no body and takes it for the start of the next response.
        let bodies = [&b""[..], b"{}", br#"{"error":{"code":304,"status":304,"message":"no"}}"#];
        for format in sluice_wire::dialect::FORMATS {
            let dialect = format.provider;
            for (status, body) in
                [0, 101, 204, 302, 304, 600, 999].map(|status| bodies.map(|body| (status, body))).concat()
            {
                let failure = Failure::status(status, (dialect.read_error)(status, None, body));
                assert!((400..600).contains(&failure.error.status), "{status} {:?}: {failure:?}", dialect.id);
                let failure = Failure::in_answer((dialect.read_error)(200, None, body));
                assert!((400..600).contains(&failure.error.status), "{:?}: {failure:?}", dialect.id);
            }
        }
    }

    #[test]
    fn retry_after_is_read_in_every_form_and_only_when_it_is_a_time() {
        // Wed, 21 Oct 2026 07:28:00 GMT.
        const MOMENT: u64 = 1_792_567_680;
        let with =
            |name: &'static str, value: &'static str| retry_after(&[(name, value)].into_iter().collect(), MOMENT - 600);
        assert_eq!(with("retry-after", " 1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(with("retry-after-ms", "20"), Some(Duration::from_millis(20)));
        assert_eq!(with("x-ms-retry-after-ms", "20"), Some(Duration::from_millis(20)));
        for date in ["Wed, 21 Oct 2026 07:28:00 GMT", "Wednesday, 21-Oct-26 07:28:00 GMT", "Wed Oct 21 07:28:00 2026"] {
            assert_eq!(with("retry-after", date), Some(Duration::from_secs(600)), "{date}");
        }
        assert_eq!(with("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        for odd in ["-1", "NaN", "inf", "1e300", "Wed, 32 Oct 2026 07:28:00 GMT", "soon", ""] {
            assert_eq!(with("retry-after", odd), None, "{odd}");
        }
        let both = [("retry-after-ms", "soon"), ("retry-after", "3")].into_iter().collect();
        assert_eq!(retry_after(&both, 0), Some(Duration::from_secs(3)));
    }
}
