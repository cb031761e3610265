use super::*;
use crate::check::check;

/// Warnings for [`GOOD`] with these replacements.
fn warnings(changes: &[(&str, &str)]) -> Vec<String> {
    let text = changes.iter().fold(GOOD.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    let checked = check(&text).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
    find(&checked, Base::new(env!("CARGO_MANIFEST_DIR")), 1_800_000_000, true).iter().map(Warning::to_string).collect()
}

const GOOD: &str = "\
listen: 127.0.0.1:8080
providers:
  openai: { kind: openai, key: { file: Cargo.lock.absent } }
  claude: { kind: anthropic, key: { env: PATH_OF_NOBODY } }
models:
  chat: { targets: [{ provider: openai, model: gpt-5 }, { provider: claude, model: claude-haiku-4-5 }] }
teams: { t: {} }
keys:
  - { id: a, team: t, sha256: \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\" }
";
const FOUND: [(&str, &str); 2] = [(", key: { file: Cargo.lock.absent }", ""), (", key: { env: PATH_OF_NOBODY }", "")];

fn one(from: &str, to: &str) -> Vec<String> {
    warnings(&[FOUND[0], FOUND[1], (from, to)])
}

#[test]
fn a_file_that_will_work_has_no_warning() {
    assert_eq!(warnings(&FOUND), [""; 0]);
}

#[test]
fn a_schema_that_was_left_behind_is_said_so() {
    let said = |line: &str| {
        schema(&format!("# yaml-language-server: $schema={line}\n{GOOD}"), Base::new(env!("CARGO_MANIFEST_DIR")))
    };
    // The command works from the directory where `sluice check` was called.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/gateway.schema.json");
    assert!(said("gateway.schema.json").unwrap().ends_with(&format!("Create it: sluice schema > {path}")));
    assert_eq!(
        [said("../examples/gateway.schema.json"), said("https://x.test/schema.json"), schema(GOOD, Base::new(""))],
        [None, None, None]
    );
}

#[test]
fn credentials_that_are_not_there_are_named_with_what_to_do() {
    let found = warnings(&[]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("3: warning: providers.openai.key: cannot read the key from "), "{found:?}");
    let unset = "4: warning: providers.claude.key: the environment variable PATH_OF_NOBODY is not set. Set it: export ";
    assert!(found[1].starts_with(unset), "{found:?}");
}

#[test]
fn missing_tokens_of_collectors_and_webhooks_are_named() {
    let token = "url: 'https://c.test', token: { env: PATH_OF_NOBODY }";
    for (section, path) in [
        (format!("tracing: {{ {token} }}\n"), "tracing.token"),
        (format!("metrics: {{ otlp: {{ {token} }} }}\n"), "metrics.otlp.token"),
        (format!("log: {{ otlp: {{ {token} }} }}\n"), "log.otlp.token"),
        (format!("alerts: {{ {token} }}\n"), "alerts.token"),
    ] {
        let found = one("teams:", &format!("{section}teams:"));
        let expected = format!("7: warning: {path}: the environment variable PATH_OF_NOBODY is not set");
        assert!(found.len() == 1 && found[0].starts_with(&expected), "{found:?}");
    }
}

#[test]
fn metrics_that_nothing_serves_are_named() {
    let hash = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752";
    let admin = format!("admin: {{ sha256: {hash} }}\n");
    for (section, path) in [("public: true", "public"), (&format!("sha256: {hash}"), "sha256")] {
        let section = format!("metrics: {{ {section} }}\n");
        let found = one("teams:", &format!("{section}teams:"));
        let expected = format!("7: warning: metrics.{path}: the file has no section `admin`");
        assert!(found.len() == 1 && found[0].starts_with(&expected), "{found:?}");
        assert_eq!(one("teams:", &format!("{admin}{section}teams:")), [""; 0]);
    }
    let zeros = format!("{admin}metrics: {{ sha256: '{:0>64}' }}\n", 0);
    let found = one("teams:", &format!("{zeros}teams:"));
    assert!(found[0].starts_with("8: warning: metrics.sha256: a placeholder"), "{found:?}");
}

#[test]
fn each_of_what_will_not_work_is_said_with_what_to_write() {
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let zeros = "0".repeat(64);
    let counted = "0123456789abcdef".repeat(4);
    for (from, to, expected) in [
        (
            hash,
            zeros.as_str(),
            "9: warning: keys[0].sha256: a placeholder, which is not the hash of a secret. Create a secret and its hash: sluice keys new --id a --team t",
        ),
        (hash, &counted, "9: warning: keys[0].sha256: a placeholder"),
        ("id: a,", "id: a, expires: 2026-11-01T00:00:00Z,", "9: warning: keys[0].expires: the key expired at 2026-11"),
        (
            "kind: openai",
            "kind: openai, url: https://api.openai.com/v1/chat/completions",
            "3: warning: providers.openai.url: the URL contains the endpoint, which the gateway adds itself. Use the base URL https://api.openai.com/v1",
        ),
        (
            "kind: openai",
            "kind: openai, url: https://api.openai.com/chat/completions",
            "Use the base URL https://api.openai.com/v1",
        ),
        (
            "kind: openai",
            "kind: openai, url: https://api.openai.com",
            "3: warning: providers.openai.url: the URL has no path. Servers of kind openai usually listen at https://api.openai.com/v1",
        ),
        (
            "kind: anthropic",
            "kind: anthropic, url: https://api.anthropic.com/",
            "usually listen at https://api.anthropic.com/v1",
        ),
        (
            "kind: anthropic",
            "kind: anthropic, url: https://api.anthropic.com/v1/messages",
            "Use the base URL https://api.anthropic.com/v1",
        ),
        (
            "kind: openai",
            "kind: openai, url: https://api.openai.com/v2",
            "the base URL of this service is https://api.openai.com/v1",
        ),
        (
            "kind: openai",
            "kind: openai, url: https://x.test/v1/v1",
            "the URL contains /v1 twice. Use https://x.test/v1",
        ),
        (
            "kind: openai",
            "kind: openai, key: { file: Cargo.toml.absent }, url: http://x.test/v1",
            "the gateway sends the provider's key over plain HTTP",
        ),
        (
            "gpt-5",
            "gpt-5-mni",
            "6: warning: models.chat.targets[0].model: the price table of 2026-11-22 has no model \"gpt-5-mni\" of openai (did you mean \"gpt-5-mini\"?)",
        ),
        ("model: gpt-5", "model: openai/gpt-5", "(did you mean \"gpt-5\"?)"),
        ("claude-haiku-4-5", "claude-haiku-4.5", "(did you mean \"claude-haiku-4-5\"?)"),
        (
            "listen: 127.0.0.1:8080",
            "listen: 0.0.0.0:8080",
            "1: warning: listen: 0.0.0.0:8080 accepts plain HTTP from every network",
        ),
        (
            "teams:",
            "tls: { certificate: absent.pem, key: absent.key }\nteams:",
            "7: warning: tls.certificate: cannot read ",
        ),
        ("listen: 127.0.0.1:8080", "listen: \"[::]:8080\"", "1: warning: listen: [::]:8080 accepts plain HTTP"),
        (
            "teams:",
            "admin: { listen: 0.0.0.0:8081, sha256: \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a09\" }\nteams:",
            "admin.listen: 0.0.0.0:8081 accepts plain HTTP",
        ),
        (
            "  claude:",
            "  unused: { kind: groq }\n  claude:",
            "4: warning: providers.unused: no model has a target at this provider",
        ),
        ("teams:", "redis: { url: \"http://127.0.0.1:1\" }\nteams:", "redis.url: no Redis answers at 127.0.0.1:1: "),
        (
            "kind: openai",
            "kind: vllm, url: http://127.0.0.1:1/v1",
            "3: warning: providers.openai.url: no server answers at 127.0.0.1:1: ",
        ),
    ] {
        let found = one(from, to);
        let said = found.iter().find(|found| found.contains(expected));
        assert!(said.is_some(), "{to}: {found:?}");
    }
}

#[test]
fn what_may_well_be_meant_is_no_warning() {
    for (from, to) in [
        ("gpt-5", "gpt-image-1"),
        ("model: gpt-5", "model: whisper-1"),
        ("gpt-5", "ft:gpt-4.1-2025-04-14:me::id"),
        ("kind: openai", "kind: openai, url: https://api.openai.com/v1/"),
        ("kind: openai", "kind: azure, url: https://x.openai.azure.com"),
        ("kind: openai", "kind: openai, url: https://mine.test/proxy"),
        ("gpt-5", "\"*\""),
    ] {
        assert_eq!(one(from, to).iter().filter(|found| !found.contains("has no model \"chat\"")).count(), 0, "{to}");
    }
}

#[test]
fn a_redis_that_speaks_no_http_is_recognised_and_one_that_answers_is_fine() {
    use std::io::{Read, Write};
    let serve = |answer: &'static [u8]| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Each question uses one connection; the last one ends the server.
        let server = std::thread::spawn(move || {
            for stream in listener.incoming().take(2) {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(answer);
            }
        });
        (address, server)
    };
    let ask = |address: std::net::SocketAddr| {
        let text = format!("http://{address}");
        ask_redis(&Url::parse(&text).unwrap(), &text, Protocol::Webdis, |url| reach::get(url, None))
    };
    let (address, server) = serve(b"+PONG\r\n");
    assert!(ask(address).unwrap().contains("Put Webdis in front of it"));
    server.join().unwrap();
    let (address, server) =
        serve(b"HTTP/1.1 200 OK\r\ncontent-length: 22\r\nconnection: close\r\n\r\n{\"PING\":[true,\"PONG\"]}");
    assert_eq!(ask(address), None);
    assert!(ask(address).is_none());
    server.join().unwrap();
}

#[test]
fn budgets_of_keys_in_redis_need_prices() {
    let team = ("teams: { t: {} }", "teams:\n  t: {}\n  u: { budget: { daily: 1 } }");
    let local = ("{ provider: claude, model: claude-haiku-4-5 }", "{ provider: own, model: x }");
    let provider = (
        "  claude: { kind: anthropic",
        "  own: { kind: vllm, url: \"http://10.0.0.1/v1\" }\n  claude: { kind: anthropic",
    );
    let redis = ("keys:", "redis: { url: \"http://10.0.0.1:7379\" }\nkeys:");
    let of = |more: &[(&str, &str)]| {
        let text = [&FOUND[..], &[team, local, provider], more].concat();
        let text = text.iter().fold(GOOD.to_owned(), |text, (from, to)| text.replace(from, to));
        let checked = check(&text).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
        let found = find(&checked, Base::new(env!("CARGO_MANIFEST_DIR")), 1_800_000_000, false);
        found.iter().map(Warning::to_string).filter(|text| text.contains("price")).collect::<Vec<_>>()
    };
    assert_eq!(of(&[]), [""; 0], "without Redis all keys are in the file");
    let expected = "10: warning: teams.u.budget: \"own/x\" has no price, so a key in Redis that this budget applies to \
                    cannot use it. Set one under prices.models, or a default at prices.unpriced";
    assert_eq!(of(&[redis]), [expected]);
    let priced = ("redis:", "prices: { models: { own/x: { input: 0, output: 0 } } }\nredis:");
    assert_eq!(of(&[redis, priced]), [""; 0]);
}

/// Warnings for [`GOOD`] with these judges and guardrails, which the check itself still rejects.
fn judged(judges: &str, guards: &str) -> Vec<String> {
    let good = FOUND.iter().fold(GOOD.to_owned(), |text, (from, to)| text.replace(from, to));
    let mut checked = check(&good).unwrap();
    checked.file.judges = serde_json::from_str(judges).unwrap();
    checked.file.guards = serde_json::from_str(guards).unwrap();
    find(&checked, Base::new(env!("CARGO_MANIFEST_DIR")), 1_800_000_000, false).iter().map(Warning::to_string).collect()
}

#[test]
fn a_judge_that_is_unused_or_intercepted_or_sees_more_than_others_is_said_so() {
    let guard = |more: &str| {
        format!(
            r#"{{ "j": {{ "judge": {{ "service": "w", "on_error": "allow"{more} }} }},
            "pii": {{ "detect": ["email"], "on": ["prompts"], "action": "mask" }} }}"#
        )
    };
    let webhook = |url: &str| format!(r#"{{ "w": {{ "type": "webhook", "url": "{url}" }} }}"#);
    assert_eq!(judged(&webhook("http://judge:8000"), &guard("")), [""; 0], "a name without a dot is near");
    for (found, expected) in [
        (judged(&webhook("http://127.0.0.1:1"), "{}"), "judges.w: no guardrail uses this judge"),
        (judged(&webhook("http://judge.example"), &guard("")), "judges.w.url: the gateway sends clients' texts over"),
        (
            judged(&webhook("https://judge.example"), &guard(r#", "raw": true"#)),
            "guards.j.judge.raw: the judge receives the texts that other guardrails mask",
        ),
    ] {
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(&format!("warning: {expected}")), "{found:?}");
    }
    let slow = |time: &str, on: &str| {
        let judge = format!(r#"{{ "w": {{ "type": "webhook", "url": "https://w", "timeout": "{time}" }} }}"#);
        judged(&judge, &format!(r#"{{ "j": {{ "judge": {{ "service": "w", "on_error": "allow" }}, {on} }} }}"#))
    };
    for (time, on) in [
        ("29s", r#""on": ["answers"]"#),
        ("1m", r#""on": ["prompts"]"#),
        ("1m", r#""on": ["answers"], "match": { "model": "other" }"#),
    ] {
        assert_eq!(slow(time, on), [""; 0], "{time} {on}");
    }
    let found = slow("30s", r#""on": ["answers"], "match": { "model": "chat" }"#);
    let expected =
        "judges.w.timeout: a request to the model chat fails after 30s (`first_token` of its timeouts), before";
    assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    let key = r#"{ "w": { "type": "webhook", "url": "https://w", "key": { "env": "PATH_OF_NOBODY" } } }"#;
    assert!(judged(key, &guard(""))[0].contains("judges.w.key: the environment variable PATH_OF_NOBODY is not set"));
}
