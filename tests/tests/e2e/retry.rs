//! Retries: their time and their target.

use std::time::{Duration, Instant};

use crate::{Pair, other, refusal, said};

/// The difference between two clocks on a busy machine.
const SLACK: Duration = Duration::from_millis(100);

const A_SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_short_retry_after_is_waited_for_when_no_other_target_is_left() {
    let pair = Pair::lease().await;
    for provider in ["openai", "anthropic"] {
        let simulator = pair.simulator(provider);
        simulator.script(&["status=429+retry-after=1", "ok"]);
        let started = Instant::now();
        let answer = pair.gateway.chat(&pair.ask(provider, "say again")).await;
        assert!(started.elapsed() >= A_SECOND, "{provider}: asked again after {:?}", started.elapsed());
        assert_eq!((answer.status, &*said(&answer)), (200, "again"));
        assert_eq!(answer.header("x-sluice-attempts"), Some("2"));
        let asked = simulator.settled(2).await;
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[0].body, asked[1].body);
        // Envoy's timers may start slightly before the provider's clock is read.
        assert!(asked[1].at.duration_since(asked[0].at).is_ok_and(|wait| wait >= A_SECOND - SLACK));
    }
}

#[tokio::test]
async fn the_same_target_is_asked_again_only_once() {
    let pair = Pair::lease().await;
    pair.openai.always("status=429+retry-after=1");
    let answer = pair.gateway.chat(&pair.ask("openai", "hi")).await;
    assert_eq!(refusal(&answer), (429, "rate_limit_exceeded".to_owned()));
    assert_eq!((answer.header("retry-after"), answer.header("x-sluice-attempts")), (Some("1"), Some("2")));
    assert_eq!(pair.openai.count(), 2);
}

#[tokio::test]
async fn a_long_retry_after_is_the_clients_to_wait_for() {
    let pair = Pair::lease().await;
    for provider in ["openai", "anthropic"] {
        // Longer than any test waits.
        pair.simulator(provider).always("status=429+retry-after=3600");
        let answer = pair.gateway.chat(&pair.ask(provider, "hi")).await;
        assert_eq!(refusal(&answer), (429, "rate_limit_exceeded".to_owned()));
        assert_eq!((answer.header("retry-after"), answer.header("x-sluice-attempts")), (Some("3600"), Some("1")));
        assert_eq!(pair.simulator(provider).count(), 1);
    }
}

#[tokio::test]
async fn another_target_does_not_wait_for_the_first_ones_retry_after() {
    let pair = Pair::lease().await;
    for (provider, retry_after) in [("openai", 3), ("anthropic", 3600)] {
        pair.openai.clear();
        pair.anthropic.clear();
        pair.simulator(provider).always(&format!("status=429+retry-after={retry_after}"));
        let answer = pair.gateway.chat(&pair.ask(&format!("{provider}-first"), "say now")).await;
        assert_eq!((&*said(&answer), answer.header("x-sluice-provider")), ("now", Some(other(provider))));
        // After such a wait the gateway would have retried it.
        assert_eq!(pair.simulator(provider).count(), 1, "{provider}");
    }
}

#[tokio::test]
async fn when_every_target_is_down_the_client_reads_one_error() {
    let pair = Pair::impatient().await;
    // The gateway retries a 500 once, each target with a lost connection once, and the last target once more.
    for (first, second, status, attempts) in [
        ("status=503", "status=529", 503, (1, 1)),
        ("status=500", "status=503", 503, (2, 1)),
        ("reset", "reset", 503, (2, 3)),
        ("status=503", "silence", 504, (1, 1)),
        ("silence", "error", 503, (1, 1)),
    ] {
        pair.openai.clear();
        pair.anthropic.clear();
        pair.openai.always(first);
        pair.anthropic.always(second);
        for stream in [false, true] {
            let body = crate::with(pair.ask("openai-first", "hi"), serde_json::json!({"stream": stream}));
            let answer = pair.gateway.chat(&body).await;
            assert_eq!(refusal(&answer).0, status, "{first}, {second}: {}", answer.text());
            let all = (attempts.0 + attempts.1).to_string();
            assert_eq!(answer.header("x-sluice-attempts"), Some(&*all), "{first}, {second}");
        }
        let asked = (pair.openai.count(), pair.anthropic.count());
        assert_eq!(asked, (2 * attempts.0, 2 * attempts.1), "{first}, {second}");
    }
}

/// Retries must not double the load of a provider that always fails: they are limited to a fifth of the attempts, and a few more.
#[tokio::test]
async fn an_outage_is_not_multiplied() {
    const REQUESTS: usize = 60;
    let pair = Pair::lease().await;
    pair.openai.always("status=500");
    let started = Instant::now();
    for _ in 0..REQUESTS {
        assert_eq!(refusal(&pair.gateway.chat(&pair.ask("openai", "hi")).await).0, 500);
    }
    let asked = pair.openai.count();
    // The retry budget covers ten seconds.
    let windows = started.elapsed().as_secs() as usize / 10 + 1;
    let most = (REQUESTS / 4).max(10 * windows);
    assert!((REQUESTS + 10..=REQUESTS + most).contains(&asked), "{asked} for {REQUESTS} in {:?}", started.elapsed());
}
