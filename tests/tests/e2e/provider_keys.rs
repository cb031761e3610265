//! A provider with several keys: each request uses one, and another if that one is exhausted or rejected.

use serde_json::{Value, json};
use sluice_tests::gateway::{Gateway, Kind};
use sluice_tests::shared::{self, Fixture, Shared};
use sluice_tests::simulator::Simulator;

use crate::{ask, refusal, said};

/// A gateway with providers of two keys, `sk-NAME` and `sk-two`, each with a model of its name.
struct Keyed {
    gateway: Gateway,
    /// Accepts any key.
    any: Simulator,
    /// Accepts only the second key.
    second: Simulator,
    /// Accepts neither key.
    neither: Simulator,
    /// The file of the second key, which the gateway watches.
    _file: tempfile::NamedTempFile,
}

/// A gateway with one worker, since each worker rotates keys independently.
static KEYED: Shared<Keyed> = Shared::new(1, || Box::pin(Keyed::with(1)));

impl Keyed {
    async fn with(workers: u32) -> Self {
        let file = tempfile::NamedTempFile::new().expect("a file for the key");
        std::fs::write(file.path(), "sk-two").expect("the key is written");
        let of = async |key: &str| Simulator::builder().key(key).start().await.expect("a free port");
        let (any, second, neither) = (Simulator::start().await, of("sk-two").await, of("sk-another").await);
        let gateway = [("any", &any), ("second", &second), ("neither", &neither)]
            .into_iter()
            .fold(Gateway::builder(), |builder, (name, simulator)| {
                let keys = json!({"providers": {name: {"keys": [{"file": file.path()}]}}});
                builder.provider(name, Kind::OpenAi, simulator).model(name, &[(name, "gpt-sim")]).with(keys)
            })
            .concurrency(workers)
            .start()
            .await;
        Self { gateway, any, second, neither, _file: file }
    }
}

impl Fixture for Keyed {
    async fn renew(&mut self) -> bool {
        shared::renew(&mut self.gateway, &[&self.any, &self.second, &self.neither]).await;
        true
    }
}

/// The keys that the simulator received, in order.
async fn presented(provider: &Simulator, count: usize) -> Vec<String> {
    let requests = provider.settled(count).await;
    requests.iter().map(|request| request.header("authorization").unwrap_or_default().to_owned()).collect()
}

/// The key of each attempt of a request, from the log.
fn keys(line: &Value) -> Vec<Option<u64>> {
    line["tried"].as_array().expect("a list").iter().map(|tried| tried["key"].as_u64()).collect()
}

#[tokio::test]
async fn requests_take_turns_and_a_limited_key_is_passed_over() {
    let keyed = KEYED.lease().await;
    let (gateway, provider) = (&keyed.gateway, &keyed.any);
    for _ in 0..2 {
        assert_eq!(said(&gateway.chat(&ask("any", "say hello")).await), "hello");
    }
    assert_eq!(presented(provider, 2).await, ["Bearer sk-any", "Bearer sk-two"]);
    provider.clear();
    provider.script(&["status=429+retry-after=3600", "ok"]);
    let answer = gateway.chat(&ask("any", "say moved")).await;
    assert_eq!((answer.status, &*said(&answer), answer.header("x-sluice-attempts")), (200, "moved", Some("2")));
    for _ in 0..2 {
        gateway.chat(&ask("any", "hi")).await;
    }
    let two = "Bearer sk-two";
    assert_eq!(presented(provider, 4).await, ["Bearer sk-any", two, two, two]);
    let lines = gateway.log_lines(5).await;
    let tried: Vec<_> = lines.iter().map(keys).collect();
    assert_eq!(tried, [vec![Some(1)], vec![Some(2)], vec![Some(1), Some(2)], vec![Some(2)], vec![Some(2)]]);
    assert!(lines.iter().all(|line| !line.to_string().contains("sk-")), "a key's text is in no log");
}

#[tokio::test]
async fn a_refused_key_is_out_for_every_worker() {
    let keyed = Keyed::with(2).await;
    let (gateway, provider) = (&keyed.gateway, &keyed.second);
    let answer = gateway.chat(&ask("second", "say found")).await;
    assert_eq!((answer.status, &*said(&answer)), (200, "found"));
    for _ in 0..8 {
        let answer = gateway.chat(&ask("second", "hi")).await;
        assert_eq!((answer.status, answer.header("x-sluice-attempts")), (200, Some("1")));
    }
    assert_eq!(presented(provider, 10).await.iter().filter(|key| *key == "Bearer sk-second").count(), 1);
}

#[tokio::test]
async fn when_no_key_is_good_the_operator_is_told_as_with_one() {
    let keyed = KEYED.lease().await;
    let (gateway, provider) = (&keyed.gateway, &keyed.neither);
    for (attempts, asked) in [("2", 2), ("1", 3)] {
        let answer = gateway.chat(&ask("neither", "hi")).await;
        assert_eq!(refusal(&answer), (502, "provider_refused_credential".to_owned()));
        assert_eq!(answer.header("x-sluice-attempts"), Some(attempts));
        assert_eq!(provider.settled(asked).await.len(), asked);
    }
}
