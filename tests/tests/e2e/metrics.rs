//! The same numbers everywhere: in the metrics, in their export, in the access log, in spans, in the administration API, and in the
//! providers' own ledgers.

use serde_json::{Value, json};
use sluice_tests::gateway::build::Build;
use sluice_tests::gateway::{A_KEY, A_SECRET, AN_ID, Gateway, KEY, Key, Kind};
use sluice_tests::money::micro;
use sluice_tests::simulator::{Recorded, Simulator};
use sluice_tests::standin::StandIn;
use sluice_tests::{eventually, until};

use crate::admin::site::{Administered, Sums, builder, file};
use crate::{CHAT, ask, of_envoy, with};

/// A key with a small soft budget.
const SAVER: &str = "sk-saver";
/// A key with one request a minute.
const SLOW: &str = "sk-slow";

struct Site {
    one: Administered,
    providers: [Simulator; 2],
    collector: StandIn,
    webhook: StandIn,
}

impl Site {
    async fn start() -> Self {
        let providers = [Simulator::start().await, Simulator::start().await];
        let collector = StandIn::start(|_| (200, json!({}))).await;
        let webhook = StandIn::start(|_| (200, json!({}))).await;
        let more = json!({
            "metrics": {"otlp": {"url": collector.url(), "interval": "1s"}, "key_label": true},
            "tracing": {"url": collector.url()},
            "alerts": {"url": format!("{}/budgets", webhook.url())},
            "models": {"cached": {"targets": [{"provider": "openai", "model": "gpt-sim"}], "cache": {"ttl": "10m"}}},
            "guards": {"secrets": {"detect": ["api_key"], "on": ["prompts"]}, "mail": {"detect": ["email"], "on": ["prompts"], "action": "mask"}},
        });
        let builder = builder(&providers)
            .alone()
            .model("both", &[("openai", "gpt-sim"), ("anthropic", "claude-sim")])
            .key(Key::new("test", KEY))
            .key(Key::new("saver", SAVER).budget(json!({"total": 0.000_05, "soft": true})))
            .key(Key::new("slow", SLOW).limits(json!({"requests_per_minute": 1})));
        let one = Administered::start(builder, file(more)).await;
        Self { one, providers, collector, webhook }
    }

    /// The access log's lines of clients, once there are this many.
    async fn lines(&self, count: usize) -> Vec<Value> {
        until("the lines of all requests", || {
            let lines: Vec<Value> = self.one.gateway.log().into_iter().filter(|line| line["admin"].is_null()).collect();
            (lines.len() >= count).then_some(lines)
        })
        .await
    }

    /// The metrics when they have all `requests`.
    async fn metrics_of(&self, requests: usize) -> Vec<Sample> {
        metrics_of(&self.one, requests).await
    }
}

async fn metrics(one: &Administered) -> Vec<Sample> {
    let answer = one.admin().request("GET", "/metrics", "").await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().lines().filter(|line| !line.starts_with('#')).map(Sample::read).collect()
}

/// The metrics when they have all `requests`.
async fn metrics_of(one: &Administered, requests: usize) -> Vec<Sample> {
    eventually("the metrics to have all requests", async || {
        sum(&metrics(one).await, "sluice_requests_total", &[]) == requests as f64
    })
    .await;
    metrics(one).await
}

/// One line of Prometheus' text format.
#[derive(Debug)]
struct Sample {
    name: String,
    labels: String,
    value: f64,
}

impl Sample {
    fn read(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        Self {
            name: name.to_owned(),
            labels: labels.to_owned(),
            value: value.parse().unwrap_or_else(|_| panic!("{line}")),
        }
    }
}

/// The sum of a metric over all series with these labels.
fn sum(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |sample: &&Sample| {
        let has = |(label, value): &(&str, &str)| sample.labels.contains(&format!("{label}=\"{value}\""));
        sample.name == name && labels.iter().all(has)
    };
    samples.iter().filter(fits).map(|sample| sample.value).sum()
}

/// A number of micro-dollars, from dollars.
fn micro_usd(dollars: f64) -> u64 {
    (dollars * 1e6).round() as u64
}

/// Tokens and cost by the metrics.
fn by_metrics(samples: &[Sample]) -> Sums {
    let tokens = |kind: &str| sum(samples, "sluice_tokens_total", &[("type", kind)]) as u64;
    let micro_usd = micro_usd(sum(samples, "sluice_cost_usd_total", &[]));
    Sums { requests: 0, input: tokens("input"), output: tokens("output"), micro_usd }
}

/// Tokens and cost by the access log.
fn by_log(lines: &[Value]) -> Sums {
    let tokens = |line: &Value, name: &str| line[name].as_u64().unwrap_or_default();
    let of = |line: &Value| Sums {
        requests: 0,
        input: tokens(line, "input_tokens"),
        output: tokens(line, "output_tokens"),
        micro_usd: line["cost_usd"].as_str().map_or(0, micro),
    };
    lines.iter().map(of).fold(Sums::default(), Sums::plus)
}

/// The data points of a counter in the last export.
fn exported(collector: &StandIn, name: &str) -> Option<Vec<Value>> {
    let last = collector.requests().into_iter().rfind(|request| request.path == "/v1/metrics")?;
    let body: Value = serde_json::from_slice(&last.body).ok()?;
    let metrics = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array()?;
    let named = metrics.iter().filter(|metric| metric["name"] == *name);
    Some(named.flat_map(|metric| metric["sum"]["dataPoints"].as_array().cloned().unwrap_or_default()).collect())
}

/// Tokens and cost by the last export.
fn by_export(collector: &StandIn) -> Option<Sums> {
    let points = exported(collector, "sluice.tokens")?;
    let is = |point: &Value, kind: &str| {
        let attributes = point["attributes"].as_array().cloned().unwrap_or_default();
        attributes.iter().any(|one| one["key"] == "type" && one["value"]["stringValue"] == kind)
    };
    let number = |point: &Value| point["asInt"].as_u64().expect("a number");
    let tokens = |kind: &str| points.iter().filter(|point| is(point, kind)).map(number).sum();
    let cost: f64 = exported(collector, "sluice.cost_usd")?.iter().filter_map(|point| point["asDouble"].as_f64()).sum();
    Some(Sums { requests: 0, input: tokens("input"), output: tokens("output"), micro_usd: micro_usd(cost) })
}

/// Tokens by the spans of attempts, and cost by the spans of requests.
fn by_spans(collector: &StandIn) -> Sums {
    const SERVER: u64 = 2;
    let exports = collector.requests().into_iter().filter(|request| request.path == "/v1/traces");
    let bodies = exports.map(|request| serde_json::from_slice::<Value>(&request.body).expect("JSON"));
    let spans =
        bodies.flat_map(|body| body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().cloned().expect("spans"));
    let of = |span: Value| {
        let attributes = span["attributes"].as_array().cloned().unwrap_or_default();
        let value = |name: &str| attributes.iter().find(|one| one["key"] == name).map(|one| one["value"].clone());
        let tokens = |name: &str| {
            value(name).map_or(0, |value| value["intValue"].as_str().map_or(0, |text| text.parse().expect("a number")))
        };
        let cost = value("sluice.cost_usd").and_then(|value| value["doubleValue"].as_f64()).unwrap_or_default();
        match span["kind"] == SERVER {
            true => Sums { micro_usd: micro_usd(cost), ..Sums::default() },
            false => Sums {
                input: tokens("gen_ai.usage.input_tokens"),
                output: tokens("gen_ai.usage.output_tokens"),
                ..Sums::default()
            },
        }
    };
    spans.map(of).fold(Sums::default(), Sums::plus)
}

#[tokio::test]
async fn the_numbers_agree_everywhere() {
    let site = Site::start().await;
    let Site { one, providers: [openai, anthropic], collector, webhook } = &site;
    let gateway = &one.gateway;
    let chat =
        async |model: &str, more: Value| gateway.client().post(CHAT, &with(ask(model, "say something"), more)).await;
    let stream = || json!({"stream": true});
    for _ in 0..3 {
        assert_eq!(chat("gpt", json!({})).await.status, 200);
        assert_eq!(chat("gpt", stream()).await.status, 200);
        assert_eq!(chat("claude", stream()).await.status, 200);
        assert_eq!(chat("claude", json!({})).await.status, 200);
        assert_eq!(chat("cached", json!({})).await.status, 200);
    }
    for fault in ["status=503", "error"] {
        openai.script(&[fault]);
        assert_eq!(chat("both", json!({})).await.header("x-sluice-provider"), Some("anthropic"));
    }
    for _ in 0..2 {
        let answer = gateway.with_key(SAVER).post(CHAT, &ask("gpt", "say something else")).await;
        assert_eq!(answer.status, 200);
    }
    let key = format!("my key is sk-proj-{}", "a1B2".repeat(12));
    assert_eq!(gateway.client().post(CHAT, &ask("gpt", &key)).await.status, 400);
    assert_eq!(gateway.client().post(CHAT, &ask("gpt", "write to ann@example.com")).await.status, 200);
    assert_eq!(gateway.client().post(CHAT, &ask("nothing", "hi")).await.status, 404);
    assert_eq!(gateway.with_key("sk-unknown").post(CHAT, &ask("gpt", "hi")).await.status, 401);
    assert_eq!(gateway.with_key(SLOW).post(CHAT, &ask("gpt", "hi")).await.status, 200);
    assert_eq!(gateway.with_key(SLOW).post(CHAT, &ask("gpt", "hi")).await.status, 429);

    let requests = 15 + 2 + 2 + 6;
    let samples = site.metrics_of(requests).await;
    let lines = site.lines(requests).await;
    let expected = by_log(&lines);
    assert_eq!(by_metrics(&samples), expected);
    let usage = one.get("/usage?by=team&name=test").await;
    let by_admin = Sums::read(&usage["total"]);
    assert_eq!(Sums { requests: 0, ..by_admin }, expected, "{usage}");
    let mut ledger = (0, 0);
    for provider in [openai, anthropic] {
        for (used, answers) in provider.used().await {
            ledger = (ledger.0 + used.input * answers, ledger.1 + used.output * answers);
        }
    }
    assert_eq!((expected.input, expected.output), ledger, "by the providers themselves");
    eventually("an export with all requests", async || by_export(collector) == Some(expected)).await;
    eventually("the spans of all requests", async || by_spans(collector) == expected).await;

    for (name, labels, count) in [
        ("sluice_requests_total", &[("model", "gpt"), ("key", "test"), ("provider", "openai"), ("tier", "1")][..], 7),
        ("sluice_requests_total", &[("error_type", "unknown_api_key")], 1),
        ("sluice_requests_total", &[("error_type", "model_not_found")], 1),
        ("sluice_rejected_requests_total", &[("code", "rate_limit_exceeded"), ("model", "gpt")], 1),
        ("sluice_rejected_requests_total", &[("code", "guardrail_blocked")], 1),
        ("sluice_cache_requests_total", &[("result", "hit"), ("model", "cached")], 2),
        ("sluice_cache_requests_total", &[("result", "miss"), ("model", "cached")], 1),
        ("sluice_cache_stored_responses_total", &[], 1),
        ("sluice_guard_actions_total", &[("guard", "secrets"), ("finding", "api_key"), ("action", "block")], 1),
        ("sluice_guard_actions_total", &[("guard", "mail"), ("finding", "email"), ("action", "mask")], 1),
        (
            "sluice_fallbacks_total",
            &[("from", "openai/gpt-sim"), ("to", "anthropic/claude-sim"), ("reason", "status_503")],
            1,
        ),
        ("sluice_fallbacks_total", &[("model", "both"), ("reason", "error_in_answer")], 1),
        ("sluice_attempts_total", &[("provider", "openai"), ("error_type", "status_503")], 1),
        ("gen_ai_client_operation_duration_seconds_count", &[("gen_ai_provider_name", "anthropic")], 8),
        ("gen_ai_server_time_to_first_token_seconds_count", &[("gen_ai_request_model", "gpt")], 3),
        ("gen_ai_client_operation_time_to_first_chunk_seconds_count", &[], 6),
        ("sluice_requests_in_flight", &[], 0),
    ] {
        assert_eq!(sum(&samples, name, labels), f64::from(count), "{name} {labels:?}");
    }
    let tokens = |kind: &str| sum(&samples, "gen_ai_client_token_usage_sum", &[("gen_ai_token_type", kind)]) as u64;
    assert_eq!((tokens("input"), tokens("output")), ledger, "by attempt");

    // The soft budget of a key: each threshold once.
    let used = micro_usd(sum(&samples, "sluice_budget_used_usd", &[("budget", "key=saver")]));
    let logged: Vec<Value> = lines.iter().filter(|line| line["key"] == "saver").cloned().collect();
    assert_eq!(used, by_log(&logged).micro_usd);
    let posted = until("both alerts", || {
        let posted: Vec<Value> =
            webhook.requests().iter().filter_map(|one| serde_json::from_slice(&one.body).ok()).collect();
        (posted.len() >= 2).then_some(posted)
    })
    .await;
    let told: Vec<_> =
        posted.iter().map(|one| (one["budget"].as_str().unwrap_or_default(), &one["threshold"])).collect();
    assert_eq!(told, [("key=saver", &json!(80)), ("key=saver", &json!(100))], "{posted:?}");
    assert_eq!((of_envoy(&collector.requests()), of_envoy(&webhook.requests())), (vec![], vec![]));

    // A client that leaves: its response is estimated, and all but the provider agree.
    openai.always("tokens=50+stall-after=8+burst");
    let mut open = gateway
        .client()
        .open("POST", CHAT, with(ask("gpt", "say more"), stream()).to_string())
        .await
        .expect("an answer");
    assert!(open.next().await.expect("a chunk").is_some());
    drop(open);
    let samples = site.metrics_of(requests + 1).await;
    let lines = site.lines(requests + 1).await;
    let expected = by_log(&lines);
    assert_eq!(by_metrics(&samples), expected);
    assert_eq!(sum(&samples, "sluice_requests_total", &[("error_type", "interrupted")]), 1.0);

    let usage = one.get("/usage?by=team&name=test").await;
    assert_eq!(Sums { requests: 0, ..Sums::read(&usage["total"]) }, expected, "{usage}");
    eventually("an export of the interrupted request", async || by_export(collector) == Some(expected)).await;
    eventually("the spans of the interrupted request", async || by_spans(collector) == expected).await;
}

#[tokio::test]
async fn what_the_providers_content_filters_find_is_in_the_metrics_and_the_log() {
    let provider = Simulator::start().await;
    let aws =
        json!({"region": "us-east-1", "access_key_id": {"env": AN_ID.0}, "secret_access_key": {"env": A_SECRET.0}});
    let of = |kind: &str, base: &str, model: &str| {
        let mut entry = json!({"kind": kind, "url": provider.url() + base});
        let (field, value) = if kind == "bedrock" { ("aws", aws.clone()) } else { ("key", json!({"env": A_KEY.0})) };
        entry[field] = value;
        json!({"providers": {kind: entry}, "models": {kind: {"targets": [{"provider": kind, "model": model}]}}})
    };
    let builder = Gateway::builder()
        .with(of("azure", "", "gpt-sim"))
        .with(of("gemini", "/v1beta", "gemini-2.5-sim"))
        .with(of("bedrock", "", "claude-sim"))
        .key(Key::new("test", KEY));
    let one = Administered::start(builder, json!({})).await;
    let gateway = &one.gateway;
    let cases = [
        ("azure", "stop=content_filter", 200, &["answer:violence:blocked"][..]),
        ("azure", "filter", 400, &["prompt:violence:blocked"]),
        ("gemini", "stop=SAFETY", 200, &["answer:dangerous:blocked"]),
        ("gemini", "filter", 200, &["prompt:other:blocked"]),
        ("bedrock", "stop=guardrail_intervened", 200, &["prompt:topic:blocked", "answer:pii:masked"]),
        ("azure", "ok", 200, &[]),
    ];
    for (model, fault, status, _) in cases {
        for stream in [false, true] {
            provider.script(&[fault]);
            let answer =
                gateway.client().post(CHAT, &with(ask(model, "say something"), json!({"stream": stream}))).await;
            assert_eq!(answer.status, status, "{model} {fault}: {}", answer.text());
            let filtered = status == 400 || answer.text().contains(r#""finish_reason":"content_filter""#);
            assert_eq!(filtered, fault != "ok", "{model} {fault}: {}", answer.text());
        }
    }
    let lines = gateway.log_lines(2 * cases.len()).await;
    let logged: Vec<&Value> = lines.iter().map(|line| &line["content_filter"]).collect();
    let expected = cases.iter().flat_map(|(.., results)| [*results; 2]);
    let expected: Vec<Value> =
        expected.map(|results| if results.is_empty() { Value::Null } else { json!(results) }).collect();
    assert_eq!(logged, expected.iter().collect::<Vec<_>>());
    let samples = metrics_of(&one, 2 * cases.len()).await;
    let name = "sluice_content_filter_total";
    assert_eq!(sum(&samples, name, &[]), 12.0, "two for each result");
    for (provider, side, category, action) in [
        ("azure", "answer", "violence", "blocked"),
        ("azure", "prompt", "violence", "blocked"),
        ("gemini", "answer", "dangerous", "blocked"),
        ("gemini", "prompt", "other", "blocked"),
        ("bedrock", "prompt", "topic", "blocked"),
        ("bedrock", "answer", "pii", "masked"),
    ] {
        let labels =
            [("provider", provider), ("model", provider), ("side", side), ("category", category), ("action", action)];
        assert_eq!(sum(&samples, name, &labels), 2.0, "{labels:?}");
    }
}

#[tokio::test]
async fn calls_to_redis_that_belong_to_no_request_are_counted() {
    let provider = Simulator::start().await;
    let redis = StandIn::start(|_| (503, json!({}))).await;
    let collector = StandIn::start(|_| (200, json!({}))).await;
    let gateway = Gateway::builder()
        .provider("openai", Kind::OpenAi, &provider)
        .model("chat", &[("openai", "gpt-sim")])
        .key(Key::new("test", KEY).limits(json!({"requests_per_minute": 10})))
        .with(json!({"redis": {"url": redis.url(), "mode": "relaxed", "sync": "100ms"}}))
        .with(json!({"metrics": {"otlp": {"url": collector.url(), "interval": "1s"}}}))
        .start()
        .await;
    assert_eq!(gateway.client().post(CHAT, &ask("chat", "hi")).await.status, 200);
    until("failed calls in an export", || {
        let points = exported(&collector, "sluice.redis.failed_calls")?;
        points.iter().any(|point| point["asInt"].as_u64() > Some(0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_changed_gateway_file_leaves_the_exports_identity_as_it_is() {
    // The wasm build reads this section only at startup.
    if Build::under_test().has_vms() {
        return;
    }
    let provider = Simulator::start().await;
    let collector = StandIn::start(|_| (200, json!({}))).await;
    let gateway = Gateway::builder()
        .provider("openai", Kind::OpenAi, &provider)
        .model("chat", &[("openai", "gpt-sim")])
        .with(json!({"metrics": {"otlp": {"url": collector.url(), "interval": "1s"}}}))
        .start()
        .await;
    let exports = || collector.requests().into_iter().filter(|request| request.path == "/v1/metrics").count();
    until("an export", || (exports() > 0).then_some(())).await;
    gateway.change(|file| file["metrics"]["key_label"] = json!(true)).await;
    let before = exports();
    until("exports after the change", || (exports() > before + 1).then_some(())).await;
    let identity = |request: &Recorded| {
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        body["resourceMetrics"][0]["resource"]["attributes"].clone()
    };
    let requests = collector.requests();
    assert!(requests.iter().all(|request| identity(request) == identity(&requests[0])));
}

#[tokio::test]
async fn the_gauges_of_the_configuration_are_those_of_the_present_file_with_and_without_requests() {
    let providers = [Simulator::start().await, Simulator::start().await];
    let one = Administered::start(builder(&providers).key(Key::new("test", KEY)), file(json!({}))).await;
    let shows_the_file = async || {
        let version = one.get("/config").await["reload"]["version"].clone();
        let all: Vec<Sample> =
            metrics(&one).await.into_iter().filter(|sample| sample.name == "sluice_config_info").collect();
        matches!(&*all, [only] if version.as_str().is_some_and(|version| only.labels.contains(version)))
    };
    let is_last = async || sum(&metrics(&one).await, "sluice_config_last_reload_successful", &[]);
    eventually("the version of a file without requests", shows_the_file).await;
    assert_eq!(one.gateway.client().post(CHAT, &ask("gpt", "hi")).await.status, 200);
    one.gateway.change(|file| file["models"]["new"] = json!({"targets": [{"provider": "openai", "model": "x"}]})).await;
    eventually("the circuit of the new target", async || {
        metrics(&one).await.iter().any(|sample| sample.name == "sluice_circuit_open" && sample.labels.contains("\"x\""))
    })
    .await;
    eventually("the version of the changed file alone", shows_the_file).await;
    assert_eq!(is_last().await, 1.0);
    one.gateway.change_in_vain(|file| file["models"] = json!(7)).await;
    eventually("the gauge of a rejected change", async || is_last().await == 0.0).await;
}

#[tokio::test]
async fn a_shutdown_exports_the_last_requests() {
    // No VM works at Envoy's shutdown.
    if Build::under_test().has_vms() {
        return;
    }
    let provider = Simulator::start().await;
    let collector = StandIn::start(|_| (200, json!({}))).await;
    let gateway = Gateway::builder()
        .provider("openai", Kind::OpenAi, &provider)
        .model("chat", &[("openai", "gpt-sim")])
        .key(Key::new("test", KEY))
        .with(json!({"metrics": {"otlp": {"url": collector.url(), "interval": "10m"}}}))
        .alone()
        .start()
        .await;
    let requests = || {
        let points = exported(&collector, "sluice.requests")?;
        Some(points.iter().filter_map(|point| point["asInt"].as_u64()).sum::<u64>())
    };
    until("the export at the start", || (requests() == Some(0)).then_some(())).await;
    assert_eq!(gateway.client().post(CHAT, &ask("chat", "hi")).await.status, 200);
    gateway.interrupt();
    until("the export at the end", || (requests() == Some(1)).then_some(())).await;
}
