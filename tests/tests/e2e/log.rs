//! The access log: a line for each request with the facts that an operator needs, and without private data.

use serde_json::{Value, json};
use sluice_tests::client::Answer;
use sluice_tests::collector::{Collector, LogRecord, TOKEN};
use sluice_tests::gateway::{KEY, Key};
use sluice_tests::simulator::Outcome;
use sluice_tests::{eventually, log_schema, until};

use crate::{CHAT, Pair, refusal, with};

/// A prompt that no log may contain, in whole or in part.
const SECRET: &str = "say the launch code is swordfish-4711";

/// The line of the latest request, after `count` requests.
async fn line(pair: &Pair, count: usize) -> Value {
    let line = pair.gateway.log_lines(count).await.pop().expect("a line");
    assert!(line["time"].as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z')), "{line}");
    assert!(line["duration_ms"].is_u64() && line["flags"].is_string(), "{line}");
    assert_eq!(line["tried"].as_array().map_or(0, Vec::len) as u64, line["attempts"], "{line}");
    line
}

/// The attempts in the log: the target of each, and the reason if it failed. Checks the durations, and omits them.
fn tried(line: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let attempt = |one: &Value| {
        let (provider, model) = (text(&one["provider"]).expect("a provider"), text(&one["model"]).expect("a model"));
        assert!(one["ms"].as_u64() <= line["duration_ms"].as_u64().map(|all| all + 1), "{line}");
        (format!("{provider}/{model}"), text(&one["failure"]).unwrap_or_default())
    };
    line["tried"].as_array().expect("a list").iter().map(attempt).collect()
}

/// The attempts that a test expects.
fn attempts(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(target, failure)| ((*target).to_owned(), (*failure).to_owned())).collect()
}

#[track_caller]
fn check(line: &Value, expected: &Value) {
    for (name, value) in expected.as_object().into_iter().flatten() {
        assert_eq!(&line[name], value, "{name} in {line}");
    }
}

/// The fields of every request with the test's own key; `null` for one that the line omits.
fn ours(more: Value) -> Value {
    with(json!({"key": "test", "team": "test", "flags": "-", "attempts": 1, "error": null}), more)
}

fn same_id(line: &Value, answer: &Answer) {
    let id = answer.header("x-request-id").expect("an id");
    check(line, &json!({"request_id": id, "trace_id": id.replace('-', "")}));
}

#[tokio::test]
async fn an_answer_is_logged_with_who_asked_who_served_and_what_it_took() {
    let pair = Pair::lease().await;
    let mut count = 0;
    for provider in ["openai", "anthropic"] {
        let model = pair.model_of(provider);
        for stream in [false, true] {
            pair.simulator(provider).always("cached=4+wait=30");
            count += 1;
            let answer = pair.gateway.chat(&with(pair.ask(provider, SECRET), json!({"stream": stream}))).await;
            let line = line(&pair, count).await;
            same_id(&line, &answer);
            check(
                &line,
                &ours(json!({
                    "status": 200, "model": pair.name(provider), "stream": stream,
                    "served_provider": provider, "served_model": model,
                    "input_tokens": 10, "output_tokens": 9, "cached_tokens": 4, "reasoning_tokens": 0,
                    "estimated": null, "cost_usd": null, "budgets": null, "app": null, "instead": null,
                    "strategy": "fallback", "lower_tier": null, "cache": null,
                })),
            );
            assert_eq!(tried(&line), attempts(&[(&format!("{provider}/{model}"), "")]));
            assert!(line["tried"][0]["ms"].as_u64() >= Some(30), "{line}");
            let (first, all) =
                (line["first_token_ms"].as_u64().expect("a time"), line["duration_ms"].as_u64().unwrap());
            assert!((30..=all + 1).contains(&first), "{line}");
        }
    }
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    pair.gateway.client().header("traceparent", parent).post(CHAT, &pair.ask("openai", "hi")).await;
    check(&line(&pair, count + 1).await, &json!({"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}));
}

#[tokio::test]
async fn failed_attempts_are_logged_with_their_reasons() {
    let pair = Pair::impatient().await;
    let [openai, anthropic] = ["openai", "anthropic"].map(|provider| pair.target(provider));
    for (index, (fault, reason)) in [
        ("status=503", "status_503"),
        ("status=401", "status_401"),
        ("reset", "no_answer"),
        ("silence", "timeout"),
        ("error", "error_in_answer"),
        ("blank", "empty_answer"),
        ("html", "bad_answer"),
    ]
    .into_iter()
    .enumerate()
    {
        pair.openai.clear();
        pair.anthropic.clear();
        pair.openai.always(fault);
        // The gateway retries a lost connection.
        let times = if fault == "reset" { 2 } else { 1 };
        let answer = pair.gateway.chat(&pair.ask("openai-first", SECRET)).await;
        let fallback = line(&pair, index * 2 + 1).await;
        same_id(&fallback, &answer);
        check(
            &fallback,
            &ours(json!({
                "status": 200, "model": pair.name("openai-first"), "attempts": times + 1,
                "served_provider": "anthropic", "served_model": pair.model_of("anthropic"),
            })),
        );
        check(&fallback["tried"][times], &json!({"input_tokens": 10, "output_tokens": 9, "failure": null}));
        for name in ["input_tokens", "output_tokens"] {
            let each = fallback["tried"].as_array().expect("a list").iter().filter_map(|one| one[name].as_u64());
            assert_eq!(fallback[name], each.sum::<u64>(), "{fallback}");
        }
        let failed = vec![(&*openai, reason); times];
        let all = |last: &'static str| attempts(&[failed.as_slice(), &[(&*anthropic, last)]].concat());
        assert_eq!(tried(&fallback), all(""));
        let told = vec![format!("{openai}: {reason}"); times].join(", ");
        assert_eq!(answer.header("x-sluice-failures"), Some(&*told));
        pair.anthropic.always("status=503");
        let answer = pair.gateway.stream(&pair.ask("openai-first", SECRET)).await;
        let refused = line(&pair, index * 2 + 2).await;
        assert_eq!(tried(&refused), all("status_503"));
        let told = format!("{told}, {anthropic}: status_503");
        assert_eq!(answer.header("x-sluice-failures"), Some(&*told));
        check(
            &refused,
            &ours(json!({
                "status": 503, "attempts": times + 1, "error": "status_503", "stream": true,
                "served_provider": null, "served_model": null, "first_token_ms": null,
            })),
        );
    }
}

#[tokio::test]
async fn refusals_are_logged_with_what_is_known_by_then() {
    let pair = Pair::with(|builder| {
        builder
            .key(Key::new("test", KEY).models(&["openai", "anthropic"]))
            .key(Key::new("old", "sk-old").expires("2020-01-01T00:00:00Z"))
    })
    .await;
    let nothing = json!({
        "attempts": 0, "dropped": null, "stream": null, "served_provider": null, "served_model": null,
        "input_tokens": null, "output_tokens": null, "first_token_ms": null,
    });
    let (client, anonymous) = (pair.gateway.client(), pair.gateway.anonymous());
    let two = with(pair.ask("anthropic", "hi"), json!({"n": 2}));
    let refusals = [
        (anonymous.clone(), pair.ask("openai", "hi"), 401, "invalid_api_key", None, None),
        (anonymous.clone().bearer("sk-wrong"), pair.ask("openai", "hi"), 401, "unknown_api_key", None, None),
        // The client does not learn that the key has expired. The operator learns that, and the key's id.
        (anonymous.clone().bearer("sk-old"), pair.ask("openai", "hi"), 401, "expired_api_key", Some("old"), None),
        (anonymous.bearer("sk-sluice-mistyped"), pair.ask("openai", "hi"), 401, "malformed_api_key", None, None),
        (client.clone(), pair.ask("nothing", "hi"), 404, "model_not_found", Some("test"), None),
        (client.clone(), pair.ask("openai-first", "hi"), 403, "model_not_allowed", Some("test"), Some("openai-first")),
        (client.clone(), json!({"model": "openai", "messages": []}), 400, "invalid_request", Some("test"), None),
        (client.clone(), json!([]), 400, "invalid_json", Some("test"), None),
        (client, two, 400, "unsupported_parameter", Some("test"), Some("anthropic")),
    ];
    for (index, (client, body, status, error, key, model)) in refusals.into_iter().enumerate() {
        let answer = client.post(CHAT, &body).await;
        assert_eq!(answer.status, status, "{error}");
        let line = line(&pair, index + 1).await;
        same_id(&line, &answer);
        let who = json!({"status": status, "error": error, "key": key, "team": key.map(|_| "test"), "model": model});
        check(&line, &with(nothing.clone(), who));
    }
    pair.gateway.client().request("GET", "/nowhere", "").await.expect("an answer");
    let line = line(&pair, 10).await;
    // The line has the key nevertheless.
    check(&line, &with(nothing, json!({"status": 404, "error": "unknown_url", "key": "test", "path": "/nowhere"})));
}

#[tokio::test]
async fn a_line_answers_why_a_request_failed() {
    let pair = Pair::impatient().await;
    let client = pair.gateway.client().header("user-agent", "agent/1.0 \"quoted\"");
    let asked = json!({"method": "POST", "path": CHAT, "client": "127.0.0.1", "user_agent": "agent/1.0 \"quoted\""});
    let lasting = "x".repeat(300);
    for (index, (query, model, status, more)) in [
        (
            "?key=sk-query",
            "nothing",
            404,
            json!({"asked_model": "nothing", "model": null, "param": "model", "error": "model_not_found",
                "message": "The model `nothing` does not exist. GET /v1/models lists the available models."}),
        ),
        ("", &*lasting, 404, json!({"asked_model": lasting[..128], "model": null})),
    ]
    .into_iter()
    .enumerate()
    {
        let body = crate::ask(model, SECRET);
        assert_eq!(client.post(&format!("{CHAT}{query}"), &body).await.status, status);
        let line = line(&pair, index + 1).await;
        check(&line, &with(asked.clone(), more));
        assert!(line["instance"].as_str().is_some_and(|name| !name.is_empty()), "{line}");
        assert!(!line.to_string().contains("sk-query"), "{line}");
    }
    // The log contains the provider's message without the parts of the prompt that it repeats.
    pair.openai.script(&["status=400"]);
    let refused = client.post(CHAT, &pair.ask("openai", SECRET)).await;
    assert_eq!(refused.status, 400);
    let line = line(&pair, 3).await;
    check(&line, &with(asked, json!({"provider_status": 400, "asked_model": pair.name("openai"), "transport": null})));
    let said = &line["tried"][0]["error"];
    assert!(said["type"].is_string() && said["message"].is_string(), "{line}");
    assert_eq!(said["message"], line["message"]);
    // The provider or the gateway may repeat the prompt.
    let launch = "the launch code is swordfish, and nobody else is to know of it";
    let wrong = [
        json!({"model": pair.name("openai"), "messages": [{"role": launch, "content": "hi"}]}),
        json!({"model": launch, "messages": [{"role": "user", "content": "hi"}]}),
    ];
    for (index, body) in wrong.iter().enumerate() {
        let refused = client.post(CHAT, body).await;
        assert!(refused.text().contains(launch), "the client reads it: {}", refused.text());
        let mut line = self::line(&pair, 4 + index).await;
        assert!(line["message"].as_str().is_some_and(|message| message.contains("[…]")), "{line}");
        line["asked_model"].take();
        assert!(!line.to_string().contains("swordfish"), "{line}");
    }
}

#[tokio::test]
async fn what_kept_a_provider_from_being_reached_is_in_the_line() {
    let closed = sluice_tests::port::Port::reserve();
    let url = |host: &str| json!({"kind": "openai", "url": format!("http://{host}:{}/v1", closed.number())});
    let simulator = sluice_tests::simulator::Simulator::start().await;
    simulator.always("reset");
    let lost = |host: &str| {
        let url = format!("http://{host}:{}/v1", simulator.port());
        json!({"kind": "openai", "url": url, "key": {"env": "A_KEY"}})
    };
    let target = |provider: &str| json!({"targets": [{"provider": provider, "model": "gpt-sim"}]});
    let unready = json!({"kind": "openai", "url": format!("https://127.0.0.1:{}/v1", closed.number())});
    let more = json!({
        "log": {"client": "network"},
        "providers": {
            "closed": url("127.0.0.1"), "nowhere": url("no-such-host.invalid"), "unready": unready,
            "lost": lost("127.0.0.1"), "lost-by-name": lost("localhost"),
        },
        "models": {
            "closed": target("closed"), "nowhere": target("nowhere"), "unready": target("unready"), "lost": target("lost"),
            "lost-by-name": target("lost-by-name"),
        },
    });
    let pair = Pair::with(|builder| builder.with(more)).await;
    let expected = [
        ("closed", "refused"),
        ("nowhere", "dns"),
        ("unready", "refused"),
        ("lost", "closed"),
        ("lost-by-name", "closed"),
    ];
    for (index, (model, transport)) in expected.into_iter().enumerate() {
        let answer = pair.gateway.chat(&crate::ask(model, "hi")).await;
        assert_eq!(refusal(&answer).0, 503, "{model}");
        let line = line(&pair, index + 1).await;
        check(&line, &json!({"transport": transport, "client": "127.0.0.0/24", "provider_status": null}));
    }
}

#[tokio::test]
async fn streams_that_did_not_end_well_are_logged_as_such() {
    let pair = Pair::impatient().await;
    let (model, target) = (pair.model_of("openai"), pair.target("openai"));
    let body = with(pair.ask("openai", "say one two three four five"), json!({"stream": true}));
    let begun = json!({"status": 200, "served_provider": "openai", "served_model": model, "stream": true});
    let mut count = 0;
    for (fault, error, reason) in [
        ("error-after=5", "error_in_answer", "error_in_answer"),
        ("malformed-after=5", "invalid_provider_response", "bad_answer"),
        ("eof-after=5", "stream_truncated", "stream_truncated"),
    ] {
        pair.openai.clear();
        pair.openai.always(&format!("pause-after=5+{fault}"));
        pair.gateway.chat_past_a_pause(&body, &pair.openai).await;
        count += 1;
        let line = line(&pair, count).await;
        check(&line, &with(ours(begun.clone()), json!({"error": error})));
        assert_eq!(tried(&line), attempts(&[(&target, reason)]));
    }
    // Envoy's flags report this failure to the filter.
    pair.openai.clear();
    pair.openai.always("pause-after=5+reset-after=5");
    pair.gateway.chat_past_a_pause(&body, &pair.openai).await;
    count += 1;
    let lost = line(&pair, count).await;
    check(&lost, &with(ours(begun.clone()), json!({"flags": "UPE", "error": "stream_truncated"})));
    assert_eq!(tried(&lost), attempts(&[(&target, "stream_truncated")]));
    pair.openai.clear();
    pair.openai.always("stall-after=5");
    pair.gateway.chat(&body).await;
    count += 1;
    let stalled = line(&pair, count).await;
    check(&stalled, &with(ours(begun.clone()), json!({"error": "stream_stalled"})));
    assert_eq!(tried(&stalled), attempts(&[(&target, "stream_stalled")]));
    pair.openai.clear();
    pair.openai.always("stall-after=5");
    let mut open = pair.gateway.client().open("POST", CHAT, body.to_string()).await.expect("an answer");
    open.next().await.expect("a beginning");
    drop(open);
    assert_eq!(pair.openai.settled(1).await[0].outcome, Outcome::Cancelled);
    check(
        &line(&pair, count + 1).await,
        &with(ours(begun), json!({"flags": "DC", "error": "interrupted", "estimated": true})),
    );
}

#[tokio::test]
async fn no_prompt_no_answer_and_no_secret_is_ever_written_anywhere() {
    let pair = Pair::with(|builder| builder.argument("--access-log").argument("/dev/stdout")).await;
    let mut count = 0;
    for fault in ["ok", "status=500", "error", "context", "malformed-after=0", "every=5+error-after=5", "html", "reset"]
    {
        for provider in ["openai", "anthropic"] {
            pair.simulator(provider).clear();
            pair.simulator(provider).always(fault);
            for stream in [false, true] {
                let more = json!({"stream": stream, "user": "swordfish-user", "seed": 4_711_471_147_114_711_u64});
                pair.gateway.chat(&with(pair.ask(provider, SECRET), more)).await;
                count += 1;
            }
        }
    }
    for body in [
        "swordfish",
        "{\"model\":\"nothing\",\"messages\":[\"swordfish\"]}",
        "{\"model\":\"openai\",\"messages\":\"swordfish\"}",
    ] {
        pair.gateway.client().request("POST", CHAT, body).await.expect("an answer");
        pair.gateway.anonymous().bearer("sk-swordfish").request("POST", CHAT, body).await.expect("an answer");
        count += 2;
    }
    pair.gateway.log_lines(count).await;
    let all = pair.gateway.output() + &pair.gateway.errors();
    for secret in ["swordfish", "4711471147114711", "launch", KEY, "sk-openai", "sk-anthropic"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

/// A pair whose log goes where `log` says.
async fn logging(log: Value) -> Pair {
    let prices = json!({"unpriced": {"input": 1, "output": 1}});
    Pair::with(|builder| builder.with(json!({"log": log, "prices": prices})).alone()).await
}

#[tokio::test]
async fn the_log_goes_to_the_file_that_the_gateway_file_names() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("access.json");
    let pair = logging(json!({"file": file})).await;
    let answer = pair.gateway.chat(&pair.ask("openai", SECRET)).await;
    let written = || Some(std::fs::read_to_string(&file).ok()?).filter(|text| text.ends_with('\n'));
    let line: Value = serde_json::from_str(&until("a line in the file", written).await).expect("one line");
    log_schema::check(&line);
    same_id(&line, &answer);
    assert_eq!(pair.gateway.log(), [] as [Value; 0], "standard output has no line");
}

#[tokio::test]
async fn a_full_disk_and_a_collector_that_nobody_runs_cost_no_request() {
    let closed = sluice_tests::port::Port::reserve();
    let otlp = json!({"url": format!("http://127.0.0.1:{}", closed.number())});
    let pair = logging(json!({"file": "/dev/full", "otlp": otlp})).await;
    for number in 0..20 {
        let body = with(pair.ask("openai", SECRET), json!({"stream": number % 2 == 0}));
        assert_eq!(pair.gateway.chat(&body).await.status, 200);
    }
    // Envoy has tried, and counts what it lost.
    let lost = "access_logs.open_telemetry_access_log.logs_dropped";
    eventually("the loss of log records", async || pair.gateway.statistic(lost).await > 0).await;
    let failed = "filesystem.write_failed";
    eventually("the loss of lines", async || pair.gateway.statistic(failed).await > 0).await;
    assert_eq!(pair.gateway.chat(&pair.ask("openai", "hi")).await.status, 200);
}

#[tokio::test]
async fn a_collector_gets_the_same_lines_as_log_records() {
    let collector = Collector::start().await;
    let token = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(token.path(), TOKEN).expect("a file to write to");
    let to = json!({"url": collector.url(), "token": {"file": token.path()}});
    let more = json!({"log": {"otlp": to.clone()}, "tracing": to});
    let pair = Pair::with(|builder| builder.with(more)).await;
    pair.gateway.chat(&pair.ask("openai", SECRET)).await;
    pair.gateway.anonymous().post(CHAT, &pair.ask("openai", "hi")).await;
    // Envoy rejects it before the filter sees it.
    let refused = pair.gateway.client().header("x-long", &"x".repeat(100_000)).post(CHAT, &json!({})).await;
    assert_eq!(refused.status, 431);
    let lines = pair.gateway.log_lines(3).await;
    let records = collector.records(3).await;
    assert_eq!(records.len(), 3);
    for line in &lines {
        let is_same = |record: &&LogRecord| serde_json::from_str::<Value>(&record.body).is_ok_and(|body| body == *line);
        let record = records.iter().find(is_same).unwrap_or_else(|| panic!("{line} is not in {records:#?}"));
        assert_eq!(record.attributes["http.response.status_code"], line["status"].to_string());
        // The filter adds the trace's id.
        assert_eq!(line["trace_id"].is_null(), line["status"] == 431, "{line}");
    }
}

#[tokio::test]
async fn a_key_that_may_know_learns_cost_and_times_from_the_response() {
    let names = ["x-sluice-cost", "x-sluice-overhead-ms", "x-sluice-ttft-ms"];
    let prices = json!({"unpriced": {"input": 1, "output": 1}});
    let pair = Pair::with(|builder| {
        let models = ["openai", "anthropic"];
        let report = Key::new("report", "sk-report").models(&models).set("control", json!(["report"]));
        builder.key(Key::new("test", KEY).models(&models)).key(report).with(json!({"prices": prices}))
    })
    .await;
    let mut count = 0;
    for provider in ["openai", "anthropic"] {
        for stream in [false, true] {
            let body = with(pair.ask(provider, "hi"), json!({"stream": stream}));
            let answer = pair.gateway.anonymous().bearer("sk-report").post(CHAT, &body).await;
            count += 1;
            let [cost, overhead, first] = names.map(|name| answer.header(name));
            let number = |text: Option<&str>| text.and_then(|text| text.parse::<f64>().ok());
            assert!(number(overhead).is_some_and(|overhead| overhead < 1000.0), "{answer:?}");
            assert_eq!((cost.is_some(), number(first).is_some()), (!stream, stream), "{answer:?}");
            let line = line(&pair, count).await;
            if let Some(cost) = cost {
                assert_eq!(line["cost_usd"], cost, "{line}");
            }
            let other = pair.gateway.chat(&body).await;
            count += 1;
            assert_eq!((other.status, names.map(|name| other.header(name))), (200, [None; 3]));
        }
    }
}
