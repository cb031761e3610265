//! The cached responses that Envoys share, and their purges.

use std::time::Duration;

use sluice_core::cache::key::KeyBuilder;
use sluice_core::cache::redis;
use sluice_core::cache::sealer::{Sealed, Sealer};
use sluice_core::cache::whose::{Names, Whose};
use sluice_core::cache::{CachedResponse, Form, Key};
use sluice_core::store::redis::wire::RedisReply;
use sluice_tests::redis::Redis;
use sluice_tests::upstash::Upstash;
use sluice_wire::time::Time;

use crate::store::{PREFIX, Store, start};

const START: Time = Time(1_800_000_000_000_000_000);

fn at(seconds: u64) -> Time {
    START.after(Duration::from_secs(seconds))
}

fn key(text: &str) -> Key {
    KeyBuilder::default().part(text).key()
}

fn response(text: &str) -> CachedResponse {
    CachedResponse {
        made: START,
        expires: at(3600),
        cost: 0,
        usage: None,
        form: Form::Whole,
        repeats: 0,
        provider: "p".to_owned(),
        model: "m".to_owned(),
        content_type: "application/json".to_owned(),
        dropped: String::new(),
        body: text.as_bytes().to_vec(),
    }
}

fn of(team: &str, model: &str) -> Whose {
    Names { team: Some(team), model: Some(model), ..Names::default() }.whose()
}

struct Cache {
    store: Store,
    sealer: Sealer,
}

impl Cache {
    fn new(store: Store) -> Self {
        Self { store, sealer: Sealer::new(b"a secret of the tests, 32 bytes or more").unwrap() }
    }

    async fn keep(&mut self, text: &str, whose: Whose, asked: Time) {
        let sealed = Sealed { asked, whose, entry: response(text) };
        let sealed = redis::sealed(&self.sealer, &key(text), &sealed).unwrap();
        let command = redis::store(PREFIX, &self.sealer, &key(text), sealed, Duration::from_secs(60));
        assert_eq!(self.store.send(&command).await, Ok(RedisReply::Text("OK".to_owned())));
    }

    /// Which of the responses a lookup finds.
    async fn finds<const N: usize>(&mut self, texts: [&str; N]) -> [bool; N] {
        let keys = texts.map(key);
        let reply = self.store.send(&redis::lookup(PREFIX, &self.sealer, &keys)).await.unwrap();
        let found = redis::found(&reply, &self.sealer, &keys, 1 << 20, at(1000)).unwrap();
        texts.map(|text| {
            let found = found.iter().find(|(found, _)| *found == key(text)).map(|(_, sealed)| &sealed.entry);
            found.inspect(|found| assert_eq!(**found, response(text))).is_some()
        })
    }

    async fn purge(&mut self, names: Names<'_>, now: Time) {
        let command = redis::purge(PREFIX, &names.selection(), now);
        assert_eq!(self.store.send(&command).await, Ok(RedisReply::Text("OK".to_owned())));
    }
}

async fn keeps_and_purges(mut cache: Cache) {
    let (red, blue) = (of("red", "chat"), of("blue", "chat"));
    assert_eq!(cache.finds(["a", "b"]).await, [false, false]);
    cache.keep("a", red, at(0)).await;
    cache.keep("b", blue, at(0)).await;
    assert_eq!(cache.finds(["a", "b"]).await, [true, true]);
    cache.purge(Names { team: Some("red"), ..Names::default() }, at(100)).await;
    assert_eq!(cache.finds(["a", "b"]).await, [false, true]);
    // A purge by a clock that is behind changes nothing.
    cache.purge(Names { team: Some("red"), ..Names::default() }, at(50)).await;
    // Responses to requests after the purge, by less and by more than the clocks may differ.
    cache.keep("c", red, at(104)).await;
    cache.keep("d", red, at(106)).await;
    assert_eq!(cache.finds(["a", "b", "c", "d"]).await, [false, true, false, true]);
    // The oldest of too many purges concern all responses from before them.
    for number in 0..40 {
        let name = format!("n{number}");
        cache.purge(Names { namespace: Some(&name), ..Names::default() }, at(200 + number)).await;
    }
    cache.keep("e", blue, at(250)).await;
    cache.keep("f", blue, at(206)).await;
    assert_eq!(cache.finds(["b", "d", "e", "f"]).await, [false, false, true, false]);
    let list = cache.store.send(&redis::purges_of(PREFIX)).await.unwrap();
    assert!(matches!(&list, RedisReply::Text(list) if list.len() == 32 * 36), "{list:?}");
    // Much later, only the last purge counts.
    cache.purge(Names { team: Some("green"), ..Names::default() }, at(90_000 + 300)).await;
    let list = cache.store.send(&redis::purges_of(PREFIX)).await.unwrap();
    assert!(matches!(&list, RedisReply::Text(list) if list.len() == 36), "{list:?}");
}

#[tokio::test]
async fn responses_are_kept_and_purged_over_webdis() {
    let (_redis, _webdis, store) = start().await;
    keeps_and_purges(Cache::new(store)).await;
}

#[tokio::test]
async fn responses_are_kept_and_purged_over_upstash() {
    let (redis, _webdis, _) = start().await;
    let upstash = Upstash::start(&redis).await;
    keeps_and_purges(Cache::new(Store::upstash(&upstash))).await;
}

#[tokio::test]
async fn a_large_response_passes_through_the_servers() {
    let (_redis, _webdis, store) = start().await;
    let mut cache = Cache::new(store);
    // Its compressed form is large too.
    let text: String =
        (0..400_000_u32).map(|place| char::from(b'a' + (place.wrapping_mul(2_654_435_761) >> 27) as u8)).collect();
    cache.keep(&text, of("red", "chat"), at(0)).await;
    assert_eq!(cache.finds([&text]).await, [true]);
}

/// Adds entries to the semantic cache's index, each one a letter.
async fn add(store: &mut Store, entries: &str, now: Time) {
    for entry in entries.split_inclusive(|_: char| true) {
        assert!(matches!(store.send(&redis::add_position(PREFIX, entry, now)).await, Ok(RedisReply::Int(_))));
    }
}

/// Reads all entries after this number, and moves it on.
async fn follow(store: &mut Store, after: &mut u64) -> String {
    let mut read = String::new();
    for _ in 0..100 {
        let reply = store.send(&redis::read_positions(PREFIX, *after)).await.unwrap();
        let redis::Positions { texts, after: next, more } = redis::Positions::of(&reply, *after);
        *after = next;
        read.extend(texts);
        if !more {
            return read;
        }
    }
    panic!("there is no end, after {read}")
}

async fn entries_are_followed(redis: &Redis, mut store: Store) {
    let (mut one, mut late) = (0, 0);
    assert_eq!(follow(&mut store, &mut one).await, "");
    add(&mut store, "abc", at(0)).await;
    assert_eq!(follow(&mut store, &mut one).await, "abc");
    add(&mut store, "de", at(1)).await;
    assert_eq!(follow(&mut store, &mut one).await, "de");
    assert_eq!(follow(&mut store, &mut late).await, "abcde");
    // More than before are there when the follower looks again.
    redis.command(&["FLUSHALL"]);
    add(&mut store, "fghijklm", at(2)).await;
    assert_eq!(follow(&mut store, &mut one).await, "fghijklm");
    redis.command(&["FLUSHALL"]);
    assert_eq!(follow(&mut store, &mut one).await, "");
    add(&mut store, "n", at(3)).await;
    assert_eq!(follow(&mut store, &mut one).await, "n");
    assert_eq!(follow(&mut store, &mut late).await, "n");
}

#[tokio::test]
async fn entries_are_followed_also_after_redis_has_lost_them() {
    let (redis, _webdis, store) = start().await;
    entries_are_followed(&redis, store).await;
    let upstash = Upstash::start(&redis).await;
    redis.command(&["FLUSHALL"]);
    entries_are_followed(&redis, Store::upstash(&upstash)).await;
}
