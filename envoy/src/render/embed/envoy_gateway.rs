//! An EnvoyPatchPolicy that adds the gateway to a Gateway of Envoy Gateway. It only adds objects, as JSON patches of Envoy's resources.

use serde_json::{Value, json};

use super::{CONNECTION_MANAGER, Parts, Place, ROUTER};

/// What to patch.
#[derive(Debug)]
pub struct Selection {
    pub namespace: String,
    pub gateway: String,
    /// The names of Envoy's resources.
    pub listener: String,
    pub routes: String,
}

pub fn object(parts: &Parts, place: &Place, selection: &Selection) -> Value {
    let Selection { namespace, gateway, listener, routes } = selection;
    json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyPatchPolicy",
        "metadata": { "name": "sluice", "namespace": namespace },
        "spec": {
            "targetRef": { "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway },
            "type": "JSONPatch",
            "jsonPatches": patches(parts, place, listener, routes),
        },
    })
}

fn patches(parts: &Parts, place: &Place, listener: &str, routes: &str) -> Vec<Value> {
    let patch = |kind: &str, name: &Value, places: Option<String>, path: Option<&str>, value: &Value| {
        let mut operation = json!({ "op": "add", "value": value });
        if let Some(places) = places {
            operation["jsonPath"] = places.into();
        }
        if let Some(path) = path {
            operation["path"] = path.into();
        }
        json!({ "type": format!("type.googleapis.com/envoy.config.{kind}"), "name": name, "operation": operation })
    };
    let (listener, routes) = (Value::from(listener), Value::from(routes));
    let mut patches: Vec<Value> = parts
        .clusters
        .iter()
        .map(|cluster| patch("cluster.v3.Cluster", &cluster["name"], None, Some(""), cluster))
        .collect();
    // An addition at the index of an item goes before the item.
    let router = || Some(format!("..http_filters[?(@.name=='{ROUTER}')]"));
    patches.extend(parts.filters.iter().map(|filter| patch("listener.v3.Listener", &listener, router(), None, filter)));
    let manager = || Some(format!("..filters[?(@.name=='{CONNECTION_MANAGER}')]"));
    let loggers = parts.access_log.iter();
    patches.extend(
        loggers.map(|logger| {
            patch("listener.v3.Listener", &listener, manager(), Some("/typed_config/access_log/-"), logger)
        }),
    );
    let kind = "route.v3.RouteConfiguration";
    if place.prefix.is_some() {
        let host = || Some(format!("..virtual_hosts[?(@.domains[0]=='{}')]", place.host));
        // Each insertion goes before the previous one.
        let all = parts.routes.iter().rev();
        patches.extend(all.map(|route| patch(kind, &routes, host(), Some("/routes/0"), route)));
    } else {
        patches.push(patch(kind, &routes, None, Some("/virtual_hosts/-"), &parts.virtual_host(place)));
    }
    patches
}
