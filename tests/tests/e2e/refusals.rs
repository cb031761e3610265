//! Envoy's own responses, before the filter or in its place: JSON that clients can read, and always an end.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use sluice_tests::client::{Answer, Client};
use sluice_tests::eventually;
use sluice_tests::gateway::build::Build;
use sluice_tests::gateway::{Builder, Gateway, KEY, Key, Kind};
use sluice_tests::port::Port;
use sluice_tests::simulator::Simulator;

use crate::abuse::raw;
use crate::recovery::trap_module;
use crate::{CHAT, Pair, ask, refusal, said, with};

const MESSAGES: &str = "/v1/messages";
const ADMIN_KEY: &str = "sk-sluice-admin";

/// The code of an error in Anthropic's format.
#[track_caller]
fn anthropics(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    let body = answer.json();
    assert_eq!((&body["type"], body["error"]["type"].is_string()), (&json!("error"), true), "{body}");
    assert!(body["error"]["message"].is_string(), "{body}");
    (answer.status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

fn message(model: &str, text: &str) -> serde_json::Value {
    with(ask(model, text), json!({"max_tokens": 100}))
}

#[tokio::test]
async fn what_envoy_cannot_read_is_refused_in_json() {
    let pair = Pair::lease().await;
    let key = format!("authorization: Bearer {KEY}\r\nconnection: close\r\n");
    let large = "a".repeat(70_000);
    let many = "x: a\r\n".repeat(200);
    for (request, status, code) in [
        ("GET /v1/models HTTP/1.0\r\nhost: x\r\n\r\n".to_owned(), 426, "http_version_not_supported"),
        ("nonsense\r\n\r\n".to_owned(), 400, "malformed_request"),
        (format!("GET /v1/models HTTP/1.1\r\n{key}\r\n"), 400, "malformed_request"),
        (format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nbad header: x\r\n{key}\r\n"), 400, "malformed_request"),
        (format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n{key}\r\n"), 400, "malformed_request"),
        (format!("GET /v1/models#x HTTP/1.1\r\nhost: x\r\n{key}\r\n"), 400, "malformed_request"),
        (format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n{key}\r\n"), 400, "malformed_request"),
        (
            format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n{key}\r\n"),
            400,
            "malformed_request",
        ),
        (format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n{key}\r\n"), 501, "malformed_request"),
        (format!("OPTIONS * HTTP/1.1\r\nhost: x\r\n{key}\r\n"), 404, "unknown_url"),
        (format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nx: {large}\r\n{key}\r\n"), 431, "request_headers_too_large"),
        (format!("GET /v1/models HTTP/1.1\r\nhost: x\r\n{many}{key}\r\n"), 431, "request_headers_too_large"),
        (
            "GET /v1/realtime HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n".to_owned(),
            403,
            "upgrade_not_supported",
        ),
    ] {
        let shown = &request[..request.len().min(80)];
        let (seen, body) = raw(&pair, request.as_bytes()).await;
        assert_eq!((seen, &body["error"]["code"]), (status, &json!(code)), "{shown}: {body}");
        let message = body["error"]["message"].as_str().unwrap_or_default();
        assert!(body["error"]["type"].is_string() && !message.is_empty(), "{shown}: {body}");
    }
    // The format follows from the readable part of the request.
    for request in [
        format!("POST {MESSAGES} HTTP/1.1\r\n{key}\r\n"),
        format!("POST {MESSAGES}/batches HTTP/1.1\r\n{key}\r\n"),
        format!("GET /v1/models HTTP/1.1\r\nanthropic-version: 2023-06-01\r\n{key}\r\n"),
    ] {
        let (status, body) = raw(&pair, request.as_bytes()).await;
        assert_eq!((status, &body["type"]), (400, &json!("error")), "{request}: {body}");
        assert_eq!(body["error"]["code"], "malformed_request", "{request}: {body}");
    }
    // A path with its own format uses it for every client.
    let request = format!("POST {CHAT} HTTP/1.1\r\nanthropic-version: 2023-06-01\r\n{key}\r\n");
    assert!(raw(&pair, request.as_bytes()).await.1["type"].is_null());
    // Each has a log line, even without a request and a key.
    let lines = pair.gateway.quiet().await;
    assert!(lines.iter().all(|line| line["status"].is_number() && line["time"].is_string()), "{lines:?}");
}

#[tokio::test]
async fn a_client_that_speaks_grpc_never_takes_a_rejection_for_a_success() {
    let pair = Pair::lease().await;
    let grpc = |key: &str| pair.gateway.with_key(key).header("content-type", "application/grpc");
    for (key, body, status) in [
        ("sk-unknown", ask("openai", "hi"), "16"),
        (KEY, json!({"model": "openai", "messages": []}), "13"),
        (KEY, ask("unheard-of", "hi"), "12"),
    ] {
        let answer = grpc(key).post(CHAT, &body).await;
        assert_eq!((answer.status, answer.header("grpc-status")), (200, Some(status)), "{body}");
    }
    let answer = grpc(KEY).post(CHAT, &ask("openai", "say hi")).await;
    assert_eq!((&*said(&answer), answer.header("grpc-status")), ("hi", None), "a response of a provider");
}

#[tokio::test]
async fn a_filter_that_failed_is_told_in_the_clients_format_wherever_the_request_was() {
    let module = trap_module();
    // A VM restarts soon, and a panic affects only one request.
    let (failed, retry_after) = match Build::under_test() {
        Build::Wasm => ((503, "gateway_restarting".to_owned()), Some("1")),
        Build::Native => ((500, "gateway_failed".to_owned()), None),
    };
    let pair = Pair::with(|builder| builder.module(&module).concurrency(1)).await;
    let back = async || {
        eventually("the VM to come back", async || pair.gateway.chat(&ask("openai", "hi")).await.status == 200).await
    };
    // A provider's request replaces the client's headers, which then no longer show the client's format.
    for place in
        ["gateway.request_headers", "provider.request_end", "provider.response_end", "gateway.response_headers"]
    {
        let defect = format!("{place}=trap");
        let client = pair.gateway.client().header("x-sluice-trap", &defect);
        let answer = client.post(CHAT, &ask("anthropic", "say hi")).await;
        assert_eq!(refusal(&answer), failed, "{defect}");
        assert_eq!(answer.header("retry-after"), retry_after, "{defect}");
        // During the backoff the VM does not restart, and the gateway serves no other request without it. Afterwards it serves again.
        let answer = pair.gateway.message(&message("openai", "say hi")).await;
        assert!(answer.status == 200 || anthropics(&answer) == failed, "{answer:?}");
        back().await;
        let client = pair.gateway.anthropic_client().header("x-sluice-trap", &defect);
        let answer = client.post(MESSAGES, &message("openai", "say hi")).await;
        assert_eq!(anthropics(&answer), failed, "{defect}");
        assert_eq!(answer.header("retry-after"), retry_after, "{defect}");
        back().await;
    }
    assert!(pair.gateway.alive());
    let lines = pair.gateway.quiet().await;
    assert!(lines.iter().any(|line| line["status"] == failed.0), "{lines:?}");
}

#[tokio::test]
async fn a_request_that_nobody_watches_any_more_is_ended() {
    if !Build::under_test().has_vms() {
        return;
    }
    let module = trap_module();
    let pair = Pair::with(|builder| {
        let builder = builder.module(&module);
        builder.concurrency(1).timeout("total", "8s")
    })
    .await;
    // The whole request has arrived, but its context does not know it, so it waits forever.
    let client = pair.gateway.client().header("x-sluice-trap", "gateway.request_end=fresh");
    let waits = tokio::spawn(async move { client.post(CHAT, &ask("openai", "say hi")).await });
    eventually("the request to wait", async || pair.gateway.statistic("http.sluice.downstream_rq_active").await == 1)
        .await;
    sluice_tests::until("its context to be lost", || pair.gateway.errors().contains("=fresh").then_some(())).await;
    let trap = pair.gateway.client().header("x-sluice-trap", "1");
    assert_eq!(refusal(&trap.post(CHAT, &ask("openai", "hi")).await), (503, "gateway_restarting".to_owned()));
    let answer = waits.await.expect("an answer");
    assert_eq!(refusal(&answer), (503, "gateway_restarting".to_owned()));
    assert_eq!(pair.gateway.statistic("http.sluice.downstream_rq_max_duration_reached").await, 1);
}

/// An Envoy that gets a changed configuration: the rendered one after this `sed` command.
fn envoy_with(change: &str, directory: &Path) -> PathBuf {
    let real = std::env::var("SLUICE_ENVOY").expect("SLUICE_ENVOY, which ./scripts/test sets");
    let script = directory.join("envoy");
    // `-c FILE` comes first.
    let text = format!("#!/bin/sh\n[ \"$1\" != -c ] || sed -i '{change}' \"$2\"\nexec '{real}' \"$@\"\n");
    std::fs::write(&script, text).expect("a file in the temporary directory");
    std::fs::set_permissions(&script, Permissions::from_mode(0o700)).expect("a file of ours");
    script
}

/// A gateway whose Envoy may use this many MiB.
fn with_heap(mebibytes: u64, directory: &Path) -> Builder {
    let bytes = mebibytes << 20;
    let envoy = envoy_with(&format!("s/max_heap_size_bytes: .*/max_heap_size_bytes: {bytes}/"), directory);
    Gateway::builder().environment("SLUICE_ENVOY", &envoy.display().to_string()).concurrency(1)
}

#[tokio::test]
async fn envoy_refuses_in_json_before_its_memory_ends() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let provider = Simulator::start().await;
    let admin = Port::reserve();
    let hash = Key::new("admin", ADMIN_KEY).sha256();
    let gateway = with_heap(1, directory.path())
        .provider("openai", Kind::OpenAi, &provider)
        .model("chat", &[("openai", "gpt-sim")])
        .with(json!({"admin": {"listen": format!("127.0.0.1:{}", admin.number()), "sha256": hash}}))
        .start()
        .await;
    let full = async || gateway.statistic("overload.envoy.overload_actions.stop_accepting_requests.active").await == 1;
    eventually("Envoy to look at its memory", full).await;
    let overloaded = (503, "gateway_overloaded".to_owned());
    for answer in [
        gateway.chat(&ask("chat", "say hi")).await,
        gateway.client().request("GET", "/v1/models", "").await.expect("an answer"),
    ] {
        assert_eq!((refusal(&answer), answer.header("retry-after")), (overloaded.clone(), Some("1")));
    }
    let answer = gateway.message(&message("chat", "say hi")).await;
    assert_eq!((anthropics(&answer), answer.header("retry-after")), (overloaded.clone(), Some("1")));
    assert_eq!(answer.json()["error"]["type"], "overloaded_error");
    let administrator = Client::new(admin.number()).bearer(ADMIN_KEY);
    let answer = administrator.request("GET", "/admin/v1/keys", "").await.expect("an answer");
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (503, &json!("gateway_overloaded")));
    assert!(provider.requests().is_empty());
    assert!(gateway.alive());
}

#[tokio::test]
async fn answers_that_nobody_reads_make_room_for_others() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let provider = Simulator::start().await;
    let gateway = with_heap(110, directory.path())
        .provider("openai", Kind::OpenAi, &provider)
        .model("chat", &[("openai", "gpt-sim")])
        .start()
        .await;
    provider.always("huge=8");
    let body = with(ask("chat", "hi"), json!({"max_completion_tokens": 8 << 20})).to_string();
    let mut unread = Vec::new();
    // The filter and the log consider the responses complete. Envoy still buffers them for clients that do not read.
    loop {
        let answer = gateway.client().open("POST", CHAT, body.clone()).await.expect("the headers of an answer");
        if answer.status() == 503 {
            break;
        }
        unread.push(answer);
        assert!(unread.len() < 64, "512 MiB of answers, and Envoy takes more");
    }
    provider.always("ok");
    // The clients that do not read are still connected.
    let served = async || {
        let answer = gateway.chat(&ask("chat", "say hi")).await;
        (answer.status, said(&answer)) == (200, "hi".to_owned())
    };
    eventually("the gateway to serve again", served).await;
    assert!(!unread.is_empty() && gateway.alive());
}
