//! The request that a provider receives, and the parts of its response that reach the client.

use serde_json::{Value, json};
use sluice_tests::client::Client;
use sluice_tests::simulator::{Recorded, Simulator};

use crate::{CHAT, Pair, said, with};

/// One pixel; the image data is never decoded.
const IMAGE: &str = "data:image/png;base64,iVBORw0KGgo=";

fn weather() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "$defs": {"kept": true}})
}

/// A request with nearly every feature that both formats support.
fn rich(model: &str) -> Value {
    let call = |id: &str, city: &str| json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": json!({"city": city}).to_string()}});
    json!({
        "model": model,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
            ]},
            {"role": "assistant", "content": "Let me see.", "tool_calls": [call("call_1", "Oslo"), call("call_2", "Tromsø")]},
            {"role": "tool", "tool_call_id": "call_1", "content": "{\"t\":3}"},
            {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "cold"}]},
            {"role": "user", "content": "Thanks. And now?"},
        ],
        "tools": [{"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters": weather(), "strict": true}}],
        "tool_choice": "required",
        "parallel_tool_calls": false,
        "max_completion_tokens": 256,
        "stop": ["END", "STOP"],
        "temperature": 0.5,
        "user": "user-7",
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": weather(), "strict": true}},
    })
}

/// The same request in Anthropic's format.
fn rich_for_anthropic(model: &str) -> Value {
    json!({
        "model": model,
        "max_tokens": 256,
        "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
                {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}},
                {"type": "tool_use", "id": "call_2", "name": "weather", "input": {"city": "Tromsø"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "{\"t\":3}"},
                {"type": "tool_result", "tool_use_id": "call_2", "content": "cold"},
                {"type": "text", "text": "Thanks. And now?"},
            ]},
        ],
        "tools": [{"name": "weather", "description": "Of a city.", "input_schema": strict(), "strict": true}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "stop_sequences": ["END", "STOP"],
        "temperature": 0.5,
        "metadata": {"user_id": "user-7"},
        "output_config": {"format": {"type": "json_schema", "schema": strict()}},
    })
}

/// The schema in the form that Anthropic enforces.
fn strict() -> Value {
    with(weather(), json!({"additionalProperties": false}))
}

/// The latest request, of exactly the stated length.
#[track_caller]
fn received(simulator: &Simulator) -> Recorded {
    let request = simulator.requests().pop().expect("a request");
    assert_eq!(request.header("content-length"), Some(&*request.body.len().to_string()));
    assert_eq!(request.header("content-type"), Some("application/json"));
    request
}

#[tokio::test]
async fn a_rich_request_is_translated_exactly() {
    let pair = Pair::lease().await;
    let for_anthropic = rich_for_anthropic(&pair.model_of("anthropic"));
    for stream in [false, true] {
        let expected = match stream {
            true => with(for_anthropic.clone(), json!({"stream": true})),
            false => for_anthropic.clone(),
        };
        let asked = with(rich(&pair.name("anthropic")), json!({"stream": stream}));
        let answer = pair.gateway.chat(&asked).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let request = received(&pair.anthropic);
        assert_eq!((&*request.method, &*request.path), ("POST", "/v1/messages"));
        assert_eq!(request.json(), expected);
    }
    // The fallback's request derives from the client's own body, not from the first provider's.
    pair.openai.always("status=503");
    let answer = pair.gateway.chat(&rich(&pair.name("openai-first"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(received(&pair.openai).json(), rich(&pair.model_of("openai")));
    assert_eq!(received(&pair.anthropic).json(), for_anthropic);
}

#[tokio::test]
async fn calls_of_tools_come_back_in_the_clients_format() {
    let pair = Pair::lease().await;
    let tools = json!({"tools": [{"type": "function", "function": {"name": "weather", "parameters": weather()}}]});
    let body = with(pair.ask("anthropic", "the weather in both?"), tools);
    let message = pair.gateway.chat(&body).await.json()["choices"][0].clone();
    assert_eq!(message["finish_reason"], "tool_calls");
    let cities: Vec<Value> = message["message"]["tool_calls"]
        .as_array()
        .expect("calls")
        .iter()
        .map(|call| serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(cities, [json!({"city": "Oslo"}), json!({"city": "Tromsø"})]);
    let mut streamed = [String::new(), String::new()];
    for event in pair.gateway.stream(&body).await.events() {
        for call in event.json()["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().expect("an index")).unwrap();
            streamed[index] += call["function"]["arguments"].as_str().unwrap_or_default();
        }
    }
    let streamed = streamed.map(|text| serde_json::from_str::<Value>(&text).unwrap_or_else(|_| panic!("{text}")));
    assert_eq!(&streamed[..], &cities[..]);
}

/// Odd order, whitespace, numbers and fields, which a parse and rewrite would change.
const ODD: &str = concat!(
    "\n{ \"x_first\" : [1.0, 1e3, -0 ],\t\"messages\":[{\"content\":\"say \\u0068i\",\"role\":\"user\",\"x\":null}],\n",
    "  \"temperature\" : 0.70, \"model\":  \"openai\"  , \"x_model\":{\"model\":\"openai\"}, \"seed\":12345678901234567 }\n ",
);

#[tokio::test]
async fn the_same_format_passes_unchanged_but_for_the_models_name() {
    let pair = Pair::lease().await;
    pair.openai.always("extra");
    let named = |name: String| ODD.replacen("\"openai\"  ,", &format!("\"{name}\"  ,"), 1);
    let answer = pair.gateway.client().request("POST", CHAT, named(pair.name("openai"))).await.expect("an answer");
    let expected = named(pair.model_of("openai"));
    assert_eq!(received(&pair.openai).body, expected);
    // The client gets exactly the bytes that the provider sends to a direct client.
    let direct = Client::new(pair.openai.port()).bearer("sk").request("POST", CHAT, expected).await.expect("an answer");
    assert_eq!(answer.text(), direct.text());
    assert!(answer.json()["x_future"].is_object());
    assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
    assert_eq!((said(&answer), &answer.json()["model"]), ("hi".to_owned(), &json!(pair.model_of("openai"))));
}

#[tokio::test]
async fn usage_is_asked_for_in_every_stream_and_shown_to_who_asked() {
    let pair = Pair::lease().await;
    pair.openai.always("extra+comments");
    for provider in ["openai", "anthropic"] {
        for asked in [None, Some(false), Some(true)] {
            let mut body = pair.ask(provider, "say one two");
            if let Some(include) = asked {
                body["stream_options"] = json!({"include_usage": include, "x_option": 1});
            }
            if provider == "anthropic" && asked.is_some() {
                body["stream_options"] = json!({"include_usage": asked});
            }
            let answer = pair.gateway.stream(&body).await;
            assert_eq!((&*said(&answer), answer.complete), ("one two", true), "{}", answer.text());
            let chunks: Vec<Value> = answer.events().iter().map(|event| event.json()).collect();
            let shown = chunks.iter().filter(|chunk| chunk["usage"].is_object()).count();
            assert_eq!(shown, usize::from(asked == Some(true)), "{provider} {asked:?}: {}", answer.text());
            let alone = chunks.iter().filter(|chunk| chunk["choices"] == json!([])).count();
            assert_eq!(alone, shown, "{provider} {asked:?}");
            if shown == 1 {
                let usage = &chunks[chunks.len() - 2]["usage"];
                assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(3), &json!(2)));
            }
            assert_eq!(answer.events().last().expect("an event").data, "[DONE]");
        }
    }
    for request in pair.openai.requests() {
        assert_eq!(request.json()["stream_options"]["include_usage"], true);
        assert_eq!(request.header("content-length"), Some(&*request.body.len().to_string()));
    }
    assert_eq!(pair.openai.requests()[1].json()["stream_options"], json!({"include_usage": true, "x_option": 1}));
}

#[tokio::test]
async fn a_stream_in_the_same_format_passes_byte_for_byte() {
    let pair = Pair::lease().await;
    let body = with(
        pair.ask("openai", "say é 你好 ééééé"),
        json!({"stream": true, "stream_options": {"include_usage": true}}),
    );
    for seed in 0..6 {
        for faults in ["extra", "extra+comments+crlf", "every=2"] {
            let faults = format!("{faults}+seed={seed}");
            pair.openai.clear();
            pair.openai.always(&faults);
            let answer = pair.gateway.chat(&body).await;
            let direct = with(body.clone(), json!({"model": pair.model_of("openai")})).to_string();
            let direct = Client::new(pair.openai.port()).bearer("sk").request("POST", CHAT, direct).await.expect("one");
            assert_eq!(answer.text(), direct.text(), "{faults}");
        }
    }
}

/// A request with every kind of header that must not reach a provider.
fn talkative(pair: &Pair) -> Client {
    let private = [
        ("x-api-key", "sk-of-the-client"),
        ("api-key", "sk-of-the-client"),
        ("cookie", "session=secret"),
        ("proxy-authorization", "Basic c2VjcmV0"),
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "inside.example"),
        ("forwarded", "for=203.0.113.7"),
        ("x-real-ip", "203.0.113.7"),
        ("x-envoy-original-path", "/secret"),
        ("x-envoy-external-address", "203.0.113.7"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-sluice-target", "anthropic"),
        ("x-sluice-anything", "1"),
        ("openai-organization", "org-of-the-client"),
        ("referer", "https://inside.example/"),
        ("accept-encoding", "gzip, br"),
    ];
    private.into_iter().fold(pair.gateway.client(), |client, (name, value)| client.header(name, value))
}

/// The names of a request's headers, sorted.
fn names(request: &Recorded) -> Vec<&str> {
    let mut names: Vec<&str> = request.headers.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    names
}

const TO_ALL: [&str; 6] = ["accept", "accept-encoding", "content-length", "content-type", "host", "x-request-id"];

#[tokio::test]
async fn a_provider_gets_its_own_credential_and_nothing_private() {
    let pair = Pair::lease().await;
    let to = |own: &[&'static str]| {
        let mut names: Vec<&str> = TO_ALL.iter().chain(own).copied().collect();
        names.sort_unstable();
        names
    };
    // The first provider fails, so each provider is once the first and once the fallback.
    for (model, first) in [("openai-first", &pair.openai), ("anthropic-first", &pair.anthropic)] {
        for stream in [false, true] {
            pair.openai.clear();
            pair.anthropic.clear();
            first.always("status=503+headers");
            let body = with(pair.ask(model, "hi"), json!({"stream": stream}));
            let answer = talkative(&pair).post(CHAT, &body).await;
            assert_eq!((answer.status, answer.header("x-sluice-attempts")), (200, Some("2")), "{}", answer.text());
            let (openai, anthropic) = (received(&pair.openai), received(&pair.anthropic));
            assert_eq!(names(&openai), to(&["authorization"]));
            assert_eq!(openai.header("authorization"), Some("Bearer sk-openai"));
            assert_eq!(names(&anthropic), to(&["anthropic-version", "x-api-key"]));
            assert_eq!(anthropic.header("x-api-key"), Some("sk-anthropic"));
            for (request, simulator) in [(&openai, &pair.openai), (&anthropic, &pair.anthropic)] {
                let accept = if stream { "text/event-stream" } else { "application/json" };
                assert_eq!(
                    (request.header("accept"), request.header("accept-encoding")),
                    (Some(accept), Some("identity"))
                );
                assert_eq!(request.header("host"), Some(&*format!("127.0.0.1:{}", simulator.port())));
            }
            assert_eq!(openai.header("x-request-id"), anthropic.header("x-request-id"));
            assert_eq!(openai.header("x-request-id"), answer.header("x-request-id"));
        }
    }
}

#[tokio::test]
async fn traces_and_idempotency_keys_go_on_to_the_provider() {
    let pair = Pair::lease().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let client = pair.gateway.client().header("traceparent", parent).header("idempotency-key", "once");
    client.post(CHAT, &pair.ask("openai", "hi")).await;
    let request = received(&pair.openai);
    assert_eq!(request.header("traceparent"), Some(parent));
    // The provider must see another key's equal request as a different one.
    let own = request.header("idempotency-key").expect("one").to_owned();
    assert!(own.starts_with("sluice-") && own != "once", "{own}");
    client.post(CHAT, &pair.ask("openai", "hi")).await;
    assert_eq!(received(&pair.openai).header("idempotency-key"), Some(&*own), "the same is the same again");
}

/// Response headers for the gateway that clients must not receive.
const PRIVATE: [&str; 11] = [
    "set-cookie",
    "content-encoding",
    "x-envoy-upstream-service-time",
    "x-sluice-retry",
    "openai-organization",
    "openai-project",
    "anthropic-organization-id",
    "x-internal-debug",
    "location",
    "access-control-allow-origin",
    "clear-site-data",
];

#[tokio::test]
async fn of_the_providers_headers_only_those_that_mean_something_reach_the_client() {
    let pair = Pair::lease().await;
    pair.openai.always("headers");
    pair.anthropic.always("headers");
    for stream in [false, true] {
        for provider in ["openai", "anthropic"] {
            let answer = pair.gateway.chat(&with(pair.ask(provider, "hi"), json!({"stream": stream}))).await;
            assert_eq!(answer.status, 200);
            for private in PRIVATE {
                assert_eq!(answer.header(private), None, "{private} {provider} {stream}");
            }
            assert_eq!(answer.header("server"), Some("envoy"));
            assert_eq!(answer.headers.get_all("server").iter().count(), 1);
            let id = answer.header("x-request-id").expect("an id");
            assert!(id.len() == 36 && id != "req_sim", "{id}");
            assert_eq!(answer.header("x-sluice-provider"), Some(provider));
            // Rate limit headers of either provider, in the client's format.
            let limits: Vec<&str> = answer.headers.keys().map(|name| name.as_str()).collect();
            let limits: Vec<&str> = limits.into_iter().filter(|name| name.contains("ratelimit")).collect();
            assert!(!limits.is_empty(), "{provider} {stream}: {:?}", answer.headers);
            assert!(limits.iter().all(|name| name.starts_with("x-ratelimit-")), "{provider} {stream}: {limits:?}");
        }
    }
}
