//! The filter's calls to Envoy, and its contexts, when something is wrong with them: Envoy refuses a call, core decides too much,
//! a context does not know its request. Whatever it is, nothing passes that should not, and the process lives on.
//!
//! A module made for these tests does what a header asks for, in one callback of one role (`filter/wasm/src/trap.rs`).

use std::ops::Deref;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_tests::client::Answer;
use sluice_tests::gateway::KEY;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::recovery::trap_module;
use crate::{CHAT, Pair, ask, refusal, said, with};

/// What the model says: nobody may read it of a request that was ended.
const SECRET: &str = "sesame-4711";

/// Where a request is, and an answer before it has left: what goes wrong there is an error that the client reads.
const BEFORE: [&str; 7] = [
    "gateway.request_headers",
    "gateway.request_end",
    "provider.request_headers",
    "provider.request_end",
    "provider.response_headers",
    "provider.response_end",
    "gateway.response_headers",
];

/// Where the request is over.
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
    // As all tests here want one at the same time: to wait for another's is cheaper than to start one.
    static TURNS: Semaphore = Semaphore::const_new(2);
    let turn = TURNS.acquire().await.expect("turns for ever");
    let module = trap_module();
    // What a guardrail has masked is in a body that replaces the client's.
    let guards = json!({"mail": {"detect": ["email"], "on": ["prompts"], "action": "mask"}});
    let pair = Pair::with(|builder| {
        let builder = builder.module(&module);
        builder.concurrency(1).with(json!({"guards": guards}))
    })
    .await;
    Trapped { pair, _turn: turn }
}

/// Asks with a defect. A client of OpenAI's, whose answer is translated: headers and bodies are replaced in both directions.
async fn asked(pair: &Pair, defect: &str, stream: bool) -> Answer {
    asked_for("anthropic", pair, defect, stream).await
}

/// The same for this model.
async fn asked_for(model: &str, pair: &Pair, defect: &str, stream: bool) -> Answer {
    pair.openai.clear();
    pair.anthropic.clear();
    let body = with(ask(model, &format!("say {SECRET}")), json!({"stream": stream}));
    let client = pair.gateway.client().header("x-sluice-trap", defect);
    match client.request("POST", CHAT, body.to_string()).await {
        Ok(answer) => answer,
        // The connection was closed before there was an answer.
        Err(_) => Answer { status: 0, headers: Default::default(), body: Default::default(), complete: false },
    }
}

/// The process lives, and serves who comes next.
async fn lives(pair: &Pair, context: &str) {
    assert!(pair.gateway.alive(), "{context}: {}", pair.gateway.errors());
    let answer = pair.gateway.chat(&ask("openai", "say hi")).await;
    assert_eq!((answer.status, &*said(&answer)), (200, "hi"), "{context}: {}", answer.text());
}

/// The log's line of the request with the defect, once there is one more than `before`.
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

/// A stream whose rest comes when its beginning has been read.
async fn asked_in_pieces(pair: &Pair, defect: &str) -> Answer {
    let body = with(ask("anthropic", "say one two three four five six"), json!({"stream": true}));
    let client = pair.gateway.client().header("x-sluice-trap", defect);
    client.post_begun(CHAT, &body, || pair.anthropic.go_on()).await
}

#[tokio::test]
async fn what_envoy_refuses_to_change_goes_no_further() {
    let pair = pair().await;
    // The defect, and whether the provider may have been asked.
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
            // At its end a stream has nothing left to replace.
            if defect.contains("response_end") && stream {
                continue;
            }
            let before = pair.gateway.quiet().await.len();
            // An attempt tells Envoy which target comes next, where another one does.
            let sets = defect.starts_with("provider") && defect.ends_with("setting-a-property");
            let model = if sets { "anthropic-first" } else { "anthropic" };
            let answer = asked_for(model, &pair, defect, stream).await;
            assert_eq!(refusal(&answer), (500, "gateway_failed".to_owned()), "{defect}: {}", answer.text());
            assert!(!answer.text().contains(SECRET), "{defect}: {}", answer.text());
            let requests = pair.anthropic.requests();
            assert!(may_ask || requests.is_empty(), "{defect}: {requests:?}");
            // Of the client's own request a provider has seen nothing.
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

/// Host calls at the wrong time that Envoy bears, by where they are made. It does not bear these: two replies from one callback of an
/// answer, a reply or a closed stream when a request is over, an answer told to move on that is not here, and a body of an answer that
/// passes the buffer's limit. The tests above show that the filter makes none of them.
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
            // Some are never answered, as what was told to move on too early: their clients leave.
            let _ = tokio::time::timeout(Duration::from_millis(500), asked(&pair, &context, false)).await;
            lives(&pair, &context).await;
        }
    }
}
