//! The semantic cache: responses to requests that ask the same in other words.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_background::tasks;
use sluice_core::cache::semantic::LocalIndex;
use sluice_core::callout::Called;
use sluice_core::metrics::Background;
use sluice_core::pipeline::metric;
use sluice_core::pipeline::outgoing::Outgoing;
use sluice_core::pipeline::worker::Worker;
use sluice_wire::time::Time;

use crate::envoy::{Envoy, SECRET, Script, Seen};
use crate::services::{Embedder, Redis};
use crate::shared::Shared;

use super::super::routing::good;
use super::super::spending::sha256;
use super::CHAT;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const RULE: &str = r#""embeddings":"embedder","threshold":0.9,"scope":"team""#;

const PRICE: &str = r#","p/small":{"input":1000,"output":0}"#;

const SHARED: &str = r#","redis":{"url":"http://127.0.0.1:7379"},"cache":{"shared":true}"#;
const SECRET_OF_ALL: &[u8] = b"a secret that all Envoys have alike";
const NOW: Time = Time(1_800_000_000_000_000_000);

const ASKED: &str = "How do I reset my password?";
const AGAIN: &str = "How can I reset my password?";

/// An Envoy whose model `chat` has a semantic cache.
struct Gateway {
    worker: Rc<Worker>,
    shared: Rc<Shared>,
    embedder: Rc<Embedder>,
    redis: Option<Rc<RefCell<Redis>>>,
}

impl Gateway {
    fn new(rule: &str) -> Self {
        Self::with(rule, PRICE, "")
    }

    /// With this price of an embedding, and more fields of the file.
    fn with(rule: &str, price: &str, more: &str) -> Self {
        Self::seeded(7, rule, price, more)
    }

    /// Another seed is another Envoy.
    fn seeded(seed: u8, rule: &str, price: &str, more: &str) -> Self {
        let text = format!(
            r#"{{"providers":{{"p":{{"kind":"openai"}}}},
                "models":{{"chat":{{"targets":[{{"provider":"p","model":"gpt"}}],
                                  "cache":{{"ttl":"1m","ttl_jitter":0,"scope":"all","semantic":{{{rule}}}}}}},
                           "embedder":{{"targets":[{{"provider":"p","model":"small"}}]}}}},
                "prices":{{"models":{{"p/gpt":{{"input":1,"output":1}}{price}}}}},
                "teams":{{"t":{{}},"u":{{}}}},
                "keys":[{{"id":"k","team":"t","endpoints":["*"],"sha256":"{}"}},{{"id":"l","team":"t","control":["timeout"],"sha256":"{}"}},
                        {{"id":"m","team":"u","sha256":"{}"}}]{more}}}"#,
            sha256(SECRET),
            sha256("sk-l"),
            sha256("sk-m"),
        );
        let config = sluice_config::from_json(text.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
        let worker = Rc::new(Worker::new(Rc::new(config), [seed; 16]));
        Self { worker, shared: Rc::default(), embedder: Rc::default(), redis: None }
    }

    fn envoy(&self) -> Envoy {
        let envoy = Envoy::with(self.worker.clone(), self.shared.clone()).with_embedder(&self.embedder);
        self.redis.iter().fold(envoy, |envoy, redis| envoy.with_redis(redis))
    }

    fn send(&self, body: &Value, headers: &[(&str, &str)], scripts: &[Script]) -> Seen {
        let key = headers.iter().find(|(name, _)| *name == "api-key").map_or(SECRET, |(_, key)| *key);
        let mut all: Vec<(&str, &[u8])> = vec![("api-key", key.as_bytes())];
        all.extend(
            headers.iter().filter(|(name, _)| *name != "api-key").map(|(name, value)| (*name, value.as_bytes())),
        );
        self.envoy().send("POST", CHAT, &all, body.to_string().as_bytes(), scripts)
    }

    fn ask(&self, text: &str, headers: &[(&str, &str)], scripts: &[Script]) -> Seen {
        self.send(&question(text), headers, scripts)
    }

    /// The number of entries in the index.
    fn index(&self) -> usize {
        let mut local = LocalIndex::default();
        local.refresh(&*self.shared);
        local.len()
    }

    fn embedded(&self) -> usize {
        self.embedder.texts.borrow().len()
    }
}

fn question(text: &str) -> Value {
    json!({"model": "chat", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]})
}

#[track_caller]
fn is(seen: &Seen, word: &str, similar: Option<&str>) {
    assert_eq!((seen.status, seen.headers.text("x-sluice-cache")), (200, Some(word)), "{}", seen.body);
    assert_eq!((seen.log["cache"].as_str(), seen.log["semantic"].as_str()), (Some(word), similar));
    assert_eq!(seen.received.len(), usize::from(word == "miss"));
}

#[test]
fn the_same_in_other_words_is_served_and_its_embedding_is_paid() {
    let gateway = Gateway::new(RULE);
    let first = gateway.ask(ASKED, &[], &[good()]);
    is(&first, "miss", Some("different"));
    assert_eq!((&first.log["embedding_tokens"], &first.log["embedding_usd"]), (&json!(6), &json!("0.006000")));
    assert_eq!(first.log["cost_usd"], json!("0.006011"), "the embedding and the response");
    assert_eq!(first.log["input_tokens"], json!(9), "of the model only");
    let again = gateway.ask(AGAIN, &[], &[]);
    is(&again, "semantic", Some("served"));
    assert_eq!((&again.body, again.headers.text("age")), (&first.body, Some("0")));
    let similarity = again.headers.text("x-sluice-similarity").unwrap();
    assert!(similarity.starts_with("0.9") && similarity.len() == 6, "{similarity}");
    assert_eq!((&again.log["similarity"], &again.log["semantic_age_s"]), (&json!(similarity), &json!(0)));
    assert_eq!((&again.log["cost_usd"], &again.log["attempts"]), (&json!("0.007000"), &json!(0)));
    assert_eq!(again.counted, [metric::CACHE_HIT]);
    // The first one is still found by its bytes, without an embedding.
    let equal = gateway.ask(ASKED, &[], &[]);
    is(&equal, "hit", None);
    assert_eq!((&equal.log["cost_usd"], equal.headers.text("x-sluice-similarity")), (&json!("0.000000"), None));
    assert_eq!(*gateway.embedder.texts.borrow(), [ASKED, AGAIN]);
}

#[test]
fn a_stream_is_made_from_the_response_to_a_similar_request() {
    let gateway = Gateway::new(RULE);
    gateway.ask(ASKED, &[], &[good()]);
    let mut body = question(AGAIN);
    body["stream"] = json!(true);
    let streamed = gateway.send(&body, &[], &[]);
    is(&streamed, "semantic", Some("served"));
    assert!(streamed.body.ends_with("data: [DONE]\n\n"), "{}", streamed.body);
}

#[test]
fn words_decide_whatever_the_similarity() {
    for (asked, again) in [
        ("Flights from Oslo to Paris", "Flights from Paris to Oslo"),
        ("Convert 100 EUR to USD", "Convert 100 USD to EUR"),
        ("List 15 rules", "List 51 rules"),
        ("Can I listen?", "Can't I listen?"),
    ] {
        let gateway = Gateway::new(&RULE.replace("0.9", "0.5"));
        gateway.ask(asked, &[], &[good()]);
        is(&gateway.ask(again, &[], &[good()]), "miss", Some("different"));
    }
}

#[test]
fn a_caller_may_only_raise_the_threshold() {
    let gateway = Gateway::new(&RULE.replace("0.9", "0.999"));
    gateway.ask(ASKED, &[], &[good()]);
    is(&gateway.ask(AGAIN, &[("x-sluice-similarity", "0.1")], &[good()]), "miss", Some("different"));
    let gateway = Gateway::new(RULE);
    gateway.ask(ASKED, &[], &[good()]);
    is(&gateway.ask(AGAIN, &[("x-sluice-similarity", "1")], &[good()]), "miss", Some("different"));
    let wrong = gateway.ask(AGAIN, &[("x-sluice-similarity", "high")], &[]);
    assert_eq!(wrong.status, 400, "{}", wrong.body);
}

#[test]
fn shadow_mode_says_what_it_would_have_served() {
    let gateway = Gateway::new(&format!(r#"{RULE},"mode":"shadow""#));
    gateway.ask(ASKED, &[], &[good()]);
    let again = gateway.ask(AGAIN, &[], &[good()]);
    is(&again, "miss", Some("shadow"));
    assert!(again.log["similarity"].as_str().unwrap().starts_with("0.9"));
    assert_eq!((again.headers.text("x-sluice-similarity"), again.headers.text("age")), (None, None));
    assert_eq!(again.counted, [metric::CACHE_MISS, metric::CACHE_STORED]);
}

#[test]
fn everything_but_the_last_text_must_be_equal() {
    let gateway = Gateway::new(&format!(r#"{RULE},"multi_turn":true,"tools":true"#));
    gateway.ask(ASKED, &[], &[good()]);
    let changes: [fn(&mut Value); 7] = [
        |body| body["messages"][0]["content"] = json!("Be long."),
        |body| body["messages"].as_array_mut().unwrap().insert(1, json!({"role": "user", "content": "Hi"})),
        |body| body["temperature"] = json!(0.3),
        |body| body["max_tokens"] = json!(9),
        |body| body["response_format"] = json!({"type": "json_object"}),
        |body| body["tools"] = json!([{"type": "function", "function": {"name": "f", "parameters": {}}}]),
        |body| body["messages"][1]["name"] = json!("ann"),
    ];
    for change in changes {
        let mut body = question(AGAIN);
        change(&mut body);
        is(&gateway.send(&body, &[], &[good()]), "miss", Some("different"));
    }
    is(&gateway.ask(AGAIN, &[], &[]), "semantic", Some("served"));
}

#[test]
fn a_scope_keeps_callers_apart() {
    let others = [("team", "sk-l", true), ("team", "sk-m", false), ("key", "sk-l", false), ("all", "sk-m", true)];
    for (scope, key, shares) in others {
        let gateway = Gateway::new(&RULE.replace(r#""team""#, &format!("{scope:?}")));
        gateway.ask(ASKED, &[], &[good()]);
        let scripts = if shares { Vec::new() } else { vec![good()] };
        let again = gateway.ask(AGAIN, &[("api-key", key)], &scripts);
        is(&again, if shares { "semantic" } else { "miss" }, Some(if shares { "served" } else { "different" }));
    }
}

#[test]
fn several_turns_tools_images_and_other_endings_are_compared_only_where_the_file_says_so() {
    let text = |text: &str| json!({"type": "text", "text": text});
    let image = || json!({"type": "image_url", "image_url": {"url": "https://x/y.png"}});
    let turns = json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": ASKED}]);
    let tool = json!([{"type": "function", "function": {"name": "f", "parameters": {}}}]);
    let cases = [
        ("multi_turn", json!({"model": "chat", "messages": turns})),
        ("tools", json!({"model": "chat", "tools": tool, "messages": [{"role": "user", "content": ASKED}]})),
        ("images", json!({"model": "chat", "messages": [{"role": "user", "content": [image(), text(ASKED)]}]})),
    ];
    let earlier = |part: Value| json!({"model": "chat", "messages": [{"role": "user", "content": [text("Hi"), part]}, {"role": "user", "content": ASKED}]});
    let parts = [
        json!({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}),
        json!({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}),
    ];
    for part in parts {
        let off = Gateway::new(&format!(r#"{RULE},"multi_turn":true"#));
        is(&off.send(&earlier(part.clone()), &[], &[good()]), "miss", None);
        assert_eq!(off.embedded(), 0, "{part}");
        let on = Gateway::new(&format!(r#"{RULE},"multi_turn":true,"images":true"#));
        is(&on.send(&earlier(part), &[], &[good()]), "miss", Some("different"));
    }
    for (field, body) in cases {
        let off = Gateway::new(RULE);
        is(&off.send(&body, &[], &[good()]), "miss", None);
        assert_eq!(off.embedded(), 0, "{field}");
        let on = Gateway::new(&format!(r#"{RULE},"{field}":true"#));
        is(&on.send(&body, &[], &[good()]), "miss", Some("different"));
        assert_eq!(*on.embedder.texts.borrow(), [ASKED]);
    }
    let gateway = Gateway::new(&format!(r#"{RULE},"multi_turn":true,"images":true"#));
    for messages in [
        json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]),
        json!([{"role": "user", "content": [text(ASKED), image()]}]),
        json!([{"role": "user", "content": []}]),
        json!([{"role": "system", "content": ASKED}]),
    ] {
        is(&gateway.send(&json!({"model": "chat", "messages": messages}), &[], &[good()]), "miss", None);
    }
    assert_eq!(gateway.embedded(), 0);
    // Two texts: only the last one may differ.
    let parts = |first: &str, last: &str| json!({"model": "chat", "messages": [{"role": "user", "content": [text(first), text(last)]}]});
    gateway.send(&parts("Context.", ASKED), &[], &[good()]);
    is(&gateway.send(&parts("Context!", AGAIN), &[], &[good()]), "miss", Some("different"));
    is(&gateway.send(&parts("Context.", AGAIN), &[], &[]), "semantic", Some("served"));
}

#[test]
fn a_request_with_a_short_timeout_of_its_own_does_not_stop_the_embeddings_of_others() {
    let gateway = Gateway::new(RULE);
    gateway.embedder.reply.replace(Some(Called { status: Some(504), body: Vec::new() }));
    let hurried = gateway.ask(ASKED, &[("api-key", "sk-l"), ("x-sluice-timeout", "300ms")], &[good()]);
    is(&hurried, "miss", Some("failed"));
    gateway.embedder.reply.replace(None);
    is(&gateway.ask(AGAIN, &[], &[good()]), "miss", Some("different"));
}

#[test]
fn a_question_that_continues_a_stored_response_or_prompt_is_compared_only_where_the_file_says_so() {
    for stored in [json!({"previous_response_id": "resp_1"}), json!({"prompt": {"id": "pmpt_1"}})] {
        for (rule, outcome, embedded) in
            [(RULE.to_owned(), None, 0), (format!(r#"{RULE},"multi_turn":true"#), Some("different"), 1)]
        {
            let gateway = Gateway::new(&rule);
            let mut body = json!({"model": "chat", "input": ASKED});
            body.as_object_mut().unwrap().extend(stored.as_object().unwrap().clone());
            let response = json!({"id": "resp_2", "object": "response", "status": "completed", "model": "gpt", "output": [],
                "usage": {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11}});
            let key: [(&str, &[u8]); 1] = [("api-key", SECRET.as_bytes())];
            let script = crate::envoy::json(200, &response.to_string());
            let seen = gateway.envoy().send("POST", "/v1/responses", &key, body.to_string().as_bytes(), &[script]);
            is(&seen, "miss", outcome);
            assert_eq!(gateway.embedded(), embedded, "{stored}");
        }
    }
}

#[test]
fn a_slow_or_failing_provider_of_embeddings_is_a_miss_and_is_left_alone_for_a_moment() {
    let replies = [
        (None, Vec::new(), "0.027000"),
        (Some(504), Vec::new(), "0.027000"),
        (Some(500), b"{}".to_vec(), "0.000000"),
        (Some(200), b"nonsense".to_vec(), "0.027000"),
        (Some(200), br#"{"data":[]}"#.to_vec(), "0.027000"),
        (Some(200), br#"{"data":[{"index":0,"embedding":[0,0]}]}"#.to_vec(), "0.027000"),
    ];
    for (status, body, cost) in replies {
        let gateway = Gateway::new(RULE);
        gateway.embedder.reply.replace(Some(Called { status, body }));
        let failed = gateway.ask(ASKED, &[], &[good()]);
        is(&failed, "miss", Some("failed"));
        assert!(failed.counted.contains(&metric::EMBEDDING_FAILED), "{:?}", failed.counted);
        assert_eq!(failed.log["embedding_usd"], json!(cost), "{status:?}: at most one token for each byte");
        gateway.embedder.reply.replace(None);
        is(&gateway.ask(AGAIN, &[], &[good()]), "miss", None);
        let later = gateway.envoy().after(Duration::from_secs(2));
        let key: [(&str, &[u8]); 1] = [("api-key", SECRET.as_bytes())];
        let body = question("How may I reset my password?").to_string();
        is(&later.send("POST", CHAT, &key, body.as_bytes(), &[good()]), "miss", Some("different"));
    }
}

#[test]
fn without_budget_there_is_no_embedding() {
    let budget = r#","budgets":[{"match":{"key":"l"},"budget":{"daily":0.01}}]"#;
    let gateway = Gateway::with(RULE, PRICE, budget);
    let long = "word ".repeat(30);
    let refused = gateway.ask(&long, &[("api-key", "sk-l")], &[]);
    assert_eq!((refused.status, gateway.embedded()), (429, 0), "{}", refused.body);
    // Without a price, a budget could not be checked.
    let unpriced = Gateway::with(RULE, "", &budget.replace(r#""key":"l""#, r#""key":"l","model":"chat""#));
    is(&unpriced.ask(ASKED, &[("api-key", "sk-l")], &[good()]), "miss", None);
    assert_eq!(unpriced.embedded(), 0);
    is(&unpriced.ask(AGAIN, &[], &[good()]), "miss", Some("different"));
}

#[test]
fn an_embedding_is_logged_and_counted_also_if_no_provider_follows() {
    let gateway = Gateway::new(RULE);
    let only = gateway.ask(ASKED, &[("cache-control", "only-if-cached")], &[]);
    assert_eq!((only.status, only.log["semantic"].as_str()), (504, Some("different")));
    assert_eq!((&only.log["cost_usd"], &only.log["embedding_usd"]), (&json!("0.006000"), &json!("0.006000")));
    // In shadow mode, it could not be served.
    let shadow = Gateway::new(&format!(r#"{RULE},"mode":"shadow""#));
    let only = shadow.ask(ASKED, &[("cache-control", "only-if-cached")], &[]);
    assert_eq!((only.status, &only.log["embedding_usd"], shadow.embedded()), (504, &Value::Null, 0));
}

#[test]
fn without_a_price_an_embedding_costs_nothing_and_the_request_keeps_its_cost() {
    let gateway = Gateway::with(RULE, "", "");
    let seen = gateway.ask(ASKED, &[], &[good()]);
    is(&seen, "miss", Some("different"));
    assert_eq!((&seen.log["cost_usd"], &seen.log["embedding_usd"]), (&json!("0.000011"), &Value::Null));
}

#[test]
fn a_guardrail_masks_the_text_before_it_is_embedded() {
    let guards = r#","guards":{"pii":{"detect":["email"],"on":["prompts"],"action":"mask"}}"#;
    let gateway = Gateway::with(RULE, PRICE, guards);
    gateway.ask("How do I write to ann@example.com?", &[], &[good()]);
    assert_eq!(*gateway.embedder.texts.borrow(), ["How do I write to [email]?"]);
}

/// An Envoy that shares responses in this Redis.
fn sharing(server: &Rc<RefCell<Redis>>, seed: u8) -> Gateway {
    let gateway = Gateway { redis: Some(server.clone()), ..Gateway::seeded(seed, RULE, PRICE, SHARED) };
    gateway.worker.redis_cache().set_secret(SECRET_OF_ALL);
    gateway.worker.takes_charge(&*gateway.shared);
    gateway
}

/// Sends what waits for Redis, like the worker's tick.
fn flush(gateway: &Gateway, server: &Rc<RefCell<Redis>>) {
    let queue = gateway.worker.redis_cache();
    let mut next = queue.flush(NOW);
    while let Some(call) = next {
        let called = server.borrow_mut().call(&call);
        next = queue.on_reply(&called, NOW, &mut Vec::new());
    }
}

/// Reads the entries of other Envoys, like the background role.
fn import(gateway: &Gateway, server: &Rc<RefCell<Redis>>) {
    let redis = gateway.worker.config.redis.clone();
    let background = Background { redis, export: None, shared_cache: true, alerts: None, key_label: false };
    let tasks = tasks(&background, [7; 16], Some(SECRET_OF_ALL), Rc::default());
    for task in tasks {
        let mut effects = Vec::new();
        let mut next = task.tick(NOW, &*gateway.shared, &mut effects).filter(|call| call.body.starts_with(b"HMGET"));
        while let Some(call) = next {
            let called = server.borrow_mut().call(&call);
            next = task.on_reply(&called, NOW, &*gateway.shared, &mut effects);
        }
        assert_eq!(effects, []);
    }
}

#[test]
fn envoys_share_responses_to_similar_requests() {
    let server: Rc<RefCell<Redis>> = Rc::default();
    let (one, two) = (sharing(&server, 1), sharing(&server, 2));
    is(&one.ask(ASKED, &[], &[good()]), "miss", Some("different"));
    flush(&one, &server);
    assert_eq!(server.borrow().commands, ["MGET", "EVAL", "SET"]);
    let texts: Vec<String> = server.borrow().hashes.values().chain(server.borrow().values.values()).cloned().collect();
    assert!(!texts.join(" ").contains("password"));
    is(&two.ask(ASKED, &[], &[]), "shared", None);
    // The entries of the first one reach the second, whose memory has another response only.
    let three = sharing(&server, 3);
    is(&three.ask("Where is Oslo?", &[], &[good()]), "miss", Some("different"));
    import(&three, &server);
    let again = three.ask(AGAIN, &[], &[]);
    is(&again, "semantic", Some("served"));
    server.borrow_mut().commands.clear();
    is(&three.ask("How should I reset my password?", &[], &[]), "semantic", Some("served"));
    assert_eq!(server.borrow().commands, ["MGET"], "of the exact cache only");
    // An Envoy has its own entries already.
    let entries = one.index();
    import(&one, &server);
    assert_eq!(one.index(), entries);
}

#[test]
fn entries_of_another_secret_and_damaged_ones_are_ignored() {
    let server: Rc<RefCell<Redis>> = Rc::default();
    let one = sharing(&server, 1);
    one.ask(ASKED, &[], &[good()]);
    flush(&one, &server);
    let entry = server
        .borrow()
        .hashes
        .iter()
        .find(|((_, field), _)| field == "1")
        .map(|(name, text)| (name.clone(), text.clone()))
        .unwrap();
    for damaged in
        ["1 x".to_owned(), "nonsense".to_owned(), entry.1.replacen('A', "B", 1) + "A", entry.1.replace("1 ", "2 ")]
    {
        server.borrow_mut().hashes.insert(entry.0.clone(), damaged);
        let two = sharing(&server, 2);
        import(&two, &server);
        assert_eq!(two.index(), 0);
    }
    server.borrow_mut().hashes.insert(entry.0, entry.1);
    let two = sharing(&server, 2);
    import(&two, &server);
    assert_eq!(two.index(), 1);
}
