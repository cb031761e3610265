//! Configuration that can change at runtime, as files that Envoy watches: clusters (CDS), routes (RDS), listeners (LDS), and the filter's
//! configuration in both roles (ECDS). Secrets are always such files.
//!
//! Only changes of listeners affect the connections of clients and administrators: Envoy drains them. No other change here affects a
//! connection.

use std::path::Path;

use serde_json::json;
use sluice_config::file::File;
use sluice_config::plugin::Reload;

use crate::check::Checked;

use super::text::fill;
use super::{Options, filter, frame, listener, longest, nested, quote_path, routes};

pub use super::clusters::{Cluster, name_by_definition, of_providers as clusters, short};
pub use super::filter::for_the_filter;

/// The files, in the order in which a change is written: each refers only to names in earlier files.
pub const CLUSTERS: &str = "clusters.yaml";
pub const ROUTES: &str = "routes.yaml";
pub const LISTENERS: &str = "listeners.yaml";
pub const ADMIN_FILTER: &str = "admin-filter.yaml";
pub const GATEWAY_FILTER: &str = "gateway-filter.yaml";
/// The bootstrap configuration, which names the other files.
pub const BOOTSTRAP: &str = "envoy.yaml";

/// The bootstrap configuration. It is the same for all gateway files that one Envoy can run in turn.
pub fn bootstrap(checked: &Checked, directory: &Path, options: &Options) -> String {
    let dynamic = format!(
        "dynamic_resources:\n  cds_config: {}\n  lds_config: {}\n",
        source(directory, CLUSTERS),
        source(directory, LISTENERS)
    );
    frame(checked, &dynamic, "", "", options)
}

pub fn clusters_file<'a>(clusters: impl IntoIterator<Item = &'a Cluster>) -> String {
    resources("envoy.config.cluster.v3.Cluster", clusters.into_iter().map(|cluster| &*cluster.text))
}

/// Routes to these clusters.
pub fn routes_file<'a>(checked: &Checked, clusters: impl IntoIterator<Item = &'a Cluster>) -> String {
    let names = clusters.into_iter().map(|cluster| &*cluster.name);
    let routes = routes::routes(&checked.file, &checked.gateway, longest(&checked.gateway), names);
    resources("envoy.config.route.v3.RouteConfiguration", [&*item(&routes)])
}

/// The clients' and administrators' listeners, and the internal listeners of these clusters.
pub fn listeners_file<'a>(
    checked: &Checked,
    clusters: impl IntoIterator<Item = &'a Cluster>,
    directory: &Path,
    options: &Options,
) -> String {
    let routes = format!("rds: {{ route_config_name: sluice, config_source: {} }}\n", source(directory, ROUTES));
    let filter = |file| {
        let kind = filter::kind(options);
        format!("config_discovery: {{ config_source: {}, type_urls: [{kind}] }}\n", source(directory, file))
    };
    let Checked { file, gateway, .. } = checked;
    let clients = listener::clients(file, gateway.timeouts.total, &routes, &filter(GATEWAY_FILTER), options);
    let administrators = listener::administrators(file, &filter(ADMIN_FILTER), options);
    let inside = clusters.into_iter().map(|cluster| &*cluster.listener);
    let all = [&*clients, &administrators].into_iter().chain(inside).filter(|text| !text.is_empty());
    resources("envoy.config.listener.v3.Listener", all)
}

/// The filter's configuration in a role, with the filter's part of the gateway file.
pub fn filter_file(role: Role, file: &File, reload: &Reload, options: &Options) -> String {
    let (name, place, role) = match role {
        Role::Gateway => ("sluice", "gateway", "gateway"),
        Role::Shutdown => ("sluice", "gateway", "shutdown"),
        Role::Admin => ("sluice-admin", "admin", "admin"),
    };
    let configuration = json!({ "role": role, "gateway": file, "reload": reload });
    let filter = nested("typed_config", &filter::of(place, &configuration, options));
    let named = format!("name: {name}\n{filter}");
    resources("envoy.config.core.v3.TypedExtensionConfig", [&*item(&named)])
}

/// The roles whose configuration can change at runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Gateway,
    /// The gateway role that ends all requests and rejects new ones.
    Shutdown,
    Admin,
}

fn source(directory: &Path, file: &str) -> String {
    let path = quote_path(&directory.join(file));
    format!("{{ path_config_source: {{ path: {path} }}, resource_api_version: V3 }}")
}

/// Formats a text as a list item.
fn item(text: &str) -> String {
    let indented = fill("  ${text}\n", &[("text", text)]);
    indented.replacen("  ", "- ", 1)
}

/// A file of resources, each a list item. Its version is prepended when it is written.
fn resources<'a>(kind: &str, each: impl IntoIterator<Item = &'a str>) -> String {
    let start = format!("- \"@type\": type.googleapis.com/{kind}\n  ");
    let each: String = each.into_iter().map(|text| text.replacen("- ", &start, 1)).collect();
    if each.is_empty() { "resources: []\n".to_owned() } else { format!("resources:\n{each}") }
}
