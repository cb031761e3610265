//! Tracing in Envoy's connection manager. The template defines the spans' tags; the filter sets the properties that they use
//! (`sluice_core::pipeline::trace`).

use sluice_config::file::Tracing;
use sluice_core::pipeline::TRACING_CLUSTER;
use sluice_core::provider::url::Url;

use super::text::{fill, quote};

/// For the connection manager of the clients' listener.
pub fn manager(tracing: &Tracing) -> String {
    // Validated by the check, like the listener.
    let Ok(url) = Url::parse(&tracing.url) else { return String::new() };
    let scheme = if url.tls { "https" } else { "http" };
    let uri = format!("{scheme}://{}{}/v1/traces", url.authority(), url.base_path);
    fill(
        include_str!("tracing.yaml"),
        &[("sampling", &tracing.sampling.to_string()), ("uri", &quote(&uri)), ("cluster", &quote(TRACING_CLUSTER))],
    )
}
