//! Traces: what Envoy's connection manager is told of them. What spans say is in the template; the
//! filter sets the properties it names (`sluice_core::exchange::trace`).

use sluice_config::file::Tracing;
use sluice_core::exchange::TRACING_CLUSTER;
use sluice_core::provider::url::Url;

use super::text::{fill, quote};

/// For the connection manager of the clients' listener.
pub fn manager(tracing: &Tracing) -> String {
    // Checked before, as the listener is.
    let Ok(url) = Url::parse(&tracing.url) else { return String::new() };
    let scheme = if url.tls { "https" } else { "http" };
    let uri = format!("{scheme}://{}{}/v1/traces", url.authority(), url.base_path);
    fill(
        include_str!("tracing.yaml"),
        &[("sampling", &tracing.sampling.to_string()), ("uri", &quote(&uri)), ("cluster", &quote(TRACING_CLUSTER))],
    )
}
