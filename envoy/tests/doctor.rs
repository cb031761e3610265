//! `sluice doctor` before real servers on the loopback interface: a gateway file, a machine, one line for each finding.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use sluice_tests::port::Port;

/// A machine with an Envoy, a module and a gateway file.
struct Machine {
    directory: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

const ENVOY: &str = "#!/bin/sh\n[ \"$1\" != --version ] || echo 'envoy  version: abc/1.40.0/Clean/RELEASE/BoringSSL'\n";

impl Machine {
    /// With a gateway file of this section `providers`, and more.
    fn new(providers: &str, more: &str) -> Self {
        let machine = Self { directory: tempfile::tempdir().unwrap(), variables: Vec::new() };
        machine.envoy(ENVOY);
        machine.write("sluice.wasm", "\0asm\x01\0\0\0");
        let port = Port::reserve();
        let hash = "8c1f7e8e3a7b2d9c5f4e6a1b0d3c2e5f7a9b8c6d4e3f2a1b0c9d8e7f6a5b4c3d";
        machine.write(
            "gateway.yaml",
            &format!(
                "listen: 127.0.0.1:{}\nproviders: {{ {providers} }}\nmodels: {{ m: {{ targets: [{{ provider: p, model: m }}] \
                 }} }}\nteams: {{ t: {{}} }}\nkeys: [{{ id: alice, team: t, sha256: \"{hash}\" }}]\n{more}",
                port.number()
            ),
        );
        // The port stays reserved for this process.
        std::mem::forget(port);
        machine
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn envoy(&self, script: &str) {
        // Written and renamed: a process that another test starts at this moment holds no file that is open for writing.
        self.write("new", script);
        fs::set_permissions(self.path("new"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(self.path("new"), self.path("envoy")).unwrap();
    }

    fn doctor(&self, more: &[&str]) -> Report {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        let ours = |name: &str| name.ends_with("_API_KEY") || name.starts_with("SLUICE_");
        let proxy = |name: &str| name.to_lowercase().ends_with("_proxy");
        for (name, _) in std::env::vars().filter(|(name, _)| ours(name) || proxy(name)) {
            command.env_remove(name);
        }
        command.args(["doctor", &self.path("gateway.yaml"), "--envoy", &self.path("envoy")]);
        command.args(["--wasm", &self.path("sluice.wasm")]).args(more);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Report(command.output().unwrap())
    }
}

struct Report(Output);

impl Report {
    fn text(&self) -> String {
        format!("{}{}", String::from_utf8_lossy(&self.0.stdout), String::from_utf8_lossy(&self.0.stderr))
    }

    /// The report has exactly one line that begins with `start`, and it contains all of `parts`.
    #[track_caller]
    fn has(&self, start: &str, parts: &[&str]) -> &Self {
        let text = self.text();
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(start)).collect();
        assert_eq!(lines.len(), 1, "{start}\n{text}");
        for part in parts {
            assert!(lines[0].contains(part), "{part:?} is missing in {text}");
        }
        self
    }

    #[track_caller]
    fn ends(&self, code: i32) {
        assert_eq!(self.0.status.code(), Some(code), "{}", self.text());
    }
}

/// Serves each connection on a thread of its own, until the test's process ends. Returns the port.
fn serve(handle: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handle = handle.clone();
            thread::spawn(move || handle(stream));
        }
    });
    port
}

/// Reads a request's head.
fn head(stream: &mut impl Read) -> String {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

/// Writes the response that `answer` gives to the request's head: further headers and the body.
fn respond(stream: &mut (impl Read + Write), answer: impl Fn(&str) -> (u16, String, String)) {
    let request = head(stream);
    let (status, headers, body) = answer(&request);
    let body = if request.starts_with("HEAD ") { String::new() } else { body };
    let length = body.len();
    let _ =
        write!(stream, "HTTP/1.1 {status} x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}");
    let _ = stream.flush();
}

/// A server without TLS.
fn plain(answer: impl Fn(&str) -> (u16, String, String) + Send + Sync + Clone + 'static) -> u16 {
    serve(move |mut stream| respond(&mut stream, &answer))
}

/// A date header of now, and this many seconds.
fn date(later: i64) -> String {
    let mut command = Command::new("date");
    command.env("LC_ALL", "C").args(["-u", "-d", &format!("{later} seconds"), "+%a, %d %b %Y %H:%M:%S GMT"]);
    format!("date: {}\r\n", String::from_utf8(command.output().unwrap().stdout).unwrap().trim())
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// A server with TLS whose certificate is for this name, of this authority, and valid until this year.
fn secure(name: &str, of: &Authority, until: i32) -> u16 {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
    (parameters.not_before, parameters.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(until, 1, 1));
    let certificate = CertificateDer::from_pem_slice(parameters.signed_by(&key, of).unwrap().pem().as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    serve(move |stream| {
        let Ok(connection) = ServerConnection::new(Arc::clone(&config)) else { return };
        respond(&mut StreamOwned::new(connection, stream), |_| (404, date(0), String::new()));
    })
}

fn provider(url: &str) -> String {
    format!("p: {{ kind: openai, url: \"{url}\" }}")
}

#[test]
fn a_read_only_machine_has_an_envoy() {
    let machine = Machine::new(&provider("http://127.0.0.1:9/v1"), "").with("TMPDIR", "/nowhere");
    machine.doctor(&[]).has("ok    envoy", &["1.40.0"]);
}

#[test]
fn a_machine_in_order_is_told_so() {
    let port = plain(|_| (404, date(0), String::new()));
    let machine = Machine::new(&provider(&format!("http://127.0.0.1:{port}/v1")), "");
    let report = machine.doctor(&[]);
    report.has("ok    envoy: ", &["1.40.0", &machine.path("envoy")]);
    let sha256 = "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476";
    report.has("ok    module: ", &[&machine.path("sluice.wasm"), sha256]);
    report.has("ok    file: ", &["1 provider, 1 model, 1 team, 1 key"]);
    report.has("ok    configuration: ", &["Envoy accepts"]);
    report.has("ok    port listen: ", &["127.0.0.1:", "is free"]);
    report.has("ok    connection providers.p: ", &[&format!("127.0.0.1:{port}")]);
    report.has("ok    credential: ", &["no credential"]);
    report.has("ok    clock: ", &["providers.p"]);
    report.has("8 ok, 0 warnings, 0 failures", &[]).ends(0);
}

#[test]
fn json_has_the_same_findings() {
    let port = plain(|_| (404, date(0), String::new()));
    let machine = Machine::new(&provider(&format!("http://127.0.0.1:{port}/v1")), "");
    let report = machine.doctor(&["--json"]);
    let json: Value = serde_json::from_slice(&report.0.stdout).unwrap();
    assert_eq!((json["status"].as_str(), json["version"].as_str()), (Some("ok"), Some(env!("CARGO_PKG_VERSION"))));
    let checks = json["checks"].as_array().unwrap();
    let names: Vec<_> = checks.iter().map(|check| check["check"].as_str().unwrap()).collect();
    let expected = ["envoy", "module", "file", "configuration", "port", "credential", "connection", "clock"];
    assert_eq!(names, expected);
    for check in checks {
        let fields: Vec<_> = check.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["action", "check", "message", "status", "subject"]);
    }
    assert_eq!(checks[4]["subject"], "listen");
}

#[test]
fn an_envoy_that_is_too_old_or_lacks_an_extension_or_does_not_start() {
    let machine = Machine::new(&provider("http://127.0.0.1:9"), "");
    machine.envoy("#!/bin/sh\necho 'envoy  version: abc/1.38.2/Clean/RELEASE/BoringSSL'\n");
    machine.doctor(&[]).has("fail  envoy: ", &["is Envoy 1.38", "1.39 or newer"]).ends(1);
    let complaint = "[2026-01-01 00:00:00.000][1][critical][main] [source/server/server.cc:1] error initializing configuration \
                     '/x': Didn't find a registered implementation for name: 'envoy.filters.http.wasm'";
    machine.envoy(&format!("{ENVOY}[ \"$1\" = --version ] || {{ echo \"{complaint}\" >&2; exit 1; }}\n"));
    let report = machine.doctor(&[]);
    report.has("fail  configuration: ", &["'envoy.filters.http.wasm'", "An Envoy with all extensions"]).ends(1);
    assert!(!report.text().contains("source/server"), "{}", report.text());
    machine.envoy("#!/bin/sh\nexit 1\n");
    machine.doctor(&[]).has("fail  envoy: ", &["does not print an Envoy version"]).ends(1);
}

#[test]
fn a_module_that_is_none_or_is_not_there() {
    let machine = Machine::new(&provider("http://127.0.0.1:9"), "");
    machine.write("sluice.wasm", "<html>");
    machine.doctor(&[]).has("fail  module: ", &["is not a wasm module"]).ends(1);
    fs::remove_file(machine.path("sluice.wasm")).unwrap();
    machine.doctor(&[]).has("fail  module: ", &["cannot read the module"]).ends(1);
}

#[test]
fn a_file_with_mistakes_and_warnings_and_one_that_cannot_be_read() {
    let machine = Machine::new("p: { kind: opnai }", "");
    let report = machine.doctor(&[]);
    report.has("fail  file: ", &[&machine.path("gateway.yaml"), ":2: providers.p.kind: found \"opnai\""]);
    report.has("ok    envoy: ", &[]).ends(1);
    let machine = Machine::new(&provider("http://127.0.0.1:9/v1/chat/completions"), "");
    machine.doctor(&[]).has("warn  file: ", &[":2: providers.p.url: the URL contains the endpoint"]);
    let tls = "tls: { certificate: none.crt, key: none.key }\n";
    let report = Machine::new(&provider("http://127.0.0.1:9/v1"), tls).doctor(&[]);
    report.has("fail  credential: tls: cannot read the certificate", &["none.crt"]).ends(1);
    assert!(!report.text().contains("\nwarn  file"), "{}", report.text());
    fs::remove_file(machine.path("gateway.yaml")).unwrap();
    let report = machine.doctor(&[]);
    assert!(report.text().contains("cannot read"), "{}", report.text());
    report.ends(2);
}

#[test]
fn a_port_in_use_is_told_with_its_program() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let admin = format!("admin: {{ listen: \"127.0.0.1:{port}\", sha256: \"{}\" }}\n", "0123456789abcdef".repeat(4));
    let machine = Machine::new(&provider("http://127.0.0.1:9"), &admin);
    let process = format!("process {}", std::process::id());
    let report = machine.doctor(&[]);
    report.has("fail  port admin.listen: ", &[&format!("127.0.0.1:{port}"), &process, "`admin.listen`"]).ends(1);
}

#[test]
fn certificates_are_verified_with_the_file_of_authorities() {
    let (trusted, other) = (authority("trusted"), authority("other"));
    let machine = Machine::new(&provider("https://127.0.0.1:9"), "");
    machine
        .doctor(&["--ca", "/none.pem"])
        .has("fail  connection providers.p: cannot read /none.pem", &["--ca PATH"])
        .ends(1);
    for (name, of, until, start, parts) in [
        ("127.0.0.1", &trusted, 2099, "ok    connection providers.p: ", ["valid certificate", "127.0.0.1"]),
        ("127.0.0.1", &trusted, 2001, "fail  connection providers.p: ", ["expired", "clock"]),
        ("other.test", &trusted, 2099, "fail  connection providers.p: ", ["not valid for name", "`url`"]),
        ("127.0.0.1", &other, 2099, "fail  connection providers.p: ", ["UnknownIssuer", "--ca"]),
    ] {
        let port = secure(name, of, until);
        let machine = Machine::new(&provider(&format!("https://127.0.0.1:{port}/v1")), "");
        machine.write("ca.pem", &trusted.pem());
        machine
            .doctor(&["--ca", &machine.path("ca.pem")])
            .has(start, &parts)
            .ends(i32::from(start.starts_with("fail")));
    }
}

#[test]
fn servers_that_refuse_hang_or_have_no_address() {
    let closed = Port::reserve();
    let silent = serve(|stream| {
        thread::park();
        drop(stream);
    });
    let providers = format!(
        "p: {{ kind: openai, url: \"http://127.0.0.1:{}/v1\" }}, hangs: {{ kind: openai, url: \"http://127.0.0.1:{silent}/v1\" \
         }}, shy: {{ kind: openai, url: \"https://127.0.0.1:{silent}/v1\" }}, lost: {{ kind: openai, url: \
         \"https://no-such-host.invalid/v1\" }}",
        closed.number()
    );
    let report = Machine::new(&providers, "").doctor(&["--timeout", "300ms"]);
    report.has("fail  connection providers.p: ", &["refused"]);
    report.has("fail  connection providers.hangs: ", &["does not answer within 300ms"]);
    report.has("fail  connection providers.shy: ", &["does not answer within 300ms"]);
    report.has("fail  connection providers.lost: ", &["no-such-host.invalid has no address"]).ends(1);
}

#[test]
fn a_provider_is_reached_through_the_proxy_and_its_password_is_not_printed() {
    let proxy = serve(|mut stream| {
        let request = head(&mut stream);
        let right = request.starts_with("CONNECT api.provider.test:443 ")
            && request.to_lowercase().contains("proxy-authorization: basic dtpodw50zxiyqa==");
        let status = if right { "418 tunnel refused" } else { "407 x" };
        let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    });
    let machine = Machine::new(&provider("https://api.provider.test/v1"), "");
    let machine = machine.with("https_proxy", &format!("http://u:hunter2%40@127.0.0.1:{proxy}"));
    let report = machine.doctor(&[]);
    report.has("fail  connection providers.p: ", &["418", &format!("through the proxy http://127.0.0.1:{proxy}")]);
    assert!(!report.text().contains("hunter2"), "{}", report.text());
    report.ends(1);
    let machine = Machine::new(&provider("http://127.0.0.1:9"), "").with("https_proxy", "socks5://x:1");
    machine.doctor(&[]).has("fail  proxy: ", &["Envoy does not support socks5 proxies"]).ends(1);
}

#[test]
fn credentials_are_present_and_tried_if_asked() {
    let answer = |request: &str| {
        let status = if request.contains("Bearer sk-good\r\n") { 200 } else { 401 };
        let known = request.starts_with("GET /v1/models ") || request.starts_with("HEAD ");
        (if known { status } else { 500 }, date(0), "{}".to_owned())
    };
    let port = plain(answer);
    let keys = format!(
        "p: {{ kind: openai, url: \"http://127.0.0.1:{port}/v1\", key: {{ env: A_KEY }}, keys: [{{ file: b }}] }}"
    );
    let machine = Machine::new(&keys, "");
    let report = machine.doctor(&[]);
    report.has("fail  credential: provider p: the environment variable A_KEY ", &["export A_KEY="]);
    report.has("fail  credential: provider p: cannot read the key from ", &[]).ends(1);
    let machine = machine.with("A_KEY", "sk-good");
    machine.write("b", "sk-bad\n");
    machine.doctor(&[]).has("ok    credential: ", &["2 credentials are present"]).ends(0);
    let report = machine.doctor(&["--credentials"]);
    report.has("ok    credential providers.p.key: ", &["accepts"]);
    report.has("fail  credential providers.p.keys[0]: ", &["status 401", &format!("the file {}", machine.path("b"))]);
    assert!(!report.text().contains("sk-"), "{}", report.text());
    report.ends(1);
}

#[test]
fn credentials_have_the_header_and_the_path_of_their_provider() {
    for (kind, base, head, status, body, start) in [
        ("anthropic", "/v1", "GET /v1/models HTTP/1.1|x-api-key: k1|anthropic-version: ", 200, "", "ok "),
        ("gemini", "/v1beta", "GET /v1beta/models HTTP/1.1|x-goog-api-key: k1", 400, "API_KEY_INVALID", "fail"),
        ("azure", "", "GET /openai/v1/models HTTP/1.1|api-key: k1", 403, "", "fail"),
        ("cohere", "/v2", "GET /v1/models HTTP/1.1|authorization: Bearer k1", 200, "", "ok "),
        ("openrouter", "/api/v1", "GET /api/v1/key HTTP/1.1|authorization: Bearer k1", 200, "", "ok "),
        ("perplexity", "", "GET /models HTTP/1.1", 404, "", "warn"),
        ("mistral", "/v1", "GET /v1/models HTTP/1.1", 429, "", "warn"),
        ("bedrock", "", "never", 200, "", "warn"),
    ] {
        let expected = |request: &str| head.split('|').all(|part| request.contains(part));
        let port = plain(move |request| (if expected(request) { status } else { 500 }, date(0), body.to_owned()));
        let providers = format!("p: {{ kind: {kind}, url: \"http://127.0.0.1:{port}{base}\", key: {{ env: A_KEY }} }}");
        let report = Machine::new(&providers, "").with("A_KEY", "k1").doctor(&["--credentials"]);
        let start = format!("{start:4}  credential providers.p.key: ");
        report.has(&start, &[]).ends(i32::from(start.starts_with("fail")));
    }
}

/// A Webdis before a Redis with these settings.
fn webdis(policy: &'static str, most: u64, append_only: u8, ahead: i64) -> u16 {
    plain(move |request| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let body = match request.split(' ').nth(1).unwrap() {
            "/PING" => r#"{"PING":[true,"PONG"]}"#.to_owned(),
            "/TIME" => format!(r#"{{"TIME":["{}","5"]}}"#, now.saturating_add_signed(ahead)),
            "/INFO" => format!(
                r#"{{"INFO":{{"redis_version":"8.0.2","maxmemory":"{most}","maxmemory_policy":"{policy}","aof_enabled":"{append_only}"}}}}"#
            ),
            _ => return (404, String::new(), String::new()),
        };
        (200, String::new(), body)
    })
}

#[test]
fn redis_is_asked_for_its_version_its_memory_policy_its_durability_and_its_clock() {
    let with_redis = |port: u16| {
        let of_provider = plain(|_| (404, String::new(), String::new()));
        let redis = format!("redis: {{ url: \"http://127.0.0.1:{port}\" }}\n");
        Machine::new(&provider(&format!("http://127.0.0.1:{of_provider}/v1")), &redis).doctor(&[])
    };
    let report = with_redis(webdis("noeviction", 1000, 1, 0));
    report.has("ok    redis: ", &["Redis 8.0.2", "noeviction"]);
    report.has("ok    clock: ", &["redis"]).ends(0);
    let report = with_redis(webdis("allkeys-lru", 1000, 0, 60));
    report.has("warn  redis: maxmemory-policy is allkeys-lru", &["noeviction"]);
    report.has("warn  redis: appendonly is no", &["appendonly yes"]);
    report.has("warn  clock: ", &["redis", "behind", "NTP"]).ends(0);
    with_redis(webdis("allkeys-lru", 0, 1, 0)).has("ok    redis: ", &["Redis 8.0.2"]).ends(0);
    with_redis(Port::reserve().number()).has("fail  redis: ", &["no Redis answers"]).ends(1);
    with_redis(plain(|_| (403, String::new(), String::new()))).has("fail  redis: ", &["rejects the token"]).ends(1);
}

#[test]
fn a_clock_that_is_ahead_of_a_providers_is_warned_of() {
    let port = plain(|_| (404, date(-3600), String::new()));
    let report = Machine::new(&provider(&format!("http://127.0.0.1:{port}/v1")), "").doctor(&[]);
    report.has("warn  clock: ", &["providers.p", "ahead"]).ends(0);
    let port = plain(|_| (404, String::new(), String::new()));
    let report = Machine::new(&provider(&format!("http://127.0.0.1:{port}/v1")), "").doctor(&[]);
    report.has("warn  clock: ", &["not compared"]).ends(0);
}

#[test]
fn the_gateway_itself_may_use_its_port() {
    // A copy of a program under Envoy's name listens.
    let machine = Machine::new(&provider("http://127.0.0.1:9"), "");
    let python = Path::new("/usr/bin/python3");
    if !python.exists() {
        return;
    }
    let script = "import ctypes, socket, sys\nctypes.CDLL(None).prctl(15, b'envoy', 0, 0, 0)\ns = socket.socket()\n\
                  s.bind(('127.0.0.1', 0))\ns.listen()\nprint(s.getsockname()[1], flush=True)\nsys.stdin.read()\n";
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
    let text = fs::read_to_string(machine.path("gateway.yaml")).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    machine.write("gateway.yaml", &format!("listen: 127.0.0.1:{}\n{rest}", line.trim()));
    machine.doctor(&[]).has("warn  port listen: ", &["envoy", &format!("process {}", child.id())]);
    drop(child.stdin.take());
    child.wait().unwrap();
}
