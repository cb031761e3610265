//! The filter's calls to Envoy, and its contexts, under errors: Envoy rejects a call, core returns too many effects, or a context does not
//! know its request. In every case nothing forbidden is forwarded, and the process survives.
//!
//! A test module runs the defect that a header requests, in one callback of one role (`filter/wasm/src/trap.rs`).

use std::ops::Deref;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_tests::client::Answer;
use sluice_tests::gateway::KEY;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::recovery::trap_module;
use crate::{CHAT, Pair, ask, refusal, said, with};

/// The model's text: it must not reach the client of a failed request.
const SECRET: &str = "sesame-4711";

/// The callbacks before the response leaves: a defect there gives the client an error.
const BEFORE: [&str; 7] = [
    "gateway.request_headers",
    "gateway.request_end",
    "provider.request_headers",
    "provider.request_end",
    "provider.response_headers",
    "provider.response_end",
    "gateway.response_headers",
];

/// The callbacks after the request.
const AFTER: [&str; 3] = ["gateway.log", "gateway.done", "provider.done"];

/// A gateway with that module, for one test.
struct Trapped {
    pair: Pair,
    _turn: SemaphorePermit<'static>,
}

impl Deref for Trapped {
    type Target = Pair;

    fn deref(&self) -> &Pair {
        &self.pair
    }
}

async fn pair() -> Trapped {
    // All tests here need such a gateway at once, and waiting for one is cheaper than more processes.
    static TURNS: Semaphore = Semaphore::const_new(2);
    let turn = TURNS.acquire().await.expect("turns for ever");
    let module = trap_module();
    // A guardrail masks text in a body that replaces the client's.
    let guards = json!({"mail": {"detect": ["email"], "on": ["prompts"], "action": "mask"}});
    let pair = Pair::with(|builder| {
        let builder = builder.module(&module);
        builder.concurrency(1).with(json!({"guards": guards}))
    })
    .await;
    Trapped { pair, _turn: turn }
}

/// Sends an OpenAI request with a defect. The response is translated, so headers and bodies are replaced in both directions.
async fn asked(pair: &Pair, defect: &str, stream: bool) -> Answer {
    asked_for("anthropic", pair, defect, stream).await
}

/// Sends a request with a defect to this model.
async fn asked_for(model: &str, pair: &Pair, defect: &str, stream: bool) -> Answer {
    pair.openai.clear();
    pair.anthropic.clear();
    let body = with(ask(model, &format!("say {SECRET}")), json!({"stream": stream}));
    let client = pair.gateway.client().header("x-sluice-trap", defect);
    match client.request("POST", CHAT, body.to_string()).await {
        Ok(answer) => answer,
        // The connection was closed before a response.
        Err(_) => Answer { status: 0, headers: Default::default(), body: Default::default(), complete: false },
    }
}

/// Asserts that the process is alive and serves the next request.
async fn lives(pair: &Pair, context: &str) {
    assert!(pair.gateway.alive(), "{context}: {}", pair.gateway.errors());
    let answer = pair.gateway.chat(&ask("openai", "say hi")).await;
    assert_eq!((answer.status, &*said(&answer)), (200, "hi"), "{context}: {}", answer.text());
}

/// The log line of the request with the defect, after `before` other lines.
async fn line(pair: &Pair, before: usize) -> Value {
    pair.gateway.log_lines(before + 1).await.swap_remove(before)
}

#[tokio::test]
async fn whatever_is_decided_beyond_what_envoy_bears_the_client_reads_an_error() {
    let pair = pair().await;
    for place in BEFORE {
        for deed in ["effects.reply", "effects.body", "effects.body:64"] {
            let context = format!("{place}={deed}");
            let answer = asked(&pair, &context, false).await;
            let (status, code) = refusal(&answer);
            assert!(status >= 500, "{context}: {}", answer.text());
            assert_eq!(code == "gateway_failed", deed.starts_with("effects.body"), "{context}: {}", answer.text());
            assert!(!answer.text().contains(SECRET), "{context}: {}", answer.text());
            lives(&pair, &context).await;
        }
    }
    for place in AFTER {
        for deed in ["effects.body", "effects.header", "effects.headers"] {
            let context = format!("{place}={deed}");
            let answer = asked(&pair, &context, false).await;
            assert_eq!((answer.status, &*said(&answer)), (200, SECRET), "{context}: {}", answer.text());
            lives(&pair, &context).await;
        }
    }
}

#[tokio::test]
async fn a_stream_that_has_begun_is_cut_by_a_reply_and_ends_no_process() {
    let pair = pair().await;
    for deed in ["effects.reply", "effects.body", "refuse.replacing-the-body", "fresh", "borrow"] {
        let context = format!("provider.flowing={deed}");
        pair.anthropic.clear();
        pair.anthropic.always("pause-after=5");
        let answer = asked_in_pieces(&pair, &context).await;
        assert_eq!(answer.status, 200, "{context}");
        assert!(!answer.complete && !answer.text().contains("[DONE]"), "{context}: {}", answer.text());
        lives(&pair, &context).await;
    }
}

/// A stream that continues after the client has read its beginning.
async fn asked_in_pieces(pair: &Pair, defect: &str) -> Answer {
    let body = with(ask("anthropic", "say one two three four five six"), json!({"stream": true}));
    let client = pair.gateway.client().header("x-sluice-trap", defect);
    client.post_begun(CHAT, &body, || pair.anthropic.go_on()).await
}

#[tokio::test]
async fn what_envoy_refuses_to_change_goes_no_further() {
    let pair = pair().await;
    // The defect, and whether the provider may have received the request.
    for (defect, may_ask) in [
        ("gateway.request_headers=refuse.reading-the-headers", false),
        ("gateway.request_end=refuse.reading-the-body", false),
        ("gateway.request_end=refuse.setting-a-property", false),
        ("gateway.request_end=refuse.choosing-the-route-anew", false),
        ("provider.request_headers=refuse.replacing-the-headers", false),
        ("provider.request_headers=refuse.setting-a-property", false),
        ("provider.request_end=refuse.replacing-the-body", true),
        ("provider.response_headers=refuse.reading-the-headers", true),
        ("provider.response_headers=refuse.replacing-the-headers", true),
        ("provider.response_end=refuse.reading-the-body", true),
        ("provider.response_end=refuse.replacing-the-body", true),
    ] {
        for stream in [false, true] {
            // A stream has nothing left to replace at its end.
            if defect.contains("response_end") && stream {
                continue;
            }
            let before = pair.gateway.quiet().await.len();
            // An attempt sets a property only if another target follows.
            let sets = defect.starts_with("provider") && defect.ends_with("setting-a-property");
            let model = if sets { "anthropic-first" } else { "anthropic" };
            let answer = asked_for(model, &pair, defect, stream).await;
            assert_eq!(refusal(&answer), (500, "gateway_failed".to_owned()), "{defect}: {}", answer.text());
            assert!(!answer.text().contains(SECRET), "{defect}: {}", answer.text());
            let requests = pair.anthropic.requests();
            assert!(may_ask || requests.is_empty(), "{defect}: {requests:?}");
            // A provider never sees the client's original request.
            let shown = format!("{requests:?}");
            assert!(!shown.contains(KEY) && !shown.contains("/v1/chat/completions"), "{defect}: {shown}");
            let line = line(&pair, before).await;
            assert_eq!(line["error"], "gateway_failed", "{defect}: {line}");
            lives(&pair, defect).await;
        }
    }
}

#[tokio::test]
async fn a_prompt_that_could_not_be_masked_does_not_leave() {
    let pair = pair().await;
    for (defect, refused) in [("none.of=these", false), ("gateway.request_end=refuse.replacing-the-body", true)] {
        pair.openai.clear();
        let client = pair.gateway.client().header("x-sluice-trap", defect);
        let answer = client.post(CHAT, &ask("openai", "say hi to alice@example.com")).await;
        let shown = format!("{:?}", pair.openai.requests());
        assert!(!shown.contains("alice@"), "{defect}: {shown}");
        if refused {
            assert_eq!(refusal(&answer), (500, "gateway_failed".to_owned()));
            assert!(pair.openai.requests().is_empty());
        } else {
            assert_eq!((answer.status, answer.header("x-sluice-masked")), (200, Some("email")), "{}", answer.text());
        }
        lives(&pair, defect).await;
    }
}

#[tokio::test]
async fn a_context_that_does_not_know_its_request_lets_nothing_pass() {
    let pair = pair().await;
    for (stream, place) in [
        (false, "provider.request_end"),
        (false, "provider.response_headers"),
        (false, "provider.response_end"),
        (false, "gateway.response_headers"),
        (true, "provider.request_end"),
        (true, "provider.response_headers"),
        (true, "provider.response_body"),
        (true, "gateway.response_headers"),
    ] {
        for deed in ["fresh", "borrow"] {
            let context = format!("{place}={deed}");
            let answer = asked(&pair, &context, stream).await;
            assert!(refusal(&answer).0 >= 500, "{context}: {}", answer.text());
            assert!(!answer.text().contains(SECRET), "{context}: {}", answer.text());
            let shown = format!("{:?}", pair.anthropic.requests());
            assert!(!shown.contains(KEY) && !shown.contains("/v1/chat/completions"), "{context}: {shown}");
            lives(&pair, &context).await;
        }
    }
}

/// Host calls at the wrong time that Envoy tolerates, by callback. It does not tolerate these: two replies from one response callback, a
/// reply or a closed stream after the request, continuing a response that does not exist, and a response body above the buffer limit. The
/// tests above show that the filter makes none of them.
const BORNE: [(&[&str], &[&str]); 4] = [
    (
        &["gateway.request_headers", "gateway.request_end", "provider.request_headers", "provider.request_end"],
        &[
            "reply",
            "replies",
            "large-reply",
            "close-request",
            "close-response",
            "continue-request",
            "body",
            "request-headers",
            "no-request-headers",
            "response-headers",
            "no-path",
        ],
    ),
    (
        &["provider.response_headers", "provider.response_end", "gateway.response_headers", "gateway.response_end"],
        &[
            "reply",
            "large-reply",
            "close-request",
            "close-response",
            "continue-request",
            "continue-response",
            "response-headers",
            "no-response-headers",
            "no-status",
        ],
    ),
    (&AFTER, &["body", "response-headers", "continue-request", "continue-response"]),
    (
        &[
            "gateway.request_headers",
            "gateway.request_end",
            "gateway.response_headers",
            "gateway.response_end",
            "gateway.log",
            "gateway.done",
            "provider.request_headers",
            "provider.request_end",
            "provider.response_headers",
            "provider.response_end",
            "provider.done",
        ],
        &["call", "enter", "route", "property", "response-header", "trailer"],
    ),
];

#[tokio::test]
async fn envoy_bears_host_calls_at_the_wrong_time() {
    let pair = pair().await;
    for (places, deeds) in BORNE {
        for (place, deed) in places.iter().flat_map(|place| deeds.iter().map(move |deed| (place, deed))) {
            let context = format!("{place}={deed}");
            // Some requests never get a response, for example after continuing too early. Their clients disconnect.
            let _ = tokio::time::timeout(Duration::from_millis(500), asked(&pair, &context, false)).await;
            lives(&pair, &context).await;
        }
    }
}
