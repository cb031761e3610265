//! Validates rendered configurations with a real Envoy.

mod composed;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sluice_tests::PATIENCE;
use sluice_tests::gateway::Process;
use sluice_tests::port::Port;

/// A variable that `./scripts/test` sets.
fn needed(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(path) => path.into(),
        None => panic!("{variable} is not set: run ./scripts/test, which brings an Envoy and builds the module"),
    }
}

fn sluice() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command
        .env("OPENAI_API_KEY", "sk-1")
        .env("ANTHROPIC_API_KEY", "sk-2")
        .env("AWS_ACCESS_KEY_ID", "AKID")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AZURE_CLIENT_SECRET", "secret")
        .env("AZURE_OPENAI_API_KEY", "sk-3")
        .env("OPENAI_API_KEY_2", "sk-4")
        .env("REDIS_TOKEN", "token")
        .env("OTLP_TOKEN", "token")
        .env("WEBHOOK_TOKEN", "token");
    command
}

/// Renders `file`, and lets Envoy validate the result.
fn validate(file: &Path, more: &[&str]) {
    let out = tempfile::tempdir().unwrap();
    let rendered = sluice()
        .arg("render")
        .arg(file)
        .arg("--wasm")
        .arg(fs::canonicalize(needed("SLUICE_WASM")).unwrap())
        .args(["--out", out.path().to_str().unwrap()])
        .args(more)
        .output()
        .unwrap();
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    let judged = Command::new(needed("SLUICE_ENVOY"))
        .args(["--mode", "validate", "--log-level", "warning", "-c"])
        .arg(out.path().join("envoy.yaml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success(), "{}: {said}", file.display());
    assert!(!said.contains("eprecated"), "{}: {said}", file.display());
}

#[test]
fn envoy_accepts_what_is_rendered() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    validate(&examples.join("minimal.yaml"), &[]);

    // The full example with its secrets' files, and variants that it lacks: odd names and addresses.
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("secrets")).unwrap();
    for (name, text) in [
        ("anthropic.key", "sk-3\n"),
        ("aws.token", "t=="),
        ("identity.token", "t"),
        ("tls.crt", "-----BEGIN CERTIFICATE-----\n"),
        ("tls.key", "-----BEGIN PRIVATE KEY-----\n"),
        ("clients.crt", "-----BEGIN CERTIFICATE-----\n"),
    ] {
        fs::write(directory.path().join("secrets").join(name), text).unwrap();
    }
    let odd = "providers:\n  \"on\": { kind: openai, url: \"https://[::1]:8443\", key: { env: OPENAI_API_KEY } }\n  \
               \"1\": { kind: anthropic, url: \"http://localhost/base\" }\n";
    let full = fs::read_to_string(examples.join("full.yaml")).unwrap();
    let full = full.replace("providers:\n", odd).replace("rooms 12 to 14", "\"rooms\" %12% 'ü' ${wasm}");
    let file = directory.path().join("gateway.yaml");
    fs::write(&file, full).unwrap();
    fs::copy(examples.join("prices.tsv"), directory.path().join("prices.tsv")).unwrap();
    validate(&file, &["--access-log", "/dev/null", "--concurrency", "1"]);

    // The doctor lets Envoy validate the same, and leaves nothing behind.
    let before = names(directory.path());
    let report = sluice()
        .args(["doctor", file.to_str().unwrap(), "--timeout", "1ms", "--envoy"])
        .arg(needed("SLUICE_ENVOY"))
        .arg("--wasm")
        .arg(needed("SLUICE_WASM"))
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&report.stdout);
    assert!(report.contains("\nok    configuration: "), "{report}");
    assert_eq!(names(directory.path()), before);
}

/// The sorted names of the files in a directory.
fn names(directory: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> = fs::read_dir(directory).unwrap().flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    names
}

/// A running command, stopped if a test ends early.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

#[test]
fn run_says_when_it_is_ready_and_stops_cleanly() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gateway.yaml");
    let reserved = Port::reserve();
    let port = reserved.number();
    let minimal = include_str!("../../examples/minimal.yaml");
    // Tests must not resolve real names.
    let local = minimal.replace("kind: openai,", "kind: openai, url: \"http://127.0.0.1:9\",");
    let local = local.replace("kind: anthropic,", "kind: anthropic, url: \"http://127.0.0.1:9\",");
    fs::write(&file, format!("listen: 127.0.0.1:{port}\n{local}")).unwrap();

    let child = sluice()
        .args(["run", file.to_str().unwrap(), "--concurrency", "1"])
        .env("TMPDIR", directory.path())
        .env("SLUICE_ENVOY", needed("SLUICE_ENVOY"))
        .env("SLUICE_WASM", needed("SLUICE_WASM"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut running = Running(child.unwrap());
    let errors = BufReader::new(running.0.stderr.take().unwrap());
    let mut lines = errors.lines().map_while(Result::ok);
    let said: Vec<String> = lines.by_ref().take_while(|line| !line.contains("Ctrl-C stops it")).collect();
    let said = said.join("\n");
    assert!(said.contains(&format!("Sluice is ready: http://127.0.0.1:{port}/v1")), "{said}");
    assert!(said.contains("keys       alice"), "{said}");
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();

    let second = sluice()
        .args(["run", file.to_str().unwrap()])
        .env("SLUICE_ENVOY", needed("SLUICE_ENVOY"))
        .env("SLUICE_WASM", needed("SLUICE_WASM"))
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&second.stderr).contains("Address already in use"));

    kill_process(Pid::from_child(&running.0), Signal::INT).unwrap();
    lines.for_each(drop);
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
    assert_eq!(names(directory.path()), ["gateway.yaml"], "the private directory is gone");
}

/// Whether Envoy finds a control group on this machine.
fn has_control_groups() -> bool {
    ["memory.current", "memory/memory.usage_in_bytes"]
        .iter()
        .any(|file| Path::new("/sys/fs/cgroup").join(file).exists())
}

#[test]
fn a_control_groups_limit_is_refused_at_before_it_is_reached() {
    if !has_control_groups() {
        eprintln!("skipped: no control groups here, and Envoy does not start with their monitor");
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let port = Port::reserve();
    let file = out.path().join("gateway.yaml");
    let minimal = include_str!("../../examples/minimal.yaml");
    let local = minimal.replace("kind: openai,", "kind: openai, url: \"http://127.0.0.1:9\",");
    let local = local.replace("kind: anthropic,", "kind: anthropic, url: \"http://127.0.0.1:9\",");
    fs::write(&file, format!("listen: 127.0.0.1:{}\n{local}", port.number())).unwrap();
    let module = fs::canonicalize(needed("SLUICE_WASM")).unwrap();
    let directory = out.path().to_str().unwrap();
    let rendered = sluice()
        .args(["render", file.to_str().unwrap(), "--wasm", module.to_str().unwrap(), "--out", directory])
        .args(["--admin", "127.0.0.1:0", "--concurrency", "1", "--cgroup"])
        .output()
        .unwrap();
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    // A limit that is already exceeded on any machine.
    let configuration = out.path().join("envoy.yaml");
    let text = fs::read_to_string(&configuration).unwrap();
    let kind = "cgroup_memory.v3.CgroupMemoryConfig";
    assert_eq!(text.matches(kind).count(), 1, "{text}");
    fs::write(&configuration, text.replace(kind, &format!("{kind}, max_memory_bytes: 1"))).unwrap();
    let envoy = Command::new(needed("SLUICE_ENVOY"))
        .args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "error", "-c"])
        .arg(&configuration)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    let _running = Running(envoy.unwrap());
    let ask = || {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port.number())).ok()?;
        stream.write_all(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok().map(|_| answer)
    };
    let started = Instant::now();
    loop {
        match ask() {
            Some(answer) if answer.contains("\"code\":\"gateway_overloaded\"") => break,
            other => assert!(started.elapsed() < PATIENCE, "{other:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The three processes of `examples/compose`, on the loopback interface in place of the containers' network, with the mounted files and the
/// services' own arguments.
#[test]
fn the_services_of_the_composed_example_answer_the_first_call() {
    let (compose, ports) = (composed::yaml("compose.yaml"), [Port::reserve(), Port::reserve()]);
    let [gateway, simulator] = ports.each_ref().map(|port| format!("127.0.0.1:{}", port.number()));
    let service = |name: &str| &compose["services"][name];
    let options = composed::words(&service("simulator")["command"]);
    let theirs = composed::behind(&options, "--port");
    let here = |word: &str| word.replace("gateway:8080", &gateway).replace(&format!("simulator:{theirs}"), &simulator);
    let options = options.iter().map(|word| match *word {
        "0.0.0.0" => "127.0.0.1".to_owned(),
        port if port == theirs => ports[1].number().to_string(),
        other => other.to_owned(),
    });
    let program = needed("SLUICE_BIN").with_file_name("simulator");
    let _simulator = Process::of(program.to_str().unwrap(), &options.collect::<Vec<_>>());
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gateway.yaml");
    fs::write(&file, here(&composed::text("gateway.yaml")).replace("0.0.0.0:8080", &gateway)).unwrap();
    let environment = service("gateway")["environment"].as_object().unwrap().iter();
    let environment: Vec<_> =
        environment.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
    let running = Process::start(&file, 1, &[], &environment);
    // Compose waits this long for health.
    let ready = composed::words(&service("gateway")["healthcheck"]["test"]);
    let ready: Vec<_> = ready[1..].iter().map(|word| word.replace("127.0.0.1:8080", &gateway)).collect();
    let asked = Instant::now();
    while !curl(&ready).status.success() {
        assert!(running.ended().is_none() && asked.elapsed() < PATIENCE, "{}", running.errors());
        std::thread::sleep(Duration::from_millis(20));
    }
    let call: Vec<_> = composed::words(&service("hello")["entrypoint"]).into_iter().map(here).collect();
    let answer = curl(&call);
    let said = String::from_utf8_lossy(&answer.stdout);
    assert!(answer.status.success(), "{} {}", said, String::from_utf8_lossy(&answer.stderr));
    assert!(said.contains("Hello from a container."), "{said}");
}

fn curl(words: &[String]) -> std::process::Output {
    assert_eq!(words[0], "curl");
    Command::new(&words[0]).args(&words[1..]).output().expect("curl")
}
