//! The cache that Envoys share in Redis: two Envoys, each with its own memory.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sluice_core::cache::redis;
use sluice_core::cache::whose::Names;
use sluice_core::callout::Called;
use sluice_core::pipeline::metric;
use sluice_core::pipeline::outgoing::Outgoing;
use sluice_core::store::redis::wire::RedisReply;
use sluice_wire::time::Time;

use crate::envoy::{Redis, Script, Seen, json};

use super::routing::{TestGateway, good, send};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SECRET: &[u8] = b"a secret that all Envoys have alike";
const CACHE: &str = r#","cache":{"ttl":"1m","ttl_jitter":0}"#;
const SHARED: &str = r#","redis":{"url":"http://127.0.0.1:7379"},"cache":{"shared":true}"#;

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

/// The worker's tick: stores what waits.
fn tick(gateway: &TestGateway, server: &Server) {
    let (queue, mut effects) = (gateway.worker.redis_cache(), Vec::new());
    let mut next = queue.flush(Time(u64::MAX));
    while let Some(call) = next {
        let called = server.borrow_mut().call(&call);
        next = queue.on_reply(&called, Time(u64::MAX), &mut effects);
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
    let now = Time(1_800_000_000_000_000_000);
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
    assert_eq!([redis::apply(&list, &*two.shared), redis::apply(&list, &*two.shared)], [1, 0]);
}

#[test]
fn responses_wait_for_redis_within_a_bound() {
    let gateway = TestGateway::new(CACHE, r#","control":["cache"]"#, SHARED);
    gateway.worker.redis_cache().set_secret(SECRET);
    gateway.worker.takes_charge(&*gateway.shared);
    // A text that does not compress.
    let mut random = vec![0; 200_000];
    blake3::Hasher::new().finalize_xof().fill(&mut random);
    let text: String = random.iter().map(|byte| char::from(b'0' + byte % 64)).filter(|c| *c != '\\').collect();
    let answer = format!(
        r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}]}}"#
    );
    let server = Server::default();
    let mut dropped = 0;
    for number in 0..50 {
        let namespace = format!("n{number}");
        let headers = [("x-sluice-cache-namespace", &*namespace)];
        let seen = ask(&gateway, &server, &headers, &[json(200, &answer)]);
        assert!(seen.counted.contains(&metric::CACHE_STORED), "{}", seen.body);
        dropped += seen.counted.iter().filter(|name| **name == metric::SHARED_CACHE_FAILED).count();
    }
    let queue = gateway.worker.redis_cache();
    let size = queue.flush(Time(u64::MAX)).expect("a response to store").body.len();
    assert_eq!(dropped, 50 - (8 << 20) / size, "of {size} bytes each");
    assert_eq!(queue.flush(Time(u64::MAX)), None, "one call at a time");
    let silence = Called { status: None, body: Vec::new() };
    assert_eq!(queue.on_reply(&silence, Time(1), &mut Vec::new()), None, "Redis is left alone for a moment");
    assert!(queue.flush(Time(u64::MAX)).is_some());
}
