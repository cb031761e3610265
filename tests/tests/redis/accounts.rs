//! The accounts of a day, and the ranking by spending.

use sluice_core::store::dimension::Grouping;
use sluice_core::store::redis::wire::{Command, RedisReply};
use sluice_core::store::redis::{names, settle};
use sluice_core::store::{Sums, day_and_month};

use crate::store::{PREFIX, settlement, start};

#[tokio::test]
async fn a_settlement_is_in_the_accounts_of_all_it_concerns() {
    let (redis, _webdis, mut store) = start().await;
    let batch: Vec<_> = (0..64).map(|number| settlement(&format!("{number}"), vec![])).collect();
    assert_eq!(batch.len(), settle::LARGEST_BATCH);
    assert_eq!(store.settle(&batch).await, Ok(64));
    assert_eq!(store.settle(&batch).await, Ok(0));
    let (day, month) = day_and_month(batch[0].at);
    let expected = Sums::from([1, 20, 30, 400, 50, 400].map(|number| 64 * number));
    for (grouping, name) in [(Grouping::Key, "alice"), (Grouping::Team, "research"), (Grouping::Model, "gpt-4.1/x")] {
        let account = names::account(PREFIX, grouping, name, day);
        let reply = store.send(&Command::new(["HGETALL", &account])).await.unwrap();
        assert_eq!(settle::sums(&reply), Ok(expected), "{account}");
        assert!(redis.command(&["TTL", &account]).as_i64().unwrap() > 399 * 86_400);
        let rankings =
            [names::spenders_of_day(PREFIX, grouping, day), names::spenders_of_month(PREFIX, grouping, month)];
        for ranking in rankings {
            let reply = store.send(&Command::new(["ZREVRANGE", &ranking, "0", "9", "WITHSCORES"])).await;
            let expected = [name.to_owned(), (64 * 400).to_string()].map(RedisReply::Text);
            assert_eq!(reply, Ok(RedisReply::List(expected.to_vec())), "{ranking}");
            assert!(redis.command(&["TTL", &ranking]).as_i64().unwrap() > 399 * 86_400);
        }
    }
    assert_eq!(redis.command(&["KEYS", "*:app:*"]), serde_json::json!([]));
}
