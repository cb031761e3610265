//! Reads the gateways' reservations directly from Redis.

use std::collections::BTreeMap;

use super::Redis;
use crate::until;

/// The granted, unsettled reservations in Redis, each with its reserved micro-dollars.
pub fn open_reservations(redis: &Redis) -> BTreeMap<String, u64> {
    let orders = redis.command(&["KEYS", &redis.name("r:*")]);
    let orders = orders.as_array().expect("a list").iter().map(|order| order.as_str().expect("a name").to_owned());
    let record = |order: &str| redis.command(&["GET", order]).as_str().filter(|text| *text != "S").map(str::to_owned);
    orders.filter_map(|order| record(&order).map(|record| (order, reserved(&record)))).collect()
}

/// The total-budget part of a record, whose lines are `gauge amount window level name`.
fn reserved(record: &str) -> u64 {
    let amounts = record.lines().filter_map(|line| line.strip_prefix("T ")?.split(' ').next()?.parse::<u64>().ok());
    amounts.sum()
}

/// Waits until Redis holds no unsettled orders.
pub async fn all_settled(redis: &Redis) {
    until("every order in Redis to be settled", || open_reservations(redis).is_empty().then_some(())).await;
}
