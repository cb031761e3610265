//! The simulator's usage of each response, and responses that wait for a test.

use serde_json::json;
use sluice_tests::simulator::Outcome;
use sluice_tests::until;

use crate::{both, start, streamed, with};

#[tokio::test]
async fn an_answer_used_what_its_provider_counted_whether_it_tells_or_not() {
    let (simulator, client) = start().await;
    for faults in ["ok", "tokens=9", "no-usage", "every=1"] {
        for stream in [false, true] {
            for (path, body) in both("m", "say 12345678") {
                simulator.clear();
                simulator.always(faults);
                client.post(path, &with(body, json!({"stream": stream}))).await;
                let used = simulator.settled(1).await[0].used.expect("an answer");
                assert_eq!((used.input, used.output), (3, if faults == "tokens=9" { 9 } else { 2 }), "{faults} {path}");
            }
        }
    }
    for (path, body) in both("m+status=500", "hi") {
        simulator.clear();
        client.post(path, &body).await;
        assert_eq!(simulator.settled(1).await[0].used, None);
    }
}

#[tokio::test]
async fn a_stream_that_ends_early_used_its_prompt_and_what_went_out() {
    let (simulator, client) = start().await;
    for (path, body) in both("m", "say 12345678") {
        // One event precedes OpenAI's text, and three precede Anthropic's.
        let events = if path.ends_with("messages") { 3 + 4 } else { 1 + 4 };
        for (fault, outcome) in
            [("stall", Outcome::Cancelled), ("close", Outcome::BrokenOff), ("eof", Outcome::Complete)]
        {
            for cut in ["", "+whole", "+burst", "+every=1"] {
                simulator.clear();
                simulator.always(&format!("tokens=20+{fault}-after={events}{cut}"));
                let mut open = client.open("POST", path, streamed(body.clone()).to_string()).await.expect("an answer");
                let mut text = String::new();
                while !text.contains("03 ") {
                    let bytes = open.next().await.expect("no error yet").expect("no end yet");
                    text += &String::from_utf8_lossy(&bytes);
                }
                drop(open);
                let request = simulator.settled(1).await.remove(0);
                let used = request.used.expect("an answer");
                // A client that has read the last token may disconnect before its provider reaches the planned end.
                let ended = request.outcome == outcome || request.outcome == Outcome::Cancelled;
                assert!(ended && (used.input, used.output) == (3, 4), "{path} {fault}{cut}: {request:?}");
            }
        }
    }
}

#[tokio::test]
async fn held_answers_wait_until_they_are_released() {
    let (simulator, client) = start().await;
    simulator.hold();
    let (path, body) = both("m", "hi").into_iter().next().expect("two");
    let waiting = tokio::spawn(async move { client.post(path, &body).await.status });
    until("the request to arrive", || simulator.requests().pop()).await;
    assert_eq!(simulator.requests()[0].outcome, Outcome::Answering);
    assert!(!waiting.is_finished());
    simulator.release();
    assert_eq!(waiting.await.expect("no panic"), 200);
}
