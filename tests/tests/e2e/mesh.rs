//! The gateway in an Envoy that others configure: fragments, and patches for Istio and Envoy Gateway, applied to recorded configurations. No
//! mesh runs here: an Envoy of the tests reads the result from files.
//!
//! In every such Envoy, the requests to other hosts and paths must stay exactly as they are without the gateway.

mod patches;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use sluice::check::yaml_of;
use sluice_tests::client::{Answer, Client};
use sluice_tests::gateway::build::Build;
use sluice_tests::gateway::{KEY, Process, of_envoy, sha256};
use sluice_tests::port::Port;
use sluice_tests::simulator::Simulator;
use sluice_tests::{eventually, until};
use tempfile::TempDir;

use crate::{CHAT, ask, said, with};

/// The host that Envoy serves besides the gateway's.
struct Other {
    name: &'static str,
    cluster: &'static str,
}

const SHOP: Other = Other { name: "shop.example.com", cluster: "outbound|80||shop.shop.svc.cluster.local" };
const SHOP_IN_MESH: Other = Other { name: "shop.shop", cluster: "outbound|80||shop.shop.svc.cluster.local" };
const WWW: Other = Other { name: "www.example.com", cluster: "httproute/default/backend/rule/0" };

const ISTIO_GATEWAY: &str = include_str!("mesh/istio-gateway.yaml");
const ISTIO_SIDECAR: &str = include_str!("mesh/istio-sidecar.yaml");
const ENVOY_GATEWAY: &str = include_str!("mesh/envoy-gateway.yaml");

/// A gateway file, its providers, and the backend of the other host.
struct Scene {
    directory: TempDir,
    openai: Simulator,
    anthropic: Simulator,
    shop: Simulator,
}

impl Scene {
    async fn set() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let start = || async { Simulator::start().await };
        let scene = Self { directory, openai: start().await, anthropic: start().await, shop: start().await };
        let key = scene.path("key");
        fs::write(&key, "sk-theirs").expect("a file");
        let provider =
            |kind: &str, server: &Simulator| json!({"kind": kind, "url": server.base_url(), "key": {"file": key}});
        let file = json!({
            "providers": {"openai": provider("openai", &scene.openai), "anthropic": provider("anthropic", &scene.anthropic)},
            "models": {"chat": {"targets": [
                {"provider": "openai", "model": "gpt-sim"}, {"provider": "anthropic", "model": "claude-sim"},
            ]}},
            "teams": {"t": {}},
            "keys": [{"id": "k", "team": "t", "sha256": sha256(KEY)}],
            "cors": {"origins": ["https://chat.example.com"]},
        });
        fs::write(scene.path("gateway.yaml"), file.to_string()).expect("a file");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `sluice render` of the gateway file.
    fn sluice(&self, arguments: &[&str]) -> Output {
        let mut render = Command::new(std::env::var_os("SLUICE_BIN").expect("SLUICE_BIN, which ./scripts/test sets"));
        render.arg("render").arg(self.path("gateway.yaml")).args(arguments).output().expect("the command runs")
    }

    /// The documents that `sluice render` writes for the module under test.
    fn render(&self, arguments: &[&str]) -> Vec<Value> {
        let (build, secrets) = (Build::under_test(), self.path("out/secrets"));
        let module = build.module();
        let paths = ["--secrets", secrets.to_str().expect("a path"), build.option(), module.to_str().expect("a path")];
        let rendered = self.sluice(&[arguments, &paths].concat());
        assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
        let text = String::from_utf8(rendered.stdout).expect("text");
        text.split("---\n").map(|document| yaml_of(document).expect("YAML")).collect()
    }

    /// Writes the secrets, as an operator does before they are mounted.
    fn write_secrets(&self) {
        let out = self.path("out");
        let written = self.sluice(&["--out", out.to_str().expect("a path")]);
        assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    }

    /// Starts Envoy with a configuration, in which the other host has its backend.
    async fn serve(&self, mut base: Value, other: &Other) -> Mesh {
        self.write_secrets();
        let port = Port::reserve();
        let address = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
        for listener in base["listeners"].as_array_mut().expect("a list") {
            listener["address"] = address(port.number());
        }
        for cluster in base["clusters"].as_array_mut().expect("a list") {
            if cluster["name"] == other.cluster {
                let endpoint = json!({"endpoint": {"address": address(self.shop.port())}});
                cluster["load_assignment"]["endpoints"] = json!([{"lb_endpoints": [endpoint]}]);
            }
        }
        let resources = [
            ("routes", "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"),
            ("extensions", "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"),
        ];
        let mut files = Vec::new();
        for (name, kind) in resources {
            let mut each = base[name].take().as_array().cloned().unwrap_or_default();
            each.iter_mut().for_each(|resource| resource["@type"] = kind.into());
            let file = self.path(&format!("{name}-{}.json", port.number()));
            fs::write(&file, json!({"version_info": "1", "resources": each}).to_string()).expect("a file");
            files.push(file);
        }
        from_files(&mut base["listeners"], &files);
        let mut bootstrap = json!({
            "node": {"id": "test", "cluster": "test"},
            "static_resources": {"listeners": base["listeners"], "clusters": base["clusters"]},
        });
        for (name, value) in base["bootstrap"].as_object().into_iter().flatten() {
            bootstrap[name] = value.clone();
        }
        let file = self.path(&format!("envoy-{}.json", port.number()));
        fs::write(&file, bootstrap.to_string()).expect("a file");
        let arguments = [
            "--concurrency",
            "1",
            "--use-dynamic-base-id",
            "--log-level",
            "warning",
            "--file-flush-interval-msec",
            "50",
        ];
        let envoy = of_envoy(&file, &arguments, &Build::under_test().module());
        let mesh = Mesh { envoy, port };
        let ready =
            async || mesh.to(other.name).request("GET", "/v1/models", "").await.is_ok_and(|it| it.status != 503);
        eventually("Envoy to serve the other host", async || {
            assert!(mesh.envoy.ended().is_none(), "Envoy ended: {}", mesh.envoy.errors());
            ready().await
        })
        .await;
        mesh
    }
}

/// Replaces the sources of a control plane by these files: of routes, and of extensions.
fn from_files(value: &mut Value, files: &[PathBuf]) {
    let [routes, extensions] = files else { panic!("two files") };
    let replace = |source: &mut Value, file: &Path| {
        assert_eq!(source["ads"], json!({}), "{source}");
        *source = json!({"path_config_source": {"path": file}, "resource_api_version": "V3"});
    };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match &**name {
                    "rds" => replace(&mut value["config_source"], routes),
                    "config_discovery" => replace(&mut value["config_source"], extensions),
                    _ => from_files(value, files),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| from_files(item, files)),
        _ => {}
    }
}

/// A running Envoy.
struct Mesh {
    envoy: Process,
    port: Port,
}

impl Mesh {
    fn to(&self, host: &str) -> Client {
        Client::new(self.port.number()).header("host", host)
    }

    /// What a client of the other host sees and what its backend gets, without the parts that differ with each request.
    async fn seen(&self, other: &Other, path: &str, shop: &Simulator) -> Value {
        let before = shop.count();
        let answer = self.to(other.name).bearer("sk-of-the-shop").post(path, &ask("gpt-sim", "say shop")).await;
        let request = shop.settled(before + 1).await.pop().expect("a request");
        let names = |headers: Vec<(String, String)>| {
            let fixed = |name: &str| !["date", "x-request-id", "x-envoy-upstream-service-time"].contains(&name);
            headers.into_iter().filter(|(name, _)| fixed(name)).collect::<Vec<_>>()
        };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let got = answer.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
        let sent = request.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        assert_eq!(said(&answer), "shop", "{}", answer.text());
        assert_eq!(request.header("authorization"), Some("Bearer sk-of-the-shop"));
        json!({"status": answer.status, "answer": names(got), "path": request.path, "request": names(sent)})
    }
}

/// The gateway serves its host below the prefix, and a client of the other host sees no difference to an Envoy without it.
async fn serves_and_touches_nothing_else(
    scene: &Scene,
    base: &Value,
    patched: Value,
    other: &Other,
    host: &str,
    prefix: &str,
) {
    let mesh = scene.serve(patched, other).await;
    let ours = mesh.to(host).bearer(KEY);
    let chat = async |body: Value| ours.post(&format!("{prefix}{CHAT}"), &body).await;

    let answer = chat(ask("chat", "say hello")).await;
    assert_eq!((answer.status, &*said(&answer)), (200, "hello"), "{}\n{}", answer.text(), mesh.envoy.errors());
    assert_eq!(answer.header("x-sluice-provider"), Some("openai"));
    let request = scene.openai.requests().pop().expect("a request");
    assert_eq!((&*request.path, request.header("authorization")), (CHAT, Some("Bearer sk-theirs")));
    for hidden in ["x-forwarded-for", "x-forwarded-proto", "x-envoy-attempt-count", "x-envoy-expected-rq-timeout-ms"] {
        assert_eq!(request.header(hidden), None, "{hidden}");
    }
    let of_envoy = answer.headers.keys().filter(|name| name.as_str().starts_with("x-envoy")).count();
    assert_eq!(of_envoy, 0, "{:?}", answer.headers);

    let streamed = chat(with(ask("chat", "say hello"), json!({"stream": true}))).await;
    assert!(streamed.complete && streamed.streamed_text() == "hello", "{}", streamed.text());

    // Larger than the listener's buffer, in both directions.
    let large = with(ask("chat", &format!("say {}", "x".repeat(3 << 20))), json!({"max_tokens": 1_000_000}));
    assert_eq!(said(&chat(large.clone()).await).len(), 3 << 20);
    scene.openai.always("status=503");
    for stream in [false, true] {
        let answer = chat(with(ask("chat", "say fallback"), json!({"stream": stream}))).await;
        assert_eq!((answer.status, &*said(&answer)), (200, "fallback"), "{}", answer.text());
        assert_eq!(answer.header("x-sluice-provider"), Some("anthropic"));
    }
    let answer = chat(large).await;
    assert_eq!(
        said(&answer).len(),
        3 << 20,
        "translated: {} {}",
        answer.status,
        answer.text().get(..300).unwrap_or_default()
    );
    scene.openai.clear();
    let anonymous = mesh.to(host).post(&format!("{prefix}{CHAT}"), &ask("chat", "hi")).await;
    assert_eq!(crate::refusal(&anonymous), (401, "invalid_api_key".to_owned()));
    assert_preflight(&mesh, host, prefix).await;

    if !prefix.is_empty() {
        let list = async |path: &str| ours.request("GET", path, "").await.expect("an answer");
        for path in [format!("{prefix}/"), prefix.to_owned(), format!("{prefix}?a=b")] {
            let answer = list(&path).await;
            assert!(answer.status == 200 && answer.text().contains(CHAT), "{path}: {}", answer.text());
        }
        // Not below the prefix, although it begins with the same letters.
        let counts = (scene.openai.count(), scene.shop.count());
        let answer = mesh.to(host).bearer(KEY).post(&format!("{prefix}x{CHAT}"), &ask("chat", "hi")).await;
        assert_eq!((answer.status, answer.header("x-sluice-provider")), (404, None));
        assert_eq!((scene.openai.count(), scene.shop.count()), (counts.0, counts.1 + 1));
    }
    let without = scene.serve(base.clone(), other).await;
    let expected = without.seen(other, CHAT, &scene.shop).await;
    assert_eq!(mesh.seen(other, CHAT, &scene.shop).await, expected);

    let log = until("the gateway's log lines", || {
        let lines = mesh.envoy.output();
        let lines: Vec<Value> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        (lines.iter().filter(|line| line["path"] == CHAT).count() >= 7).then_some(lines)
    })
    .await;
    // The wasm module logs the preflight request too, which the CORS filter answers before the Sluice filter sees it.
    let lists = if prefix.is_empty() { 0 } else { 3 };
    assert!([7, 8].contains(&(log.len() - lists)), "one line for each of the gateway's requests: {log:?}");
}

/// A page of an allowed origin may call the gateway.
async fn assert_preflight(mesh: &Mesh, host: &str, prefix: &str) {
    let page =
        mesh.to(host).header("origin", "https://chat.example.com").header("access-control-request-method", "POST");
    let answer = page.request("OPTIONS", &format!("{prefix}{CHAT}"), "").await.expect("an answer");
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!((answer.status, allowed), (200, Some("https://chat.example.com")), "{}", answer.text());
}

fn base(text: &str) -> Value {
    yaml_of(text).expect("YAML")
}

/// The documents of this kind.
fn of_kind<'d>(documents: &'d [Value], kind: &str) -> &'d Value {
    documents.iter().find(|document| document["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

#[tokio::test]
async fn an_ingress_gateway_of_istio_serves_a_host_of_its_own_or_a_path_of_another_host() {
    if !Build::under_test().has_vms() {
        return;
    }
    for (host, prefix) in [("llm.example.com", ""), (SHOP.name, "/llm")] {
        let scene = Scene::set().await;
        let arguments = ["--target", "istio-gateway", "--host", host, "--namespace", "istio-ingress", "--port", "80"];
        let more = if prefix.is_empty() { ["--gateway", "llm/edge"] } else { ["--path-prefix", prefix] };
        let documents = scene.render(&[&arguments[..], &more].concat());
        let filter = of_kind(&documents, "EnvoyFilter");
        assert_eq!(filter["spec"]["workloadSelector"]["labels"], json!({"istio": "ingressgateway"}));
        let base = base(ISTIO_GATEWAY);
        let mut patched = base.clone();
        if prefix.is_empty() {
            let service = of_kind(&documents, "VirtualService");
            assert_eq!(service["spec"]["gateways"], json!(["llm/edge"]));
            patches::virtual_service(&mut patched, service);
        }
        patches::envoy_filter(&mut patched, filter, "GATEWAY");
        serves_and_touches_nothing_else(&scene, &base, patched, &SHOP, host, prefix).await;
    }
}

#[tokio::test]
async fn a_server_that_redirects_to_https_still_does() {
    if !Build::under_test().has_vms() {
        return;
    }
    let scene = Scene::set().await;
    let mut patched = of_an_own_host(&scene);
    for host in patched["routes"][0]["virtual_hosts"].as_array_mut().expect("a list") {
        // By the server's `tls.httpsRedirect`.
        host["require_tls"] = if host["domains"][0] == "llm.example.com" { "ALL" } else { "NONE" }.into();
    }
    let mesh = scene.serve(patched, &SHOP).await;
    let answer: Answer = mesh.to("llm.example.com").bearer(KEY).post(CHAT, &ask("chat", "hi")).await;
    let to = answer.header("location");
    assert_eq!((answer.status, to), (301, Some("https://llm.example.com/v1/chat/completions")), "{}", answer.text());
    assert_eq!(scene.openai.count(), 0);
}

/// An ingress gateway of Istio with the gateway's patches, for a host of its own.
fn of_an_own_host(scene: &Scene) -> Value {
    let documents = scene.render(&["--target", "istio-gateway", "--host", "llm.example.com", "--gateway", "llm/edge"]);
    let mut patched = base(ISTIO_GATEWAY);
    patches::virtual_service(&mut patched, of_kind(&documents, "VirtualService"));
    patches::envoy_filter(&mut patched, of_kind(&documents, "EnvoyFilter"), "GATEWAY");
    patched
}

#[tokio::test]
async fn a_sidecar_of_istio_serves_a_service_without_pods() {
    if !Build::under_test().has_vms() {
        return;
    }
    let scene = Scene::set().await;
    let documents = scene.render(&["--target", "istio-sidecar"]);
    assert_eq!(of_kind(&documents, "Service")["spec"], json!({"ports": [{"name": "http", "port": 80}]}));
    let base = base(ISTIO_SIDECAR);
    let mut patched = base.clone();
    patches::envoy_filter(&mut patched, of_kind(&documents, "EnvoyFilter"), "SIDECAR_OUTBOUND");
    serves_and_touches_nothing_else(&scene, &base, patched, &SHOP_IN_MESH, "sluice.sluice", "").await;
}

#[tokio::test]
async fn envoy_gateway_serves_a_host_of_its_own_or_a_path_of_another_host() {
    if !Build::under_test().has_vms() {
        return;
    }
    for (host, prefix) in [("llm.example.com", ""), (WWW.name, "/llm")] {
        let scene = Scene::set().await;
        let arguments = ["--target", "envoy-gateway", "--host", host];
        let below = ["--path-prefix", prefix];
        let documents = scene.render(&[&arguments[..], if prefix.is_empty() { &[] } else { &below }].concat());
        let base = base(ENVOY_GATEWAY);
        let mut patched = base.clone();
        patches::envoy_patch_policy(&mut patched, of_kind(&documents, "EnvoyPatchPolicy"));
        serves_and_touches_nothing_else(&scene, &base, patched, &WWW, host, prefix).await;
    }
}

#[tokio::test]
async fn fragments_make_an_existing_envoy_serve_a_path() {
    let scene = Scene::set().await;
    let fragment = |name: &str| scene.render(&["--fragment", name, "--path-prefix", "/llm"]).remove(0);
    let base = base(ISTIO_GATEWAY);
    let mut patched = base.clone();
    let extend = |list: &mut Value, at: usize, more: &Value| {
        let list = list.as_array_mut().expect("a list");
        list.splice(at..at, more.as_array().expect("a list").iter().cloned());
    };
    let (listener, routes, clusters) = (fragment("listener"), fragment("routes"), fragment("clusters"));
    extend(&mut patched["clusters"], 0, &clusters["clusters"]);
    extend(&mut patched["routes"][0]["virtual_hosts"][0]["routes"], 0, &routes["routes"]);
    let manager = &mut patched["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let router = manager["http_filters"].as_array().expect("a list").len() - 1;
    extend(&mut manager["http_filters"], router, &listener["http_filters"]);
    extend(&mut manager["access_log"], 0, &listener["access_log"]);
    patched["bootstrap"] = fragment("bootstrap");
    serves_and_touches_nothing_else(&scene, &base, patched, &SHOP, SHOP.name, "/llm").await;
}

#[tokio::test]
async fn a_filter_that_envoy_cannot_load_leaves_the_other_hosts_alone() {
    if !Build::under_test().has_vms() {
        return;
    }
    let scene = Scene::set().await;
    let mut patched = of_an_own_host(&scene);
    let code = &mut patched["extensions"][0]["typed_config"]["config"]["vm_config"]["code"];
    assert!(code["local"]["filename"].is_string());
    code["local"]["filename"] = "/nowhere/sluice.wasm".into();
    let mesh = scene.serve(patched, &SHOP).await;
    let answer: Answer = mesh.to("llm.example.com").bearer(KEY).post(CHAT, &ask("chat", "hi")).await;
    assert_eq!((answer.status, scene.openai.count()), (500, 0), "a request never passes without the filter");
    let without = scene.serve(base(ISTIO_GATEWAY), &SHOP).await;
    let expected = without.seen(&SHOP, CHAT, &scene.shop).await;
    assert_eq!(mesh.seen(&SHOP, CHAT, &scene.shop).await, expected);
}
