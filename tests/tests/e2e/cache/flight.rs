//! Single flight: identical requests that arrive together.

use tokio::task::JoinSet;

use super::*;

/// Sends this many identical requests, every second one for a stream if `mixed`. Returns when all of them are under way.
async fn crowd(cached: &Cached, body: &Value, count: usize, mixed: bool) -> JoinSet<Answer> {
    let before = active(cached).await;
    let mut answers = JoinSet::new();
    for number in 0..count {
        let (client, body) = (cached.gateway.client(), with(body.clone(), json!({"stream": mixed && number % 2 == 1})));
        answers.spawn(async move { client.post(CHAT, &body).await });
    }
    eventually("all requests to arrive", async || active(cached).await == before + count as u64).await;
    answers
}

async fn active(cached: &Cached) -> u64 {
    cached.gateway.statistic("http.sluice.downstream_rq_active").await
}

/// The number of answers with each status, and of those that came from the cache.
async fn counted(answers: JoinSet<Answer>) -> (usize, usize, usize) {
    let answers = answers.join_all().await;
    let of = |status: u16| answers.iter().filter(|answer| answer.status == status && answer.complete).count();
    let hits = answers.iter().filter(|answer| answer.header("x-sluice-cache") == Some("hit")).count();
    (of(200), answers.len() - of(200), hits)
}

#[tokio::test]
async fn of_many_identical_requests_one_goes_to_the_provider() {
    let cached = CACHED.lease().await;
    cached.openai.hold();
    let answers = crowd(&cached, &cached.ask("chat", "say one two three"), 200, true).await;
    assert_eq!(cached.openai.count(), 1, "while it has no response, nothing else is sent");
    cached.openai.release();
    assert_eq!(counted(answers).await, (200, 0, 199));
    assert_eq!(cached.openai.count(), 1);
    let lines = cached.gateway.quiet().await;
    let waited = lines.iter().filter(|line| line["cache_wait_ms"].is_u64()).count();
    assert_eq!((waited, lines.iter().filter(|line| line["attempts"] == 1).count()), (199, 1));
}

#[tokio::test]
async fn if_the_one_fails_one_of_the_others_goes_and_the_rest_wait_on() {
    let cached = CACHED.lease().await;
    cached.openai.script(&["status=500"]);
    cached.openai.hold();
    let answers = crowd(&cached, &ask("fails", "say one two three"), 50, false).await;
    assert_eq!(cached.openai.count(), 1);
    cached.openai.release();
    assert_eq!(counted(answers).await, (49, 1, 48));
    assert_eq!(cached.openai.count(), 2);
}

#[tokio::test]
async fn if_its_client_leaves_one_of_the_others_goes() {
    let cached = CACHED.lease().await;
    let body = cached.ask("chat", "say one two three");
    cached.openai.hold();
    let mut first = crowd(&cached, &body, 1, false).await;
    eventually("it to reach the provider", async || cached.openai.count() == 1).await;
    let others = crowd(&cached, &body, 20, false).await;
    first.shutdown().await;
    eventually("another one to go", async || cached.openai.count() == 2).await;
    cached.openai.release();
    assert_eq!(counted(others).await, (20, 0, 19));
    assert_eq!(cached.openai.count(), 2);
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_costs_nothing_and_disturbs_none() {
    let cached = CACHED.lease().await;
    let body = cached.ask("chat", "say one two three");
    cached.openai.hold();
    let first = crowd(&cached, &body, 1, false).await;
    eventually("it to reach the provider", async || cached.openai.count() == 1).await;
    let mut leaving = crowd(&cached, &body, 10, false).await;
    leaving.shutdown().await;
    eventually("them to leave", async || active(&cached).await == 1).await;
    cached.openai.release();
    assert_eq!(counted(first).await, (1, 0, 0));
    let lines = cached.gateway.quiet().await;
    let left: Vec<_> = lines.iter().filter(|line| line["error"] == "interrupted").collect();
    assert_eq!((left.len(), cached.openai.count()), (10, 1));
    assert!(left.iter().all(|line| line["cost_usd"].is_null() || line["cost_usd"] == "0.000000"), "{left:?}");
}

#[tokio::test]
async fn requests_do_not_wait_for_each_other_when_their_responses_are_not_stored() {
    let cached = CACHED.lease().await;
    cached.openai.always("stop=content_filter");
    cached.openai.hold();
    let answers = crowd(&cached, &cached.ask("chat", "say one two three"), 20, false).await;
    assert_eq!(cached.openai.count(), 1);
    cached.openai.release();
    assert_eq!(counted(answers).await, (20, 0, 0));
    assert_eq!(cached.openai.count(), 20);
}

#[tokio::test]
async fn an_error_that_all_will_get_is_not_awaited_one_after_the_other() {
    let cached = CACHED.lease().await;
    cached.openai.always("status=400");
    cached.openai.hold();
    let answers = crowd(&cached, &cached.ask("chat", "say one two three"), 20, false).await;
    assert_eq!(cached.openai.count(), 1);
    cached.openai.release();
    assert_eq!(counted(answers).await, (0, 20, 0));
    assert_eq!(cached.openai.count(), 20);
}

#[tokio::test]
async fn who_cannot_use_the_response_goes_at_once_and_not_one_after_the_other() {
    let cached = CACHED.lease().await;
    let body = cached.ask("chat", "say one two three");
    cached.openai.hold();
    let first = crowd(&cached, &body, 1, false).await;
    eventually("it to reach the provider", async || cached.openai.count() == 1).await;
    let mut others = JoinSet::new();
    for _ in 0..10 {
        let (client, body) = (cached.gateway.client().header("cache-control", "max-age=0"), body.clone());
        others.spawn(async move { client.post(CHAT, &body).await });
    }
    eventually("all requests to arrive", async || active(&cached).await == 11).await;
    cached.openai.release();
    assert_eq!((counted(first).await, counted(others).await), ((1, 0, 0), (10, 0, 0)));
    assert_eq!(cached.openai.count(), 11);
}

#[tokio::test]
async fn who_does_not_want_to_wait_does_not() {
    let cached = CACHED.lease().await;
    let body = cached.ask("chat", "say one two three");
    cached.openai.hold();
    let first = crowd(&cached, &body, 1, false).await;
    let fresh = cached.gateway.client().header("cache-control", "no-cache");
    let (fresh_body, mut fresh_answers) = (body.clone(), JoinSet::new());
    fresh_answers.spawn(async move { fresh.post(CHAT, &fresh_body).await });
    eventually("both to reach the provider", async || cached.openai.count() == 2).await;
    let only = cached.gateway.client().header("cache-control", "only-if-cached").post(CHAT, &body).await;
    assert_eq!((only.status, only.header("x-sluice-cache")), (504, Some("miss")));
    cached.openai.release();
    assert_eq!((counted(first).await, counted(fresh_answers).await), ((1, 0, 0), (1, 0, 0)));
}
