//! Envoy's local replies, rewritten into the error format of clients. Envoy sends them if the filter does not see the request (a malformed
//! request, an overloaded Envoy), or if the filter's VM has failed.
//!
//! The filter's own responses are local replies too: the first mapper matches them and leaves them unchanged. Other replies keep their
//! status, and the first mapper with a matching condition writes the body. Conditions are CEL; one that cannot be evaluated, for example
//! because the headers were never read, does not match.

use std::time::Duration;

use sluice_core::pipeline::gateway::endpoint::{MESSAGES, with_openais_errors};
use sluice_core::pipeline::request_state::from_envoy;
use sluice_core::pipeline::{REPLY_DETAILS, property};
use sluice_core::reservation::NO_RETRY;
use sluice_wire::dialect::{anthropic, openai_chat};
use sluice_wire::error::{ApiError, ErrorKind};

use super::downstream;
use super::text::{fill, quote};

/// A local reply of Envoy: its condition, and the response instead.
struct LocalReply {
    when: &'static str,
    error: ApiError,
}

/// The `retry-after` of a failed VM: it restarts at once, or after a backoff of about a second.
const SOON: Duration = Duration::from_secs(1);

/// An administrator's request is larger than the administration API takes. Clients have another limit.
const LARGE_BODY: &str = "The request body is larger than the limit of 64 KiB.";

/// For the gateway's clients, with those of Anthropic's format first.
pub fn for_clients() -> String {
    // The long condition is written once, as a YAML anchor.
    let mut anthropics = format!("&anthropics {}", filter(&reads_anthropics()));
    let each = refusals().into_iter().flat_map(|LocalReply { when, error }| {
        let anthropics = std::mem::replace(&mut anthropics, "*anthropics".to_owned());
        let both = format!("{{ and_filter: {{ filters: [{}, {anthropics}] }} }}", filter(when));
        [
            mapper(&both, &error, &(anthropic::CLIENT.manner.write_error)(&error)),
            mapper(&filter(when), &error, &(openai_chat::CLIENT.manner.write_error)(&error)),
        ]
    });
    [ours(), downstream::health()].into_iter().chain(each).collect()
}

/// For administrators.
pub fn for_administrators() -> String {
    let each = refusals().into_iter().map(|LocalReply { when, error }| {
        let message = if error.status == 413 { LARGE_BODY } else { &*error.message };
        let body = sluice_admin::write_error(error.code.as_deref().unwrap_or_default(), message, None);
        mapper(&filter(when), &error, &body)
    });
    std::iter::once(ours()).chain(each).collect()
}

/// In the order of matching.
fn refusals() -> Vec<LocalReply> {
    use ErrorKind::{InvalidRequest, NotFound, Overloaded, Permission, Server};
    let refusal = |when, code, error: ApiError| LocalReply { when, error: error.with_code(code) };
    let soon = |error: ApiError| ApiError { retry_after: Some(SOON), ..error };
    let failed = "The gateway worker that handled this request failed and is restarting. Send the request again.";
    let overloaded = "The gateway is out of memory for new requests. Send the request again in a moment.";
    let large_headers = "The request's headers exceed the gateway's limit of 60 KiB or 100 headers. Send fewer or \
                         shorter headers.";
    let version = "The gateway supports only HTTP/1.1 and HTTP/2.";
    let upgrade = "The gateway does not support WebSockets or other protocol upgrades.";
    let malformed = "The gateway could not read the HTTP request: it is malformed, or uses an unsupported feature of \
                     HTTP.";
    vec![
        refusal(
            "response.code_details == 'wasm_fail_stream'",
            "gateway_restarting",
            soon(ApiError::new(503, Server, failed)),
        ),
        refusal(
            "response.code_details == 'overload'",
            "gateway_overloaded",
            soon(ApiError::new(503, Overloaded, overloaded)),
        ),
        LocalReply { when: "response.code == 408", error: from_envoy(408) },
        LocalReply { when: "response.code == 413", error: from_envoy(413) },
        refusal("response.code == 431", "request_headers_too_large", ApiError::new(431, InvalidRequest, large_headers)),
        refusal("response.code == 426", "http_version_not_supported", ApiError::new(426, InvalidRequest, version)),
        refusal(
            "response.code_details == 'upgrade_failed'",
            "upgrade_not_supported",
            ApiError::new(403, Permission, upgrade),
        ),
        refusal("response.code == 404", "unknown_url", ApiError::new(404, NotFound, "Unknown request URL.")),
        // Envoy responds with 501 to an unknown transfer coding.
        refusal(
            "response.code >= 400 && response.code < 500 || response.code == 501",
            "malformed_request",
            ApiError::new(400, InvalidRequest, malformed),
        ),
        refusal(
            "response.code >= 500",
            "gateway_failed",
            ApiError::new(500, Server, "The gateway failed and could not answer this request."),
        ),
    ]
}

/// Whether the client reads errors in Anthropic's format. After the request was forwarded, its headers are the provider's, so the filter
/// stores the client's format.
fn reads_anthropics() -> String {
    let (left, client) = (property::REQUEST_STATE, property::CLIENT);
    let openais: Vec<String> = with_openais_errors().map(|path| format!("'{path}'")).collect();
    let path = "request.url_path";
    format!(
        "'wasm.{left}' in filter_state ? 'wasm.{client}' in filter_state : {path} == '{MESSAGES}' || \
         {path}.startsWith('{MESSAGES}/') || 'anthropic-version' in request.headers && !({path} in [{}])",
        openais.join(", ")
    )
}

/// Leaves the filter's own responses unchanged.
fn ours() -> String {
    fill("- filter: ${filter}\n", &[("filter", &filter(&format!("response.code_details == '{REPLY_DETAILS}'")))])
}

fn mapper(filter: &str, error: &ApiError, body: &[u8]) -> String {
    let header = |name: &str, value: &str| {
        format!(
            "headers_to_add: [{{ header: {{ key: {name}, value: \"{value}\" }}, append_action: \
             OVERWRITE_IF_EXISTS_OR_ADD }}]"
        )
    };
    let (no_retry, never) = NO_RETRY;
    let retry = match error.retry_after {
        Some(wait) => header("retry-after", &wait.as_secs().to_string()),
        // Clients would retry some of these statuses, such as that of an unknown transfer coding.
        None if error.kind == ErrorKind::InvalidRequest && error.status != 408 => header(no_retry, never),
        None => String::new(),
    };
    // Envoy parses a percent sign as the start of a command.
    let body = String::from_utf8_lossy(body).replace('%', "%%");
    fill(include_str!("refusal.yaml"), &[("filter", filter), ("headers", &retry), ("body", &quote(&body))])
}

pub(super) fn filter(expression: &str) -> String {
    let kind = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter";
    format!(
        "{{ extension_filter: {{ name: cel, typed_config: {{ \"@type\": {kind}, expression: {} }} }} }}",
        quote(expression)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_written_in_both_formats_after_the_filters_own_were_passed_over() {
        let clients = for_clients();
        let mut filters = clients.lines().filter(|line| line.starts_with("- filter: "));
        assert!(filters.next().is_some_and(|line| line.contains("\"response.code_details == 'sluice'\"")), "{clients}");
        assert!((&mut filters).take(2).all(|line| line.contains("health_check_")), "{clients}");
        assert_eq!(filters.count(), refusals().len() * 2);
        for expected in [
            r#"inline_string: "{\"error\":{\"message\":\"The gateway could not read the HTTP request: it is malformed, or uses an unsupported feature of HTTP.\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"malformed_request\"}}""#,
            r#"inline_string: "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":"#,
            r#"'anthropic-version' in request.headers && !(request.url_path in ['/v1/chat/completions', '/v1/responses',"#,
        ] {
            assert!(clients.contains(expected), "{expected}\n{clients}");
        }
        assert!(!clients.contains("'/v1/messages',"), "{clients}");
        assert_eq!(clients.matches("*anthropics]").count(), refusals().len() - 1);
        assert_eq!(clients.matches("key: retry-after, value: \"1\"").count(), 4, "{clients}");
        let administrators = for_administrators();
        let expected = r#"inline_string: "{\"error\":{\"code\":\"gateway_restarting\",\"message\":"#;
        assert!(administrators.contains(expected), "{administrators}");
        assert!(administrators.contains(LARGE_BODY) && !administrators.contains("32 MiB"), "{administrators}");
        assert_eq!(administrators.matches("- filter: ").count(), refusals().len() + 1);
    }

    #[test]
    fn every_refusal_has_a_code_that_the_reference_lists() {
        let reference = include_str!("../../../docs/reference.md");
        for LocalReply { error, .. } in refusals() {
            let code = error.code.expect("a code");
            assert!(reference.contains(&format!("`{code}`")), "{code}");
        }
    }
}
