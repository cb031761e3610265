//! Reservations not settled within their lease are released once.

use std::time::{Duration, Instant};

use sluice_core::store::{Counter, CounterSnapshot, LimitWindow, ReserveRequest};
use sluice_tests::PATIENCE;
use sluice_tests::redis::Redis;

use crate::store::{counter, debit, granted, is_granted, part, reserve_request, settlement, start};

fn used(readings: &[CounterSnapshot]) -> Vec<u64> {
    readings.iter().map(|reading| reading.used).collect()
}

fn windows() -> [Counter; 3] {
    [LimitWindow::Day, LimitWindow::Month, LimitWindow::Total].map(|kind| counter(&format!("{kind:?}"), kind))
}

/// Ends a reservation's lease now.
pub fn lose(redis: &Redis, request: &str) {
    redis.command(&["ZADD", "{t}:open", "XX", "0", &format!("{{t}}:r:{request}")]);
}

#[tokio::test]
async fn what_is_not_settled_within_its_lease_comes_back() {
    let (_redis, _webdis, mut store) = start().await;
    let counters = windows();
    let debits = |amount| counters.iter().map(|counter| debit(counter, amount, 100)).collect();
    let brief = ReserveRequest { lease: Duration::from_millis(1), ..reserve_request("lost", debits(60)) };
    granted(&store.reserve(&reserve_request("kept", debits(30))).await.unwrap());
    granted(&store.reserve(&brief).await.unwrap());
    let started = Instant::now();
    while store.used(&counters[2]).await == 90 {
        assert!(started.elapsed() < PATIENCE, "the lease does not end");
    }
    assert_eq!(used(&store.read(&counters).await), [30; 3]);
    granted(&store.reserve(&reserve_request("next", debits(70))).await.unwrap());
    // The late reservation was slow, not lost. It is charged for its usage once.
    let late = settlement("lost", vec![part(&counters[2], 0, 50)]);
    assert_eq!(store.settle(&[late.clone(), late.clone()]).await, Ok(1));
    assert_eq!(store.settle(&[late]).await, Ok(0));
    assert_eq!(used(&store.read(&counters).await), [100, 100, 150]);
}

#[tokio::test]
async fn who_asks_next_gets_what_was_lost() {
    let (redis, _webdis, mut store) = start().await;
    let counters = windows();
    let debits = || counters.iter().map(|counter| debit(counter, 60, 100)).collect();
    granted(&store.reserve(&reserve_request("lost", debits())).await.unwrap());
    assert!(!is_granted(&store.reserve(&reserve_request("next", debits())).await.unwrap()));
    lose(&redis, "lost");
    granted(&store.reserve(&reserve_request("next", debits())).await.unwrap());
    assert_eq!(used(&store.read(&counters).await), [60; 3]);
}

#[tokio::test]
async fn a_settlement_that_comes_before_anybody_looks_is_like_any_other() {
    let (redis, _webdis, mut store) = start().await;
    let total = counter("t", LimitWindow::Total);
    granted(&store.reserve(&reserve_request("a", vec![debit(&total, 60, 100)])).await.unwrap());
    lose(&redis, "a");
    assert_eq!(store.settle(&[settlement("a", vec![part(&total, 0, 7)])]).await, Ok(1));
    assert_eq!(store.used(&total).await, 7);
}

#[tokio::test]
async fn what_drains_is_corrected_by_a_late_settlement_as_by_any_other() {
    let (redis, _webdis, mut store) = start().await;
    let [minute, total] = [counter("m", LimitWindow::Minute), counter("t", LimitWindow::Total)];
    granted(
        &store.reserve(&reserve_request("a", vec![debit(&minute, 600, 600), debit(&total, 60, 100)])).await.unwrap(),
    );
    lose(&redis, "a");
    let level = store.read(&[minute.clone(), total.clone()]).await[0].used;
    assert!((500..=600).contains(&level), "{level}: minutes have no lease");
    store.settle(&[settlement("a", vec![part(&minute, 0, 100), part(&total, 0, 7)])]).await.unwrap();
    let level = store.used(&minute).await;
    assert!((50..=100).contains(&level), "{level}");
    assert_eq!(store.used(&total).await, 7);
}

#[tokio::test]
async fn a_meter_that_cannot_be_counted_on_stops_nothing_but_itself() {
    let (redis, _webdis, mut store) = start().await;
    let [bad, good] = [counter("bad", LimitWindow::Total), counter("good", LimitWindow::Total)];
    let debits = || vec![debit(&bad, 60, 100), debit(&good, 60, 100)];
    granted(&store.reserve(&reserve_request("lost", debits())).await.unwrap());
    redis.command(&["SET", "{t}:m:bad", "no hash"]);
    lose(&redis, "lost");
    assert_eq!(store.used(&good).await, 0);
    granted(&store.reserve(&reserve_request("next", vec![debit(&good, 60, 100)])).await.unwrap());
}

#[tokio::test]
async fn many_lost_orders_come_back_a_few_at_a_time() {
    let (redis, _webdis, mut store) = start().await;
    let total = counter("t", LimitWindow::Total);
    for number in 0..200 {
        let id = format!("{number}");
        granted(&store.reserve(&reserve_request(&id, vec![debit(&total, 1, 1000)])).await.unwrap());
    }
    (0..200).for_each(|number| lose(&redis, &number.to_string()));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(store.used(&total).await);
    }
    assert_eq!(seen, [136, 72, 8, 0]);
}

#[tokio::test]
async fn only_open_orders_are_remembered_without_an_end() {
    let (redis, _webdis, mut store) = start().await;
    let [total, minute] = [counter("t", LimitWindow::Total), counter("m", LimitWindow::Minute)];
    for id in ["open", "settled", "lost"] {
        granted(&store.reserve(&reserve_request(id, vec![debit(&total, 1, 100)])).await.unwrap());
    }
    granted(
        &store.reserve(&reserve_request("drains", vec![debit(&minute, 1, 100), debit(&total, 0, 100)])).await.unwrap(),
    );
    store.settle(&[settlement("settled", vec![])]).await.unwrap();
    lose(&redis, "lost");
    assert_eq!(store.used(&total).await, 1);
    assert_eq!(redis.command(&["ZRANGE", "{t}:open", "0", "-1"]), serde_json::json!(["{t}:r:open"]));
    let kept = |id: &str| redis.command(&["TTL", &format!("{{t}}:r:{id}")]).as_i64().unwrap();
    assert_eq!(kept("open"), -1);
    for id in ["settled", "lost", "drains"] {
        assert!((86_400..=2 * 86_400).contains(&kept(id)), "{id}: {}", kept(id));
    }
}
