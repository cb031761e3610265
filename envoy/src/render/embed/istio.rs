//! An EnvoyFilter that adds the gateway to proxies of Istio.
//!
//! It only adds objects: Istio's own clusters, routes and filters stay as they are. Istio has no patch for upstream filters, so the clusters
//! are ours, with their filters. The gateway's configuration is an extension configuration (ECDS): a change of it drains no listener, and a
//! module that does not load affects only our routes.

use serde_json::{Value, json};

use super::{CONNECTION_MANAGER, FILTER, Parts, Place, ROUTER};

/// Proxies of older versions ignore the patches: they have an Envoy before 1.39.
const VERSIONS: &str = r"^1\.(3[1-9]|[4-9][0-9])\.";

/// The ConfigMap with additions to the bootstrap configuration.
pub const BOOTSTRAP: &str = "sluice-bootstrap";

/// The proxies to patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxies {
    Gateway,
    Sidecars,
}

/// How to find the proxies.
#[derive(Debug)]
pub struct Selection {
    pub proxies: Proxies,
    pub namespace: String,
    /// The pods' labels; empty for all pods of the namespace.
    pub labels: Vec<(String, String)>,
    /// The port that clients call; `None` is every port.
    pub port: Option<u16>,
    /// The Gateway that accepts the host, if the host is to be routed for the first time.
    pub gateway: Option<String>,
}

pub fn objects(parts: &Parts, place: &Place, selection: &Selection) -> Vec<Value> {
    let mut spec = json!({ "configPatches": patches(parts, place, selection) });
    if !selection.labels.is_empty() {
        let labels = selection.labels.iter().map(|(name, value)| (name.clone(), value.clone().into()));
        spec["workloadSelector"] = json!({ "labels": labels.collect::<serde_json::Map<_, Value>>() });
    }
    let name = match selection.proxies {
        Proxies::Gateway => "sluice-gateway",
        Proxies::Sidecars => "sluice-sidecars",
    };
    let metadata = json!({ "name": name, "namespace": selection.namespace });
    let filter = json!({ "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "metadata": metadata, "spec": spec });
    let host = service(place, selection).or_else(|| virtual_service(place, selection));
    let additions = (!parts.bootstrap.is_empty()).then(|| bootstrap_override(parts, selection));
    host.into_iter().chain(additions).chain([filter]).collect()
}

/// What the pods' annotation `sidecar.istio.io/bootstrapOverride` names: no EnvoyFilter changes the bootstrap configuration.
fn bootstrap_override(parts: &Parts, selection: &Selection) -> Value {
    let text = Value::Object(parts.bootstrap.clone()).to_string();
    let metadata = json!({ "name": BOOTSTRAP, "namespace": selection.namespace });
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "custom_bootstrap.json": text } })
}

/// The VirtualService that makes the Gateway's proxies route the host. Its routes are never used: the gateway's come first.
fn virtual_service(place: &Place, selection: &Selection) -> Option<Value> {
    let gateway = selection.gateway.as_ref()?;
    let metadata = json!({ "name": "sluice", "namespace": selection.namespace });
    let nothing = json!({ "directResponse": { "status": 404 } });
    let spec = json!({ "hosts": [place.host], "gateways": [gateway], "http": [nothing] });
    Some(
        json!({ "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata, "spec": spec }),
    )
}

/// The Service that makes the host known to sidecars, if the host is to be one of this cluster. It has no pods: the routes take all requests.
fn service(place: &Place, selection: &Selection) -> Option<Value> {
    let (name, rest) = place.host.split_once('.')?;
    let namespace = rest.strip_suffix(".svc.cluster.local")?;
    let new = selection.proxies == Proxies::Sidecars && place.prefix.is_none();
    new.then(|| {
        let port = json!({ "name": "http", "port": selection.port.unwrap_or(80) });
        let metadata = json!({ "name": name, "namespace": namespace });
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": { "ports": [port] } })
    })
}

fn patches(parts: &Parts, place: &Place, selection: &Selection) -> Vec<Value> {
    let context = match selection.proxies {
        Proxies::Gateway => "GATEWAY",
        Proxies::Sidecars => "SIDECAR_OUTBOUND",
    };
    let patch = |kind: &str, place: Option<(&str, Value)>, operation: &str, value: &Value| {
        let mut matched = json!({ "context": context, "proxy": { "proxyVersion": VERSIONS } });
        if let Some((name, place)) = place {
            matched[name] = place;
        }
        json!({ "applyTo": kind, "match": matched, "patch": { "operation": operation, "value": value } })
    };
    let with_port = |mut place: Value| {
        if let Some(port) = selection.port {
            place["portNumber"] = port.into();
        }
        place
    };
    let manager = |filter: Value| {
        let place = json!({ "filterChain": { "filter": filter } });
        // A gateway's listener has the pod's port, and not the one that clients call. In other listeners, the filter is disabled.
        ("listener", if selection.proxies == Proxies::Sidecars { with_port(place) } else { place })
    };
    let before_router = || manager(json!({ "name": CONNECTION_MANAGER, "subFilter": { "name": ROUTER } }));

    let mut patches: Vec<Value> = parts.clusters.iter().map(|cluster| patch("CLUSTER", None, "ADD", cluster)).collect();
    for filter in &parts.filters {
        if filter["name"] == FILTER {
            let (extension, reference) = discovered(filter);
            patches.push(patch("EXTENSION_CONFIG", None, "ADD", &extension));
            patches.push(patch("HTTP_FILTER", Some(before_router()), "INSERT_BEFORE", &reference));
        } else {
            patches.push(patch("HTTP_FILTER", Some(before_router()), "INSERT_BEFORE", filter));
        }
    }
    let kind = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let logged =
        json!({ "name": CONNECTION_MANAGER, "typed_config": { "@type": kind, "access_log": parts.access_log } });
    patches.push(patch("NETWORK_FILTER", Some(manager(json!({ "name": CONNECTION_MANAGER }))), "MERGE", &logged));

    // Into Istio's own virtual host, which keeps a redirect to HTTPS.
    let host = || ("routeConfiguration", with_port(json!({ "vhost": { "domainName": place.host } })));
    // Each insertion goes before the previous one.
    let routes = parts.routes.iter().rev();
    patches.extend(routes.map(|route| patch("HTTP_ROUTE", Some(host()), "INSERT_FIRST", route)));
    patches
}

/// A filter's configuration as a resource of its own, and the filter that refers to it.
fn discovered(filter: &Value) -> (Value, Value) {
    let configuration = &filter["typed_config"];
    let source =
        json!({ "config_source": { "ads": {}, "resource_api_version": "V3" }, "type_urls": [configuration["@type"]] });
    let reference = json!({ "name": FILTER, "disabled": true, "config_discovery": source });
    (json!({ "name": FILTER, "typed_config": configuration }), reference)
}
