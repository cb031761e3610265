//! Traces as a collector receives them.

use serde_json::{Value, json};
use sluice_tests::collector::{Collector, Event, Span, TOKEN};
use sluice_tests::eventually;
use sluice_tests::gateway::Builder;
use sluice_tests::shared::{self, Fixture, Shared};

use crate::{CHAT, Pair, ask, with};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A pair with tracing.
struct Traced {
    pair: Pair,
    collector: Collector,
}

static TRACED: Shared<Traced> = Shared::new(1, || Box::pin(Traced::with(json!({}))));

impl Traced {
    async fn with(more: Value) -> Self {
        Self::presenting(TOKEN, more, json!({})).await
    }

    /// A pair with this token, and more in `tracing` and in the gateway file.
    async fn presenting(token: &str, more: Value, file: Value) -> Self {
        let collector = Collector::start().await;
        let secret = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(secret.path(), token).expect("a file to write to");
        let tracing = json!({"url": collector.url(), "token": {"file": secret.path()}});
        let tracing = json!({"tracing": with(tracing, more), "circuit": {"failures": 1000}});
        let settings =
            |builder: Builder| builder.timeout("answer", "3s").timeout("idle", "3s").with(tracing).with(file);
        let pair = Pair::with(settings).await;
        Self { pair, collector }
    }
}

impl Fixture for Traced {
    /// An earlier test's requests have other traces.
    async fn renew(&mut self) -> bool {
        shared::renew(&mut self.pair.gateway, &[&self.pair.openai, &self.pair.anthropic]).await;
        true
    }
}

/// The spans of the request in log line `lines`: its own span, and one for each attempt. All have the line's trace id.
async fn spans(pair: &Pair, collector: &Collector, lines: usize) -> (Span, Vec<Span>) {
    let line = &pair.gateway.log_lines(lines).await[lines - 1];
    let attempts = line["attempts"].as_u64().and_then(|count| usize::try_from(count).ok()).expect("a number");
    let (own, attempts_spans) = collector.request(line["request_id"].as_str().expect("an id"), attempts).await;
    assert_eq!((own.kind, attempts_spans.len()), (2, attempts), "{attempts_spans:?}");
    for span in &attempts_spans {
        assert_eq!(span.kind, 3);
        assert!(own.start <= span.start && span.start <= span.end && span.end <= own.end, "{span:?} in {own:?}");
    }
    for span in attempts_spans.iter().chain([&own]) {
        assert_eq!(line["trace_id"], *span.trace, "{span:?}");
    }
    (own, attempts_spans)
}

#[track_caller]
fn tagged(span: &Span, expected: &[(&str, Option<&str>)]) {
    for (name, value) in expected {
        assert_eq!(span.tag(name), *value, "{name} in {span:?}");
    }
}

/// The events of a span: their names, and the values of their attributes in the order of the names.
fn told(span: &Span) -> Vec<String> {
    let event = |event: &Event| {
        let values: Vec<&str> = event.tags.values().map(String::as_str).collect();
        format!("{}: {}", event.name, values.join(", "))
    };
    assert!(span.events.iter().all(|event| (span.start..=span.end).contains(&event.time)), "{span:?}");
    span.events.iter().map(event).collect()
}

#[tokio::test]
async fn a_trace_tells_asked_and_served_and_why_each_attempt_failed() {
    let traced = TRACED.lease().await;
    let Traced { pair, collector } = &*traced;
    let parent = format!("00-{TRACE}-{CALLER}-01");
    for (index, (fault, reason, status)) in
        [("status=503", "status_503", "503"), ("error", "error_in_answer", "200")].into_iter().enumerate()
    {
        pair.openai.script(&[fault]);
        let client = pair.gateway.client().header("traceparent", &parent).header("tracestate", "a=b");
        let body = with(ask("openai-first", "swordfish"), json!({"stream": status == "200"}));
        let answer = client.post(CHAT, &body).await;
        assert_eq!((answer.status, answer.header("x-sluice-provider")), (200, Some("anthropic")));
        let (own, attempts) = spans(pair, collector, index + 1).await;
        assert_eq!((&*own.trace, &*own.parent, own.failed), (TRACE, CALLER, false));
        assert_eq!(own.name, "chat openai-first");
        let streamed = Some("true").filter(|_| status == "200");
        let asked = [
            ("gen_ai.request.model", Some("openai-first")),
            ("gen_ai.request.stream", streamed),
            ("sluice.strategy", Some("fallback")),
            ("sluice.key", Some("test")),
            ("sluice.team", Some("test")),
        ];
        let served = [
            ("gen_ai.response.model", Some("claude-sim")),
            ("gen_ai.provider.name", Some("anthropic")),
            ("gen_ai.response.finish_reasons", Some("stop")),
            ("sluice.provider", Some("anthropic")),
            ("error.type", None),
            ("http.response.status_code", Some("200")),
        ];
        tagged(&own, &asked);
        tagged(&own, &served);
        tagged(&own, &[("sluice.attempts", Some("2"))]);
        assert!(own.tag("gen_ai.usage.input_tokens").is_some_and(|tokens| tokens != "0"), "{own:?}");
        assert_eq!(told(&own), [format!("sluice.fallback: openai/gpt-sim, {reason}, anthropic/claude-sim")]);

        let [failed, good] = attempts.as_slice() else { panic!("{attempts:?}") };
        assert_eq!((&*failed.name, failed.failed), ("chat gpt-sim", true));
        let reason = ("error.type", Some(reason));
        tagged(failed, &[("sluice.provider", Some("openai")), ("http.response.status_code", Some(status)), reason]);
        assert_eq!((&*good.name, good.failed), ("chat claude-sim", false));
        tagged(good, &served);
        tagged(good, &[("server.address", Some("127.0.0.1"))]);

        for (provider, span) in [("openai", failed), ("anthropic", good)] {
            let asked = pair.simulator(provider).settled(index + 1).await;
            let parents = asked[index].headers.iter().filter(|(name, _)| name == "traceparent");
            let parents: Vec<_> = parents.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect();
            assert_eq!(parents, [format!("00-{TRACE}-{}-01", span.id)], "{provider}");
            assert_eq!(asked[index].header("tracestate"), None, "it may say whose request it is");
        }
    }
    assert!(!format!("{:?}", collector.spans()).contains("swordfish"));
}

#[tokio::test]
async fn the_span_of_a_request_that_failed_says_why() {
    let traced = TRACED.lease().await;
    let Traced { pair, collector } = &*traced;
    // A query may contain a key, so it is not exported.
    pair.gateway.client().post(&format!("{CHAT}?api_key=swordfish"), &ask("nothing", "hi")).await;
    let (refused, _) = spans(pair, collector, 1).await;
    assert_eq!((&*refused.parent, refused.failed), ("", true));
    let error = ("error.type", Some("model_not_found"));
    tagged(&refused, &[error, ("sluice.key", Some("test")), ("http.response.status_code", Some("404"))]);
    tagged(&refused, &[("url.path", Some(CHAT))]);

    pair.openai.script(&["silence"]);
    pair.gateway.chat(&ask("openai", "hi")).await;
    let (silent, attempts) = spans(pair, collector, 2).await;
    let status = ("http.response.status_code", Some("504"));
    tagged(&silent, &[("error.type", Some("timeout")), ("sluice.attempts", Some("1")), status]);
    tagged(&attempts[0], &[("error.type", Some("timeout")), ("http.response.status_code", None)]);
    assert!(attempts[0].failed && attempts[0].end - attempts[0].start >= 2_900_000_000, "{attempts:?}");

    let stream = with(ask("openai", "say one two three four five"), json!({"stream": true}));
    for (index, (fault, reason)) in
        [("eof-after=3", "stream_truncated"), ("stall-after=3", "stream_stalled")].into_iter().enumerate()
    {
        pair.openai.script(&[fault]);
        pair.gateway.chat(&stream).await;
        let (broken, attempts) = spans(pair, collector, index + 3).await;
        tagged(&broken, &[("error.type", Some(reason)), ("gen_ai.response.model", Some("gpt-sim"))]);
        tagged(&attempts[0], &[("error.type", Some(reason))]);
        assert!(broken.failed && attempts[0].failed);
    }
    assert!(!format!("{:?}", collector.spans()).contains("swordfish"));
}

#[tokio::test]
async fn what_is_not_sampled_is_not_exported_and_has_a_trace_all_the_same() {
    let Traced { pair, collector } = Traced::with(json!({"sampling": 0})).await;
    pair.gateway.client().header("x-client-trace-id", "me").post(CHAT, &ask("openai", "hi")).await;
    let parent = format!("00-{TRACE}-{CALLER}-01");
    pair.gateway.client().header("traceparent", &parent).post(CHAT, &ask("openai", "hi")).await;
    let asked = pair.openai.settled(2).await;
    for (index, line) in pair.gateway.log_lines(2).await.iter().enumerate() {
        let id = line["trace_id"].as_str().expect("an id");
        let parent = asked[index].header("traceparent").expect("a parent");
        assert!(parent.starts_with(&format!("00-{id}-")) && parent.ends_with("-00"), "{parent} in {id}");
        assert_eq!(id == TRACE, index == 1);
    }
    assert_eq!(collector.spans(), []);
}

#[tokio::test]
async fn decisions_are_events_and_contents_are_there_if_asked_for() {
    let more = json!({"content": true});
    let site = json!({
        "guards": {"pii": {"detect": ["email"], "action": "mask", "on": ["prompts"]}},
        "models": {"openai": {"cache": {"ttl": "1m"}}},
    });
    let Traced { pair, collector } = Traced::presenting(TOKEN, more, site).await;
    let body = ask("openai", "say trout to a@example.com");
    for (index, (word, attempts)) in [("miss", 1), ("hit", 0)].into_iter().enumerate() {
        pair.gateway.chat(&body).await;
        let (own, parts) = spans(&pair, &collector, index + 1).await;
        assert_eq!(parts.len(), attempts);
        assert_eq!(
            told(&own),
            ["sluice.guardrail: mask, pii, email, prompts".to_owned(), format!("sluice.cache: {word}")]
        );
        let [prompt, response] = ["gen_ai.input.messages", "gen_ai.output.messages"].map(|name| own.tag(name));
        assert!(prompt.is_some_and(|text| text.contains("trout") && !text.contains("a@example.com")), "{prompt:?}");
        assert!(response.is_some_and(|text| text.starts_with(r#"[{"role":"assistant","parts":[{"type":"text""#)));
    }
}

#[tokio::test]
async fn spans_that_the_collector_rejects_are_counted() {
    let Traced { pair, collector } = Traced::presenting("another-token", json!({}), json!({})).await;
    pair.gateway.chat(&ask("openai", "hi")).await;
    eventually("a counted rejection", async || pair.gateway.counter("sluice.tracing.dropped").await == 1).await;
    assert_eq!(collector.spans(), []);
}
