//! The exchange of counts between Envoys in relaxed mode.

use std::time::Instant;

use sluice_core::store::embedded::ShardId;
use sluice_core::store::redis::settings::Mode;
use sluice_core::store::redis::{read, sync};
use sluice_core::store::{Batch, Counter, Delta, LimitWindow};

use crate::store::{PREFIX, Store, counter, debit, drained, granted, reserve_request, start};

/// The unit of a per-minute counter.
const MILLIONTHS: u64 = 1_000_000;

async fn exchange(store: &mut Store, number: u64, envoy: &str, deltas: &[(&Counter, u64, i64)]) -> Vec<u64> {
    let delta = |(counter, window, amount): &(&Counter, u64, i64)| Delta {
        counter: Counter::clone(counter),
        window: *window,
        amount: *amount,
    };
    let deltas = deltas.iter().map(delta).collect();
    let batch = Batch { envoy: envoy.into(), place: ShardId::of("s"), number, deltas, more: false };
    let reply = store.send(&sync::command(PREFIX, &batch)).await.unwrap();
    let globals = sync::globals(&batch.deltas, &reply).unwrap();
    globals.iter().map(|global| global.used).collect()
}

#[tokio::test]
async fn deltas_are_added_once_and_all_counts_come_back() {
    let (_redis, _webdis, mut store) = start().await;
    let [month, total] = [("M", LimitWindow::Month), ("T", LimitWindow::Total)].map(|(n, g)| counter(n, g));
    let first = [(&month, 682, 10), (&total, 0, 100)];
    assert_eq!(exchange(&mut store, 1, "a", &first).await, [10, 100]);
    assert_eq!(exchange(&mut store, 1, "a", &first).await, [10, 100], "the same batch adds nothing");
    let second = [(&month, 682, -4), (&month, 681, 2), (&total, 0, 0)];
    assert_eq!(exchange(&mut store, 1, "b", &second).await, [6, 2, 100]);
    assert_eq!(exchange(&mut store, 2, "a", &[(&total, 0, 1)]).await, [101]);
    assert_eq!(exchange(&mut store, 1, "a", &first).await, [6, 101], "nor does one that comes late");
}

#[tokio::test]
async fn a_minute_is_one_level_that_drains_for_all() {
    let (_redis, _webdis, mut store) = start().await;
    let (rate, began) = (counter("m", LimitWindow::Minute), Instant::now());
    let mut level = async |number, envoy, pace, amount: i64| {
        exchange(&mut store, number, envoy, &[(&rate, pace, amount * 1_000_000)]).await[0]
    };
    assert_eq!(level(1, "a", 60, 30).await, 30 * MILLIONTHS);
    let second = level(1, "b", 0, 20).await;
    let least = 50_u64.saturating_sub(drained(began, 60));
    assert!((least * MILLIONTHS..=50 * MILLIONTHS).contains(&second), "{second}: one a second drains");
    assert!(level(2, "b", 60, -10).await <= 40 * MILLIONTHS);
    assert_eq!(level(2, "a", 60, -100).await, 0);
    assert_eq!(level(3, "a", 6_000_000, 1_000_000).await, 1_000_000 * MILLIONTHS);
    let drained = level(4, "a", 6_000_000, 0).await;
    assert!(drained < 1_000_000 * MILLIONTHS, "{drained}: a hundred thousand a second drain");
}

#[tokio::test]
async fn places_are_those_at_the_other_envoys() {
    let (_redis, _webdis, mut store) = start().await;
    let slots = counter("c", LimitWindow::Concurrent);
    assert_eq!(exchange(&mut store, 1, "a", &[(&slots, 0, 3)]).await, [0]);
    assert_eq!(exchange(&mut store, 1, "b", &[(&slots, 0, 4)]).await, [3]);
    assert_eq!(exchange(&mut store, 2, "a", &[(&slots, 0, 1)]).await, [4]);
    assert_eq!(exchange(&mut store, 2, "b", &[(&slots, 0, 0)]).await, [1]);
}

#[tokio::test]
async fn a_report_has_the_requests_of_all_envoys_and_what_lasts() {
    let (_redis, _webdis, mut store) = start().await;
    let (slots, total) = (counter("c", LimitWindow::Concurrent), counter("t", LimitWindow::Total));
    exchange(&mut store, 1, "a", &[(&slots, 0, 3), (&total, 0, 5)]).await;
    exchange(&mut store, 1, "b", &[(&slots, 0, 4), (&total, 0, 6)]).await;
    let counters = [slots, total];
    let reply = store.send(&read::command(PREFIX, Mode::Relaxed, &counters)).await.unwrap();
    let used: Vec<u64> = read::snapshots(&counters, &reply).unwrap().iter().map(|snapshot| snapshot.used).collect();
    assert_eq!(used, [7, 11]);
}

#[tokio::test]
async fn what_lasts_is_the_same_meter_in_both_modes() {
    let (_redis, _webdis, mut store) = start().await;
    let total = counter("t", LimitWindow::Total);
    granted(&store.reserve(&reserve_request("a", vec![debit(&total, 7, 10)])).await.unwrap());
    assert_eq!(exchange(&mut store, 1, "a", &[(&total, 0, 2)]).await, [9]);
}
