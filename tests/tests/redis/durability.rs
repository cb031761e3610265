//! The state after Redis or Webdis was killed, and reconnection to both.

use std::time::Instant;

use sluice_core::store::LimitWindow;
use sluice_core::store::redis::wire::{Command, RedisReply};
use sluice_tests::PATIENCE;

use crate::store::{Store, counter, debit, granted, part, reserve_request, settlement, start};

#[tokio::test]
async fn what_was_granted_and_settled_is_there_after_a_kill() {
    let (redis, _webdis, mut store) = start().await;
    let total = counter("t", LimitWindow::Total);
    for id in ["settled", "open", "later"] {
        granted(&store.reserve(&reserve_request(id, vec![debit(&total, 100, 1000)])).await.unwrap());
    }
    store.settle(&[settlement("settled", vec![part(&total, 0, 30)])]).await.unwrap();
    redis.kill();
    assert!(store.reserve(&reserve_request("down", vec![debit(&total, 1, 1000)])).await.is_err());
    redis.restart().await;
    found_again(&mut store).await;
    assert_eq!(store.used(&total).await, 230);
    // A settled one repeated, an open one, and one that Redis never saw.
    let settlements = ["settled", "later", "down"].map(|id| settlement(id, vec![part(&total, 0, 30)]));
    assert_eq!(store.settle(&settlements).await, Ok(2));
    assert_eq!(store.used(&total).await, 30 + 100 + 30 + 30);
}

#[tokio::test]
async fn a_webdis_that_starts_again_is_found_again() {
    let (_redis, webdis, mut store) = start().await;
    let total = counter("t", LimitWindow::Total);
    granted(&store.reserve(&reserve_request("a", vec![debit(&total, 1, 10)])).await.unwrap());
    webdis.kill();
    assert!(store.reserve(&reserve_request("b", vec![debit(&total, 1, 10)])).await.is_err());
    webdis.restart().await;
    found_again(&mut store).await;
    granted(&store.reserve(&reserve_request("b", vec![debit(&total, 1, 10)])).await.unwrap());
    assert_eq!(store.used(&total).await, 2);
}

/// Webdis reconnects to Redis by itself after a moment.
async fn found_again(store: &mut Store) {
    let started = Instant::now();
    while store.send(&Command::new(["PING"])).await != Ok(RedisReply::Text("PONG".to_owned())) {
        assert!(started.elapsed() < PATIENCE, "Redis is not found again");
    }
}
