//! `sluice render` for an Envoy that someone else configures. Whether such an Envoy serves is tested by the workspace's end-to-end tests.

use std::fs;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use sluice::check::yaml_of;
use tempfile::TempDir;

const FILE: &str = r#"
providers:
  openai: { kind: openai, key: { file: openai.key } }
  near: { kind: openai, url: "http://vllm.models.svc.cluster.local:8000/v1" }
  plain: { kind: openai, url: "http://llm.example.com/v1" }
  address: { kind: openai, url: "https://10.0.0.9/v1" }
  short: { kind: openai, url: "http://vllm.models.svc:8000/v1" }
models: { chat: { targets: [{ provider: openai, model: gpt-5-mini }, { provider: near, model: q }] } }
teams: {}
keys: []
"#;
const ADMIN: &str = "admin: { sha256: \"0000000000000000000000000000000000000000000000000000000000000001\" }\n";
const RELAXED: &str = "redis: { url: \"http://redis.example.com\", mode: relaxed }\n";

/// A gateway file with more lines.
struct Gateway(TempDir);

impl Gateway {
    fn with(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("gateway.yaml"), format!("{FILE}{more}")).unwrap();
        fs::write(directory.path().join("openai.key"), "sk-hidden").unwrap();
        Self(directory)
    }

    fn render(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        for name in ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
            command.env_remove(name);
        }
        command.arg("render").arg(self.0.path().join("gateway.yaml")).args(arguments);
        command.envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap()
    }

    /// The documents, and what the command says on standard error.
    #[track_caller]
    fn documents(&self, arguments: &[&str]) -> (Vec<Value>, String) {
        let output = self.render(arguments, &[]);
        let (text, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{said}");
        assert!(!text.contains("sk-hidden") && !text.contains("openai.key"), "{text}");
        (text.split("---\n").map(|document| yaml_of(document).expect(document)).collect(), said)
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], expected: &str) {
        let output = self.render(arguments, &[]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(expected), "{arguments:?}: {said}");
    }
}

/// The documents of this kind.
fn of_kind<'d>(documents: &'d [Value], kind: &str) -> Vec<&'d Value> {
    documents.iter().filter(|document| document["kind"] == kind).collect()
}

/// The values of an EnvoyFilter's patches of this kind.
fn patches<'d>(documents: &'d [Value], kind: &str) -> Vec<&'d Value> {
    let filters = of_kind(documents, "EnvoyFilter");
    let all = filters.iter().flat_map(|filter| filter["spec"]["configPatches"].as_array().unwrap());
    all.filter(|patch| patch["applyTo"] == kind).map(|patch| &patch["patch"]["value"]).collect()
}

const GATEWAY: [&str; 6] = ["--target", "istio-gateway", "--host", "llm.example.com", "--gateway", "llm/edge"];
const ELSEWHERE: [&[&str]; 4] = [
    &GATEWAY,
    &["--target", "istio"],
    &["--target", "istio-sidecar"],
    &["--target", "envoy-gateway", "--host", "llm.example.com"],
];

#[test]
fn a_workload_runs_the_rendered_configuration_where_its_files_are_mounted() {
    let (documents, said) = Gateway::with("").documents(&["--target", "istio", "--namespace", "llm"]);
    assert!(said.contains("the Secret sluice-secrets in the namespace llm"), "{said}");
    assert!(documents.iter().all(|document| document["metadata"]["namespace"] == "llm"), "{documents:?}");
    let envoy = of_kind(&documents, "ConfigMap")[0]["data"]["envoy.yaml"].as_str().unwrap();
    let envoy = yaml_of(envoy).unwrap();
    let listener = &envoy["static_resources"]["listeners"][0]["address"]["socket_address"];
    assert_eq!(
        listener,
        &json!({"address": "0.0.0.0", "port_value": 8080}),
        "a loopback address is of no use in a pod"
    );
    let text = envoy.to_string();
    let pod = &of_kind(&documents, "Deployment")[0]["spec"]["template"]["spec"];
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    for (name, file) in [("secrets", "/etc/sluice/secrets/openai.yaml"), ("module", "/etc/sluice/module/sluice.wasm")] {
        let mount = mounts.iter().find(|mount| mount["name"] == name).unwrap();
        assert!(file.starts_with(mount["mountPath"].as_str().unwrap()) && text.contains(file), "{name}: {mount}");
        assert!(pod["volumes"].as_array().unwrap().iter().any(|volume| volume["name"] == name));
    }
    assert_eq!(pod["containers"][0]["readinessProbe"]["httpGet"]["scheme"], "HTTP");
    assert_eq!(of_kind(&documents, "ServiceEntry").len(), 0);
}

#[test]
fn a_workload_that_demands_client_certificates_has_probes_without_one() {
    let probe = |tls: &str| {
        let (documents, _) = Gateway::with(tls).documents(&["--target", "istio"]);
        let container = &of_kind(&documents, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0];
        ["readinessProbe", "livenessProbe", "startupProbe"].map(|name| container[name].clone())
    };
    const PAIR: &str = "certificate: openai.key, key: openai.key";
    let https = probe(&format!("tls: {{ {PAIR} }}\n"));
    assert!(https.iter().all(|probe| probe["httpGet"]["scheme"] == "HTTPS"), "{https:?}");
    let mutual = probe(&format!("tls: {{ {PAIR}, client_ca: openai.key }}\n"));
    assert!(mutual.iter().all(|probe| probe["tcpSocket"]["port"] == "clients"), "{mutual:?}");
}

#[test]
fn what_runs_elsewhere_trusts_the_authorities_of_its_image() {
    let gateway = Gateway::with("");
    let mine = gateway.0.path().join("openai.key");
    let named = [("SSL_CERT_FILE", mine.to_str().unwrap())];
    for arguments in ELSEWHERE {
        let text = String::from_utf8(gateway.render(arguments, &named).stdout).unwrap();
        assert!(text.contains("/etc/ssl/certs/ca-certificates.crt") && !text.contains("openai.key"), "{text}");
    }
    let text = String::from_utf8(gateway.render(&[], &named).stdout).unwrap();
    assert!(text.contains(named[0].1), "{text}");
}

#[test]
fn what_runs_elsewhere_has_no_path_of_this_machine() {
    let gateway = Gateway::with(
        r#"
log: { file: access.log }
tls: { sds: { file: tls/server.yaml, name: server } }
judges:
  bedrock:
    { type: bedrock, guardrail: g, aws: { region: us-east-1, web_identity: { role_arn: "arn:aws:iam::1:role/g", token: { file: aws.token } } } }
"#,
    );
    let here = gateway.0.path().to_str().unwrap();
    for arguments in ELSEWHERE {
        let output = gateway.render(arguments, &[]);
        let (text, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success() && !text.contains(here), "{said}{text}");
        assert!(!text.contains("access.log") && said.contains("`log.file` is left out"), "{said}{text}");
        assert!(text.contains("/etc/sluice/aws.token") && said.contains("/etc/sluice/aws.token"), "{said}{text}");
        let is_served = arguments.contains(&"istio");
        for output in [&text, &said] {
            assert_eq!(
                output.contains("/etc/sluice/tls/server.yaml"),
                is_served,
                "only this Envoy has its own listener"
            );
        }
        let (documents, said) = gateway.documents(&[arguments, &["--access-log", "/var/log/llm.json"]].concat());
        assert!(json!(documents).to_string().contains("/var/log/llm.json") && !said.contains("log.file"), "{said}");
    }
    let (_, said) = Gateway::with("").documents(&["--target", "istio"]);
    assert!(!said.contains("log.file") && !said.contains("aws.token"), "{said}");
}

#[test]
fn envoy_gets_the_key_of_a_shared_cache_or_the_operator_is_told() {
    let gateway = Gateway::with("redis: { url: \"http://redis.example.com\" }\ncache: { shared: true }\n");
    let key =
        json!({"name": "SLUICE_CACHE_KEY", "valueFrom": {"secretKeyRef": {"name": "sluice-cache", "key": "key"}}});
    let search_path = json!({"name": "ENVOY_DYNAMIC_MODULES_SEARCH_PATH", "value": "/etc/sluice/module"});
    for (filter, expected) in [("wasm", json!([key])), ("native", json!([search_path, key]))] {
        let (documents, said) = gateway.documents(&["--target", "istio", "--filter", filter]);
        let container = &of_kind(&documents, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["env"], expected);
        assert!(said.contains("the Secret sluice-cache with the key `key`"), "{said}");
    }
    let others = ELSEWHERE.into_iter().filter(|arguments| !arguments.contains(&"istio"));
    for arguments in others.chain([&["--fragment", "listener"][..]]) {
        let (_, said) = gateway.documents(arguments);
        assert!(said.contains("Envoy needs the environment variable SLUICE_CACHE_KEY"), "{said}");
        let (_, said) = Gateway::with("").documents(arguments);
        assert!(!said.contains("SLUICE_CACHE_KEY"), "{said}");
    }
}

#[test]
fn a_changed_configuration_replaces_the_workloads_pods() {
    let hash = |more: &str| {
        let (documents, _) = Gateway::with(more).documents(&["--target", "istio"]);
        of_kind(&documents, "Deployment")[0]["spec"]["template"]["metadata"]["annotations"].clone()
    };
    let before = hash("");
    assert!(before["sluice/configuration"].is_string());
    assert_ne!(hash("timeouts: { total: 7m }\n"), before);
}

#[test]
fn a_native_module_is_found_in_its_volume() {
    let (documents, _) = Gateway::with("").documents(&["--target", "istio", "--filter", "native"]);
    let container = &of_kind(&documents, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0];
    let expected = json!([{"name": "ENVOY_DYNAMIC_MODULES_SEARCH_PATH", "value": "/etc/sluice/module"}]);
    assert_eq!(container["env"], expected);
}

#[test]
fn where_egress_is_closed_the_mesh_learns_the_names_that_are_outside_it() {
    let (documents, said) = Gateway::with("").documents(&["--target", "istio", "--closed-egress"]);
    assert!(!said.contains("full name"), "{said}");
    let entries: Vec<_> = of_kind(&documents, "ServiceEntry")
        .iter()
        .map(|entry| (entry["spec"]["hosts"].clone(), entry["spec"]["ports"][0].clone()))
        .collect();
    let port = |number: u16, name: &str, protocol: &str| json!({"number": number, "name": name, "protocol": protocol});
    let expected =
        [(json!(["api.openai.com"]), port(443, "tls", "TLS")), (json!(["llm.example.com"]), port(80, "http", "HTTP"))];
    assert_eq!(entries, expected, "neither a Service of the cluster nor an address");
    let rules = of_kind(&documents, "DestinationRule");
    assert_eq!(rules.len(), 2);
    assert!(rules.iter().all(|rule| rule["spec"]["trafficPolicy"]["tls"]["mode"] == "DISABLE"));
}

#[test]
fn a_name_that_may_be_a_services_is_told() {
    let gateway = Gateway::with("redis: { url: \"http://webdis.llm\" }\n");
    let (documents, said) = gateway.documents(&["--target", "istio", "--closed-egress"]);
    assert!(json!(of_kind(&documents, "ServiceEntry")).to_string().contains("webdis.llm"));
    assert!(said.contains("webdis.llm is taken for a host outside the mesh"), "{said}");
    assert!(said.contains("webdis.llm.svc.cluster.local"), "{said}");
}

#[test]
fn what_belongs_to_another_listener_is_left_out_and_told() {
    let gateway = Gateway::with(ADMIN);
    for arguments in [&GATEWAY[..], &["--fragment", "listener"], &["--target", "envoy-gateway", "--host", "x.test"]] {
        let (documents, said) = gateway.documents(arguments);
        assert!(said.contains("`admin` is left out"), "{said}");
        assert!(!json!(documents).to_string().contains("sluice-admin"), "{documents:?}");
    }
    let (documents, said) = gateway.documents(&["--target", "istio"]);
    assert!(said.contains("admin.listen is a loopback address"), "{said}");
    assert!(json!(documents).to_string().contains("sluice-admin"));
}

#[test]
fn what_needs_the_bootstrap_configuration_is_written_for_it_and_told() {
    let gateway = Gateway::with(RELAXED);
    let (documents, said) = gateway.documents(&GATEWAY);
    assert_eq!(patches(&documents, "BOOTSTRAP").len(), 0, "Istio does not apply them");
    let object = of_kind(&documents, "ConfigMap")[0];
    let bootstrap: Value = object["data"]["custom_bootstrap.json"].as_str().unwrap().parse().unwrap();
    assert_eq!(bootstrap["bootstrap_extensions"][0]["name"], "envoy.bootstrap.wasm", "{bootstrap:?}");
    let annotation = format!("sidecar.istio.io/bootstrapOverride: {}", object["metadata"]["name"].as_str().unwrap());
    assert!(said.contains(&annotation), "{said}");
    assert!(patches(&documents, "CLUSTER").iter().any(|cluster| cluster["name"] == "sluice-redis"));
    let (_, said) = gateway.documents(&["--target", "envoy-gateway", "--host", "x.test"]);
    assert!(said.contains("spec.bootstrap of the EnvoyProxy"), "{said}");
    let (_, said) = gateway.documents(&["--fragment", "routes"]);
    assert!(said.contains("`--fragment bootstrap`"), "{said}");
    let (documents, _) = gateway.documents(&["--fragment", "bootstrap"]);
    assert_eq!(documents[0], bootstrap);

    let (documents, said) = Gateway::with("").documents(&GATEWAY);
    assert_eq!((of_kind(&documents, "ConfigMap").len(), &*said), (0, ""));
}

#[test]
fn a_proxy_of_the_environment_is_told_to_be_of_no_use() {
    let output = Gateway::with("").render(&GATEWAY, &[("HTTPS_PROXY", "http://user:secret@proxy.test:3128")]);
    let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("HTTPS_PROXY is ignored"), "{said}");
    assert!(!text.contains("proxy.test") && !text.contains("envoy_internal_address"), "{text}");
}

#[test]
fn proxies_of_a_gateway_and_of_clients_are_found_by_their_labels_and_ports() {
    let gateway = Gateway::with("");
    let spec = |arguments: &[&str]| of_kind(&gateway.documents(arguments).0, "EnvoyFilter")[0]["spec"].clone();
    let chosen = ["--selector", "app=edge,tier=public", "--port", "8443"];
    let edge = spec(&[&GATEWAY[..], &chosen].concat());
    assert_eq!(edge["workloadSelector"]["labels"], json!({"app": "edge", "tier": "public"}));
    let ports = |spec: &Value| spec.to_string().matches("\"portNumber\":8443").count();
    let all = edge["configPatches"].as_array().unwrap();
    let routes = all.iter().filter(|patch| patch["applyTo"] == "HTTP_ROUTE").count();
    assert_eq!((ports(&edge), ports(&spec(&GATEWAY))), (routes, 0), "the listener has the pod's port");
    assert!(spec(&["--target", "istio-sidecar"])["workloadSelector"].is_null(), "all pods of the namespace");
}

#[test]
fn what_is_written_has_the_secrets_in_files_of_their_own() {
    let gateway = Gateway::with("");
    let out = gateway.0.path().join("out");
    let output = gateway.render(&[&GATEWAY[..], &["--out", out.to_str().unwrap()]].concat(), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(out.join("istio-gateway.yaml")).unwrap();
    assert!(text.contains("/etc/sluice/secrets/openai.yaml") && !text.contains(out.to_str().unwrap()), "{text}");
    assert!(fs::read_to_string(out.join("secrets/openai.yaml")).unwrap().contains("sk-hidden"));
}

#[test]
fn options_that_do_not_fit_are_mistakes() {
    let gateway = Gateway::with("");
    let envoy_gateway = ["--target", "envoy-gateway", "--host", "llm.example.com"];
    for (arguments, expected) in [
        (&["--target", "istio-gateway"][..], "--host is missing"),
        (&["--target", "envoy-gateway"], "--host is missing"),
        (&["--target", "istio", "--host", "llm.example.com"], "--path-prefix"),
        (&["--host", "llm.example.com"], "--host and --path-prefix need --fragment or --target"),
        (&["--fragment", "routes", "--port", "80"], "--port is only for --target istio-gateway, istio-sidecar"),
        (&["--target", "envoy-gateway", "--selector", "a=b"], "--selector is only for --target istio-gateway"),
        (&["--target", "istio-gateway", "--host", "https://x"], "expected a host name"),
        (&["--target", "istio-gateway", "--host", "*"], "expected a host name"),
        (&["--fragment", "routes", "--path-prefix", "/llm/"], "expected a path such as /llm"),
        (&["--fragment", "routes", "--path-prefix", "llm"], "expected a path such as /llm"),
        (&["--fragment", "routes", "--path-prefix", "/"], "expected a path such as /llm"),
        (&[&GATEWAY[..], &["--filter", "native"]].concat(), "the native module needs Envoy 1.40"),
        (&["--fragment", "routes", "--out", "x"], "cannot be used with"),
        (&[&GATEWAY[..], &["--path-prefix", "/llm"]].concat(), "--gateway does not go with --path-prefix"),
        (&[&envoy_gateway[..], &["--gateway", "llm/eg"]].concat(), "has no namespace"),
        (&[&envoy_gateway[..], &["--port", "443"]].concat(), "--routes is missing"),
        (&["--target", "istio-sidecar", "--gateway", "edge"], "--gateway is only for --target istio-gateway"),
    ] {
        gateway.refused(arguments, expected);
    }
}
