//! The debug messages about requests in Envoy's log, and the secrets that they must not contain.

use serde_json::json;
use sluice_tests::gateway::build::Build;
use sluice_tests::gateway::{A_KEY, Gateway, KEY, Kind};
use sluice_tests::simulator::Simulator;
use sluice_tests::{eventually, until};

use crate::{CHAT, ask};

const PROMPT: &str = "say the launch code is swordfish-4711";
const NOBODYS_KEY: &str = "sk-nobodys-own";

async fn gateway(simulator: &Simulator, arguments: &[&str]) -> Gateway {
    let builder = Gateway::builder()
        .provider("first", Kind::OpenAi, simulator)
        .credential("key", json!({"env": A_KEY.0}))
        .provider("second", Kind::Anthropic, simulator)
        .model("chat", &[("first", "gpt-sim"), ("second", "claude-sim")]);
    arguments.iter().fold(builder, |builder, argument| builder.argument(argument)).start().await
}

/// Makes calls that cause messages; one of them has an unknown secret.
async fn call(gateway: &Gateway, simulator: &Simulator) {
    simulator.script(&["status=503", "ok"]);
    let answer = gateway.chat(&ask("chat", PROMPT)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = gateway.with_key(NOBODYS_KEY).post(CHAT, &ask("chat", PROMPT)).await;
    assert_eq!(answer.status, 401, "{}", answer.text());
}

#[tokio::test]
async fn a_debug_run_tells_decisions_and_neither_a_prompt_nor_a_key() {
    let simulator = Simulator::start().await;
    let gateway = gateway(&simulator, &["--log-level", "debug"]).await;
    call(&gateway, &simulator).await;
    for expected in [
        "model chat, strategy fallback: first/gpt-sim, second/claude-sim",
        "attempt 1 asks first/gpt-sim",
        "first/gpt-sim failed: status_503; next: second/claude-sim",
        "attempt 2 asks second/claude-sim",
        "refused with 401 unknown_api_key",
    ] {
        until(expected, || gateway.errors().contains(expected).then_some(())).await;
    }
    let told = gateway.errors();
    for secret in ["swordfish", KEY, NOBODYS_KEY, A_KEY.1] {
        let line = told.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret} in {line:?}");
    }
}

#[tokio::test]
async fn the_level_is_followed_while_envoy_runs() {
    let simulator = Simulator::start().await;
    let gateway = gateway(&simulator, &[]).await;
    call(&gateway, &simulator).await;
    let component = if Build::under_test() == Build::Native { "dynamic_modules" } else { "wasm" };
    gateway.tell_envoy(&format!("/logging?{component}=debug")).await;
    // Each worker checks the log level now and then.
    eventually("a decision to be told", async || {
        call(&gateway, &simulator).await;
        gateway.errors().contains("attempt 2 asks second/claude-sim")
    })
    .await;
    // The lines of the access log appear after the responses.
    let served = gateway.quiet().await.into_iter().filter(|line| line["status"] == 200).count();
    let told = gateway.errors().matches("attempt 1 asks").count();
    assert!(told < served, "the first calls were told too: {told} of {served}");
}
