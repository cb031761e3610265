//! Model generations with fewer features than earlier ones. Each host receives a request in the form that its model accepts, and clouds
//! that host Anthropic's models receive the requests of Anthropic's clients. The simulator rejects the same requests as the services.

use serde_json::{Value, json};
use sluice_tests::gateway::{Builder, Gateway};
use sluice_tests::simulator::Simulator;

use crate::{ask, with};

const MESSAGES: &str = "/v1/messages";

const HOSTS: [(&str, &str, &str); 4] = [
    ("anthropic", "/v1", "claude-opus-4-8"),
    ("bedrock-anthropic", "", "anthropic.claude-opus-4-8-v1:0"),
    ("vertex-anthropic", "/v1/projects/p/locations/l/publishers/anthropic", "claude-opus-4-8@20260701"),
    ("bedrock", "", "us.anthropic.claude-opus-4-8-v1:0"),
];

/// A gateway with a simulator for all hosts; each host has a model of its name.
async fn hosts() -> (Gateway, Simulator) {
    let simulator = Simulator::start().await;
    let mut file = json!({"providers": {}, "models": {}});
    for (kind, path, model) in HOSTS {
        file["providers"][kind] = json!({"kind": kind, "url": simulator.url() + path, "key": {"env": "A_KEY"}});
        file["models"][kind] = json!({"targets": [{"provider": kind, "model": model}]});
    }
    file["providers"]["openai"] = json!({"kind": "openai", "url": simulator.base_url(), "key": {"env": "A_KEY"}});
    for model in ["gpt-4o", "gpt-5-mini"] {
        file["models"][model] = json!({"targets": [{"provider": "openai", "model": model}]});
    }
    let target = json!({"provider": "anthropic", "model": "claude-opus-4-8"});
    file["models"]["checked"] = json!({"check_structured_output": true, "targets": [target]});
    (Builder::default().with(file).start().await, simulator)
}

/// The simulator's latest request body.
fn got(simulator: &Simulator) -> Value {
    let requests = simulator.requests();
    serde_json::from_slice(&requests.last().expect("a request").body).expect("JSON")
}

#[tokio::test]
async fn an_effort_and_a_temperature_reach_a_newer_claude_at_every_host() {
    let (gateway, simulator) = hosts().await;
    for (host, _, _) in HOSTS {
        for stream in [false, true] {
            let more = json!({"reasoning_effort": "high", "temperature": 0.2, "stream": stream});
            let answer = gateway.chat(&with(ask(host, "say hello"), more)).await;
            assert_eq!(answer.status, 200, "{host} {}", answer.text());
            assert_eq!(answer.header("x-sluice-dropped"), Some("temperature"), "{host}");
            let body = got(&simulator);
            let given = if host == "bedrock" { &body["additionalModelRequestFields"] } else { &body };
            assert_eq!(given["thinking"], json!({"type": "adaptive"}), "{host} {body}");
            assert_eq!(given["output_config"], json!({"effort": "high"}), "{host} {body}");
        }
    }
}

#[tokio::test]
async fn anthropics_clients_are_passed_on_to_the_clouds() {
    let (gateway, simulator) = hosts().await;
    for (host, version) in [("bedrock-anthropic", "bedrock-2023-05-31"), ("vertex-anthropic", "vertex-2023-10-16")] {
        for stream in [false, true] {
            let asked = json!({
                "model": host, "max_tokens": 32000, "stream": stream,
                "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
                "messages": [{"role": "user", "content": "say hello"}],
                "thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}, "service_tier": "auto"
            });
            let answer = gateway.anthropic_client().post(MESSAGES, &asked).await;
            assert_eq!(answer.status, 200, "{host} {}", answer.text());
            assert_eq!(answer.header("x-sluice-dropped"), Some("service_tier"));
            let body = got(&simulator);
            assert_eq!(body["anthropic_version"], version);
            assert_eq!((body.get("model"), body.get("service_tier")), (None, None));
            for name in ["max_tokens", "system", "messages", "thinking", "output_config"] {
                assert_eq!(body[name], asked[name], "{host} {name}");
            }
            if stream {
                assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")));
                let names: Vec<String> = answer.events().into_iter().filter_map(|event| event.name).collect();
                assert_eq!(names.first().map(String::as_str), Some("message_start"), "{host} {}", answer.text());
                assert_eq!(names.last().map(String::as_str), Some("message_stop"), "{host} {}", answer.text());
            } else {
                assert_eq!(answer.json()["type"], "message", "{}", answer.text());
            }
        }
    }
}

#[tokio::test]
async fn openais_models_are_told_what_they_know() {
    let (gateway, simulator) = hosts().await;
    let asked = |model: &str| {
        json!({"model": model, "max_tokens": 32000, "temperature": 0.2, "output_config": {"effort": "max"},
            "tools": [{"name": "ping", "input_schema": {"type": "object"}}],
            "messages": [{"role": "user", "content": "say hello"}]})
    };
    let answer = gateway.anthropic_client().post(MESSAGES, &asked("gpt-4o")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-sluice-dropped"), Some("output_config.effort, max_tokens"));
    let answer = gateway.anthropic_client().post(MESSAGES, &asked("gpt-5-mini")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-sluice-dropped"), Some("output_config.effort, temperature"));
    assert_eq!(got(&simulator)["reasoning_effort"], "high");
}

#[tokio::test]
async fn a_schema_is_sent_as_its_provider_takes_it_and_checked_as_its_client_wrote_it() {
    let (gateway, simulator) = hosts().await;
    let wish = |minimum: i64| {
        let score = json!({"type": "integer", "minimum": minimum});
        let schema = json!({"type": "object", "properties": {"score": score}, "required": ["score"]});
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}})
    };
    for host in ["anthropic", "bedrock-anthropic", "bedrock", "checked"] {
        let answer = gateway.chat(&with(ask(host, "hi"), wish(-1_000_000))).await;
        assert_eq!(answer.status, 200, "{host} {}", answer.text());
        assert_eq!(answer.header("x-sluice-dropped"), Some("response_format.json_schema.schema.minimum"), "{host}");
    }
    let sent = &got(&simulator)["output_config"]["format"]["schema"];
    let score = json!({"type": "integer", "description": "{minimum: -1000000}"});
    assert_eq!((&sent["properties"]["score"], &sent["additionalProperties"]), (&score, &json!(false)));
    // No model counts this far, and the request that it received lacks the minimum.
    let answer = gateway.chat(&with(ask("checked", "hi"), wish(1_000_000_000))).await;
    assert_eq!(answer.json()["error"]["code"], "invalid_structured_output", "{}", answer.text());
}
