//! Counting in each kind of counter, and the effect of a settlement.

use std::time::{Duration, Instant};

use serde_json::json;
use sluice_core::store::{
    Counter, LimitWindow, Note, ReserveRequest, ReserveResult, Settled, Settlement, day_and_month,
};
use sluice_tests::PATIENCE;
use sluice_tests::clock::Clock;
use sluice_tests::redis::{Redis, Webdis};
use sluice_wire::time::Time;

use crate::store::{Store, counter, debit, drained, granted, is_granted, part, reserve_request, settlement, start};

fn now() -> Time {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Time(u64::try_from(now.as_nanos()).unwrap())
}

#[tokio::test]
async fn calendar_windows_are_those_of_utc() {
    let (_redis, _webdis, mut store) = start().await;
    let [day, month] = [counter("d", LimitWindow::Day), counter("m", LimitWindow::Month)];
    let before = now();
    let verdict = store.reserve(&reserve_request("a", vec![debit(&day, 1, 5), debit(&month, 1, 5)])).await.unwrap();
    let after = now();
    let readings = granted(&verdict);
    let windows = (readings[0].period, readings[1].period);
    assert!(windows == day_and_month(before) || windows == day_and_month(after), "{windows:?}");
    for (reading, longest) in [(readings[0], 1), (readings[1], 31)] {
        assert!(reading.reset <= Duration::from_secs(longest * 86_400), "{reading:?}");
    }
    let at_end = |reset: Duration| day_and_month(Time(after.0 + u64::try_from(reset.as_nanos()).unwrap()));
    assert_eq!(at_end(readings[0].reset).0, windows.0 + 1);
    assert_eq!(at_end(readings[1].reset).1, windows.1 + 1);
}

#[tokio::test]
async fn a_minute_lets_a_whole_minutes_pass_and_then_as_much_as_drains() {
    let (_redis, _webdis, mut store) = start().await;
    let (minute, began) = (counter("m", LimitWindow::Minute), Instant::now());
    for turn in 0..3_u64 {
        let verdict = store.reserve(&reserve_request(&format!("{turn}"), vec![debit(&minute, 20, 60)])).await.unwrap();
        let reading = granted(&verdict)[0];
        let most = turn * 20 + 20;
        assert!((most.saturating_sub(drained(began, 60))..=most).contains(&reading.used), "{reading:?}");
        assert!(reading.reset <= Duration::from_secs(20 * (turn + 1)), "{reading:?}");
    }
    // More than drains while any test waits.
    let verdict = store.reserve(&reserve_request("more", vec![debit(&minute, 60, 60)])).await.unwrap();
    let ReserveResult::Refused(obstacles) = verdict else { panic!("{verdict:?}") };
    let wait = obstacles[0].retry_after.unwrap().as_secs_f64().ceil() as u64;
    assert!((60_u64.saturating_sub(drained(began, 60))..=60).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_minute_drains_from_the_time_to_which_the_clock_was_set_back() {
    let clock = Clock::start();
    let redis = Redis::with_clock(&clock).await;
    let webdis = Webdis::start(&redis).await;
    let (mut store, minute) = (Store::webdis(&webdis), counter("m", LimitWindow::Minute));
    let asks = async |store: &mut Store, id: &str, amount| {
        is_granted(&store.reserve(&reserve_request(id, vec![debit(&minute, amount, 60)])).await.unwrap())
    };
    assert!(asks(&mut store, "fills", 60).await);
    clock.set(-3_600);
    assert!(!asks(&mut store, "too early", 60).await, "what was used still counts");
    clock.set(-3_540);
    assert!(asks(&mut store, "a minute later", 60).await);
}

#[tokio::test]
async fn a_minute_of_a_thousand_million_is_exact_to_one() {
    let (_redis, _webdis, mut store) = start().await;
    let minute = counter("m", LimitWindow::Minute);
    let limit = 1_000_000_000;
    granted(&store.reserve(&reserve_request("a", vec![debit(&minute, limit, limit)])).await.unwrap());
    let verdict = store.reserve(&reserve_request("b", vec![debit(&minute, limit / 2, limit)])).await.unwrap();
    let ReserveResult::Refused(obstacles) = verdict else { panic!("{verdict:?}") };
    // The limit drains 17 units per microsecond, yet usage and missing units add up exactly.
    let missing = obstacles[0].snapshot.used + limit / 2 - limit;
    let wait = u64::try_from(obstacles[0].retry_after.unwrap().as_micros()).unwrap();
    assert!((wait * limit / 60_000_000).abs_diff(missing) <= 18, "{missing} {wait}");
}

#[tokio::test]
async fn places_come_back_when_settled_and_when_their_lease_ends() {
    let (_redis, _webdis, mut store) = start().await;
    let slots = counter("c", LimitWindow::Concurrent);
    let brief =
        ReserveRequest { lease: Duration::from_millis(1), ..reserve_request("brief", vec![debit(&slots, 1, 2)]) };
    granted(&store.reserve(&reserve_request("a", vec![debit(&slots, 1, 2)])).await.unwrap());
    granted(&store.reserve(&brief).await.unwrap());
    let started = Instant::now();
    while store.used(&slots).await == 2 {
        assert!(started.elapsed() < PATIENCE, "the lease does not end");
    }
    assert_eq!(store.used(&slots).await, 1);
    granted(&store.reserve(&reserve_request("b", vec![debit(&slots, 1, 2)])).await.unwrap());
    assert!(!is_granted(&store.reserve(&reserve_request("c", vec![debit(&slots, 1, 2)])).await.unwrap()));
    assert_eq!(store.settle(&[settlement("a", vec![part(&slots, 0, 0)])]).await, Ok(1));
    granted(&store.reserve(&reserve_request("c", vec![debit(&slots, 1, 2)])).await.unwrap());
}

#[tokio::test]
async fn a_settlement_corrects_what_was_reserved_in_its_own_window_once() {
    let (_redis, _webdis, mut store) = start().await;
    let [day, total, other] =
        [counter("d", LimitWindow::Day), counter("t", LimitWindow::Total), counter("other", LimitWindow::Total)];
    let debits = vec![debit(&day, 100, 1000), debit(&total, 100, 1000)];
    let window = granted(&store.reserve(&reserve_request("a", debits)).await.unwrap())[0].period;
    // Another day, from an Envoy with another clock; and a counter without a reservation.
    let parts = vec![part(&day, window + 1, 40), part(&total, 0, 140), part(&other, 0, 7)];
    let settlement = settlement("a", parts);
    assert_eq!(store.settle(&[settlement.clone(), settlement.clone()]).await, Ok(1));
    assert_eq!(store.settle(&[settlement]).await, Ok(0));
    assert_eq!((store.used(&day).await, store.used(&total).await, store.used(&other).await), (40, 140, 7));
}

#[tokio::test]
async fn a_correction_changes_what_an_earlier_settlement_has_charged_once_and_notes_stay() {
    let (redis, _webdis, mut store) = start().await;
    let [less, more, forgotten] = ["less", "more", "forgotten"].map(|name| counter(name, LimitWindow::Total));
    for total in [&less, &more] {
        granted(&store.reserve(&reserve_request(&total.name, vec![debit(total, 100, 1000)])).await.unwrap());
        store.settle(&[settlement(&total.name, vec![part(total, 0, 100)])]).await.unwrap();
    }
    let part = |counter: &Counter, used| Settled { reserved: 100, ..part(counter, 0, used) };
    let parts = vec![part(&less, 30), part(&more, 130), part(&forgotten, 20)];
    let notes = vec![Note { name: "batch:b".into(), text: "a text / of ours".into() }];
    let correction = Settlement { corrects: true, notes, ..settlement("batch-b", parts) };
    for new in [1, 0] {
        assert_eq!(store.settle(std::slice::from_ref(&correction)).await, Ok(new));
    }
    assert_eq!((store.used(&less).await, store.used(&more).await, store.used(&forgotten).await), (30, 130, 0));
    assert_eq!(redis.command(&["GET", "{t}:n:batch:b"]), "a text / of ours");
}

#[tokio::test]
async fn a_note_that_comes_late_does_not_open_what_is_settled() {
    let (redis, _webdis, mut store) = start().await;
    for (id, text) in [("open", "{}"), ("settled", "\"settled\""), ("late", "{}")] {
        let notes = vec![Note { name: "batch:b".into(), text: text.into() }];
        store.settle(&[Settlement { notes, ..settlement(id, Vec::new()) }]).await.unwrap();
    }
    assert_eq!(redis.command(&["GET", "{t}:n:batch:b"]), "\"settled\"");
}

#[tokio::test]
async fn what_a_settlement_does_not_name_was_not_used() {
    let (_redis, _webdis, mut store) = start().await;
    let total = counter("t", LimitWindow::Total);
    granted(&store.reserve(&reserve_request("a", vec![debit(&total, 100, 1000)])).await.unwrap());
    store.settle(&[settlement("a", vec![])]).await.unwrap();
    assert_eq!(store.used(&total).await, 0);
}

#[tokio::test]
async fn a_reading_tells_what_of_it_is_only_reserved() {
    let (redis, _webdis, mut store) = start().await;
    let total = counter("t", LimitWindow::Total);
    let reserve = async |store: &mut Store, id: &str, amount| {
        granted(&store.reserve(&reserve_request(id, vec![debit(&total, amount, 1000)])).await.unwrap())[0]
    };
    let first = reserve(&mut store, "a", 100).await;
    let second = reserve(&mut store, "b", 30).await;
    assert_eq!([first, second].map(|reading| (reading.used, reading.reserved)), [(100, 100), (130, 130)]);
    store.settle(&[settlement("a", vec![part(&total, 0, 7)])]).await.unwrap();
    let third = reserve(&mut store, "c", 1).await;
    assert_eq!((third.used, third.reserved), (38, 31));
    store.settle(&["b", "c"].map(|id| settlement(id, vec![part(&total, 0, 1)]))).await.unwrap();
    assert_eq!(redis.command(&["HKEYS", "{t}:m:t"]), json!(["0"]), "nothing is reserved");
}

#[tokio::test]
async fn what_redis_was_not_asked_for_is_charged_in_full_once() {
    let (redis, _webdis, mut store) = start().await;
    let [minute, day, total] =
        [("m", LimitWindow::Minute), ("d", LimitWindow::Day), ("t", LimitWindow::Total)].map(|(n, g)| counter(n, g));
    let (today, _) = day_and_month(now());
    let mut parts = vec![part(&minute, 0, 5), part(&day, today, 5), part(&total, 0, 5)];
    for part in &mut parts {
        part.reserved = 100;
    }
    let settlement = settlement("unknown", parts);
    for new in [1, 0] {
        assert_eq!(store.settle(std::slice::from_ref(&settlement)).await, Ok(new));
    }
    let used: Vec<u64> = store.read(&[minute, total]).await.iter().map(|reading| reading.used).collect();
    assert_eq!(used, [5, 5]);
    assert_eq!(redis.command(&["HGET", "{t}:m:d", &today.to_string()]), "5");
}

#[tokio::test]
async fn a_minute_gets_back_what_was_reserved_too_much_and_pays_what_was_too_little() {
    let (_redis, _webdis, mut store) = start().await;
    let minute = counter("m", LimitWindow::Minute);
    let began = Instant::now();
    granted(&store.reserve(&reserve_request("a", vec![debit(&minute, 600, 600)])).await.unwrap());
    store.settle(&[settlement("a", vec![part(&minute, 0, 100)])]).await.unwrap();
    let used = store.used(&minute).await;
    assert!((100_u64.saturating_sub(drained(began, 600))..=100).contains(&used), "{used}");
    granted(&store.reserve(&reserve_request("b", vec![debit(&minute, 100, 600)])).await.unwrap());
    store.settle(&[settlement("b", vec![part(&minute, 0, 1000)])]).await.unwrap();
    let used = store.used(&minute).await;
    assert!((1100_u64.saturating_sub(drained(began, 600))..=1100).contains(&used), "{used}");
}

#[tokio::test]
async fn a_minute_gets_nothing_back_of_what_has_drained() {
    let (redis, _webdis, mut store) = start().await;
    let minute = counter("m", LimitWindow::Minute);
    let began = Instant::now();
    granted(&store.reserve(&reserve_request("a", vec![debit(&minute, 100, 600)])).await.unwrap());
    // As if the reservation were two minutes old, with others after it.
    let record = redis.command(&["GET", "{t}:r:a"]).as_str().unwrap().to_owned();
    let words: Vec<&str> = record.lines().nth(1).unwrap().split(' ').collect();
    let earlier = (words[2].parse::<u64>().unwrap() - 120_000_000).to_string();
    redis.command(&["SET", "{t}:r:a", &record.replace(words[2], &earlier)]);
    store.settle(&[settlement("a", vec![part(&minute, 0, 0)])]).await.unwrap();
    let used = store.used(&minute).await;
    assert!((100_u64.saturating_sub(drained(began, 600))..=100).contains(&used), "{used}");
}

#[tokio::test]
async fn windows_long_gone_are_forgotten_and_recent_ones_kept() {
    let (redis, _webdis, mut store) = start().await;
    let day = counter("d", LimitWindow::Day);
    let (today, _) = day_and_month(now());
    let [recent, gone] = [today - 39, today - 50].map(|day| day.to_string());
    redis.command(&["HSET", "{t}:m:d", &recent, "1", &gone, "1"]);
    granted(&store.reserve(&reserve_request("a", vec![debit(&day, 1, 9)])).await.unwrap());
    assert_eq!(redis.command(&["HEXISTS", "{t}:m:d", &recent]), 1);
    assert_eq!(redis.command(&["HEXISTS", "{t}:m:d", &gone]), 0);
    let kept = redis.command(&["TTL", "{t}:m:d"]).as_i64().unwrap();
    assert!((39 * 86_400..=40 * 86_400).contains(&kept), "{kept}");
}
