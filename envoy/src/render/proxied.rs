//! What is reached through a proxy: in place of the provider's address a cluster has a listener inside of Envoy, which asks the
//! proxy for a tunnel to that address. TLS, with the provider's own certificate, runs through all of it.

use sluice_core::config::file::{Availability, File};
use sluice_core::config::url::Url;
use sluice_core::exchange::{REDIS_CLUSTER, TRACING_CLUSTER};

use super::text::{fill, quote};
use super::{Options, credentials};

/// The cluster of the proxy itself.
const PROXY_CLUSTER: &str = "sluice-proxy";

fn listener(cluster: &str) -> String {
    format!("sluice-proxied-{cluster}")
}

/// The address that a cluster has in place of the URL's, if that is reached through a proxy.
pub(super) fn tunnel(cluster: &str, url: &Url, options: &Options) -> Option<String> {
    let covered = cluster != PROXY_CLUSTER && options.proxy.as_ref()?.covers(url);
    let name = quote(&listener(cluster));
    covered.then(|| format!("{{ envoy_internal_address: {{ server_listener_name: {name}, endpoint_id: {name} }} }}"))
}

/// The listeners that ask for tunnels.
pub(super) fn listeners(file: &File, options: &Options) -> String {
    let Some(proxy) = &options.proxy else { return String::new() };
    // A value is a format of Envoy's, in which a percent sign begins a command.
    let authorization = proxy.authorization.as_ref().map(|value| {
        format!(
            "headers_to_add: [{{ header: {{ key: proxy-authorization, value: {} }} }}]",
            quote(&value.replace('%', "%%"))
        )
    });
    let authorization = authorization.unwrap_or_default();
    let one = |(cluster, url): (String, String)| {
        let url = Url::parse(&url).ok().filter(|url| tunnel(&cluster, url, options).is_some())?;
        let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host };
        let target = quote(&format!("{host}:{}", url.port));
        let listener = quote(&listener(&cluster));
        let values = [("listener", &*listener), ("target", &*target), ("authorization", &*authorization)];
        Some(fill(include_str!("proxied.yaml"), &values))
    };
    reached(file).into_iter().filter_map(one).collect()
}

/// What makes listeners inside of Envoy possible.
pub(super) fn extension(options: &Options) -> String {
    let kind = "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener";
    let extension = format!("- name: envoy.bootstrap.internal_listener\n  typed_config: {{ \"@type\": {kind} }}\n");
    options.proxy.as_ref().map(|_| extension).unwrap_or_default()
}

/// The cluster of the proxy, if there is one.
pub(super) fn cluster(options: &Options) -> String {
    let Some(proxy) = &options.proxy else { return String::new() };
    super::cluster(PROXY_CLUSTER, &proxy.url, &Availability::default(), "", "", options)
}

/// All clusters with their URLs.
fn reached(file: &File) -> Vec<(String, String)> {
    let mut reached = Vec::new();
    for (name, provider) in &file.providers {
        let url = provider.url().unwrap_or_default();
        reached.extend(provider.clusters(name).into_iter().map(|cluster| (cluster, url.to_owned())));
        let entra = provider.entra.as_ref();
        reached.extend(entra.map(|entra| (credentials::token_cluster(name), entra.authority().to_owned())));
    }
    reached.extend(file.redis.as_ref().map(|redis| (REDIS_CLUSTER.to_owned(), redis.url.clone())));
    reached.extend(file.tracing.as_ref().map(|tracing| (TRACING_CLUSTER.to_owned(), tracing.url.clone())));
    reached
}
