//! The routes: cluster selection, retries and timeouts of requests.

use std::time::Duration;

use sluice_config::file::File;
use sluice_core::compiled::CompiledConfig;

use super::text::{fill, quote};
use super::{downstream, seconds};

/// Allowance for Envoy's own work, in addition to the timeouts.
const WORK: Duration = Duration::from_secs(5);

/// The route configuration for these clusters. `longest` is the maximum duration of a request.
pub fn routes<'a>(
    file: &File,
    gateway: &CompiledConfig,
    longest: Duration,
    clusters: impl IntoIterator<Item = &'a str>,
) -> String {
    let timeouts = gateway.timeouts;
    fill(
        include_str!("routes.yaml"),
        &[
            ("cors_policy", &downstream::cors_policy(file.cors.as_ref())),
            ("longest", &seconds(longest)),
            ("idle", &seconds(longest + WORK)),
            ("total", &seconds(timeouts.total)),
            ("answer", &seconds(timeouts.answer.plain)),
            ("first_token", &seconds(timeouts.first_token.plain)),
            ("targets", &clusters.into_iter().filter(is_target).map(target).collect::<String>()),
        ],
    )
}

/// Whether requests are forwarded to the cluster. The gateway and Envoy themselves call the others.
fn is_target(cluster: &&str) -> bool {
    !cluster.starts_with("sluice-")
}

fn target(name: &str) -> String {
    let name = quote(name);
    let action = "type.googleapis.com/envoy.extensions.router.cluster_specifiers.matcher.v3.ClusterAction";
    format!("{name}: {{ action: {{ name: {name}, typed_config: {{ \"@type\": {action}, cluster: {name} }} }} }}\n")
}
