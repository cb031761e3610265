//! Traces as a collector receives them.

use serde_json::{Value, json};
use sluice_tests::collector::{Collector, Span, TOKEN};
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
        let collector = Collector::start().await;
        let token = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(token.path(), TOKEN).expect("a file to write to");
        let tracing = json!({"url": collector.url(), "token": {"file": token.path()}});
        let tracing = json!({"tracing": with(tracing, more), "circuit": {"failures": 1000}});
        let pair = Pair::with(|builder| builder.timeout("answer", "3s").timeout("idle", "3s").with(tracing)).await;
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
    let (own, mut attempts_spans) = collector.request(line["request_id"].as_str().expect("an id"), attempts).await;
    // Envoy starts another attempt after the last target's timeout, which the filter ends before it sends anything.
    attempts_spans.retain(|span| (span.tag("http.protocol"), span.tag("response_flags")) != (Some("-"), Some("-")));
    assert_eq!(attempts_spans.len(), attempts, "{attempts_spans:?}");
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

#[tokio::test]
async fn a_trace_tells_asked_and_served_and_why_each_attempt_failed() {
    let traced = TRACED.lease().await;
    let Traced { pair, collector } = &*traced;
    let parent = format!("00-{TRACE}-{CALLER}-01");
    // With an error in a 200, only the filter knows that the first attempt failed.
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
        let told = format!("openai/gpt-sim: {reason}");
        let who = [
            ("gen_ai.request.model", Some("openai-first")),
            ("sluice.strategy", Some("fallback")),
            ("sluice.key", Some("test")),
            ("sluice.team", Some("test")),
        ];
        let served = [
            ("gen_ai.response.model", Some("claude-sim")),
            ("gen_ai.provider.name", Some("anthropic")),
            ("sluice.attempts", Some("2")),
            ("sluice.failures", Some(&*told)),
            ("error.type", None),
            ("http.status_code", Some("200")),
        ];
        tagged(&own, &who);
        tagged(&own, &served);

        let [failed, good] = attempts.as_slice() else { panic!("{attempts:?}") };
        tagged(failed, &who);
        let reason = ("error.type", Some(reason));
        tagged(failed, &[("upstream_cluster.name", Some("openai")), ("http.status_code", Some(status)), reason]);
        assert_eq!(failed.failed, status == "503", "{failed:?}");
        tagged(good, &who);
        tagged(good, &served);
        tagged(good, &[("upstream_cluster.name", Some("anthropic"))]);

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
    assert_eq!(refused.parent, "");
    let error = ("error.type", Some("model_not_found"));
    tagged(&refused, &[error, ("sluice.key", Some("test")), ("http.status_code", Some("404"))]);
    assert!(refused.tag("http.url").is_some_and(|url| url.ends_with(CHAT)), "{refused:?}");

    pair.openai.script(&["silence"]);
    pair.gateway.chat(&ask("openai", "hi")).await;
    let (silent, attempts) = spans(pair, collector, 2).await;
    tagged(&silent, &[("error.type", Some("timeout")), ("sluice.attempts", Some("1"))]);
    // The filter does not learn how this attempt ended: Envoy's flags report it.
    tagged(&attempts[0], &[("error.type", None), ("response_flags", Some("UT")), ("error", Some("true"))]);

    let stream = with(ask("openai", "say one two three four five"), json!({"stream": true}));
    for (index, (fault, reason)) in
        [("eof-after=3", "stream_truncated"), ("stall-after=3", "stream_stalled")].into_iter().enumerate()
    {
        pair.openai.script(&[fault]);
        pair.gateway.chat(&stream).await;
        let (broken, attempts) = spans(pair, collector, index + 3).await;
        tagged(&broken, &[("error.type", Some(reason)), ("gen_ai.response.model", Some("gpt-sim"))]);
        tagged(&attempts[0], &[("error.type", Some(reason))]);
    }
    assert!(!format!("{:?}", collector.spans()).contains("swordfish"));
}

#[tokio::test]
async fn what_is_not_sampled_is_not_exported_and_has_a_trace_all_the_same() {
    let Traced { pair, collector } = Traced::with(json!({"sampling": 0})).await;
    pair.gateway.client().header("x-client-trace-id", "me").post(CHAT, &ask("openai", "hi")).await;
    let line = &pair.gateway.log_lines(1).await[0];
    let id = line["trace_id"].as_str().expect("an id");
    let asked = pair.openai.settled(1).await;
    let parent = asked[0].header("traceparent").expect("a parent");
    assert!(parent.starts_with(&format!("00-{id}-")) && parent.ends_with("-00"), "{parent} in {id}");
    assert_eq!(pair.gateway.statistic("http.sluice.tracing.not_traceable").await, 1);
    assert_eq!(collector.spans(), []);
}
