//! Applies patches to a recorded configuration by the documented rules of Istio and Envoy Gateway. A patch that matches nothing fails the test.

use serde_json::{Value, json};

/// Applies an EnvoyFilter to what Istio generates in this context.
pub fn envoy_filter(base: &mut Value, filter: &Value, context: &str) {
    let patches = items(&filter["spec"]["configPatches"]);
    // Istio patches network filters before HTTP filters, and clusters and routes by themselves.
    for patch in patches {
        let (kind, matched) = (text(&patch["applyTo"]), &patch["match"]);
        let (operation, value) = (text(&patch["patch"]["operation"]), &patch["patch"]["value"]);
        assert_eq!(matched["context"], context, "{patch}");
        let applied = match (kind, operation) {
            ("CLUSTER", "ADD") => push(&mut base["clusters"], value),
            ("EXTENSION_CONFIG", "ADD") => push(&mut base["extensions"], value),
            ("NETWORK_FILTER", "MERGE") => managers(base, &matched["listener"], |manager| merge(manager, value)),
            ("HTTP_FILTER", "INSERT_BEFORE") => {
                let name = &matched["listener"]["filterChain"]["filter"]["subFilter"]["name"];
                managers(base, &matched["listener"], |manager| {
                    let filters = array(&mut manager["typed_config"]["http_filters"]);
                    let found = filters.iter().position(|filter| filter["name"] == *name);
                    found.map_or(0, |at| {
                        filters.insert(at, value.clone());
                        1
                    })
                })
            }
            ("HTTP_ROUTE", "INSERT_FIRST") => {
                let wanted = &matched["routeConfiguration"]["vhost"]["domainName"];
                let hosts = route_configurations(base, matched).flat_map(|routes| array(&mut routes["virtual_hosts"]));
                let hosts = hosts.filter(|host| items(&host["domains"]).contains(wanted));
                hosts.map(|host| array(&mut host["routes"]).insert(0, value.clone())).count()
            }
            other => panic!("{other:?} is not among the rules"),
        };
        assert!(applied > 0, "a patch matches nothing: {patch:#}");
    }
}

/// Adds what Istio generates for a VirtualService whose Gateway has an HTTP server for its host.
pub fn virtual_service(base: &mut Value, service: &Value) {
    assert_eq!(service["spec"]["http"], json!([{"directResponse": {"status": 404}}]));
    let host = text(&service["spec"]["hosts"][0]);
    let routes = json!([{"name": "default", "match": {"prefix": "/"}, "direct_response": {"status": 404}}]);
    let virtual_host = json!({"name": format!("{host}:80"), "domains": [host], "routes": routes});
    array(&mut base["routes"]).iter_mut().for_each(|routes| {
        push(&mut routes["virtual_hosts"], &virtual_host);
    });
}

/// Applies an EnvoyPatchPolicy.
pub fn envoy_patch_policy(base: &mut Value, policy: &Value) {
    for patch in items(&policy["spec"]["jsonPatches"]) {
        let operation = &patch["operation"];
        assert_eq!(operation["op"], "add", "{patch}");
        let path = operation["path"].as_str().unwrap_or_default();
        let kind = match text(&patch["type"]) {
            "type.googleapis.com/envoy.config.cluster.v3.Cluster" => "clusters",
            "type.googleapis.com/envoy.config.listener.v3.Listener" => "listeners",
            "type.googleapis.com/envoy.config.route.v3.RouteConfiguration" => "routes",
            other => panic!("{other} cannot be patched"),
        };
        if path.is_empty() && operation["jsonPath"].is_null() {
            assert_eq!(patch["name"], operation["value"]["name"], "a new resource has its own name");
            push(&mut base[kind], &operation["value"]);
            continue;
        }
        let resource = array(&mut base[kind]).iter_mut().find(|resource| resource["name"] == patch["name"]);
        let resource = resource.unwrap_or_else(|| panic!("no resource for {patch:#}"));
        let places = match operation["jsonPath"].as_str() {
            Some(places) => located(resource, places),
            None => vec![String::new()],
        };
        assert!(!places.is_empty(), "a patch matches nothing: {patch:#}");
        for place in places {
            add(resource, &format!("{place}{path}"), &operation["value"]);
        }
    }
}

/// The pointers of `..NAME[?(@.FIELD=='TEXT')]`.
fn located(document: &Value, places: &str) -> Vec<String> {
    let (list, condition) = places.strip_prefix("..").and_then(|rest| rest.split_once("[?(@.")).expect("a known form");
    let (field, wanted) = condition.strip_suffix("')]").and_then(|rest| rest.split_once("=='")).expect("a known form");
    let field = format!("/{}", field.replace('[', "/").replace(']', ""));
    let mut found = Vec::new();
    walk(document, &mut String::new(), &mut |pointer, value| {
        let (_, name) = pointer.rsplit_once('/').unwrap_or_default();
        for (at, item) in value.as_array().into_iter().flatten().enumerate().filter(|_| name == list) {
            if item.pointer(&field).is_some_and(|text| text == wanted) {
                found.push(format!("{pointer}/{at}"));
            }
        }
    });
    found
}

fn walk(value: &Value, pointer: &mut String, visit: &mut impl FnMut(&str, &Value)) {
    visit(pointer, value);
    let fields = value.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value));
    let entries = value.as_array().into_iter().flatten().enumerate().map(|(at, value)| (at.to_string(), value));
    for (name, value) in fields.chain(entries) {
        let length = pointer.len();
        *pointer += &format!("/{name}");
        walk(value, pointer, visit);
        pointer.truncate(length);
    }
}

/// The `add` of RFC 6902.
fn add(document: &mut Value, path: &str, value: &Value) {
    let (parent, last) = path.rsplit_once('/').expect("a pointer");
    match document.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}")) {
        Value::Array(items) if last == "-" => items.push(value.clone()),
        Value::Array(items) => items.insert(last.parse().expect("an index"), value.clone()),
        other => other[last] = value.clone(),
    }
}

/// Calls `each` with the connection managers of the listeners that match; returns the sum of what it returns.
fn managers(base: &mut Value, matched: &Value, each: impl FnMut(&mut Value) -> usize) -> usize {
    let wanted = &matched["filterChain"]["filter"]["name"];
    let listeners = array(&mut base["listeners"]).iter_mut().filter(|listener| {
        matched["portNumber"].is_null() || matched["portNumber"] == listener["address"]["socket_address"]["port_value"]
    });
    let chains = listeners.flat_map(|listener| array(&mut listener["filter_chains"]));
    let filters = chains.flat_map(|chain| array(&mut chain["filters"]));
    filters.filter(|filter| filter["name"] == *wanted).map(each).sum()
}

/// The route configurations of the port that clients call. A sidecar's has it as its name. A gateway's ends with the pod's port, and its Service
/// tells which port that is for clients.
fn route_configurations<'b>(base: &'b mut Value, matched: &Value) -> impl Iterator<Item = &'b mut Value> {
    let port = matched["routeConfiguration"]["portNumber"].as_u64();
    let of_clients = base["service_ports"].clone();
    array(&mut base["routes"]).iter_mut().filter(move |routes| {
        let name = text(&routes["name"]);
        let own = name.strip_prefix("http.").map_or(name.parse().ok(), |port| of_clients[port].as_u64());
        port.is_none() || own == port
    })
}

/// Merges as protocol buffers do: fields one by one, and lists by appending.
fn merge(into: &mut Value, more: &Value) -> usize {
    match (into, more) {
        (Value::Object(fields), Value::Object(more)) => {
            for (name, value) in more {
                merge(fields.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(items), Value::Array(more)) => items.extend(more.iter().cloned()),
        (into, more) => *into = more.clone(),
    }
    1
}

fn push(list: &mut Value, value: &Value) -> usize {
    if list.is_null() {
        *list = json!([]);
    }
    array(list).push(value.clone());
    1
}

fn array(value: &mut Value) -> &mut Vec<Value> {
    value.as_array_mut().expect("a list")
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}
