//! Requests to a provider of Anthropic's own format are not translated.

use serde_json::json;
use sluice_tests::client::Client;

use super::{MESSAGES, ask, said, streamed};
use crate::{Pair, with};

#[tokio::test]
async fn body_and_answer_pass_byte_for_byte_but_for_the_models_name() {
    let pair = Pair::lease().await;
    pair.anthropic.always("extra");
    for stream in [false, true] {
        let named = |model: String| {
            format!(
                "\n{{ \"max_tokens\" : 64,\t\"messages\":[{{\"content\":\"say \\u0068i there\",\"role\":\"user\"}}],\n \
                 \"model\":  \"{model}\"  , \"temperature\":0.70, \"stream\":{stream} , \"context_management\":{{\"edits\": []}} }}\n "
            )
        };
        let odd = named(pair.name("anthropic"));
        let answer = pair.gateway.anthropic_client().request("POST", MESSAGES, odd).await.expect("an answer");
        let expected = named(pair.model_of("anthropic"));
        assert_eq!(pair.anthropic.requests().pop().expect("a request").body, expected);
        let direct = Client::new(pair.anthropic.port()).anthropic("sk");
        let direct = direct.request("POST", MESSAGES, expected).await.expect("an answer");
        assert_eq!(answer.text(), direct.text());
        assert_eq!((answer.status, &*said(&answer)), (200, "hi there"));
    }
}

#[tokio::test]
async fn betas_and_the_version_reach_the_provider_and_nothing_else_of_the_client() {
    let pair = Pair::lease().await;
    let agent = [
        ("anthropic-beta", "context-management-2025-06-27,interleaved-thinking-2025-05-14"),
        ("anthropic-dangerous-direct-browser-access", "true"),
        ("anthropic-workspace-id", "wrkspc_1"),
        ("x-app", "cli"),
        ("x-claude-code-session-id", "s"),
        ("x-stainless-lang", "js"),
        ("cookie", "session=secret"),
    ];
    let client =
        agent.into_iter().fold(pair.gateway.anthropic_client(), |client, (name, value)| client.header(name, value));
    // Coding agents add this query for Anthropic's own front end.
    for path in [MESSAGES, "/v1/messages?beta=true"] {
        for (model, simulator) in [("anthropic", &pair.anthropic), ("openai", &pair.openai)] {
            let answer = client.post(path, &ask(&pair, model, "say hi")).await;
            assert_eq!((answer.status, &*said(&answer)), (200, "hi"), "{}", answer.text());
            let request = simulator.requests().pop().expect("a request");
            let mut sent: Vec<&str> = request.headers.iter().map(|(name, _)| &**name).collect();
            sent.sort_unstable();
            let own: &[&str] = match model {
                "anthropic" => &["anthropic-beta", "anthropic-version", "x-api-key"],
                _ => &["authorization"],
            };
            let common = ["accept", "accept-encoding", "content-length", "content-type", "host", "x-request-id"];
            let mut expected = [&common[..], own].concat();
            expected.sort_unstable();
            assert_eq!(sent, expected);
            if model == "anthropic" {
                assert_eq!(request.header("anthropic-beta"), Some(agent[0].1));
                assert_eq!(request.header("x-api-key"), Some("sk-anthropic"));
                assert_eq!(request.path, "/v1/messages");
            }
        }
    }
}

#[tokio::test]
async fn a_key_may_come_either_way() {
    let pair = Pair::lease().await;
    let key = sluice_tests::gateway::KEY;
    for client in [pair.gateway.anonymous().anthropic(key), pair.gateway.with_key(key)] {
        for model in ["anthropic", "openai"] {
            assert_eq!(client.post(MESSAGES, &ask(&pair, model, "hi")).await.status, 200);
        }
    }
}

#[tokio::test]
async fn the_log_has_what_the_provider_counted() {
    let pair = Pair::lease().await;
    let cached = json!([{"type": "text", "text": "Long rules. ".repeat(40), "cache_control": {"type": "ephemeral"}}]);
    for body in [ask(&pair, "anthropic", "say hi"), streamed(&pair, "anthropic", "say hi")] {
        pair.gateway.message(&with(body, json!({"system": cached}))).await;
    }
    let lines = pair.gateway.quiet().await;
    for (line, request) in lines.iter().zip(pair.anthropic.settled(2).await) {
        let used = request.used.expect("usage");
        assert!(used.cached > 0);
        assert_eq!((&line["input_tokens"], &line["cached_tokens"]), (&json!(used.input), &json!(used.cached)));
        assert_eq!((&line["output_tokens"], &line["estimated"]), (&json!(used.output), &json!(null)));
    }
}
