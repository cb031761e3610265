//! Renders a gateway file as Envoy's configuration, from templates next to this file that are filled with quoted values.
//!
//! There are two forms. The first is one bootstrap configuration, for people to read and for an Envoy that is restarted with each change.
//! In the second, everything that can change at runtime is in files that Envoy watches: see [`discovery`].
//!
//! The configuration contains no secret, and neither does the filter's: Envoy reads the credentials of providers and of Redis from separate
//! files (see [`crate::secrets`]).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;
use sluice_config::file::{Background, Cache, File, Metrics};
use sluice_core::compiled::CompiledConfig;
use sluice_core::routing::target::Model;
use sluice_core::store::redis::settings::Mode;

use crate::check::Checked;
use crate::proxy::Proxy;

mod access_log;
mod availability;
pub mod block;
mod clusters;
mod credentials;
pub mod discovery;
pub mod downstream;
pub mod embed;
mod filter;
mod listener;
mod local_replies;
pub mod overload;
mod proxied;
mod routes;
mod text;

pub use filter::vm_id;
pub use text::quote;
use text::{ascii_json, fill};

/// The environment variable with Envoy's directory of dynamic modules.
pub const SEARCH_PATH: &str = "ENVOY_DYNAMIC_MODULES_SEARCH_PATH";

/// The names of the listeners.
pub const CLIENTS: &str = "clients";
pub const ADMINISTRATORS: &str = "admin";

/// Options that are not in the gateway file.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory to which the gateway file's paths are relative.
    pub base: PathBuf,
    /// The filter's module, as Envoy sees it.
    pub module: Module,
    /// The secrets directory, as Envoy sees it.
    pub secrets: PathBuf,
    /// The address of Envoy's own administration interface.
    pub admin: SocketAddr,
    /// The access log's file; `None` is standard output.
    pub access_log: Option<PathBuf>,
    /// The CA certificates that providers' certificates are verified with.
    pub ca: PathBuf,
    /// The proxy for outbound connections.
    pub proxy: Option<Proxy>,
    /// Envoy's worker threads; `None` is one per processor of this machine.
    pub concurrency: Option<u32>,
    /// Whether Envoy's control group will limit its memory.
    pub cgroup: bool,
}

/// The filter's module, in one of its two builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Module {
    /// A wasm module: sandboxed, for any Envoy.
    Wasm(PathBuf),
    /// A dynamic module, `libNAME.so`: faster, and part of Envoy's process.
    Native(PathBuf),
}

impl Module {
    /// The module's file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Wasm(path) | Self::Native(path) => path,
        }
    }
}

/// The whole configuration in one file.
pub fn bootstrap(checked: &Checked, options: &Options) -> String {
    let Checked { file, gateway, .. } = checked;
    let clusters = clusters::of_providers(file, options);
    let names = clusters.iter().map(|cluster| &*cluster.name);
    let routes = nested("route_config", &routes::routes(file, gateway, longest(gateway), names));
    let inline = |role| {
        let configuration = json!({ "role": role, "gateway": filter::for_the_filter(file) });
        nested("typed_config", &filter::of(role, &configuration, options))
    };
    let listeners = listener::clients(file, gateway.timeouts.total, &routes, &inline("gateway"), options)
        + &listener::administrators(file, &inline("admin"), options);
    let proxied: String = clusters.iter().map(|cluster| &*cluster.listener).collect();
    let clusters: String = clusters.iter().map(|cluster| &*cluster.text).collect();
    frame(checked, "", &(listeners + &proxied), &clusters, options)
}

/// The bootstrap configuration around these listeners and clusters.
fn frame(checked: &Checked, dynamic: &str, listeners: &str, clusters: &str, options: &Options) -> String {
    let Checked { file, gateway, .. } = checked;
    // Writing a file fills the kernel's page cache, which counts as used memory of the control group.
    let cgroup = options.cgroup && options.access_log.is_none() && file.log.file.is_none();
    let [own_clusters, own_listeners] = clusters::of_the_gateway(file, options);
    fill(
        include_str!("bootstrap.yaml"),
        &[
            ("search_path", &search_path(&options.module)),
            ("concurrency", &options.concurrency.map(|n| format!(" --concurrency {n}")).unwrap_or_default()),
            ("admin_address", &quote(&options.admin.ip().to_string())),
            ("admin_port", &options.admin.port().to_string()),
            ("overload", &overload::manager(workers(options), gateway.memory.worker as u64, cgroup)),
            ("runtime", runtime(&options.module)),
            ("dynamic", dynamic),
            ("listeners", &section("listeners", &(listeners.to_owned() + &own_listeners))),
            ("clusters", &(clusters.to_owned() + &own_clusters)),
            ("services", &section("bootstrap_extensions", &(service(file, options) + &proxied::extension(options)))),
        ],
    )
}

/// Indents a text under a key.
fn nested(key: &str, text: &str) -> String {
    fill(&format!("{key}:\n  ${{text}}\n"), &[("text", text)])
}

/// A list under its key; empty for an empty list.
fn section(key: &str, list: &str) -> String {
    if list.is_empty() { String::new() } else { format!("{key}:\n{list}") }
}

/// The number of Envoy's worker threads.
fn workers(options: &Options) -> u64 {
    let processors = || std::thread::available_parallelism().map_or(1, |number| number.get() as u64);
    options.concurrency.map_or_else(processors, u64::from)
}

/// The maximum number of Redis calls that a request waits for: for its key and its reservation, each with a script that Redis may not have
/// loaded yet.
const CALLS: u32 = 4;
/// Allowance for the filter's own work, in addition to the timeouts.
const WORK: Duration = Duration::from_secs(5);

/// The maximum duration of a request: the longest times to arrive, to be admitted, and to be answered. A client can only request less.
pub fn longest(gateway: &CompiledConfig) -> Duration {
    let total = |model: &Rc<Model>| model.policy.timeouts.total;
    let answered = gateway.models.values().map(total).fold(gateway.timeouts.total, Duration::max);
    let admitted = gateway.redis.as_ref().map_or(Duration::ZERO, |redis| redis.timeout * CALLS);
    gateway.timeouts.total + admitted + answered + WORK
}

/// The [`SEARCH_PATH`] assignment for the command line in the file's first comment.
fn search_path(module: &Module) -> String {
    match module {
        Module::Wasm(_) => String::new(),
        Module::Native(path) => {
            let directory = path.parent().unwrap_or(Path::new("/")).to_string_lossy().replace(char::is_control, "?");
            format!("{SEARCH_PATH}='{}' ", directory.replace('\'', r"'\''"))
        }
    }
}

/// Makes Envoy export the native module's metrics to Prometheus under the same names as the wasm module's.
fn runtime(module: &Module) -> &'static str {
    match module {
        Module::Wasm(_) => "",
        Module::Native(_) => {
            "layered_runtime:\n  layers:\n  - name: sluice\n    static_layer: { \
             envoy.reloadable_features.dynamic_modules_strip_custom_stat_prefix: true }\n"
        }
    }
}

/// The service on Envoy's main thread. The wasm module needs it for work that belongs to no request: relaxed mode, purges of the shared
/// cache, the export of metrics, and alerts; the native module always needs it.
fn service(file: &File, options: &Options) -> String {
    if let Module::Native(path) = &options.module {
        return fill(include_str!("native_service.yaml"), &[("module", &quote(&filter::name(path)))]);
    }
    let File { redis, cache, metrics, alerts, .. } = filter::for_the_filter(file);
    let is_needed = redis.as_ref().is_some_and(|redis| redis.mode == Mode::Relaxed)
        || cache.shared
        || metrics.otlp.is_some()
        || alerts.is_some();
    if !is_needed {
        return String::new();
    }
    // Only read at startup, so it must not contain anything that can change at runtime.
    let cache = Cache { shared: cache.shared, ..Cache::default() };
    let key_label = metrics.key_label && metrics.otlp.is_some();
    let metrics = Metrics { key_label, otlp: metrics.otlp, ..Metrics::default() };
    let configuration =
        ascii_json(&json!({ "role": "background", "background": Background { redis, cache, metrics, alerts } }));
    fill(include_str!("background.yaml"), &[("vm", &filter::vm(options)), ("configuration", &configuration)])
}

fn quote_path(path: &Path) -> String {
    quote(&path.to_string_lossy())
}

/// A duration in Envoy's format.
fn seconds(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        milliseconds => format!("{}.{milliseconds:03}s", duration.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
providers:
  on: { kind: openai, key: { env: SOME_VARIABLE } }
  local: { kind: anthropic, url: "http://127.0.0.1:9001" }
  inside: { kind: anthropic, url: "https://10.0.0.1/v1", key: { file: some.key } }
models: { chat: { targets: [{ provider: on, model: gpt-5 }] } }
teams: { research: { description: "${wasm} \"ü\"" } }
keys: []
timeouts: { first_token: 1500ms }
"#;

    fn options() -> Options {
        Options {
            base: "/gateway".into(),
            module: Module::Wasm("/a \"b\"/sluice.wasm".into()),
            secrets: "/secrets".into(),
            admin: SocketAddr::from(([127, 0, 0, 1], 9901)),
            access_log: None,
            ca: "/ca.crt".into(),
            proxy: None,
            concurrency: Some(2),
            cgroup: false,
        }
    }

    #[test]
    fn the_provider_of_a_semantic_cache_has_a_cluster_for_embeddings_without_a_sluice_filter() {
        let semantic = "cache: { ttl: 1m, semantic: { embeddings: e, threshold: 0.9, scope: key } }";
        let models = format!(
            "models: {{ chat: {{ targets: [{{ provider: local, model: c }}], {semantic} }}, e: {{ targets: [{{ provider: on, model: e }}] }} }}"
        );
        let file = FILE.replace("models: { chat: { targets: [{ provider: on, model: gpt-5 }] } }", &models);
        let text = bootstrap(&crate::check::check(&file).unwrap(), &options());
        let (_, cluster) = text.split_once("name: \"sluice-embeddings-on\"").expect("a cluster");
        let (cluster, _) = cluster.split_once("envoy.filters.http.upstream_codec").expect("the end of its filters");
        assert!(cluster.contains("credential_injector") && cluster.contains("on.yaml"), "{cluster}");
        assert!(!cluster.contains("sluice.wasm"), "{cluster}");
        assert_eq!(text.matches("- name: \"sluice-embeddings").count(), 1);
        assert!(!rendered(&options()).contains("sluice-embeddings"));
    }

    fn rendered(options: &Options) -> String {
        bootstrap(&crate::check::check(FILE).unwrap(), options)
    }

    #[test]
    fn names_are_text_and_values_are_quoted() {
        let rendered = rendered(&options());
        for expected in [
            "- name: \"on\"\n",
            "\"on\": { action: { name: \"on\",",
            r#"filename: "/a \"b\"/sluice.wasm""#,
            r#""description": "${wasm} \"\u00fc\"""#,
            "per_try_timeout: 1.500s",
            "connect_timeout: 1.500s #",
            "common_http_protocol_options: { idle_timeout: 30s }\n",
            "request_timeout: 600s #",
            "header_value_prefix: \"Bearer \"",
            "header: x-api-key",
            "san_type: IP_ADDRESS, matcher: { exact: \"10.0.0.1\" }",
            "envoy -c envoy.yaml --concurrency 2\n",
        ] {
            assert!(rendered.contains(expected), "{expected}\n{rendered}");
        }
    }

    #[test]
    fn no_request_is_ended_that_our_own_times_allow() {
        let longest = |more: &str| longest(&crate::check::check(&format!("{FILE}{more}")).unwrap().gateway).as_secs();
        assert_eq!(longest(""), 600 + 600 + 5);
        assert!(
            rendered(&options()).contains(
                "max_stream_duration: { max_stream_duration: 1205s }\n                  idle_timeout: 1210s #"
            )
        );
        let model = "models: { chat: { targets: [{ provider: on, model: gpt-5 }], timeouts: { total: 1h } } }\n";
        let file = FILE.replace("models: { chat: { targets: [{ provider: on, model: gpt-5 }] } }\n", model);
        let checked = crate::check::check(&format!("{file}redis: {{ url: \"http://db.example\", timeout: 250ms }}\n"));
        assert_eq!(super::longest(&checked.unwrap().gateway).as_secs(), 600 + 3600 + 1 + 5);
    }

    #[test]
    fn the_administration_interface_is_there_when_it_is_asked_for() {
        assert!(!rendered(&options()).contains("root_id: admin"));
        let admin = format!("admin: {{ listen: \"[::1]:8081\", sha256: \"{:064}\" }}\n", 1);
        let rendered = bootstrap(&crate::check::check(&format!("{FILE}{admin}")).unwrap(), &options());
        assert!(rendered.contains("\n  - name: admin #"), "{rendered}");
        assert!(rendered.contains("address: \"::1\", port_value: 8081"));
        assert!(rendered.contains("\"role\": \"admin\"") && rendered.contains("root_id: admin\n"));
        assert!(!rendered.contains("SOME_VARIABLE") && !rendered.contains("some.key"));
        assert_eq!(rendered.matches("vm_config: {").count(), 5, "three providers and both listeners");
    }

    #[test]
    fn the_filter_is_given_the_prices_it_needs_and_no_other() {
        let rendered = rendered(&options());
        assert!(rendered.contains(r#""on/gpt-5""#), "{rendered}");
        assert_eq!(rendered.matches("\"max_output\"").count(), 1, "{rendered}");
    }

    #[test]
    fn the_filter_is_given_the_capabilities_of_exactly_the_files_targets() {
        let more = "
models:
  chat: { targets: [{ provider: on, model: gpt-5 }, { provider: local, model: a/b }, { provider: inside, model: x }] }
  old: { targets: [{ provider: on, model: gpt-3.5-turbo }] }
capabilities: { local/a/b: { vision: false }, on/gpt-5: { max_input: 1000 } }
";
        let (before, after) = FILE.split_once("models:").unwrap();
        let (_, after) = after.split_once('\n').unwrap();
        let checked = crate::check::check(&format!("{before}{after}{more}")).unwrap();
        let rendered = bootstrap(&checked, &options());
        // YAML's flow style without anchors is valid JSON.
        let (_, section) = rendered.split_once("\"capabilities\": ").unwrap();
        let mut values = serde_json::Deserializer::from_str(section).into_iter::<serde_json::Value>();
        let given = values.next().unwrap().unwrap();
        let names: Vec<&String> = given.as_object().unwrap().keys().collect();
        assert_eq!(names, ["local/a/b", "on/gpt-3.5-turbo", "on/gpt-5"], "of inside/x nothing is known");
        assert_eq!(given["local/a/b"], serde_json::json!({ "vision": false }));
        assert_eq!(given["on/gpt-3.5-turbo"]["vision"], false);
        assert_eq!((&given["on/gpt-5"]["max_input"], &given["on/gpt-5"]["tools"]), (&1000.into(), &true.into()));
    }

    #[test]
    fn where_secrets_come_from_is_not_in_it() {
        let rendered = rendered(&options());
        assert!(!rendered.contains("SOME_VARIABLE") && !rendered.contains("some.key"), "{rendered}");
        assert_eq!(rendered.matches("credential_injector\n").count(), 2);
        assert!(rendered.contains("path: \"/secrets/inside.yaml\""));
    }

    #[test]
    fn each_key_is_a_cluster_with_a_credential_of_its_own_and_the_filter_gets_their_number() {
        let keys = "key: { env: SOME_VARIABLE }, keys: [{ env: OTHER_VARIABLE }, { file: third.key }]";
        let file = FILE.replace("key: { env: SOME_VARIABLE }", keys);
        let rendered = bootstrap(&crate::check::check(&file).unwrap(), &options());
        for name in ["on", "on@2", "on@3"] {
            let expected = format!("{name:?}: {{ action: {{ name: {name:?}, ");
            assert!(rendered.contains(&expected), "{expected}\n{rendered}");
            assert!(rendered.contains(&format!("path: \"/secrets/{name}.yaml\"")), "{name}\n{rendered}");
        }
        assert!(rendered.contains(r#""key_count": 3"#), "{rendered}");
        assert!(!rendered.contains("OTHER_VARIABLE") && !rendered.contains("third.key"));
        assert_eq!(rendered.matches("credential_injector\n").count(), 4);
        assert!(!self::rendered(&options()).contains("key_count"), "one key is nothing to tell");
    }

    #[test]
    fn only_a_name_can_be_without_an_address() {
        let rendered = rendered(&options());
        let cluster = |name: &str| {
            let (_, rest) = rendered.split_once(&format!("  - name: {}\n", quote(name))).unwrap();
            rest.split("\n  - name: ").next().unwrap_or_default().to_owned()
        };
        for name in ["local", "inside"] {
            let cluster = cluster(name);
            assert!(cluster.contains("type: STATIC\n") && !cluster.contains("UNHEALTHY"), "{cluster}");
        }
        let cluster = cluster("on");
        let port = "address: \"api.openai.com\", port_value: 443 } } }\n          load_balancing_weight: 1000000\n";
        for expected in
            [port, "\n        - endpoint:\n", "\n          health_status: UNHEALTHY\n", "panic_threshold: { value: 1 }"]
        {
            assert!(cluster.contains(expected), "{expected}\n{cluster}");
        }
    }

    #[test]
    fn what_envoy_does_for_availability_is_in_the_cluster_and_not_in_what_the_filter_gets() {
        let file = FILE
            .replace("kind: anthropic, url", "kind: anthropic, availability: { health_check: { path: /well } }, url");
        let rendered = bootstrap(&crate::check::check(&file).unwrap(), &options());
        assert_eq!(rendered.matches("path: \"/well\"\n").count(), 2, "{rendered}");
        assert_eq!(rendered.matches("tls_options").count(), 1, "{rendered}");
        assert!(!rendered.contains("\"health_check\""), "{rendered}");
    }

    #[test]
    fn redis_is_a_cluster_with_its_token_and_without_the_filter() {
        let redis =
            "redis: { url: \"https://db.example:8443/x\", protocol: upstash, token: { env: REDIS_VARIABLE } }\n";
        let checked = crate::check::check(&format!("{FILE}{redis}")).unwrap();
        let rendered = bootstrap(&checked, &options());
        let (_, cluster) = rendered.split_once("- name: \"sluice-redis\"\n").unwrap();
        for expected in [
            "address: \"db.example\", port_value: 8443",
            "sni: \"db.example\"",
            "path: \"/secrets/sluice-redis.yaml\"",
            "header: authorization",
            "header_value_prefix: \"Bearer \"",
            "upstream_codec",
        ] {
            assert!(cluster.contains(expected), "{expected}\n{cluster}");
        }
        assert!(!cluster.contains("filters.http.wasm") && !rendered.contains("REDIS_VARIABLE"));
        assert!(!super::bootstrap(&crate::check::check(FILE).unwrap(), &options()).contains("sluice-redis"));
    }

    #[test]
    fn traces_have_a_cluster_with_its_token_and_without_the_filter() {
        let tracing = "tracing: { url: \"https://otel.example/x/\", sampling: 12.5, token: { env: OTEL_VARIABLE } }\n";
        let rendered = bootstrap(&crate::check::check(&format!("{FILE}{tracing}")).unwrap(), &options());
        assert!(rendered.contains(r#""sampling": 12.5"#), "{rendered}");
        let (_, cluster) = rendered.split_once("- name: \"sluice-tracing\"\n").unwrap();
        for expected in ["port_value: 443", "sni: \"otel.example\"", "path: \"/secrets/sluice-tracing.yaml\""] {
            assert!(cluster.contains(expected), "{expected}\n{cluster}");
        }
        assert!(!cluster.contains("filters.http.wasm") && !rendered.contains("OTEL_VARIABLE"));
        let without = bootstrap(&crate::check::check(FILE).unwrap(), &options());
        assert!(!without.contains("sluice-tracing"), "{without}");
    }

    #[test]
    fn in_relaxed_mode_there_is_a_background_role_without_secrets() {
        let with = |mode: &str| {
            let redis =
                format!("redis: {{ url: \"http://db.example\", token: {{ env: REDIS_VARIABLE }}, mode: {mode} }}\n");
            super::bootstrap(&crate::check::check(&format!("{FILE}{redis}")).unwrap(), &options())
        };
        let relaxed = with("relaxed");
        let (_, background) = relaxed.split_once("bootstrap_extensions:\n").unwrap();
        for expected in
            ["singleton: true", "vm_config: { vm_id: sluice,", r#""role": "background""#, r#""mode": "relaxed""#]
        {
            assert!(background.contains(expected), "{expected}\n{background}");
        }
        assert!(!relaxed.contains("REDIS_VARIABLE") && !relaxed.contains("SOME_VARIABLE"));
        assert!(
            !background.contains("models") && !background.contains("teams"),
            "what changes is not its business: {background}"
        );
        assert!(!with("strict").contains("bootstrap_extensions"));
    }

    #[test]
    fn the_access_log_goes_where_it_should() {
        assert!(rendered(&options()).contains("StdoutAccessLog\n              log_format:"));
        let rendered = rendered(&Options { access_log: Some("/var/log/x".into()), ..options() });
        assert!(rendered.contains("FileAccessLog\n              path: \"/var/log/x\"\n              log_format:"));
        let log =
            |log: &str, options| bootstrap(&crate::check::check(&format!("{FILE}log: {log}\n")).unwrap(), &options);
        let named = "{ file: logs/access.json }";
        assert!(log(named, options()).contains("path: \"/gateway/logs/access.json\"\n"));
        let other = log(named, Options { access_log: Some("/var/log/x".into()), ..options() });
        assert!(
            other.contains("path: \"/var/log/x\"") && !other.contains("access.json"),
            "the option takes precedence"
        );
    }

    #[test]
    fn a_log_collector_has_a_cluster_with_its_token_and_without_the_filter() {
        let log = "log: { otlp: { url: \"https://otel.example/x/\", token: { env: OTEL_VARIABLE } } }\n";
        let rendered = bootstrap(&crate::check::check(&format!("{FILE}{log}")).unwrap(), &options());
        for expected in [
            "StdoutAccessLog\n",
            "uri: \"https://otel.example/x/v1/logs\", cluster: \"sluice-log\"",
            r#"body: { string_value: "{\"time\":\"%START_TIME%\",\"status\":%RESPONSE_CODE%,"#,
            r#"{\"command\":\"START_TIME\",\"param\":\" \"}]})%}""#,
        ] {
            assert!(rendered.contains(expected), "{expected}\n{rendered}");
        }
        let (_, cluster) = rendered.split_once("- name: \"sluice-log\"\n").unwrap();
        for expected in ["port_value: 443", "sni: \"otel.example\"", "path: \"/secrets/sluice-log.yaml\""] {
            assert!(cluster.contains(expected), "{expected}\n{cluster}");
        }
        assert!(!cluster.contains("filters.http.wasm") && !rendered.contains("OTEL_VARIABLE"));
        let without = bootstrap(&crate::check::check(FILE).unwrap(), &options());
        assert!(!without.contains("open_telemetry"), "{without}");
    }
}
