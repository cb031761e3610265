//! Envoy's clusters: those of providers, and those that the gateway itself calls.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sluice_config::file::{Availability, Connections, File, Judge, Provider};
use sluice_core::callout::{ALERTS_CLUSTER, METRICS_CLUSTER, REDIS_CLUSTER, embeddings_cluster};
use sluice_core::pipeline::{LOG_CLUSTER, TRACING_CLUSTER};
use sluice_core::provider::kind::{BEARER, Presented};
use sluice_core::provider::url::Url;
use sluice_wire::hex;

use crate::secrets::sds_file;

use super::text::{fill, quote};
use super::{Options, availability, credentials, downstream, filter, proxied, quote_path, seconds};

/// The connect timeout of clusters that no request waits for alone.
pub const CONNECT: Duration = Duration::from_secs(5);

/// The exports of log records to wait for. While the collector does not respond, Envoy drops further ones and counts them.
const EXPORTS: u32 = 32;

/// The filter of clusters that no client's request reaches: removes the headers that Envoy adds to its own calls.
pub const CALLOUT: &str = include_str!("callout.yaml");

/// A provider's cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its name in Envoy.
    pub name: String,
    pub text: String,
    /// The internal listener through which it is reached; empty if there is none.
    pub listener: String,
}

/// The clusters of all providers: one per key, since the cluster adds the key; the clusters of token authorities that Envoy calls; and those
/// for the embeddings that semantic caches ask for.
pub fn of_providers(file: &File, options: &Options) -> Vec<Cluster> {
    let connect = availability::connect(&file.timeouts);
    let embedders = embedders(file);
    let clusters = file.providers.iter().flat_map(|(name, provider)| {
        let embeddings = embedders.contains(name).then(|| embeddings(name, provider, connect, options));
        of_a_provider(name, provider, connect, options).into_iter().chain(embeddings)
    });
    clusters.collect()
}

/// The providers that semantic caches ask for embeddings.
fn embedders(file: &File) -> BTreeSet<&String> {
    let caches = file.models.values().filter_map(|model| model.cache.as_ref()?.semantic.as_ref());
    let targets = caches.filter_map(|semantic| file.models.get(&semantic.embeddings)?.targets.first());
    targets.map(|target| &target.provider).collect()
}

/// The cluster for a provider's embeddings. Only the gateway itself calls it, so it has no Sluice filter.
fn embeddings(name: &str, provider: &Provider, connect: Duration, options: &Options) -> Cluster {
    let own = provider.cluster(name);
    let (name, url) = (embeddings_cluster(&own), provider.url().unwrap_or_default());
    let credential = credentials::filter(&own, provider.credentials(), provider.kind.row().credential, options);
    let text = cluster(&name, url, &provider.availability, connect, CALLOUT, &credential, options);
    Cluster { text, listener: proxied::listener(&name, url, options), name }
}

fn of_a_provider(name: &str, provider: &Provider, connect: Duration, options: &Options) -> Vec<Cluster> {
    let filter = filter::of_a_provider(options);
    let one = |name: String| {
        let credential = credentials::filter(&name, provider.credentials(), provider.kind.row().credential, options);
        let url = provider.url().unwrap_or_default();
        let text = cluster(&name, url, &provider.availability, connect, &filter, &credential, options);
        Cluster { text, listener: proxied::listener(&name, url, options), name }
    };
    // The cluster of the token authority comes before the one that uses it.
    let authority = credentials::authority(&provider.cluster(name), provider.credentials(), options);
    authority.into_iter().chain(provider.clusters(name).into_iter().map(one)).collect()
}

/// Names the clusters of each provider after a hash of its definition. A changed provider gets new clusters, an unchanged one keeps its
/// clusters.
pub fn name_by_definition(file: &mut File, options: &Options) {
    let connect = availability::connect(&file.timeouts);
    for (name, provider) in &mut file.providers {
        // Additional keys do not change the first cluster.
        let one = Provider { generation: None, key_count: Some(1), ..provider.clone() };
        let mut definition = Sha256::new();
        for cluster in of_a_provider(name, &one, connect, options) {
            definition.update(cluster.text);
            definition.update(cluster.listener);
        }
        provider.generation = Some(short(&definition.finalize()));
    }
}

/// A hash prefix, long enough to distinguish a few hundred definitions.
pub fn short(hash: &[u8]) -> String {
    hex::encoded(hash.get(..5).unwrap_or(hash))
}

/// The clusters that only the gateway itself calls, and their internal listeners. They need no translation, and so no Sluice filter.
pub fn of_the_gateway(file: &File, options: &Options) -> [String; 2] {
    let redis = file.redis.as_ref().map(|redis| (REDIS_CLUSTER, &redis.url, redis.token.is_some()));
    let tracing = file.tracing.as_ref().map(|tracing| (TRACING_CLUSTER, &tracing.url, tracing.token.is_some()));
    let metrics = file.metrics.otlp.as_ref().map(|otlp| (METRICS_CLUSTER, &otlp.url, otlp.token.is_some()));
    let alerts = file.alerts.as_ref().map(|alerts| (ALERTS_CLUSTER, &alerts.url, alerts.token.is_some()));
    let log = file.log.otlp.as_ref().map(|otlp| (LOG_CLUSTER, &otlp.url, otlp.token.is_some()));
    let mut both = [String::new(), String::new()];
    for (name, url, has_token) in redis.into_iter().chain(tracing).chain(metrics).chain(log).chain(alerts) {
        let credential = if has_token { credential(name, BEARER, options) } else { String::new() };
        let most = (name == LOG_CLUSTER).then_some(EXPORTS);
        let connections = Some(Connections { pending: most, requests: most, ..Connections::default() });
        let availability = Availability { connections, ..Availability::default() };
        both[0] += &cluster(name, url, &availability, CONNECT, CALLOUT, &credential, options);
        both[1] += &proxied::listener(name, url, options);
    }
    for (name, judge) in &file.judges {
        let name = Judge::cluster(name);
        let url = judge.url().unwrap_or_default();
        let authority = credentials::authority(&name, judge.credentials(), options);
        let credential = credentials::filter(&name, judge.credentials(), judge.presented(), options);
        let text = cluster(&name, &url, &Availability::default(), CONNECT, CALLOUT, &credential, options);
        let own = Cluster { text, listener: proxied::listener(&name, &url, options), name };
        for Cluster { text, listener, .. } in authority.into_iter().chain([own]) {
            both[0] += &text;
            both[1] += &listener;
        }
    }
    both[0] += &proxied::cluster(options);
    both
}

pub fn cluster(
    name: &str,
    url: &str,
    availability: &Availability,
    connect: Duration,
    filter: &str,
    credential: &str,
    options: &Options,
) -> String {
    // Validated by the check, like the listener.
    let Ok(url) = Url::parse(url) else { return String::new() };
    let address = url.host.parse::<IpAddr>().ok();
    // Operators see the provider's name in statistics.
    let statistics = name.split_once('~').map(|(plain, _)| format!("alt_stat_name: {}", quote(plain)));
    let tunnel = proxied::tunnel(name, &url, options);
    let (discovery, without_address) = match (&tunnel, address) {
        (Some(_), _) | (None, Some(_)) => ("type: STATIC", ""),
        (None, None) => (include_str!("dns.yaml"), include_str!("without_address.yaml")),
    };
    let socket = || format!("{{ socket_address: {{ address: {}, port_value: {} }} }}", quote(&url.host), url.port);
    let protocol = match url.tls {
        true => "auto_config: { http_protocol_options: {}, http2_protocol_options: {} } # as the server prefers",
        false => "explicit_http_config: { http_protocol_options: {} }",
    };
    fill(
        include_str!("cluster.yaml"),
        &[
            ("name", &quote(name)),
            ("statistics", &statistics.unwrap_or_default()),
            ("discovery", discovery),
            ("connect", &seconds(connect)),
            ("idle", &seconds(availability::idle(availability))),
            ("availability", &availability::parts(availability, &url)),
            ("address", &tunnel.unwrap_or_else(socket)),
            ("without_address", without_address),
            ("transport", &if url.tls { tls(&url.host, address, options) } else { String::new() }),
            ("protocol", protocol),
            ("filter", filter),
            ("credential", credential),
        ],
    )
}

pub fn credential(name: &str, Presented { header, prefix }: Presented, options: &Options) -> String {
    let prefix = if prefix.is_empty() { String::new() } else { format!("header_value_prefix: {}", quote(prefix)) };
    fill(
        include_str!("credential.yaml"),
        &[
            ("secret", &downstream::source(name, &options.secrets.join(sds_file(name)))),
            ("header", header),
            ("prefix", &prefix),
        ],
    )
}

/// TLS with the host of the provider's URL as SNI and as the verified name. An IP address is never sent as SNI.
fn tls(host: &str, address: Option<IpAddr>, options: &Options) -> String {
    let (server_name, subject) = match address {
        None => (format!("sni: {}\nauto_sni_san_validation: true", quote(host)), String::new()),
        Some(address) => {
            let exact = quote(&address.to_string());
            let subject =
                format!("match_typed_subject_alt_names: [{{ san_type: IP_ADDRESS, matcher: {{ exact: {exact} }} }}]");
            (String::new(), subject)
        }
    };
    let ca = quote_path(&options.ca);
    fill(include_str!("tls.yaml"), &[("server_name", &server_name), ("ca", &ca), ("subject", &subject)])
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::render::Module;
    use crate::render::filter::for_the_filter;

    const JUDGES: &str = r#"{
        "moderation": { "type": "openai_moderation", "key": { "env": "SOME_KEY" } },
        "safety": { "type": "azure_content_safety", "url": "https://r.cognitiveservices.azure.com", "key": { "env": "SOME_KEY" } },
        "entra": { "type": "azure_content_safety", "url": "https://e.cognitiveservices.azure.com",
            "entra": { "tenant": "t", "client_id": "c", "client_secret": { "env": "SOME_KEY" } } },
        "aws": { "type": "bedrock", "guardrail": "g", "aws": { "region": "eu-west-3" } },
        "armor": { "type": "model_armor", "template": "projects/p/locations/us-central1/templates/t", "google": {} },
        "own": { "type": "litellm", "url": "http://127.0.0.1:9000", "key": { "file": "some.key" } },
        "open": { "type": "presidio", "url": "http://presidio:3000" }
    }"#;

    fn file() -> File {
        let text = format!(r#"{{ "providers": {{}}, "models": {{}}, "teams": {{}}, "keys": [], "judges": {JUDGES} }}"#);
        serde_json::from_str(&text).unwrap()
    }

    fn options() -> Options {
        Options {
            base: "/gateway".into(),
            module: Module::Wasm("/sluice.wasm".into()),
            secrets: "/secrets".into(),
            admin: SocketAddr::from(([127, 0, 0, 1], 9901)),
            access_log: None,
            ca: "/ca.crt".into(),
            proxy: None,
            concurrency: None,
            cgroup: false,
        }
    }

    #[test]
    fn each_judge_is_a_cluster_that_adds_its_credential() {
        let [all, _] = of_the_gateway(&file(), &options());
        assert!(!all.contains("SOME_KEY") && !all.contains("some.key") && !all.contains("filters.http.wasm"), "{all}");
        let of = |name: &str| {
            let mut texts = all.split("- name: \"sluice-judge-").filter(|text| text.starts_with(&format!("{name}\"")));
            texts.next().unwrap_or_else(|| panic!("{name}\n{all}")).to_owned()
        };
        for (name, expected) in [
            (
                "moderation",
                &["sni: \"api.openai.com\"", "header: authorization", "header_value_prefix: \"Bearer \""][..],
            ),
            ("safety", &["header: ocp-apim-subscription-key", "path: \"/secrets/sluice-judge-safety.yaml\""]),
            ("entra", &["cluster: \"sluice-entra-sluice-judge-entra\"", "client_id: \"c\""]),
            ("aws", &["sni: \"bedrock-runtime.eu-west-3.amazonaws.com\"", "region: \"eu-west-3\""]),
            ("armor", &["sni: \"modelarmor.us-central1.rep.googleapis.com\"", "header_value_prefix: \"Bearer \""]),
            ("own", &["header: x-api-key", "address: \"127.0.0.1\", port_value: 9000"]),
            ("open", &["address: \"presidio\", port_value: 3000"]),
        ] {
            let cluster = of(name);
            assert!(cluster.contains("prefix: x-envoy-"), "{cluster}");
            assert!(expected.iter().all(|part| cluster.contains(part)), "{expected:?}\n{cluster}");
        }
        assert!(!of("open").contains("credential"), "{}", of("open"));
        assert!(all.contains("- name: \"sluice-entra-sluice-judge-entra\"\n"), "{all}");
    }

    #[test]
    fn the_filter_gets_a_judges_address_and_settings_and_no_credential() {
        let judges = for_the_filter(&file()).judges;
        let aws = judges["aws"].rendered.as_ref().unwrap();
        assert_eq!(aws["authority"], "bedrock-runtime.eu-west-3.amazonaws.com");
        assert_eq!(aws["text"], "/guardrail/g/version/DRAFT/apply");
        let text = serde_json::to_string(&judges).unwrap();
        assert!(!["SOME_KEY", "some.key", "client_id", "google\":"].iter().any(|part| text.contains(part)), "{text}");
    }
}
