//! Recovery: of a provider, of the filter's VM, and of the machine's resources when the gateway ends.

use std::path::{Path, PathBuf};

use serde_json::json;
use sluice_tests::client::Client;
use sluice_tests::gateway::build::Build;
use sluice_tests::gateway::{Gateway, Kind, children};
use sluice_tests::port::Port;
use sluice_tests::simulator::Simulator;
use sluice_tests::{eventually, until};

use crate::{CHAT, Pair, ask, refusal, said, with};

#[tokio::test]
async fn a_provider_that_comes_back_is_used_again() {
    let port = Port::reserve();
    let start = || Simulator::builder().port(port.number()).start();
    let openai = start().await.expect("a port of its own");
    let anthropic = Simulator::start().await;
    let gateway = Gateway::builder()
        .provider("openai", Kind::OpenAi, &openai)
        .provider("anthropic", Kind::Anthropic, &anthropic)
        .model("alone", &[("openai", "gpt-sim")])
        .model("chat", &[("openai", "gpt-sim"), ("anthropic", "claude-sim")])
        .start()
        .await;
    let served = async || gateway.chat(&ask("chat", "hi")).await.header("x-sluice-provider").map(str::to_owned);
    assert_eq!(served().await.as_deref(), Some("openai"));
    drop(openai);
    let client = Client::new(port.number());
    eventually("the provider to be gone", async || client.request("GET", "/", "").await.is_err()).await;
    assert_eq!(served().await.as_deref(), Some("anthropic"));
    let refused = gateway.chat(&ask("alone", "hi")).await;
    assert_eq!(refusal(&refused), (503, "provider_unavailable".to_owned()));
    assert_eq!(refused.header("x-sluice-attempts"), Some("2"), "an old connection may have been to blame");

    let openai = start().await.expect("its old port");
    assert_eq!(served().await.as_deref(), Some("openai"));
    assert_eq!(gateway.chat(&ask("alone", "hi")).await.status, 200);
    assert_eq!(openai.count(), 2);
}

/// The module with defects that a request can select.
pub fn trap_module() -> PathBuf {
    Build::under_test().trap_module()
}

#[tokio::test]
async fn a_trap_in_the_filter_costs_what_was_under_way_and_no_more() {
    if !Build::under_test().has_vms() {
        return;
    }
    let module = trap_module();
    let pair = Pair::with(|builder| builder.module(&module)).await;
    for round in 0..2 {
        let text = format!("say round {round}");
        assert_eq!(said(&pair.gateway.chat(&ask("openai", &text)).await), text[4..]);
        pair.anthropic.always("every=10+stall-after=8");
        let body = with(ask("anthropic", "say one two three four five six"), json!({"stream": true}));
        let mut open = pair.gateway.client().open("POST", CHAT, body.to_string()).await.expect("an answer");
        open.next().await.expect("a beginning");

        let trap = pair.gateway.client().header("x-sluice-trap", "1");
        let trapped = trap.request("POST", CHAT, ask("openai", "hi").to_string()).await;
        assert!(trapped.is_err() || trapped.is_ok_and(|answer| answer.status >= 500));
        let cut = open.finish().await;
        assert!(!cut.text().contains("[DONE]"), "{}", cut.text());

        // Until the VM restarts, the gateway admits no unauthorized request, and gives no response.
        eventually("the VM to come back", async || {
            let stranger = pair.gateway.anonymous().post(CHAT, &ask("openai", "hi")).await.status;
            assert!(stranger == 401 || stranger >= 500, "{stranger}");
            pair.gateway.chat(&ask("openai", "hi")).await.status == 200
        })
        .await;
        for number in 0..20 {
            let model = if number % 2 == 0 { "openai" } else { "openai-first" };
            assert_eq!(pair.gateway.chat(&ask(model, "say hi")).await.status, 200);
        }
    }
    assert!(pair.gateway.alive());
}

#[tokio::test]
async fn a_panic_in_the_native_filter_costs_its_own_request_and_no_more() {
    if Build::under_test().has_vms() {
        return;
    }
    let module = trap_module();
    let pair = Pair::with(|builder| builder.module(&module).concurrency(1)).await;
    let callbacks = [
        "gateway.request_headers",
        "gateway.request_end",
        "provider.request_headers",
        "provider.request_end",
        "provider.response_headers",
        "provider.response_end",
        "gateway.response_headers",
        "gateway.log",
        "gateway.done",
        "provider.done",
    ];
    for callback in callbacks {
        pair.anthropic.always("pause-after=5");
        let body = with(ask("anthropic", "say one two three four five six"), json!({"stream": true}));
        let mut open = pair.gateway.client().open("POST", CHAT, body.to_string()).await.expect("an answer");
        open.next().await.expect("a beginning");

        let defect = format!("{callback}=trap");
        let trap = pair.gateway.client().header("x-sluice-trap", &defect);
        let trapped = trap.post(CHAT, &ask("openai", "say hi")).await;
        // The gateway cannot retract a response on its way, and the work after it affects no other request.
        match callback.split_once('.') {
            Some((_, "log" | "done")) => assert_eq!((trapped.status, &*said(&trapped)), (200, "hi"), "{defect}"),
            _ => assert_eq!(refusal(&trapped), (500, "gateway_failed".to_owned()), "{defect}"),
        }

        pair.anthropic.go_on();
        let rest = open.finish().await;
        assert!(rest.complete && rest.text().contains("[DONE]"), "{defect}: {}", rest.text());
        let lines = pair.gateway.quiet().await;
        assert!(lines.iter().any(|line| line["status"] == trapped.status), "{defect}: {lines:?}");
    }
    assert!(pair.gateway.alive() && pair.gateway.errors().contains("a bug in the filter at "));
}

#[tokio::test]
async fn told_to_end_the_command_takes_envoy_with_it_and_leaves_nothing() {
    let pair = Pair::with(|builder| builder).await;
    // A request is in flight too.
    pair.openai.always("every=10+stall-after=8");
    let body = with(ask("openai", "say one two three four five six"), json!({"stream": true})).to_string();
    let mut open = pair.gateway.client().open("POST", CHAT, body).await.expect("an answer");
    open.next().await.expect("a beginning");
    let envoy = children(pair.gateway.process_id());
    assert_eq!(envoy.len(), 1, "Envoy alone");
    let work = std::fs::read_link(format!("/proc/{}/exe", envoy[0])).expect("a program");
    assert!(work.ends_with("envoy"), "{}", work.display());

    assert_eq!(pair.gateway.terminate().await, "exit status 0", "{}", pair.gateway.errors());
    assert!(!Path::new(&format!("/proc/{}", envoy[0])).exists(), "Envoy still runs");
    let port = pair.gateway.port();
    until("the port to be free", || std::net::TcpListener::bind(("127.0.0.1", port)).ok()).await;
    assert!(!open.finish().await.text().contains("[DONE]"));
    assert_eq!(pair.openai.settled(1).await.len(), 1);
}
