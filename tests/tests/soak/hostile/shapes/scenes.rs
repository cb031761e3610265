//! Many requests at once, each of which would be admitted alone.

use std::time::Duration;

use bytes::Bytes;
use sluice_core::keys::secret::{CHECK_DIGITS, DIGITS, PREFIX, RANDOM_DIGITS, checksum};
use sluice_tests::chance::Chance;
use tokio::task::JoinSet;

use super::super::attack::{Ask, PAUSE, Seen, Visit};
use super::super::site::LARGE;
use super::super::talk::Manner;
use super::{CHAT, MIB, Row, Store, plain};

pub const ROWS: &[Row] = &[
    Row::scene("forty-large-bodies-of-one-key", |visit| Box::pin(slow_senders(visit))),
    Row::scene("large-requests-while-redis-is-slow", |visit| Box::pin(slow_redis(visit))).only(Store::Redis),
    Row::scene("keys-that-nobody-has", |visit| Box::pin(unknown_keys(visit))),
    Row::scene("keys-that-nobody-has-while-redis-is-slow", |visit| Box::pin(unknown_keys_slowly(visit)))
        .only(Store::Redis),
    Row::scene("large-bodies-beyond-a-limit", |visit| Box::pin(beyond(visit))).by("metered").only(Store::Memory),
    Row::scene("more-requests-than-places", |visit| Box::pin(places(visit))).by("few"),
    Row::scene("requests-beyond-a-budget", |visit| Box::pin(places(visit))).by("broke"),
    Row::scene("held-streams-beside-each-other", |visit| Box::pin(held(visit))),
    Row::scene("large-answers-beside-each-other", |visit| Box::pin(answers(visit))),
    Row::scene("large-prompts-that-are-masked", |visit| Box::pin(masked(visit))).by("masked"),
    Row::scene("answers-too-large-to-keep", |visit| Box::pin(kept(visit))),
];

/// Sends all at the same time.
pub async fn together(asks: Vec<(Visit, Ask, Manner)>, expected: &'static [u16]) -> Vec<Seen> {
    let mut set = JoinSet::new();
    for (visit, ask, manner) in asks {
        set.spawn(async move { visit.sends(&ask, manner, expected).await });
    }
    set.join_all().await
}

/// A request of this many MiB.
fn large(visit: &Visit, model: &str, mib: usize) -> Ask {
    let body = plain(CHAT, model).to_string().replace("say hi", &"0123456789abcdef".repeat(mib << 16));
    visit.ask(CHAT, Bytes::from(body))
}

/// Clients that send a piece now and then, and disconnect in the end.
async fn slow_senders(visit: Visit) -> Vec<Seen> {
    let visit = visit.of(LARGE[0]);
    let ask = large(&visit, "small", 31);
    let manner = Manner { slowly: Some((MIB, PAUSE)), writes: Some(29 * MIB), ..Manner::default() };
    together(vec![(visit, ask, manner); 40], &[200]).await
}

async fn slow_redis(visit: Visit) -> Vec<Seen> {
    let redis = visit.place.redis.clone().expect("a gateway with Redis");
    redis.delays(Duration::from_millis(400));
    let asks = LARGE.iter().flat_map(|key| {
        let visit = visit.of(key);
        let ask = large(&visit, "small-claude", 31);
        vec![(visit, ask, Manner::default()); 8]
    });
    let seen = together(asks.collect(), &[200]).await;
    redis.delays(Duration::ZERO);
    seen
}

/// A well-formed key that does not exist.
fn nobodys(chance: &mut Chance) -> String {
    let mut text = PREFIX.as_bytes().to_vec();
    text.extend((0..RANDOM_DIGITS).map(|_| chance.pick(DIGITS)));
    let sum: [u8; CHECK_DIGITS] = checksum(&text);
    text.extend(sum);
    String::from_utf8(text).expect("letters and digits")
}

async fn unknown_keys(mut visit: Visit) -> Vec<Seen> {
    let small = Bytes::from(plain(CHAT, "small").to_string());
    let large = Bytes::from(vec![b' '; 4 * MIB]);
    let asks = (0..100).map(|number| {
        let body = if number % 20 == 0 { &large } else { &small };
        let ask = Ask::post(CHAT, body.clone()).secret(&nobodys(&mut visit.chance));
        (visit.clone(), ask, Manner::default())
    });
    together(asks.collect(), &[401]).await
}

async fn unknown_keys_slowly(visit: Visit) -> Vec<Seen> {
    let redis = visit.place.redis.clone().expect("a gateway with Redis");
    redis.delays(Duration::from_millis(200));
    let seen = unknown_keys(visit).await;
    redis.delays(Duration::ZERO);
    seen
}

async fn beyond(visit: Visit) -> Vec<Seen> {
    let ask = large(&visit, "small-claude", 24);
    together(vec![(visit, ask, Manner::default()); 6], &[200]).await
}

async fn places(visit: Visit) -> Vec<Seen> {
    let ask = visit.ask(CHAT, plain(CHAT, "small").to_string());
    together(vec![(visit, ask, Manner::default()); 100], &[200]).await
}

/// Responses that the gateway holds until a guardrail has checked all of them.
async fn held(visit: Visit) -> Vec<Seen> {
    let mut body = plain(CHAT, "held-flood");
    body["stream"] = true.into();
    let asks = (0..24).map(|number| {
        let visit = visit.of(LARGE[number % LARGE.len()]);
        let ask = visit.ask(CHAT, body.to_string());
        (visit, ask, Manner::default())
    });
    together(asks.collect(), &[200, 502, 503]).await
}

async fn answers(visit: Visit) -> Vec<Seen> {
    let asks = (0..12).map(|number| {
        let visit = visit.of(LARGE[number % LARGE.len()]);
        let ask = visit.ask(CHAT, plain(CHAT, "large-answer").to_string());
        (visit, ask, Manner::default())
    });
    together(asks.collect(), &[200, 502, 503]).await
}

async fn masked(visit: Visit) -> Vec<Seen> {
    let body = plain(CHAT, "small-masked").to_string().replace("say hi", &"write to a@b.io ".repeat(10 << 16));
    let ask = visit.ask(CHAT, Bytes::from(body));
    together(vec![(visit, ask, Manner::default()); 6], &[200, 413]).await
}

/// A model with a cache, and a response of the maximum cached size.
async fn kept(visit: Visit) -> Vec<Seen> {
    let asks = (0..12).map(|number| {
        let mut body = plain(CHAT, "kept");
        body["user"] = format!("{number} {}", visit.key).into();
        (visit.clone(), visit.ask(CHAT, body.to_string()), Manner::default())
    });
    together(asks.collect(), &[200, 502, 503]).await
}
