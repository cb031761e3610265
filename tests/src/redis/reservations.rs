//! What the gateways have reserved in a Redis, read past them.

use std::collections::BTreeMap;

use super::Redis;
use crate::until;

/// Orders that Redis has granted and that are not settled, and the micro-dollars each has reserved.
pub fn open_reservations(redis: &Redis) -> BTreeMap<String, u64> {
    let orders = redis.command(&["KEYS", &redis.name("r:*")]);
    let orders = orders.as_array().expect("a list").iter().map(|order| order.as_str().expect("a name").to_owned());
    let record = |order: &str| redis.command(&["GET", order]).as_str().filter(|text| *text != "S").map(str::to_owned);
    orders.filter_map(|order| record(&order).map(|record| (order, reserved(&record)))).collect()
}

/// Of a record's lines, `gauge amount window level name`, those of total budgets.
fn reserved(record: &str) -> u64 {
    let amounts = record.lines().filter_map(|line| line.strip_prefix("T ")?.split(' ').next()?.parse::<u64>().ok());
    amounts.sum()
}

/// Waits until Redis was told of everything.
pub async fn all_settled(redis: &Redis) {
    until("every order in Redis to be settled", || open_reservations(redis).is_empty().then_some(())).await;
}
