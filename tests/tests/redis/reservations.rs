//! The result of a reservation, once and repeated.

use sluice_core::store::redis::wire::{Command, RedisReply};
use sluice_core::store::{LimitWindow, ReserveRequest, ReserveResult};
use sluice_tests::redis::Redis;
use sluice_tests::upstash::Upstash;
use tokio::task::{JoinSet, LocalSet};

use crate::store::{Store, counter, debit, granted, is_granted, reserve_request, settlement, start};

/// Sends several reservations over each of many connections at once; returns the number granted.
async fn rush(store: &Store, debits: &ReserveRequest) -> usize {
    let mut tasks = JoinSet::new();
    for connection in 0..20 {
        let mut store = store.another();
        let debits = debits.clone();
        tasks.spawn_local(async move {
            let mut passed = 0;
            for turn in 0..10 {
                let request = ReserveRequest { id: format!("{connection}-{turn}").into(), ..debits.clone() };
                passed += usize::from(is_granted(&store.reserve(&request).await.unwrap()));
            }
            passed
        });
    }
    tasks.join_all().await.into_iter().sum()
}

#[tokio::test]
async fn of_two_hundred_at_once_exactly_those_pass_that_fit_over_webdis() {
    let (_redis, _webdis, mut store) = start().await;
    let (month, total) = (counter("team=a/usd/month", LimitWindow::Month), counter("all/tokens", LimitWindow::Total));
    let debits = vec![debit(&total, 1, 1000), debit(&month, 7, 37 * 7 + 6)];
    let passed = LocalSet::new().run_until(rush(&store, &reserve_request("", debits))).await;
    assert_eq!(passed, 37);
    let readings = store.read(&[month, total]).await;
    assert_eq!((readings[0].used, readings[1].used), (37 * 7, 37));
}

#[tokio::test]
async fn of_two_hundred_at_once_exactly_those_pass_that_fit_over_upstash() {
    let redis = Redis::start().await;
    let upstash = Upstash::start(&redis).await;
    let mut store = Store::upstash(&upstash);
    let day = counter("key=k/tokens/day", LimitWindow::Day);
    let passed = LocalSet::new().run_until(rush(&store, &reserve_request("", vec![debit(&day, 3, 30)]))).await;
    assert_eq!(passed, 10);
    assert_eq!(store.used(&day).await, 30);
}

#[tokio::test]
async fn the_same_order_again_has_the_same_answer_and_takes_nothing_more() {
    let (_redis, _webdis, mut store) = start().await;
    let counters =
        [LimitWindow::Minute, LimitWindow::Day, LimitWindow::Month, LimitWindow::Total, LimitWindow::Concurrent];
    let counters = counters.map(|kind| counter(&format!("{kind:?}"), kind));
    let request = reserve_request("once", counters.iter().map(|counter| debit(counter, 1, 5)).collect());
    let first = store.reserve(&request).await.unwrap();
    assert_eq!(store.reserve(&request).await.unwrap(), first);
    assert_eq!(store.read(&counters).await.iter().map(|reading| reading.used).collect::<Vec<_>>(), [1; 5]);
}

#[tokio::test]
async fn the_first_alternative_that_fits_is_taken_whole_and_no_other() {
    let (_redis, _webdis, mut store) = start().await;
    let [budget, cheap, soft] = ["budget", "cheap", "soft"].map(|name| counter(name, LimitWindow::Total));
    let mut counted = debit(&soft, 10, 1);
    counted.hard = false;
    let alternatives = vec![vec![debit(&cheap, 1, 9), debit(&budget, 6, 5)], vec![debit(&cheap, 2, 9), counted]];
    let request = ReserveRequest { alternatives, ..reserve_request("a", vec![]) };
    let verdict = store.reserve(&request).await.unwrap();
    let ReserveResult::Granted { chosen, snapshots } = verdict else { panic!("{verdict:?}") };
    assert_eq!((chosen, snapshots[0].used, snapshots[1].used), (1, 2, 10));
    assert_eq!((store.used(&budget).await, store.used(&cheap).await), (0, 2));
}

#[tokio::test]
async fn a_refusal_names_what_stood_in_the_way_of_each_alternative() {
    let (_redis, _webdis, mut store) = start().await;
    let [day, total] = [counter("day", LimitWindow::Day), counter("total", LimitWindow::Total)];
    granted(&store.reserve(&reserve_request("full", vec![debit(&day, 4, 5), debit(&total, 5, 5)])).await.unwrap());
    let alternatives =
        vec![vec![debit(&day, 1, 5), debit(&total, 1, 5)], vec![debit(&day, 2, 5)], vec![debit(&day, 9, 5)]];
    let verdict = store.reserve(&ReserveRequest { alternatives, ..reserve_request("more", vec![]) }).await.unwrap();
    let ReserveResult::Refused(obstacles) = verdict else { panic!("{verdict:?}") };
    assert_eq!(obstacles.iter().map(|o| (o.debit, o.snapshot.used)).collect::<Vec<_>>(), [(1, 5), (0, 4), (0, 4)]);
    assert_eq!(obstacles[0].retry_after, None, "a total does not come back");
    assert_eq!(obstacles[1].retry_after, Some(obstacles[1].snapshot.reset), "a day ends");
    assert_eq!(obstacles[2].retry_after, None, "it is more than a whole day's");
    assert_eq!(store.used(&day).await, 4);
}

#[tokio::test]
async fn an_order_that_comes_after_its_settlement_takes_nothing() {
    let (_redis, _webdis, mut store) = start().await;
    let total = counter("total", LimitWindow::Total);
    store.settle(&[settlement("late", vec![])]).await.unwrap();
    assert!(store.reserve(&reserve_request("late", vec![debit(&total, 1, 5)])).await.is_err());
    assert_eq!(store.used(&total).await, 0);
}

#[tokio::test]
async fn a_redis_that_forgot_its_scripts_is_told_them_again() {
    let (redis, _webdis, mut store) = start().await;
    let total = counter("total", LimitWindow::Total);
    for id in ["a", "b"] {
        granted(&store.reserve(&reserve_request(id, vec![debit(&total, 1, 5)])).await.unwrap());
        redis.command(&["SCRIPT", "FLUSH"]);
    }
    assert_eq!(store.used(&total).await, 2);
}

#[tokio::test]
async fn any_text_comes_through_either_server_as_it_is() {
    let (redis, _webdis, webdis) = start().await;
    let upstash = Upstash::start(&redis).await;
    let text: String = (1..256_u32).filter_map(char::from_u32).chain("/%2F.json?x=€+ \u{1F600}".chars()).collect();
    for mut store in [webdis, Store::upstash(&upstash)] {
        let written = store.send(&Command::new(["SET", "a/b.txt", &text])).await;
        assert_eq!(written, Ok(RedisReply::Text("OK".to_owned())));
        assert_eq!(redis.command(&["GET", "a/b.txt"]), text);
        assert_eq!(store.send(&Command::new(["GET", "a/b.txt"])).await, Ok(RedisReply::Text(text.clone())));
        assert_eq!(store.send(&Command::new(["GET", "absent"])).await, Ok(RedisReply::Nil));
        let refused = store.send(&Command::new(["SET", "a"])).await.unwrap();
        assert!(matches!(refused, RedisReply::Error(_)), "{refused:?}");
    }
}
