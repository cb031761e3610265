//! The gateway as parts of an Envoy that someone else configures: by hand, by Istio, or by Envoy Gateway.
//!
//! Such an Envoy serves other hosts too. So every filter is disabled, and only our own routes enable it. With a path prefix, our routes are the
//! first in a virtual host that has others. The prefix leaves the path before the filter sees it, and Envoy matches the route once more after
//! the filter's decision. From then on, filter state that no client can set selects the route.

use serde_json::{Map, Value, json};
use sluice_config::file::File;
use sluice_core::pipeline::property;

use super::text::fill;
use super::{
    Options, access_log, clusters, downstream, filter, listener, local_replies, longest, routes, runtime, service,
};
use crate::check::{Checked, yaml_of};
use crate::cli::Failure;

pub mod envoy_gateway;
pub mod fragment;
pub mod istio;
pub mod workload;

/// The filters before the router.
const FILTER: &str = "sluice";
const CORS: &str = "sluice-cors";
const PREFIX: &str = "sluice-prefix";

pub(super) const ROUTER: &str = "envoy.filters.http.router";
pub(super) const CONNECTION_MANAGER: &str = "envoy.filters.network.http_connection_manager";

/// Where clients find the gateway.
#[derive(Debug, Clone)]
pub struct Place {
    /// The host; `*` is any.
    pub host: String,
    /// The prefix of all paths. With a prefix, the virtual host of this host exists already.
    pub prefix: Option<String>,
}

/// What an Envoy needs for the gateway.
#[derive(Debug)]
pub struct Parts {
    /// Filters before the router, in order. The last is the Sluice filter.
    pub filters: Vec<Value>,
    /// Access loggers, which log only our requests.
    pub access_log: Vec<Value>,
    pub routes: Vec<Value>,
    pub clusters: Vec<Value>,
    /// Fields of the bootstrap configuration; empty if nothing is needed.
    pub bootstrap: Map<String, Value>,
}

impl Parts {
    pub fn of(checked: &Checked, place: &Place, options: &Options) -> Result<Self, Failure> {
        let file = &checked.file;
        let clusters = clusters::of_providers(file, options);
        let names = clusters.iter().map(|cluster| &*cluster.name);
        let routes = read(&routes::routes(file, &checked.gateway, longest(&checked.gateway), names))?;
        let [of_the_gateway, _] = clusters::of_the_gateway(file, options);
        let none = "- { name: none, type: STATIC }\n".to_owned();
        let clusters: String = clusters.into_iter().map(|cluster| cluster.text).chain([of_the_gateway, none]).collect();
        let ours = format!("'wasm.{}' in filter_state", property::LOG);
        let logged =
            format!("{{ and_filter: {{ filters: [{}, {}] }} }}", local_replies::filter(&ours), listener::unlogged());
        let bootstrap =
            format!("{}{}", runtime(&options.module), super::section("bootstrap_extensions", &service(file, options)));
        Ok(Self {
            filters: filters(file, place, options)?,
            access_log: list(&access_log::loggers(file, listener::client(file), &logged, options))?,
            routes: ours_only(routes, place),
            clusters: list(&clusters)?,
            bootstrap: if bootstrap.is_empty() { Map::new() } else { fields(read(&bootstrap)?) },
        })
    }

    /// The routes as a virtual host of their own.
    fn virtual_host(&self, place: &Place) -> Value {
        let any_port = (place.host != "*").then(|| format!("{}:*", place.host));
        let domains: Vec<&str> = [&*place.host].into_iter().chain(any_port.as_deref()).collect();
        json!({ "name": "sluice", "domains": domains, "routes": self.routes })
    }
}

fn filters(file: &File, place: &Place, options: &Options) -> Result<Vec<Value>, Failure> {
    let mut filters = Vec::new();
    if let Some(prefix) = &place.prefix {
        let code = fill(include_str!("prefix.lua"), &[("start", &(prefix.len() + 1).to_string())]);
        let kind = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua";
        let code = json!({ "@type": kind, "clear_route_cache": false, "default_source_code": { "inline_string": code.trim_end() } });
        filters.push(json!({ "name": PREFIX, "disabled": true, "typed_config": code }));
    }
    for mut cors in list(&downstream::cors_filter(file.cors.as_ref()))? {
        cors["name"] = CORS.into();
        cors["disabled"] = true.into();
        filters.push(cors);
    }
    let configuration = json!({ "role": "gateway", "gateway": filter::for_the_filter(file) });
    let gateway = read(&filter::of("gateway", &configuration, options))?;
    filters.push(json!({ "name": FILTER, "disabled": true, "typed_config": gateway }));
    Ok(filters)
}

/// The routes of a configuration, made independent of their virtual host and of the listener's settings.
fn ours_only(mut configuration: Value, place: &Place) -> Vec<Value> {
    let mut host = configuration["virtual_hosts"][0].take();
    let mut routes = match host["routes"].take() {
        Value::Array(routes) => routes,
        _ => Vec::new(),
    };
    if let (Some(_), [.., answer]) = (&place.prefix, &mut *routes) {
        let first = answer.clone();
        // Set as soon as the filter forwards the request.
        let forwarded =
            json!({ "key": format!("wasm.{}", property::TARGET), "string_match": { "safe_regex": { "regex": ".*" } } });
        answer["match"]["filter_state"] = json!([forwarded]);
        routes.push(first);
    }
    let enabled = json!({ "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {} });
    let mut of_filters = json!({ FILTER: enabled });
    if let Some(policy) = host["typed_per_filter_config"].get_mut("envoy.filters.http.cors") {
        of_filters[CORS] = policy.take();
    }
    let mut hidden = list_of(host["response_headers_to_remove"].take());
    hidden.push("x-envoy-upstream-service-time".into());
    for route in &mut routes {
        let name = route["name"].as_str().unwrap_or_default();
        route["name"] = format!("sluice-{name}").into();
        route["request_headers_to_remove"] = host["request_headers_to_remove"].clone();
        route["response_headers_to_remove"] = hidden.clone().into();
        route["typed_per_filter_config"] = of_filters.clone();
    }
    if let (Some(prefix), Some(first)) = (&place.prefix, routes.last_mut()) {
        first["name"] = "sluice".into();
        first["match"] = json!({ "path_separated_prefix": prefix });
        first["typed_per_filter_config"][PREFIX] = enabled;
    }
    routes
}

/// Parses text that this crate has rendered.
fn read(text: &str) -> Result<Value, Failure> {
    yaml_of(text).map_err(|fault| Failure::new(format!("the gateway file is too large for this form: line {fault}")))
}

fn list(text: &str) -> Result<Vec<Value>, Failure> {
    if text.is_empty() { Ok(Vec::new()) } else { read(text).map(list_of) }
}

fn list_of(value: Value) -> Vec<Value> {
    if let Value::Array(items) = value { items } else { Vec::new() }
}

fn fields(value: Value) -> Map<String, Value> {
    if let Value::Object(fields) = value { fields } else { Map::new() }
}
