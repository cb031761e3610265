//! Scripts, records, and responses for benchmarks.

use serde_json::json;
use sluice_tests::simulator::{Outcome, fixed};

use crate::{OPENAI, both, openai, start, streamed, with};

#[tokio::test]
async fn a_script_goes_before_the_models_name() {
    let (simulator, client) = start().await;
    simulator.script(&["status=500", "ok"]);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client.post(OPENAI, &openai("m+status=418", "hi")).await.status);
    }
    assert_eq!(statuses, [500, 200, 418]);
    simulator.always("status=503");
    assert_eq!(client.post(OPENAI, &openai("m", "hi")).await.status, 503);
    simulator.clear();
    assert_eq!(client.post(OPENAI, &openai("m", "hi")).await.status, 200);
    assert_eq!(simulator.count(), 1);
}

#[tokio::test]
async fn control_over_http() {
    let (_simulator, client) = start().await;
    assert_eq!(client.post("/control", &json!({"next": ["status=500"], "always": "status=503"})).await.status, 200);
    assert_eq!(client.post("/control", &json!({"next": ["nonsense"]})).await.status, 400);
    assert_eq!(client.post(OPENAI, &openai("m", "hi")).await.status, 500);
    assert_eq!(client.post(OPENAI, &openai("m", "hi")).await.status, 503);
    let requests = client.request("GET", "/control/requests", "").await.unwrap().json();
    assert_eq!(requests.as_array().unwrap().len(), 2);
    assert_eq!((&requests[0]["path"], &requests[0]["outcome"]), (&json!(OPENAI), &json!("complete")));
    assert_eq!(client.request("DELETE", "/control", "").await.unwrap().status, 200);
    assert_eq!(client.request("GET", "/control/requests", "").await.unwrap().json(), json!([]));
}

#[tokio::test]
async fn requests_are_recorded_as_they_came() {
    let (simulator, client) = start().await;
    let body = openai("m", "hi").to_string();
    let head = format!(
        "POST {OPENAI} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\nx-odd: \u{e9}\r\nx-two: 1\r\nx-two: 2\r\n"
    );
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(format!("content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).as_bytes());
    assert!(client.raw(&bytes).await.starts_with(b"HTTP/1.1 200"));
    let request = simulator.settled(1).await.remove(0);
    assert_eq!((request.method.as_str(), request.path.as_str(), request.outcome), ("POST", OPENAI, Outcome::Complete));
    assert_eq!(request.body, body);
    assert!(request.headers.contains(&("x-odd".to_owned(), "é".as_bytes().to_vec())));
    assert_eq!(request.headers.iter().filter(|(name, _)| name == "x-two").count(), 2);
}

/// The send time of each event of a benchmark's paced stream, in nanoseconds since 1970, from its text.
fn left_at(text: &str) -> Vec<u64> {
    let (events, rest) = text.as_bytes().as_chunks::<{ fixed::CONTENT }>();
    assert!(rest.is_empty(), "{text}");
    let stamps = events.iter().map(|event| {
        let (stamp, words) = event.split_at(20);
        assert!(fixed::TEXT.as_bytes().ends_with(words), "{text}");
        std::str::from_utf8(stamp).unwrap().strip_prefix('@').unwrap().parse().unwrap()
    });
    let stamps: Vec<u64> = stamps.collect();
    assert!(stamps.is_sorted_by(|one, next| one < next), "{text}");
    stamps
}

#[tokio::test]
async fn benchmarks_get_prepared_answers() {
    let (simulator, client) = start().await;
    for (path, body) in both(fixed::MODEL, "hi") {
        let answer = client.post(path, &body).await;
        assert_eq!((answer.body.len(), answer.json()["model"].as_str()), (fixed::BODY, Some(fixed::MODEL)));
        for (model, events) in [("bench", 200), ("bench+tokens=7", 7), ("bench+tokens=7+burst", 7)] {
            let body = with(streamed(body.clone()), json!({"model": model, "stream_options": {"include_usage": true}}));
            let answer = client.post(path, &body).await;
            assert_eq!(answer.streamed_text().len(), events * fixed::CONTENT, "{path} {model}");
            assert!(answer.text().contains(&format!("_tokens\":{}", events * 10)));
            assert!(answer.events().iter().all(|event| event.data == "[DONE]" || event.json().is_object()));
        }
        let paced = with(streamed(body.clone()), json!({"model": "bench+tokens=3+every=2"}));
        assert_eq!(left_at(&client.post(path, &paced).await.streamed_text()).len(), 3, "{path}");
    }
    assert!(simulator.requests().is_empty());
}
