//! How clients reach the gateway: TLS certificates, CORS, and the responses about health.

use std::path::Path;

use sluice_config::file::{Cors, Tls};
use sluice_core::pipeline::property;

use crate::secrets::sds_file;

use super::text::{fill, quote};
use super::{Options, quote_path};

/// The names of a listener's secrets: its certificate, and its clients' CA certificates.
pub fn secrets_of(listener: &str) -> [String; 2] {
    [format!("sluice-{listener}-tls"), format!("sluice-{listener}-ca")]
}

/// A listener's transport socket; empty for plain HTTP.
pub(super) fn tls(tls: Option<&Tls>, listener: &str, options: &Options) -> String {
    let Some(tls) = tls else { return String::new() };
    let [certificate, authorities] = secrets_of(listener);
    let ours = |name: &str| source(name, &options.secrets.join(sds_file(name)));
    let certificate = match &tls.sds {
        Some(sds) => source(&sds.name, &options.base.join(&sds.file)),
        None => ours(&certificate),
    };
    let clients =
        tls.client_ca.as_ref().map(|_| format!("validation_context_sds_secret_config: {}\n", ours(&authorities)));
    fill(
        include_str!("listener_tls.yaml"),
        &[
            ("certificate", &certificate),
            ("clients", &clients.unwrap_or_default()),
            ("required", if tls.client_ca.is_some() { "true" } else { "false" }),
        ],
    )
}

/// An SDS secret in its own file. Envoy watches the directory: Kubernetes replaces a symbolic link next to the file, but never the file.
pub(super) fn source(name: &str, path: &Path) -> String {
    let directory = path.parent().unwrap_or(Path::new("/"));
    format!(
        "{{ name: {}, sds_config: {{ path_config_source: {{ path: {}, watched_directory: {{ path: {} }} }} }} }}",
        quote(name),
        quote_path(path),
        quote_path(directory)
    )
}

/// The CORS filter, in front of the Sluice filter.
pub(super) fn cors_filter(cors: Option<&Cors>) -> String {
    let kind = "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors";
    let filter = format!("- name: envoy.filters.http.cors\n  typed_config: {{ \"@type\": {kind} }}\n");
    cors.map(|_| filter).unwrap_or_default()
}

/// The CORS policy for the routes.
pub(super) fn cors_policy(cors: Option<&Cors>) -> String {
    let Some(cors) = cors else { return String::new() };
    let origins: Vec<String> = cors.origins.iter().map(|origin| matcher(origin)).collect();
    fill(include_str!("cors.yaml"), &[("origins", &origins.join(", ")), ("exposed", &EXPOSED.join(", "))])
}

/// Response headers that web pages may read. A star would not cover clients that send cookies, and would not document the names.
const EXPOSED: [&str; 21] = [
    "*",
    "x-request-id",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "x-sluice-provider",
    "x-sluice-model",
    "x-sluice-attempts",
    "x-sluice-failures",
    "x-sluice-tier",
    "x-sluice-cache",
    "x-sluice-dropped",
    "x-sluice-budget",
    "x-sluice-cost",
    "x-sluice-overhead-ms",
    "x-sluice-ttft-ms",
    "x-sluice-masked",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
];

/// The matcher for an allowed origin.
fn matcher(origin: &str) -> String {
    if origin == "*" {
        return "{ prefix: \"\" }".to_owned();
    }
    match origin.split_once("://*.") {
        None => format!("{{ exact: {} }}", quote(origin)),
        Some((scheme, domain)) => {
            let regex = format!("{scheme}://([a-z0-9-]+\\.)+{}", domain.replace('.', "\\."));
            format!("{{ safe_regex: {{ regex: {} }} }}", quote(&regex))
        }
    }
}

/// Local reply mappers for the responses of Envoy's health check filter to `/ready`.
pub(super) fn health() -> String {
    let reply = |details: &str, status: &str| {
        let body = format!("{{\"status\":\"{status}\"%FILTER_STATE(wasm.{}:PLAIN)%}}", property::READY);
        let when = format!("response.code_details == '{details}'");
        fill(
            include_str!("health_reply.yaml"),
            &[("filter", &super::local_replies::filter(&when)), ("body", &quote(&body))],
        )
    };
    reply("health_check_ok", "ready") + &reply("health_check_failed", "draining")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_whole() {
        assert_eq!(matcher("https://x.test"), "{ exact: \"https://x.test\" }");
        let below = matcher("https://*.x.test:8443");
        assert_eq!(below, r#"{ safe_regex: { regex: "https://([a-z0-9-]+\\.)+x\\.test:8443" } }"#);
    }
}
