//! Gemini's format.

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Client};

use crate::{start, with};

fn path(model: &str) -> String {
    format!("/v1beta/models/{model}:generateContent")
}

fn streaming(model: &str) -> String {
    format!("/v1beta/models/{model}:streamGenerateContent?alt=sse")
}

fn asks(text: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": text}]}]})
}

fn weather() -> Value {
    let schema = json!({"type": "OBJECT", "properties": {"city": {"type": "STRING"}}});
    with(
        asks("the weather in both cities?"),
        json!({"tools": [{"functionDeclarations": [{"name": "get_weather", "parameters": schema}]}]}),
    )
}

fn parts(answer: &Answer) -> Value {
    answer.json()["candidates"][0]["content"]["parts"].clone()
}

#[tokio::test]
async fn answers_in_one_piece_with_thoughts_and_counts() {
    let (simulator, client) = start().await;
    let config = json!({"generationConfig": {"thinkingConfig": {"includeThoughts": true, "thinkingBudget": 512}}});
    let answer = client.post(&path("gemini-2.5-sim+cached=1"), &with(asks("say hello"), config)).await;
    let body = answer.json();
    assert_eq!((&parts(&answer)[0]["thought"], &parts(&answer)[1]["text"]), (&json!(true), &json!("hello")));
    assert_eq!(body["candidates"][0]["finishReason"], "STOP");
    let usage = &body["usageMetadata"];
    let used = simulator.requests()[0].used.expect("an answer");
    assert_eq!((&usage["promptTokenCount"], &usage["cachedContentTokenCount"]), (&json!(3), &json!(1)));
    assert_eq!(usage["thoughtsTokenCount"], json!(used.thinking));
    assert_eq!(usage["candidatesTokenCount"], json!(used.output - used.thinking));
}

#[tokio::test]
async fn streams_as_events_or_as_an_array() {
    let (_simulator, client) = start().await;
    let events = client.post(&streaming("gemini-sim"), &asks("say a b")).await.events();
    let texts = events.iter().map(|event| event.json()["candidates"][0]["content"]["parts"][0]["text"].clone());
    assert_eq!(texts.collect::<Vec<_>>(), ["a ", "b", ""]);
    assert_eq!(events[2].json()["candidates"][0]["finishReason"], "STOP");
    let counts = events.iter().map(|event| event.json()["usageMetadata"]["candidatesTokenCount"].clone());
    assert_eq!(counts.collect::<Vec<_>>(), [json!(1), json!(1), json!(1)]);

    let array = "/v1beta/models/gemini-sim:streamGenerateContent";
    assert_eq!(client.post(array, &asks("say a b")).await.json().as_array().map(Vec::len), Some(3));
    let refused = client.post(array, &json!({})).await;
    assert_eq!((refused.status, &refused.json()[0]["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
}

#[tokio::test]
async fn calls_are_signed_and_their_signatures_wanted_back() {
    let (_simulator, client) = start().await;
    for (model, signed) in [("gemini-2.5-sim", false), ("gemini-3-sim", true)] {
        let said = parts(&client.post(&path(model), &weather()).await);
        assert_eq!(said[1]["functionCall"]["args"], json!({"city": "Oslo"}));
        assert_eq!(said[2]["functionCall"]["args"], json!({"city": "Tromsø"}));
        assert_eq!((said[1]["thoughtSignature"].is_string(), said[2]["thoughtSignature"].is_string()), (signed, false));
        let response = json!({"functionResponse": {"name": "get_weather", "response": {"output": "3°"}}});
        let back = |said: &Value, responses: Value| {
            let contents = json!([weather()["contents"][0], {"role": "model", "parts": said}, {"role": "user", "parts": responses}]);
            with(weather(), json!({"contents": contents}))
        };
        let answer = client.post(&path(model), &back(&said, json!([response, response]))).await;
        assert_eq!(parts(&answer)[0]["text"], "The tool says: “3°” and “3°”.");
        let refused = client.post(&path(model), &back(&said, json!([response]))).await;
        assert!(refused.text().contains("number of function response parts"), "{}", refused.text());
        let mut unsigned = said.clone();
        unsigned[1].as_object_mut().unwrap().remove("thoughtSignature");
        let answer = client.post(&path(model), &back(&unsigned, json!([response, response]))).await;
        assert_eq!(answer.status, if signed { 400 } else { 200 });
        unsigned[1]["thoughtSignature"] = json!("skip_thought_signature_validator");
        assert_eq!(client.post(&path(model), &back(&unsigned, json!([response, response]))).await.status, 200);
        unsigned[1]["thoughtSignature"] = json!("another");
        let answer = client.post(&path(model), &back(&unsigned, json!([response, response]))).await;
        assert!(answer.text().contains("Corrupted thought signature"));
    }
}

#[tokio::test]
async fn refuses_wrong_requests() {
    let (_simulator, client) = start().await;
    let config = |config: Value| with(asks("hi"), json!({"generationConfig": config}));
    let of = |contents: Value| json!({"contents": contents});
    for (body, says) in [
        (json!({}), "contents is not specified"),
        (with(asks("hi"), json!({"stream": true})), "Unknown name \\\"stream\\\": Cannot find field"),
        (config(json!({"max_tokens": 1})), "at 'generation_config'"),
        (config(json!({"temperature": 3})), "range [0, 2]"),
        (config(json!({"candidateCount": 9})), "candidateCount value of 9"),
        (config(json!({"presencePenalty": 2})), "2 (exclusive)"),
        (config(json!({"topK": 0})), "1 (inclusive)"),
        (config(json!({"responseSchema": {"type": "OBJECT"}})), "response mime type"),
        (config(json!({"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}})), "only one of"),
        (config(json!({"stopSequences": ["1", "2", "3", "4", "5", "6"]})), "stop sequences"),
        (of(json!([{"role": "assistant", "parts": [{"text": "hi"}]}])), "valid role"),
        (of(json!([{"role": "user", "parts": []}])), "must not be empty"),
        (of(json!([{"role": "user", "parts": [{"thought": true}]}])), "required oneof field"),
        (of(json!([{"role": "model", "parts": [{"text": "hi"}]}])), "end with a user role"),
        (
            with(
                weather(),
                json!({"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"$schema": "x", "type": "object",
                "properties": {"a": {"additionalProperties": false}}}}]}]}),
            ),
            "parameters.properties[0].value'",
        ),
        (with(asks("hi"), json!({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}})), "function_declarations"),
    ] {
        let answer = client.post(&path("gemini-sim"), &body).await;
        assert_eq!((answer.status, &answer.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")), "{body}");
        assert!(answer.text().contains(says), "{says}: {}", answer.text());
    }
    let snake =
        json!({"contents": asks("say hi")["contents"], "system_instruction": {"parts": [{"text": "Be brief."}]}});
    assert_eq!(parts(&client.post(&path("gemini-sim"), &snake).await)[0]["text"], "hi");
    let unknown = Client::new(client.port()).post(&path("gemini-sim"), &asks("hi")).await;
    assert_eq!((unknown.status, &unknown.json()["error"]["status"]), (403, &json!("PERMISSION_DENIED")));
}

#[tokio::test]
async fn limits_blocks_and_faults_are_googles() {
    let (_simulator, client) = start().await;
    let limited = client.post(&streaming("m+status=429+retry-after=26"), &asks("hi")).await;
    let error = limited.json()["error"].clone();
    assert_eq!((limited.header("retry-after"), &error["status"]), (None, &json!("RESOURCE_EXHAUSTED")));
    assert_eq!(error["details"][1]["retryDelay"], "26s");
    let blocked = client.post(&path("m+filter"), &asks("hi")).await;
    assert_eq!((blocked.status, &blocked.json()["promptFeedback"]["blockReason"]), (200, &json!("PROHIBITED_CONTENT")));
    assert!(client.post(&streaming("m+filter"), &asks("hi")).await.events()[0].json()["candidates"].is_null());
    let cut = client.post(&streaming("m+no-end"), &asks("hi")).await;
    assert!(!cut.text().contains("finishReason"));
    let failed = client.post(&streaming("m+error-after=1"), &asks("hi")).await.events();
    assert_eq!((failed.len(), &failed[1].json()["error"]["code"]), (2, &json!(503)));
}

#[tokio::test]
async fn sees_images_and_follows_schemas() {
    let (_simulator, client) = start().await;
    let image = json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}});
    let seen = json!({"contents": [{"role": "user", "parts": [{"text": "look"}, image]}]});
    let answer = parts(&client.post(&path("m"), &seen).await);
    assert_eq!(answer[0]["text"], "You said: “look”, and showed image/png of 8 bytes.");
    let schema = json!({"type": "OBJECT", "properties": {"city": {"type": "STRING"}}});
    let config = json!({"generationConfig": {"responseMimeType": "application/json", "responseSchema": schema}});
    assert_eq!(parts(&client.post(&path("m"), &with(asks("hi"), config)).await)[0]["text"], r#"{"city":"Oslo"}"#);
}

#[tokio::test]
async fn embeds_in_batches() {
    let (_simulator, client) = start().await;
    let request = json!({"model": "models/m", "content": {"parts": [{"text": "hello"}]}, "outputDimensionality": 3});
    let path = "/v1beta/models/m:batchEmbedContents";
    let answer = client.post(path, &json!({"requests": [request, request]})).await.json();
    assert_eq!(answer["embeddings"][1]["values"].as_array().map(Vec::len), Some(3));
    assert_eq!(client.post(path, &json!({"requests": [with(request, json!({"n": 1}))]})).await.status, 400);
}
