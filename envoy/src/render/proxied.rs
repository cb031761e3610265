//! Connections through a proxy. Instead of the provider's address, the cluster has an internal listener, which opens a tunnel to that
//! address through the proxy. TLS with the provider's own certificate runs end to end inside the tunnel.

use sluice_config::file::Availability;
use sluice_core::provider::url::Url;

use super::text::{fill, quote};
use super::{Options, clusters};

/// The proxy's cluster.
const PROXY_CLUSTER: &str = "sluice-proxy";

fn name_of_listener(cluster: &str) -> String {
    format!("sluice-proxied-{cluster}")
}

/// The internal address of a cluster, if its URL is reached through the proxy.
pub(super) fn tunnel(cluster: &str, url: &Url, options: &Options) -> Option<String> {
    let covered = cluster != PROXY_CLUSTER && options.proxy.as_ref()?.covers(url);
    let name = quote(&name_of_listener(cluster));
    covered.then(|| format!("{{ envoy_internal_address: {{ server_listener_name: {name}, endpoint_id: {name} }} }}"))
}

/// The internal listener that opens tunnels to a cluster's address; empty without a proxy.
pub(super) fn listener(cluster: &str, url: &str, options: &Options) -> String {
    let Some(proxy) = &options.proxy else { return String::new() };
    // Envoy parses the value as a format string, in which a percent sign begins a command.
    let authorization = proxy.authorization.as_ref().map(|value| {
        format!(
            "headers_to_add: [{{ header: {{ key: proxy-authorization, value: {} }} }}]",
            quote(&value.replace('%', "%%"))
        )
    });
    // Validated by the check, like the clients' listener.
    let url = Url::parse(url).ok().filter(|url| tunnel(cluster, url, options).is_some());
    let Some(url) = url else { return String::new() };
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host };
    let target = quote(&format!("{host}:{}", url.port));
    let values = [
        ("listener", &*quote(&name_of_listener(cluster))),
        ("target", &*target),
        ("authorization", &*authorization.unwrap_or_default()),
    ];
    fill(include_str!("proxied.yaml"), &values)
}

/// The bootstrap extension that enables internal listeners.
pub(super) fn extension(options: &Options) -> String {
    let kind = "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener";
    let extension = format!("- name: envoy.bootstrap.internal_listener\n  typed_config: {{ \"@type\": {kind} }}\n");
    options.proxy.as_ref().map(|_| extension).unwrap_or_default()
}

/// The proxy's cluster, if there is a proxy.
pub(super) fn cluster(options: &Options) -> String {
    let Some(proxy) = &options.proxy else { return String::new() };
    clusters::cluster(PROXY_CLUSTER, &proxy.url, &Availability::default(), clusters::CONNECT, "", "", options)
}
