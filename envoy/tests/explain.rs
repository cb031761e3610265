//! `sluice explain` as a user runs it.

use std::fs;
use std::process::{Command, Output};

/// A gateway with a strict and a lenient model, and keys with and without override permissions.
const GATEWAY: &str = r#"
providers:
  big: { kind: openai, url: "https://big.example/v1" }
  claude: { kind: anthropic, url: "https://claude.example/v1" }
  small: { kind: openai, url: "https://small.example/v1" }
models:
  chat:
    strategy: cheapest
    targets:
      - { provider: big, model: x, weight: 3 }
      - { provider: claude, model: y }
      - { provider: small, model: z, tier: 2 }
    routes:
      - { match: { headers: { x-env: "prod*" }, team: research }, strategy: fallback, targets: [small/z, big] }
      - { match: { time: { from: "22:00", to: "06:00" } }, strategy: weighted }
  spare: { targets: [{ provider: small, model: z }] }
  kept: { targets: [{ provider: small, model: z }], cache: { ttl: 10m, scope: app } }
  similar:
    targets: [{ provider: small, model: z }]
    cache: { ttl: 10m, semantic: { embeddings: embed, threshold: 0.9, scope: key, mode: shadow } }
  embed: { targets: [{ provider: small, model: e }] }
  agent:
    strategy: fastest
    sticky: conversation
    prompt_cache: auto
    targets: [{ provider: claude, model: claude-sonnet-4-5 }, { provider: small, model: z }]
prices:
  models:
    big/x: { input: 3, output: 15 }
    claude/y: { input: 1, output: 5 }
    claude/claude-sonnet-4-5: { input: 3, output: 15 }
    small/z: { input: 0.1, output: 0.1 }
    small/e: { input: 0.1, output: 0 }
capabilities:
  small/z: { vision: false }
teams:
  research: { budget: { monthly: 400, then_model: spare } }
apps: { bot: {} }
keys:
  - { id: alice, team: research, app: bot, limits: { requests_per_minute: 60 }, control: [route, fallback, timeout, cache],
      sha256: "0000000000000000000000000000000000000000000000000000000000000000" }
  - { id: bob, team: research, models: [spare], forbid: [service_tier, tools.web_search],
      sha256: "1111111111111111111111111111111111111111111111111111111111111111" }
  - { id: gone, team: research, revoked: true,
      sha256: "2222222222222222222222222222222222222222222222222222222222222222" }
  - { id: dora, team: research, sha256: "3333333333333333333333333333333333333333333333333333333333333333" }
limits:
  - { match: { provider: big }, limits: { max_request_tokens: 100000 } }
guards:
  pii: { match: { key: dora }, detect: [email], on: [prompts], action: mask }
  secrets: { match: { key: dora }, detect: [api_key] }
"#;

const PLAIN: &str =
    r#"{"model":"chat","max_tokens":100,"messages":[{"role":"user","content":"How deep is the sea?"}]}"#;

/// The command's output for this request, sent with this key at noon.
fn explain(request: &str, key: &str, more: &[&str]) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let (gateway, body) = (directory.path().join("gateway.yaml"), directory.path().join("request.json"));
    fs::write(&gateway, GATEWAY).unwrap();
    fs::write(&body, request).unwrap();
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .arg("explain")
        .args([&gateway, &body])
        .args(["--key", key])
        .args(if more.contains(&"--at") { &[][..] } else { &["--at", "2026-11-23T12:00:00Z"] })
        .args(more)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(stderr).unwrap(), "");
    (status.code(), String::from_utf8(stdout).unwrap())
}

#[test]
fn a_decision_is_told_with_its_reasons() {
    let (code, said) = explain(PLAIN, "alice", &[]);
    assert_eq!(
        said,
        "key alice of team research, app bot, at 2026-11-23T12:00:00Z\n\
         asks for chat; needs room for a prompt of about 24 tokens\n\
         \n\
         routes[0] does not match: headers\n\
         routes[1] does not match: time\n\
         strategy cheapest: by expected cost of this request; targets without a price are last\n\
         \n\
         targets in fallback order:\n  \
         1. claude/y  tier 1, weight 1, $0.000528 for 28 input tokens and 100 output tokens\n  \
         2. big/x  tier 1, weight 3, $0.001572 for 24 input tokens and 100 output tokens\n\
         \n\
         excluded targets:\n  \
         -  small/z  it is in a lower tier, and allow_lower_tier is not set\n\
         \n\
         limits and budgets at claude/y:\n  \
         team=research/usd/month  limit $400.000000, fallback spare; this request reserves $0.000528\n  \
         key=alice/requests/minute  limit 60; this request reserves 1\n  \
         fallback when a budget is used up: spare, at small/z\n\
         \n\
         This command does not know the usage of limits and budgets, or the health of targets. A running gateway moves targets \
         with an open circuit breaker or a pending retry-after time to the end; `fastest` and `least_busy` use its \
         measurements.\n"
    );
    assert_eq!(code, Some(0));
}

#[test]
fn routes_follow_headers_and_the_time() {
    let (_, said) = explain(PLAIN, "alice", &["--header", "X-Env: prod-1"]);
    assert!(said.contains("routes[0] matches and is used\nstrategy fallback: "), "{said}");
    assert!(!said.contains("routes[1]"), "it was not looked at: {said}");
    assert!(said.contains("  1. small/z  tier 2") && said.contains("  2. big/x"), "{said}");
    assert!(said.contains("  -  claude/y  the matching route does not list it"), "{said}");
    let (_, said) = explain(PLAIN, "alice", &["--at", "2026-11-23T23:00:00Z"]);
    assert!(said.contains("routes[1] matches and is used\nstrategy weighted: random for each request"), "{said}");
    assert!(said.contains("big/x  tier 1, weight 3 (75.0% of 4)"), "{said}");
}

#[test]
fn a_clients_wishes_are_told_and_followed() {
    let wishes =
        ["--header", "x-sluice-route: big", "--header", "x-sluice-fallback: off", "--header", "x-sluice-timeout: 5s"];
    let (code, said) = explain(PLAIN, "alice", &wishes);
    assert!(said.contains("its headers request big first, no fallback, a timeout of 5s\n"), "{said}");
    assert!(said.contains("  1. big/x") && said.contains("  -  claude/y  only the first target is used"), "{said}");
    assert_eq!(code, Some(0));
}

#[test]
fn whether_an_answer_is_looked_for_in_the_cache_is_told() {
    let kept = PLAIN.replace("\"chat\"", "\"kept\"");
    let cache = |request: &str, more: &[&str]| {
        let (_, said) = explain(request, "alice", more);
        said.lines().find_map(|line| line.strip_prefix("cache: ")).map(str::to_owned)
    };
    let looked = "looks for an answer shared by app bot, no older than 600s";
    assert_eq!(cache(&kept, &[]).as_deref(), Some(looked));
    let fill = "lookup skipped because of cache-control; stores the answer for app bot, 600s";
    assert_eq!(cache(&kept, &["--header", "Cache-Control: no-cache"]).as_deref(), Some(fill));
    let ignored = kept.replacen('{', r#"{"user":"u","stream":true,"#, 1);
    assert_eq!(cache(&ignored, &[]), Some(format!("{looked}; ignores user, stream")));
    let twice = kept.replacen('{', r#"{"seed":1,"Seed":2,"#, 1);
    assert_eq!(cache(&twice, &[]), Some(format!("{looked}; only a request with the same bytes is equal")));
    let only = ["--header", "Cache-Control: only-if-cached, max-age=60", "--header", "x-sluice-cache-namespace: tests"];
    let expected = "looks for an answer shared by app bot in the namespace tests, no older than 60s; refused with 504 if \
                    there is none";
    assert_eq!(cache(&kept, &only).as_deref(), Some(expected));
    let routed = ["--header", "x-sluice-route: small"];
    assert_eq!(cache(&kept, &routed).as_deref(), Some("bypassed: its x-sluice-route header overrides routing"));
    assert_eq!(cache(PLAIN, &[]), None);
    let (_, told) = explain(&kept, "alice", &["--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&told).unwrap()["cache"], looked);
}

#[test]
fn whether_a_request_is_compared_with_others_is_told() {
    let same = PLAIN.replace("\"chat\"", "\"similar\"");
    let cache = |request: &str, more: &[&str]| {
        let (_, said) = explain(request, "alice", more);
        said.lines().find_map(|line| line.strip_prefix("cache: ")).map(str::to_owned).expect("a cache")
    };
    let said = cache(&same, &[]);
    let compared =
        "; would serve the answer to a similar request of the same key, with a similarity of 0.9000 by embed or more";
    assert!(said.ends_with(compared), "{said}");
    let raised = cache(&same, &["--header", "x-sluice-similarity: 0.95"]);
    assert!(raised.contains("a similarity of 0.9500"), "{raised}");
    let turns = same.replace("[{", r#"[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes?"},{"#);
    let said = cache(&turns, &[]);
    assert!(
        said.ends_with("; similar requests are not looked for, because it has earlier turns (`multi_turn`)"),
        "{said}"
    );
}

#[test]
fn what_a_target_cannot_is_told() {
    let image = r#"{"type":"image_url","image_url":{"url":"https://example.com/1.png"}}"#;
    let seeing = format!(r#"{{"model":"spare","messages":[{{"role":"user","content":[{image}]}}]}}"#);
    let (code, said) = explain(&seeing, "bob", &[]);
    assert!(
        said.starts_with("rejected: 400 capability_missing: ") && said.contains("it does not support images"),
        "{said}"
    );
    assert_eq!(code, Some(1));
    let (code, said) = explain(&PLAIN.replace("\"max_tokens\"", "\"logprobs\":true,\"max_tokens\""), "alice", &[]);
    assert!(said.contains("  -  claude/y  400 unsupported_parameter (logprobs): "), "{said}");
    assert!(said.contains("  1. big/x") && code == Some(0), "{said}");
    let odd = PLAIN.replace("\"max_tokens\"", "\"logprobs\":true,\"max_tokens\"");
    let (_, said) = explain(&odd, "alice", &["--header", "x-sluice-route: fallback"]);
    assert!(said.contains("  2. claude/y"), "{said}");
    assert!(
        said.contains("     cannot serve the request, and ends the fallbacks here: 400 unsupported_parameter"),
        "{said}"
    );
    let (_, said) = explain(&PLAIN.replace("\"max_tokens\"", "\"seed\":1,\"max_tokens\""), "alice", &[]);
    assert!(said.contains("     would drop unsupported fields: seed\n"), "{said}");
    let (_, said) = explain(&PLAIN.replace("the sea", &"the sea ".repeat(50_000)), "alice", &[]);
    assert!(said.contains("  -  big/x  400 max_request_tokens_exceeded: This request may use "), "{said}");
}

#[test]
fn a_refusal_is_what_the_client_would_read() {
    for (request, key, more, expected) in [
        (PLAIN, "carol", &[][..], "rejected: 401 invalid_api_key: "),
        (PLAIN, "gone", &[], "rejected: 401 invalid_api_key: "),
        (PLAIN, "bob", &[], "rejected: 403 model_not_allowed (model): "),
        ("{", "alice", &[], "rejected: 400 invalid_json: "),
        (r#"{"model":"caht","messages":[1]}"#, "alice", &[], "rejected: 404 model_not_found (model): "),
        (PLAIN, "bob", &["--header", "x-sluice-route: big"], "rejected: 403 control_not_allowed: "),
        (PLAIN, "alice", &["--header", "x-sluice-route: bg"], "rejected: 400 route_not_found: "),
        (PLAIN, "alice", &["--header", "x-sluice-fallback: no"], "rejected: 400 invalid_header: "),
    ] {
        let (code, said) = explain(request, key, more);
        assert!(said.starts_with(expected), "{said}");
        assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    }
}

#[test]
fn guardrails_are_told_with_what_they_make_of_the_request() {
    let asks = |text: &str| PLAIN.replace("the sea", text);
    let (code, said) = explain(&asks("a@b.io"), "dora", &[]);
    assert!(code == Some(0) && said.contains("guardrails found pii: email (prompts, mask)"), "{said}");
    assert!(said.contains("the gateway buffers the whole answer until it passes the guardrail secrets"), "{said}");
    let key = format!("sk-{}", "a1".repeat(12));
    let (code, said) = explain(&asks(&key), "dora", &[]);
    assert!(code == Some(1) && said.contains("guardrail_blocked") && !said.contains(&key), "{said}");
}

#[test]
fn the_same_is_told_as_json() {
    let read = |(code, said): (Option<i32>, String)| (code, serde_json::from_str::<serde_json::Value>(&said).unwrap());
    let (code, told) = read(explain(PLAIN, "alice", &["--json"]));
    assert_eq!((code, &told["served"], &told["strategy"]), (Some(0), &true.into(), &"cheapest".into()));
    let order: Vec<_> = told["targets"].as_array().unwrap().iter().map(|target| target["target"].as_str()).collect();
    assert_eq!(order, [Some("claude/y"), Some("big/x"), Some("small/z")]);
    assert_eq!(told["targets"][0]["cost_usd"], "0.000528");
    assert!(told["targets"][0]["left_out"].is_null() && told["targets"][2]["left_out"].is_string(), "{told}");
    assert_eq!(
        (&told["counted"][0]["counter"], &told["routes"][1]["misfits"][0]),
        (&"team=research/usd/month".into(), &"time".into())
    );
    let (code, told) = read(explain(PLAIN, "carol", &["--json"]));
    assert_eq!((code, &told["served"], &told["error"]["status"]), (Some(1), &false.into(), &401.into()));
}

#[test]
fn what_a_prompt_cache_gets_is_told_for_each_target() {
    let long = PLAIN.replace("chat", "agent").replace("How deep", &"How deep ".repeat(1000));
    let (code, text) = explain(&long, "alice", &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("strategy fastest: by weight, and constant for the conversation, because it is sticky\n"),
        "{text}"
    );
    assert!(text.contains("     would get 1 mark for its prompt cache if the prompt repeats\n"), "{text}");
    assert_eq!(text.matches("     would get the prompt_cache_key sluice-").count(), 1, "{text}");
    let own = long.replace("}]}", r#","cache_control":{"type":"ephemeral"}}],"prompt_cache_key":"mine"}"#);
    let (_, text) = explain(&own, "alice", &[]);
    assert!(!text.contains("would get"), "{text}");
}

#[test]
fn what_cannot_be_read_is_another_exit_code() {
    let output = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args([
            "explain",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/minimal.yaml"),
            "absent.json",
            "--key",
            "a",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("sluice: cannot read absent.json: "));
}

#[test]
fn what_is_forbidden_is_told_and_is_refused_by_name() {
    let spare = PLAIN.replace("chat", "spare");
    let (code, text) = explain(&spare, "bob", &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("it must not contain service_tier (key bob), tools.web_search (key bob)\n"), "{text}");
    let (code, text) = explain(&spare.replace("max_tokens\":100", "service_tier\":\"flex\""), "bob", &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("rejected: 403 parameter_not_allowed (service_tier): `service_tier`"), "{text}");
}

#[test]
fn what_is_reserved_for_what_stands_elsewhere_is_told() {
    let searching = PLAIN.replace("\"max_tokens\"", "\"web_search_options\":{},\"max_tokens\"");
    let told = "  this includes 32000 tokens for content that the request only refers to \
                (reservation.unknown_input)\n";
    let (code, said) = explain(&searching, "alice", &[]);
    assert!(said.contains(told) && code == Some(0), "{said}");
    let (_, said) = explain(PLAIN, "alice", &[]);
    assert!(!said.contains("only refers to"), "{said}");
}
