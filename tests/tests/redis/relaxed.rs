//! What Envoys in relaxed mode tell each other.

use sluice_core::store::redis::sync;
use sluice_core::store::{Delta, Gauge, Meter};

use crate::store::{PREFIX, Store, granted, meter, order, start, take};

async fn exchange(store: &mut Store, batch: &str, envoy: &str, deltas: &[(&Meter, u64, i64)]) -> Vec<u64> {
    let delta = |(meter, window, amount): &(&Meter, u64, i64)| Delta {
        meter: Meter::clone(meter),
        window: *window,
        amount: *amount,
    };
    let deltas: Vec<Delta> = deltas.iter().map(delta).collect();
    let reply = store.send(&sync::command(PREFIX, batch, envoy, &deltas)).await.unwrap();
    let globals = sync::globals(&deltas, &reply).unwrap();
    globals.iter().map(|global| global.used).collect()
}

#[tokio::test]
async fn deltas_are_added_once_and_all_counts_come_back() {
    let (_redis, _webdis, mut store) = start().await;
    let [minute, month, total] =
        [("m", Gauge::Minute), ("M", Gauge::Month), ("T", Gauge::Total)].map(|(n, g)| meter(n, g));
    let first = [(&minute, 0, 5), (&month, 682, 10), (&total, 0, 100)];
    assert_eq!(exchange(&mut store, "1", "a", &first).await, [5, 10, 100]);
    assert_eq!(exchange(&mut store, "1", "a", &first).await, [5, 10, 100], "the same batch adds nothing");
    let second = [(&minute, 0, 1), (&month, 682, -4), (&month, 681, 2), (&total, 0, 0)];
    assert_eq!(exchange(&mut store, "2", "b", &second).await, [6, 6, 2, 100]);
}

#[tokio::test]
async fn places_are_those_at_the_other_envoys() {
    let (_redis, _webdis, mut store) = start().await;
    let places = meter("c", Gauge::Concurrent);
    assert_eq!(exchange(&mut store, "1", "a", &[(&places, 0, 3)]).await, [0]);
    assert_eq!(exchange(&mut store, "2", "b", &[(&places, 0, 4)]).await, [3]);
    assert_eq!(exchange(&mut store, "3", "a", &[(&places, 0, 1)]).await, [4]);
    assert_eq!(exchange(&mut store, "4", "b", &[(&places, 0, 0)]).await, [1]);
}

#[tokio::test]
async fn what_lasts_is_the_same_meter_in_both_modes() {
    let (_redis, _webdis, mut store) = start().await;
    let total = meter("t", Gauge::Total);
    granted(&store.reserve(&order("a", vec![take(&total, 7, 10)])).await.unwrap());
    assert_eq!(exchange(&mut store, "1", "a", &[(&total, 0, 2)]).await, [9]);
}
