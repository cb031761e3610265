//! The cache that Envoys share in Redis: two Envoys, each with its own memory.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sluice_core::cache::redis;
use sluice_core::cache::whose::Names;
use sluice_core::callout::Called;
use sluice_core::pipeline::metric;
use sluice_core::pipeline::outgoing::Outgoing;
use sluice_core::pipeline::worker::Worker;
use sluice_core::store::redis::wire::RedisReply;
use sluice_wire::time::Time;

use crate::envoy::{Script, Seen, json};
use crate::services::Redis;

use super::super::routing::{TestGateway, good, send};
use super::super::spending::sha256;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SECRET: &[u8] = b"a secret that all Envoys have alike";
const CACHE: &str = r#","cache":{"ttl":"1m","ttl_jitter":0}"#;
const SHARED: &str = r#","redis":{"url":"http://127.0.0.1:7379"},"cache":{"shared":true}"#;

/// The time of a request.
const NOW: Time = Time(1_800_000_000_000_000_000);

type Server = Rc<RefCell<Redis>>;

/// An Envoy with this secret.
fn sharing(secret: &[u8]) -> TestGateway {
    let gateway = TestGateway::new(CACHE, "", SHARED);
    gateway.worker.redis_cache().set_secret(secret);
    gateway.worker.takes_charge(&*gateway.shared);
    gateway
}

fn word(seen: &Seen) -> Option<&str> {
    let word = seen.headers.text("x-sluice-cache");
    assert_eq!(seen.log["cache"].as_str(), word);
    word
}

fn ask(gateway: &TestGateway, server: &Server, headers: &[(&str, &str)], scripts: &[Script]) -> Seen {
    send(gateway.envoy().with_redis(server), "chat", false, headers, scripts)
}

/// Sends the waiting responses, like the worker's tick.
fn tick(gateway: &TestGateway, server: &Server) {
    let (queue, mut effects) = (gateway.worker.redis_cache(), Vec::new());
    let mut next = queue.flush(NOW);
    while let Some(call) = next {
        let called = server.borrow_mut().call(&call);
        next = queue.on_reply(&called, NOW, &mut effects);
    }
    assert_eq!(effects, []);
}

/// One Envoy has asked a provider, and the response is in Redis.
fn filled(secret: &[u8]) -> (Server, Seen) {
    let (one, server) = (sharing(secret), Server::default());
    let first = ask(&one, &server, &[], &[good()]);
    assert_eq!((word(&first), server.borrow().values.len()), (Some("miss"), 0));
    tick(&one, &server);
    assert_eq!(server.borrow().commands, ["MGET", "SET"]);
    assert_eq!(word(&ask(&one, &server, &[], &[])), Some("hit"));
    assert_eq!(server.borrow().commands.len(), 2, "its own memory needs no lookup in Redis");
    (server, first)
}

#[test]
fn a_response_of_one_envoy_serves_another_and_then_from_its_own_memory() {
    let (server, first) = filled(SECRET);
    let two = sharing(SECRET);
    let shared = ask(&two, &server, &[], &[]);
    assert_eq!((shared.status, word(&shared), shared.received.len()), (200, Some("shared"), 0));
    assert_eq!((&shared.body, shared.headers.text("age")), (&first.body, Some("0")));
    assert_eq!(shared.counted, [metric::CACHE_HIT]);
    assert_eq!(word(&ask(&two, &server, &[], &[])), Some("hit"));
    // A stream from the whole response, which Redis has.
    let three = sharing(SECRET);
    let streamed = send(three.envoy().with_redis(&server), "chat", true, &[], &[]);
    assert_eq!((streamed.status, word(&streamed)), (200, Some("shared")));
    assert!(streamed.body.ends_with("data: [DONE]\n\n"));
}

#[test]
fn another_secret_another_entry_and_damage_are_misses() {
    let (server, _) = filled(SECRET);
    let other = sharing(b"another secret of another company");
    assert_eq!(word(&ask(&other, &server, &[], &[good()])), Some("miss"));
    let [(name, text)] = &server.borrow().values.clone().into_iter().collect::<Vec<_>>()[..] else { panic!() };
    let damaged = [text.replacen('A', "B", 1), text[1..].to_owned(), String::new(), "é".to_owned()];
    for value in damaged.into_iter().filter(|damaged| damaged != text) {
        server.borrow_mut().values.insert(name.clone(), value);
        assert_eq!(word(&ask(&sharing(SECRET), &server, &[], &[good()])), Some("miss"));
    }
    server.borrow_mut().values.insert(name.clone(), text.clone());
    assert_eq!(word(&ask(&sharing(SECRET), &server, &[], &[])), Some("shared"));
}

#[test]
fn a_silent_redis_is_a_counted_miss_and_is_left_alone_for_a_moment() {
    let (gateway, server) = (sharing(SECRET), Server::default());
    let bare = |scripts: &[Script]| send(gateway.envoy(), "chat", false, &[("cache-control", "max-age=0")], scripts);
    let silent = bare(&[good()]);
    assert_eq!((silent.status, word(&silent)), (200, Some("miss")));
    assert!(silent.counted.contains(&metric::SHARED_CACHE_FAILED), "{:?}", silent.counted);
    let next = ask(&gateway, &server, &[("cache-control", "max-age=0")], &[good()]);
    assert_eq!((word(&next), server.borrow().commands.len()), (Some("miss"), 0));
    assert!(next.counted.contains(&metric::SHARED_CACHE_FAILED), "{:?}", next.counted);
    let later = send(
        gateway.envoy().with_redis(&server).after(Duration::from_secs(2)),
        "chat",
        false,
        &[("cache-control", "max-age=0")],
        &[good()],
    );
    assert_eq!((word(&later), &*server.borrow().commands), (Some("miss"), &["MGET".to_owned()][..]));
    // Redis decides about limits all the while.
    assert!(gateway.worker.redis_heard(Time(1_800_000_000_000_000_000)).is_none());
}

#[test]
fn a_request_with_a_short_timeout_of_its_own_does_not_stop_the_lookups_of_others() {
    let gateway = TestGateway::new(CACHE, r#","control":["timeout"]"#, SHARED);
    gateway.worker.redis_cache().set_secret(SECRET);
    gateway.worker.takes_charge(&*gateway.shared);
    let headers = [("cache-control", "max-age=0"), ("x-sluice-timeout", "20ms")];
    let hurried = send(gateway.envoy(), "chat", false, &headers, &[good()]);
    assert_eq!((hurried.status, word(&hurried)), (200, Some("miss")));
    assert!(!hurried.counted.contains(&metric::SHARED_CACHE_FAILED), "{:?}", hurried.counted);
    let server = Server::default();
    let next = ask(&gateway, &server, &headers[..1], &[good()]);
    assert_eq!((word(&next), &*server.borrow().commands), (Some("miss"), &["MGET".to_owned()][..]));
}

#[test]
fn only_a_miss_of_a_lookup_asks_redis() {
    let (server, _) = filled(SECRET);
    let asked = |headers: &[(&str, &str)], scripts: &[Script]| {
        server.borrow_mut().commands.clear();
        let seen = ask(&sharing(SECRET), &server, headers, scripts);
        (word(&seen).unwrap().to_owned(), seen.status, server.borrow().commands.len())
    };
    assert_eq!(asked(&[("cache-control", "no-cache")], &[good()]), ("bypass".to_owned(), 200, 0));
    assert_eq!(asked(&[("cache-control", "no-store")], &[good()]), ("bypass".to_owned(), 200, 0));
    assert_eq!(asked(&[("cache-control", "only-if-cached")], &[]), ("shared".to_owned(), 200, 1));
    server.borrow_mut().values.clear();
    assert_eq!(asked(&[("cache-control", "only-if-cached")], &[]), ("miss".to_owned(), 504, 1));
}

#[test]
fn a_purge_reaches_what_redis_has() {
    let (server, _) = filled(SECRET);
    let names = server.borrow().values.keys().cloned().collect::<Vec<_>>();
    let prefix = names[0].split(":c:").next().unwrap().trim_matches(['{', '}']).to_owned();
    let now = NOW;
    for (team, expected) in [("another", "shared"), ("t", "miss")] {
        let selection = Names { team: Some(team), ..Names::default() }.selection();
        // The script adds this record to the list.
        let record = redis::purge(&prefix, &selection, now).words()[4].clone();
        server.borrow_mut().values.insert(format!("{{{prefix}}}:c:purges"), record.clone());
        let scripts = [good()];
        let scripts = if expected == "miss" { &scripts[..] } else { &[] };
        assert_eq!(word(&ask(&sharing(SECRET), &server, &[], scripts)), Some(expected), "{team}");
    }
    // Another Envoy applies the purges to its own memory, each once.
    let two = sharing(SECRET);
    server.borrow_mut().values.remove(&format!("{{{prefix}}}:c:purges"));
    assert_eq!(word(&ask(&two, &server, &[], &[])), Some("shared"));
    let selection = Names { model: Some("chat"), ..Names::default() }.selection();
    let list = RedisReply::Text(redis::purge(&prefix, &selection, now).words()[4].clone());
    assert_eq!([redis::apply(&list, &*two.shared, now), redis::apply(&list, &*two.shared, now)], [1, 0]);
}

#[test]
fn a_purge_concerns_the_one_who_asked_first() {
    let keys = |file: &str| {
        let second = sha256("sk-second");
        let keys = format!(
            r#","teams":{{"t":{{}}}},"keys":[{{"id":"k","team":"t","sha256":"{}"}},{{"id":"k2","team":"t","sha256":"{second}"}}]"#,
            sha256(crate::envoy::SECRET)
        );
        let text = format!(
            r#"{{"providers":{{"one":{{"kind":"openai","url":"https://one/v1"}}}},"models":{{"chat":{{"targets":[{{"provider":"one","model":"x"}}]{CACHE}}}}}{keys}{file}}}"#
        );
        let config = sluice_config::from_json(text.as_bytes()).unwrap();
        let gateway = TestGateway { worker: Rc::new(Worker::new(Rc::new(config), [7; 16])), shared: Rc::default() };
        gateway.worker.redis_cache().set_secret(SECRET);
        gateway.worker.takes_charge(&*gateway.shared);
        gateway
    };
    let (one, server) = (keys(SHARED), Server::default());
    assert_eq!(word(&ask(&one, &server, &[], &[good()])), Some("miss"));
    tick(&one, &server);
    let second = |gateway: &TestGateway, scripts: &[Script]| {
        let body = br#"{"model":"chat","stream":false,"messages":[{"role":"user","content":"hi"}]}"#;
        let envoy = gateway.envoy().with_redis(&server);
        envoy.send("POST", super::super::CHAT, &[("api-key", b"sk-second")], body, scripts)
    };
    // The other key of the team gets it, and its Envoy purges it as the first key's.
    let two = keys(SHARED);
    assert_eq!(word(&second(&two, &[])), Some("shared"));
    let purge = |key: &str| {
        redis::purge("sluice", &Names { key: Some(key), ..Names::default() }.selection(), NOW).words()[4].clone()
    };
    let list = |key: &str| RedisReply::Text(purge(key));
    assert_eq!(["k2", "k"].map(|key| redis::apply(&list(key), &*two.shared, NOW)), [0, 1]);
    server.borrow_mut().values.insert("{sluice}:c:purges".to_owned(), purge("k"));
    assert_eq!(word(&second(&keys(SHARED), &[good()])), Some("miss"));
}

#[test]
fn a_purge_from_the_future_counts_for_nothing() {
    let (server, _) = filled(SECRET);
    let everything = format!("{}{}", "f".repeat(16), "0".repeat(20));
    server.borrow_mut().values.insert("{sluice}:c:purges".to_owned(), everything.clone());
    let two = sharing(SECRET);
    assert_eq!(word(&ask(&two, &server, &[], &[])), Some("shared"));
    assert_eq!(redis::apply(&RedisReply::Text(everything), &*two.shared, NOW), 0);
    assert_eq!(word(&ask(&two, &server, &[], &[])), Some("hit"));
}

#[test]
fn an_expired_entry_is_a_miss() {
    let (server, _) = filled(SECRET);
    let later = |seconds| {
        let envoy = sharing(SECRET).envoy().with_redis(&server).after(Duration::from_secs(seconds));
        word(&send(envoy, "chat", false, &[], &[good()])).map(str::to_owned)
    };
    assert_eq!([later(59).as_deref(), later(61).as_deref()], [Some("shared"), Some("miss")]);
}

#[test]
fn a_purge_that_is_merged_with_another_purges_nothing_again() {
    let (server, _) = filled(SECRET);
    let two = sharing(SECRET);
    let purge = |team: &str, at: Time| {
        redis::purge("sluice", &Names { team: Some(team), ..Names::default() }.selection(), at).words()[4].clone()
    };
    let before = |seconds: u64| Time(NOW.0 - seconds * 1_000_000_000);
    let (first, second) = (purge("a", before(30)), purge("b", before(20)));
    assert_eq!(redis::apply(&RedisReply::Text(first + &second), &*two.shared, NOW), 0);
    assert_eq!(word(&ask(&two, &server, &[], &[])), Some("shared"));
    // Redis made both one purge of everything.
    let merged = format!("{}{}", &second[..16], "0".repeat(20));
    assert_eq!(redis::apply(&RedisReply::Text(merged.clone()), &*two.shared, NOW), 0);
    assert_eq!(word(&ask(&two, &server, &[], &[])), Some("hit"));
    // An Envoy that knows neither purges everything once.
    let three = sharing(SECRET);
    assert_eq!(word(&ask(&three, &server, &[], &[])), Some("shared"));
    let merged = RedisReply::Text(merged);
    assert_eq!([redis::apply(&merged, &*three.shared, NOW), redis::apply(&merged, &*three.shared, NOW)], [1, 0]);
}

#[test]
fn a_store_that_fails_stops_no_lookup() {
    let (gateway, server) = (sharing(SECRET), Server::default());
    assert_eq!(word(&ask(&gateway, &server, &[], &[good()])), Some("miss"));
    let queue = gateway.worker.redis_cache();
    assert!(queue.flush(NOW).is_some());
    let full = Called { status: Some(200), body: br#"{"SET":[false,"OOM command not allowed"]}"#.to_vec() };
    let mut effects = Vec::new();
    assert_eq!(queue.on_reply(&full, NOW, &mut effects), None);
    assert_eq!(effects.len(), 2, "{effects:?}");
    server.borrow_mut().commands.clear();
    assert_eq!(word(&ask(&gateway, &server, &[("cache-control", "max-age=0")], &[good()])), Some("miss"));
    assert_eq!(server.borrow().commands, ["MGET"]);
    assert_eq!(queue.flush(NOW), None, "for a moment, nothing is stored");
    // An expired response is not stored at all.
    assert_eq!(queue.flush(NOW.after(Duration::from_secs(120))), None);
}

#[test]
fn responses_wait_for_redis_within_a_bound() {
    let gateway = TestGateway::new(CACHE, r#","control":["cache"]"#, SHARED);
    gateway.worker.redis_cache().set_secret(SECRET);
    gateway.worker.takes_charge(&*gateway.shared);
    // A text that does not compress.
    let mut random = vec![0; 400_000];
    blake3::Hasher::new().finalize_xof().fill(&mut random);
    let text: String = random.iter().map(|byte| char::from(b'0' + byte % 64)).filter(|c| *c != '\\').collect();
    let answer = format!(
        r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}]}}"#
    );
    let server = Server::default();
    let mut dropped = 0;
    for number in 0..20 {
        let namespace = format!("n{number}");
        let headers = [("x-sluice-cache-namespace", &*namespace)];
        let seen = ask(&gateway, &server, &headers, &[json(200, &answer)]);
        assert!(seen.counted.contains(&metric::CACHE_STORED), "{}", seen.body);
        dropped += seen.counted.iter().filter(|name| **name == metric::SHARED_CACHE_FAILED).count();
    }
    let queue = gateway.worker.redis_cache();
    let size = queue.flush(NOW).expect("a response to store").body.len();
    assert_eq!(dropped, 20 - (8 << 20) / size, "of {size} bytes each");
    assert_eq!(queue.flush(NOW), None, "one call at a time");
    let silence = Called { status: None, body: Vec::new() };
    assert_eq!(queue.on_reply(&silence, NOW, &mut Vec::new()), None, "Redis is left alone for a moment");
    assert!(queue.flush(NOW.after(Duration::from_secs(1))).is_some());
}
