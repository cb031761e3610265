//! Names that match through patterns and aliases. An entry has one counter, whichever name matched it.

use std::rc::Rc;

use serde_json::{Value, json as value};
use sluice_core::pipeline::worker::Worker;
use sluice_core::store::{Counter, LimitWindow, embedded};
use sluice_wire::time::Time;

use crate::envoy::{Envoy, SECRET, Script, Seen, json};
use crate::shared::Shared;

use super::spending::sha256;
use super::{ANSWER, CHAT};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const MESSAGES: &str = "/v1/messages";
const CONTROLS: &str = "sk-controls";
const HAIKUS: &str = "sk-haikus";

/// One worker for several requests.
struct Site {
    worker: Rc<Worker>,
    shared: Rc<Shared>,
}

impl Site {
    /// A site with these additional fields of the file.
    fn new(more: &str) -> Self {
        let file = format!(
            r#"{{"providers":{{"oai":{{"kind":"openai"}},"ant":{{"kind":"anthropic"}},"bed":{{"kind":"bedrock","url":"https://bed.test"}}}},
                "models":{{
                    "claude-*":{{"targets":[{{"provider":"ant","model":"*"}}],"limits":{{"requests_per_minute":2}}}},
                    "claude-haiku-*":{{"targets":[{{"provider":"ant","model":"*"}},{{"provider":"oai","model":"gpt-small"}}]}},
                    "claude-opus-4-8":{{"targets":[{{"provider":"ant","model":"claude-opus-4-8"}}]}},
                    "*-mini":{{"targets":[{{"provider":"oai","model":"*-mini-2026"}}]}},
                    "bed-*":{{"targets":[{{"provider":"bed","model":"anthropic.*"}}]}},
                    "up-*":{{"targets":[{{"provider":"oai","model":"m/*"}}]}},
                    "oai/*":{{"targets":[{{"provider":"oai","model":"*"}}]}},
                    "same":{{"targets":[{{"provider":"oai","model":"*"}}]}}}},
                "aliases":{{"claude-opus-4-8[1m]":"claude-opus-4-8","claude-*[1m]":"claude-*","gpt-4":"same"}},
                "prices":{{"models":{{"ant/claude-sonnet-5":{{"input":3,"output":15}},"ant/claude-haiku-4-5":{{"input":1,"output":5}},
                                      "bed/anthropic.claude-x":{{"input":1,"output":1}},"oai/same":{{"input":2,"output":2}}}}}},
                "capabilities":{{"ant/claude-sonnet-5":{{"vision":false}}}},
                "teams":{{"t":{{}}}},
                "keys":[{{"id":"k","team":"t","sha256":"{}"}},
                        {{"id":"c","team":"t","sha256":"{}","control":["targets"]}},
                        {{"id":"h","team":"t","sha256":"{}","models":["claude-haiku-*","same"]}}]{more}}}"#,
            sha256(SECRET),
            sha256(CONTROLS),
            sha256(HAIKUS),
        );
        let config = sluice_config::from_json(file.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
        Self { worker: Rc::new(Worker::new(Rc::new(config), [7; 16])), shared: Rc::default() }
    }

    fn send(&self, method: &str, path: &str, secret: &str, body: &str, script: &[Script]) -> Seen {
        let headers = [("api-key", secret.as_bytes())];
        Envoy::with(self.worker.clone(), self.shared.clone()).send(method, path, &headers, body.as_bytes(), script)
    }

    fn ask(&self, secret: &str, model: &str) -> Seen {
        let message = r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn",
                "usage":{"input_tokens":1000,"output_tokens":100}}"#;
        let body = value!({"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        self.send("POST", MESSAGES, secret, &body.to_string(), &[json(200, message)])
    }

    fn chat(&self, secret: &str, model: &str) -> Seen {
        let body = value!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        self.send("POST", CHAT, secret, &body.to_string(), &[json(200, ANSWER)])
    }

    fn listed(&self, secret: &str) -> Vec<String> {
        let list: Value = serde_json::from_str(&self.send("GET", "/v1/models", secret, "", &[]).body).unwrap();
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// The entry in the log, and the model in the provider's request.
fn led(seen: &Seen) -> (String, String) {
    assert_eq!(seen.status, 200, "{}", seen.body);
    let asked: Value = serde_json::from_str(&seen.received[0].body).unwrap();
    let asked = asked["model"].as_str().map_or_else(|| path(seen), str::to_owned);
    (seen.log["model"].as_str().unwrap().to_owned(), asked)
}

fn path(seen: &Seen) -> String {
    seen.received[0].headers.text(":path").unwrap().to_owned()
}

fn code(seen: &Seen) -> (u16, String) {
    assert!(seen.received.is_empty());
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    (seen.status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn the_most_specific_entry_serves_and_its_provider_is_asked_for_the_name() {
    for (asked, entry, model) in [
        ("claude-sonnet-5", "claude-*", "claude-sonnet-5"),
        ("claude-unheard-of", "claude-*", "claude-unheard-of"),
        ("claude-", "claude-*", "claude-"),
        ("claude-haiku-4-5-20251001", "claude-haiku-*", "claude-haiku-4-5-20251001"),
        ("claude-opus-4-8", "claude-opus-4-8", "claude-opus-4-8"),
        ("claude-opus-4-8-20260801", "claude-*", "claude-opus-4-8-20260801"),
        // The longer text before the wildcard wins.
        ("claude-mini", "claude-*", "claude-mini"),
        // Aliases, plain and as patterns.
        ("claude-opus-4-8[1m]", "claude-opus-4-8", "claude-opus-4-8"),
        ("claude-sonnet-5[1m]", "claude-*", "claude-sonnet-5"),
        ("claude-haiku-9[1m]", "claude-haiku-*", "claude-haiku-9"),
    ] {
        assert_eq!(led(&Site::new("").ask(SECRET, asked)), (entry.to_owned(), model.to_owned()), "{asked}");
    }
    for (asked, entry, model) in [
        ("gpt-5-mini", "*-mini", "gpt-5-mini-2026"),
        // A provider prefix in a pattern is not part of its models' names.
        ("oai/gpt-5", "oai/*", "gpt-5"),
        ("oai/ft:gpt-5:me::id", "oai/*", "ft:gpt-5:me::id"),
        ("same", "same", "same"),
        ("gpt-4", "same", "same"),
    ] {
        assert_eq!(led(&Site::new("").chat(SECRET, asked)), (entry.to_owned(), model.to_owned()), "{asked}");
    }
    let bedrock = Site::new("").ask(SECRET, "bed-claude-x");
    assert_eq!(path(&bedrock), "/model/anthropic.claude-x/converse");
}

#[test]
fn an_answer_says_what_served_and_not_the_pattern() {
    let seen = Site::new("").ask(SECRET, "claude-sonnet-5[1m]");
    assert_eq!(seen.headers.text("x-sluice-model"), Some("claude-sonnet-5"));
    assert_eq!(seen.log["served_model"], "claude-sonnet-5");
}

#[test]
fn a_name_that_could_not_be_a_models_fits_no_pattern() {
    for asked in [
        "claude-*",
        "claude-a b",
        "claude-a?b",
        "claude-a#b",
        "claude-a%2Fb",
        "claude-a/../x",
        "claude-a/./x",
        "claude-a//x",
        "claude-a/",
        "oai/../x",
        "up-../x",
        "claude-a\\u0000",
        "claude-\u{e9}",
        "claude-a\"b",
        "claude-a\nb",
        "",
    ] {
        let seen = Site::new("").ask(SECRET, asked);
        assert!(matches!(seen.status, 400 | 404), "{asked:?}: {}", seen.body);
        assert!(seen.received.is_empty(), "{asked:?}");
        assert_eq!(seen.log["model"], Value::Null, "{asked:?}");
    }
    let long = format!("claude-{}", "x".repeat(250));
    assert_eq!(Site::new("").ask(SECRET, &long).status, 404);
    assert_eq!(Site::new("").ask(SECRET, &long[..256]).status, 200);
}

#[test]
fn an_entry_is_one_counter() {
    let site = Site::new("");
    for asked in ["claude-a", "claude-b[1m]"] {
        assert_eq!(site.ask(SECRET, asked).status, 200);
    }
    let third = site.ask(SECRET, "claude-c");
    assert_eq!(third.status, 429, "{}", third.body);
    assert_eq!(third.log["model"], "claude-*");
    assert_eq!(site.ask(SECRET, "claude-haiku-4").status, 200, "another entry has its own");
}

#[test]
fn prices_and_capabilities_are_those_of_the_model_that_serves() {
    assert_eq!(Site::new("").ask(SECRET, "claude-sonnet-5").log["cost_usd"], "0.004500");
    assert_eq!(Site::new("").ask(SECRET, "claude-haiku-4-5").log["cost_usd"], "0.001500");
    assert_eq!(Site::new("").ask(SECRET, "claude-sonnet-6").log["cost_usd"], Value::Null);
    let budget = r#","budgets":[{"match":{"model":"claude-*"},"budget":{"daily":5}}]"#;
    assert_eq!(Site::new(budget).ask(SECRET, "claude-sonnet-5").status, 200);
    let unpriced = Site::new(budget).ask(SECRET, "claude-sonnet-6");
    assert!(unpriced.body.contains("no price") && unpriced.received.is_empty(), "{}", unpriced.body);
    let image = |model: &str| {
        let image = value!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}});
        let body = value!({"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": [image]}]});
        let answer =
            r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn"}"#;
        Site::new("").send("POST", MESSAGES, SECRET, &body.to_string(), &[json(200, answer)])
    };
    assert_eq!(image("claude-sonnet-5").status, 400);
    assert_eq!(image("claude-sonnet-6").status, 200, "nothing is stated of it");
}

#[test]
fn a_keys_models_fit_the_name_that_is_asked_or_what_its_alias_stands_for() {
    let site = Site::new("");
    for asked in ["claude-haiku-4-5", "claude-haiku-4-5[1m]"] {
        assert_eq!(site.ask(HAIKUS, asked).status, 200, "{asked}");
    }
    assert_eq!(site.chat(HAIKUS, "gpt-4").status, 200, "an alias of what it may ask for");
    let refused = site.ask(HAIKUS, "claude-sonnet-5");
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(refused.received.is_empty());
    assert_eq!(code(&site.chat(HAIKUS, "gpt-5-mini")), (403, "model_not_allowed".to_owned()));
}

#[test]
fn lists_have_names_that_can_be_asked_for_and_no_patterns() {
    let site = Site::new("");
    let all = [
        "claude-haiku-4-5",
        "claude-opus-4-8",
        "claude-sonnet-5",
        "bed-claude-x",
        "same",
        "gpt-4",
        "claude-opus-4-8[1m]",
    ];
    let listed = site.listed(SECRET);
    assert!(all.iter().all(|name| listed.iter().any(|listed| listed == name)), "{listed:?}");
    assert!(listed.iter().all(|name| !name.contains('*')), "{listed:?}");
    // A model with its own price is listed with its provider prefix.
    assert!(listed.contains(&"oai/same".to_owned()), "{listed:?}");
    let mut once = listed.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), listed.len(), "each once");
    assert_eq!(site.listed(HAIKUS), ["claude-haiku-4-5", "gpt-4", "same"]);
    // Clients that may choose targets see them after the models.
    let (models, targets) =
        site.listed(CONTROLS).split_at_checked(listed.len()).map(|(a, b)| (a.to_vec(), b.to_vec())).unwrap();
    assert_eq!(models, listed);
    for name in ["ant/claude-sonnet-5", "ant/claude-opus-4-8", "bed/anthropic.claude-x"] {
        assert!(targets.iter().any(|target| target == name), "{targets:?}");
    }
    for name in ["claude-sonnet-5", "claude-unheard-of", "claude-opus-4-8%5B1m%5D", "gpt-4"] {
        let one = site.send("GET", &format!("/v1/models/{name}"), SECRET, "", &[]);
        let one: Value = serde_json::from_str(&one.body).unwrap();
        assert_eq!(one["id"], name.replace("%5B", "[").replace("%5D", "]"), "{one}");
    }
    assert_eq!(site.send("GET", "/v1/models/claude-*", SECRET, "", &[]).status, 404);
    assert_eq!(site.send("GET", "/v1/models/mistral", SECRET, "", &[]).status, 404);
}

#[test]
fn who_may_choose_targets_asks_for_what_a_pattern_would_ask_for_and_no_more() {
    let site = Site::new("");
    let direct = site.ask(CONTROLS, "ant/claude-sonnet-5");
    assert_eq!(led(&direct), ("ant/claude-*".to_owned(), "claude-sonnet-5".to_owned()));
    assert_eq!(site.ask(CONTROLS, "ant/claude-opus-4-8").log["model"], "ant/claude-opus-4-8");
    assert_eq!(code(&site.chat(CONTROLS, "ant/gpt-5")), (404, "model_not_found".to_owned()));
    assert_eq!(code(&site.chat(SECRET, "ant/claude-sonnet-5")), (404, "model_not_found".to_owned()));
}

#[test]
fn guardrails_of_a_model_hold_for_every_name_that_leads_to_it() {
    let guard = r#","guards":{"g":{"words":["hi"],"match":{"model":"claude-*"}},"s":{"words":["hi"],"match":{"model":"same"}}}"#;
    for asked in ["claude-sonnet-5", "claude-sonnet-5[1m]"] {
        assert_eq!(Site::new(guard).ask(SECRET, asked).status, 400, "{asked}");
    }
    for asked in ["same", "gpt-4"] {
        assert_eq!(Site::new(guard).chat(SECRET, asked).status, 400, "{asked}");
    }
    assert_eq!(Site::new(guard).ask(SECRET, "claude-opus-4-8").status, 200);
}

#[test]
fn names_that_nobody_knows_leave_nothing_of_their_own_behind() {
    let failing = || json(500, "{}");
    let mut left = Vec::new();
    for count in [1, 40] {
        let site = Site::new("");
        for number in 0..count {
            let body = value!({"model": format!("x{number}-mini"), "messages": [{"role": "user", "content": "hi"}]});
            site.send("POST", CHAT, SECRET, &body.to_string(), &[failing(), failing(), failing()]);
        }
        left.push((site.shared.names(), site.worker.known_targets()));
    }
    assert_eq!(left[0], left[1]);
}

/// Uploads a batch file with requests for the models `asked`, with a key that may use `models`.
fn uploaded(models: &str, asked: &[&str]) -> (Site, Seen) {
    let more = r#","stored":"oai","budgets":[{"match":{"model":"gpt-*"},"budget":{"total":1}}]"#;
    let file = format!(
        r#"{{"providers":{{"oai":{{"kind":"openai"}}}},"models":{{"gpt-*":{{"targets":[{{"provider":"oai","model":"*"}}]}}}},
            "prices":{{"models":{{"oai/gpt-5":{{"input":1,"output":2}},"oai/gpt-6":{{"input":1,"output":2}}}}}},
            "teams":{{"t":{{}}}},"keys":[{{"id":"k","team":"t","sha256":"{}","models":[{models}],"endpoints":["/v1/*"]}}]{more}}}"#,
        sha256(SECRET)
    );
    let config = sluice_config::from_json(file.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
    let site = Site { worker: Rc::new(Worker::new(Rc::new(config), [7; 16])), shared: Rc::default() };
    let line = |model: &&str| {
        let body =
            value!({"model": model, "max_completion_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        value!({"custom_id": "1", "method": "POST", "url": CHAT, "body": body}).to_string()
    };
    let body = format!(
        "--xYz\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--xYz\r\nContent-Disposition: form-data; \
         name=\"file\"; filename=\"in.jsonl\"\r\n\r\n{}\r\n--xYz--\r\n",
        asked.iter().map(line).collect::<Vec<_>>().join("\n")
    );
    let headers = [("api-key", SECRET.as_bytes()), ("content-type", &b"multipart/form-data; boundary=xYz"[..])];
    let answer = [json(200, r#"{"id":"file-1","object":"file"}"#)];
    let envoy = Envoy::with(site.worker.clone(), site.shared.clone());
    let seen = envoy.send("POST", "/v1/files", &headers, body.as_bytes(), &answer);
    (site, seen)
}

#[test]
fn a_batch_asks_for_what_a_pattern_would_ask_for_and_what_its_key_may() {
    let create = |site: &Site| {
        let body = r#"{"input_file_id":"file-1","endpoint":"/v1/chat/completions","completion_window":"24h"}"#;
        let headers = [("api-key", SECRET.as_bytes()), ("content-type", &b"application/json"[..])];
        let answer = [json(200, r#"{"id":"batch_1","object":"batch","status":"validating"}"#)];
        let envoy = Envoy::with(site.worker.clone(), site.shared.clone());
        envoy.send("POST", "/v1/batches", &headers, body.as_bytes(), &answer)
    };
    let used = |site: &Site| {
        let counter = Counter { name: "model=gpt-*/usd/total".into(), shard_key: "".into(), kind: LimitWindow::Total };
        embedded::read(&*site.shared, &[counter], Time(1_800_000_000_000_000_000)).unwrap()[0].used
    };
    let (site, seen) = uploaded(r#""gpt-5*""#, &["gpt-5", "gpt-5"]);
    assert_eq!(seen.status, 200, "{}", seen.body);
    let created = create(&site);
    assert_eq!(created.status, 200, "{}", created.body);
    assert!(used(&site) > 0, "the pattern's budget is charged");
    for (models, asked) in [(r#""gpt-5*""#, vec!["gpt-6"]), (r#""*""#, vec!["gpt-5", "gpt-6"]), (r#""*""#, vec!["o3"])]
    {
        let (_, seen) = uploaded(models, &asked);
        assert!(matches!(seen.status, 400 | 403), "{asked:?} {}", seen.body);
    }
}
