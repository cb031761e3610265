//! A workload of the gateway's own: an Envoy that only serves the gateway, in a mesh or in a cluster without one.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sluice_core::pipeline::redis_cache::SECRET;

use super::super::text::{fill, quote};
use super::super::{Module, Options, SEARCH_PATH, bootstrap, quote_path, section};
use super::{Parts, Place};
use crate::check::Checked;
use crate::cli::Failure;

/// The workload's settings.
#[derive(Debug)]
pub struct Workload {
    pub namespace: String,
    /// Envoy's image, and the image with the module.
    pub image: String,
    pub module_image: String,
    /// Whether the mesh blocks hosts that it does not know.
    pub closed_egress: bool,
}

/// Makes the listeners' addresses reachable in a pod.
pub fn listen_everywhere(checked: &mut Checked) {
    let everywhere = |listen: &mut String| {
        if let Ok(address) = listen.parse::<SocketAddr>()
            && address.ip().is_loopback()
        {
            *listen = SocketAddr::from(([0, 0, 0, 0], address.port())).to_string();
        }
    };
    everywhere(&mut checked.file.listen);
}

/// The objects, and notes for the operator.
pub fn objects(checked: &Checked, workload: &Workload, options: &Options) -> Result<(String, Vec<String>), Failure> {
    let file = &checked.file;
    let configuration = bootstrap(checked, options);
    let port = file.listen.parse::<SocketAddr>().map_or(8080, |address| address.port());
    let module = options.module.path().parent().unwrap_or(Path::new("/"));
    let mut notes = Vec::new();
    let mut environment = match options.module {
        Module::Wasm(_) => String::new(),
        Module::Native(_) => format!("- {{ name: {SEARCH_PATH}, value: {} }}\n", quote_path(module)),
    };
    if file.cache.shared {
        environment +=
            &format!("- {{ name: {SECRET}, valueFrom: {{ secretKeyRef: {{ name: sluice-cache, key: key }} }} }}\n");
        notes.push("`cache.shared`: the pods also need the Secret sluice-cache with the key `key`".to_owned());
    }
    let (scheme, service_port) = if file.tls.is_some() { ("https", "443") } else { ("http", "80") };
    let probe = |path: &str| match &file.tls {
        // The kubelet has no certificate.
        Some(tls) if tls.client_ca.is_some() => "tcpSocket: { port: clients }".to_owned(),
        tls => {
            let scheme = if tls.is_some() { "HTTPS" } else { "HTTP" };
            format!("httpGet: {{ path: {path}, port: clients, scheme: {scheme} }}")
        }
    };
    let namespace = quote(&workload.namespace);
    let mut text = fill(
        include_str!("workload.yaml"),
        &[
            ("namespace", &namespace),
            ("bootstrap", &configuration),
            ("hash", &quote(&super::clusters::short(&Sha256::digest(&configuration)))),
            ("scheme", scheme),
            ("ready", &probe("/ready")),
            ("health", &probe("/health")),
            ("service_port", service_port),
            ("port", &port.to_string()),
            ("image", &quote(&workload.image)),
            ("module_image", &quote(&workload.module_image)),
            ("concurrency", &options.concurrency.unwrap_or(1).to_string()),
            ("environment", &section("env", &environment)),
            ("secrets", &quote_path(&options.secrets)),
            ("module_directory", &quote_path(module)),
        ],
    );
    if workload.closed_egress {
        let parts = Parts::of(checked, &Place { host: "*".to_owned(), prefix: None }, options)?;
        let hosts = hosts(&parts.clusters);
        text.extend(hosts.iter().map(|host| egress(host, &namespace)));
        notes.extend(hosts.iter().filter_map(perhaps_a_service));
    }
    Ok((text, notes))
}

/// A server outside the mesh.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Host {
    name: String,
    port: u64,
    tls: bool,
}

/// The names outside the mesh that the clusters connect to. The mesh knows Services of the cluster, whose full names have the label `svc`,
/// and has no name for an address.
fn hosts(clusters: &[Value]) -> BTreeSet<Host> {
    let host = |cluster: &Value| {
        let endpoint = &cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
        let address = &endpoint["address"]["socket_address"];
        let name = address["address"].as_str()?;
        let outside =
            name.parse::<IpAddr>().is_err() && name.contains('.') && name.split('.').all(|label| label != "svc");
        outside.then_some(())?;
        Some(Host {
            name: name.to_owned(),
            port: address["port_value"].as_u64()?,
            tls: cluster.get("transport_socket").is_some(),
        })
    };
    clusters.iter().filter_map(host).collect()
}

/// A note about a name of two labels: of a public domain, or of a Service and its namespace.
fn perhaps_a_service(host: &Host) -> Option<String> {
    let name = host.name.trim_end_matches('.');
    (name.split('.').count() == 2).then(|| {
        format!("{name} is taken for a host outside the mesh: if it is a Service, use its full name {name}.svc.cluster.local")
    })
}

fn egress(Host { name, port, tls }: &Host, namespace: &str) -> String {
    let (protocol, kind) = if *tls { ("tls", "TLS") } else { ("http", "HTTP") };
    let object = format!("sluice-{}-{port}", name.replace('.', "-"));
    fill(
        include_str!("egress.yaml"),
        &[
            ("name", &quote(&object)),
            ("namespace", namespace),
            ("host", &quote(name)),
            ("port", &port.to_string()),
            ("protocol", protocol),
            ("kind", kind),
        ],
    )
}
