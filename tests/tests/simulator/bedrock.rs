//! Bedrock's format: conversations, Anthropic's bodies, frames, signatures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sluice_tests::client::{Answer, Client};
use sluice_tests::simulator::Simulator;

use crate::{start, with};

fn whole(model: &str) -> String {
    format!("/model/{model}/converse")
}

fn stream(model: &str) -> String {
    format!("/model/{model}/converse-stream")
}

fn asks(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": [{"text": text}]}]})
}

fn weather() -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let spec = json!({"toolSpec": {"name": "get_weather", "description": "d", "inputSchema": {"json": schema}}});
    with(asks("the weather in both cities?"), json!({"toolConfig": {"tools": [spec], "toolChoice": {"auto": {}}}}))
}

fn names(answer: &Answer) -> Vec<String> {
    answer.frames().into_iter().filter_map(|frame| frame.name).collect()
}

#[tokio::test]
async fn converses_in_one_piece() {
    let (simulator, client) = start().await;
    let thinking = json!({"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}});
    let body = with(asks("say hello"), with(thinking, json!({"inferenceConfig": {"maxTokens": 4096}})));
    let answer = client.post(&whole("anthropic.claude-sim-v1%3A0+cached=2"), &body).await;
    assert!(answer.header("x-amzn-requestid").is_some());
    let body = answer.json();
    let content = &body["output"]["message"]["content"];
    assert!(content[0]["reasoningContent"]["reasoningText"]["signature"].is_string());
    assert_eq!((&content[1]["text"], &body["stopReason"]), (&json!("hello"), &json!("end_turn")));
    let used = simulator.requests()[0].used.expect("an answer");
    assert_eq!(body["usage"]["inputTokens"], json!(used.input - 2));
    assert_eq!(body["usage"]["cacheReadInputTokens"], json!(2));
    assert_eq!(body["usage"]["outputTokens"], json!(used.output));
}

#[tokio::test]
async fn streams_in_frames_with_the_usage_last() {
    let (_simulator, client) = start().await;
    let answer = client.post(&stream("m"), &asks("say a b")).await;
    assert_eq!(answer.header("content-type"), Some("application/vnd.amazon.eventstream"));
    let documented =
        ["messageStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"];
    assert_eq!(names(&answer), documented);
    assert_eq!(answer.frames()[5].json()["usage"]["outputTokens"], 1);

    let calls = client.post(&stream("m"), &weather()).await.frames();
    let second = calls.iter().map(|frame| frame.json()).filter(|data| data["contentBlockIndex"] == 2);
    let input = second.map(|data| data["delta"]["toolUse"]["input"].as_str().unwrap_or("").to_owned());
    assert_eq!(input.collect::<String>(), r#"{"city":"Tromsø"}"#);
}

#[tokio::test]
async fn quotes_the_results_of_tools() {
    let (_simulator, client) = start().await;
    let said = client.post(&whole("m"), &weather()).await.json()["output"]["message"].clone();
    let result = |index: usize| json!({"toolResult": {"toolUseId": said["content"][index]["toolUse"]["toolUseId"], "content": [{"text": "3°"}]}});
    let back = |results: Value| {
        let messages = json!([weather()["messages"][0], said, {"role": "user", "content": results}]);
        with(weather(), json!({"messages": messages}))
    };
    let answer = client.post(&whole("m"), &back(json!([result(1), result(2)]))).await.json();
    assert_eq!(answer["output"]["message"]["content"][0]["text"], "The tool says: “3°” and “3°”.");
    let missing = client.post(&whole("m"), &back(json!([result(1)]))).await;
    assert!(missing.text().contains("Expected toolResult blocks at messages.2.content"), "{}", missing.text());
}

#[tokio::test]
async fn refuses_wrong_requests() {
    let (_simulator, client) = start().await;
    let user = asks("hi")["messages"][0].clone();
    let of = |messages: Value| json!({"messages": messages});
    for (body, says) in [
        (json!({}), "messages"),
        (of(json!([user, user])), "alternate"),
        (of(json!([{"role": "assistant", "content": [{"text": "hi"}]}])), "start with a user message"),
        (of(json!([{"role": "user", "content": []}])), "is empty"),
        (of(json!([{"role": "user", "content": [{"text": " "}]}])), "is blank"),
        (of(json!([{"role": "user", "content": [{"type": "text", "text": "x"}]}])), "extraneous key [type]"),
        (with(asks("hi"), json!({"max_tokens": 1})), "extraneous key [max_tokens]"),
        (with(asks("hi"), json!({"inferenceConfig": {"temperature": 2}})), "temperature"),
        (with(asks("hi"), json!({"toolConfig": {"tools": []}})), "toolConfig.tools"),
        (
            of(
                json!([user, {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "f", "input": {}}}]}]),
            ),
            "toolConfig field must be defined",
        ),
        (
            of(json!([{"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": "data:x"}}}]}])),
            "image",
        ),
    ] {
        let answer = client.post(&whole("m"), &body).await;
        let kind = answer.header("x-amzn-errortype").unwrap_or("").split(':').next().map(str::to_owned);
        assert_eq!((answer.status, kind.as_deref()), (400, Some("ValidationException")), "{body}");
        assert!(answer.text().contains(says), "{says}: {}", answer.text());
    }
    let nobody = Client::new(client.port()).post(&whole("m"), &asks("hi")).await;
    assert_eq!((nobody.status, &nobody.json()["message"]), (403, &json!("Missing Authentication Token")));
}

#[tokio::test]
async fn fails_in_streams_with_exceptions() {
    let (_simulator, client) = start().await;
    assert_eq!(names(&client.post(&stream("m+error"), &asks("hi")).await), ["internalServerException"]);
    let later = client.post(&stream("m+error-after=2"), &asks("say a b")).await;
    assert_eq!(names(&later), ["messageStart", "contentBlockDelta", "internalServerException"]);
    let cut = client.post(&stream("m+no-end"), &asks("hi")).await;
    assert_eq!(names(&cut).last().map(String::as_str), Some("contentBlockStop"));
    let throttled = client.post(&stream("m+status=429"), &asks("hi")).await;
    assert!(throttled.header("x-amzn-errortype").is_some_and(|kind| kind.starts_with("ThrottlingException:")));
    let corrupt = client.post(&stream("m+corrupt-after=1"), &asks("hi")).await;
    assert!(std::panic::catch_unwind(|| corrupt.frames()).is_err());
}

#[tokio::test]
async fn invokes_anthropics_models_in_their_format() {
    let (_simulator, client) = start().await;
    let body = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64,
                      "messages": [{"role": "user", "content": "say hello"}]});
    let answer = client.post("/model/anthropic.claude-sim/invoke", &body).await.json();
    assert_eq!(answer["content"][0]["text"], "hello");
    let streamed = "/model/anthropic.claude-sim/invoke-with-response-stream";
    let frames = client.post(streamed, &body).await.frames();
    let last = frames.last().unwrap().json()["bytes"].as_str().map(|bytes| STANDARD.decode(bytes).unwrap()).unwrap();
    let last: Value = serde_json::from_slice(&last).unwrap();
    assert_eq!((&last["type"], frames[0].name.as_deref()), (&json!("message_stop"), Some("chunk")));
    assert_eq!(last["amazon-bedrock-invocationMetrics"]["outputTokenCount"], 2);
    for wrong in [json!({"stream": true}), json!({"model": "m"}), json!({"anthropic_version": "x"})] {
        assert_eq!(client.post(streamed, &with(body.clone(), wrong)).await.status, 400);
    }
}

#[tokio::test]
async fn signatures_are_checked_against_the_keys() {
    let header = "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/bedrock/aws4_request, \
                  SignedHeaders=host;x-amz-date, Signature=00";
    let lax = Simulator::start().await;
    let signed = |port| Client::new(port).header("authorization", header).header("x-amz-date", "20260101T000000Z");
    assert_eq!(signed(lax.port()).post(&whole("m"), &asks("hi")).await.status, 200);
    let strict = Simulator::builder().aws("AKID", "secret").start().await.unwrap();
    let refused = signed(strict.port()).post(&whole("m"), &asks("hi")).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("Signature expired"));
    let other = signed(lax.port()).header("x-amz-date", "20250101T000000Z").post(&whole("m"), &asks("hi")).await;
    assert_eq!(other.status, 403);
}
