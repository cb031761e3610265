//! Charges for responses without a token count: the client disconnected, or the response is unreadable. The gateway charges both, with
//! either store.

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Open};
use sluice_tests::gateway::{Gateway, Key, Kind};
use sluice_tests::redis::Store;
use sluice_tests::simulator::Simulator;
use sluice_tests::until;

use crate::money::{Price, all_settled, in_redis, micro, said};
use crate::{CHAT, ask, with};

const PRICE: Price = Price { input: 10.0, output: 1_000.0 };
const KEY: &str = "sk-alice";
/// More choices than the budget covers.
const MANY: u64 = 100;
/// The tokens reserved for one response.
const MOST: u64 = 200;

/// A gateway with an OpenAI provider and a Bedrock provider.
struct Site {
    gateway: Gateway,
    openai: Simulator,
    bedrock: Simulator,
    store: Option<Store>,
}

impl Site {
    async fn start(in_redis: bool) -> Self {
        let (openai, bedrock) = (Simulator::start().await, Simulator::start().await);
        let provider = json!({"kind": "bedrock", "url": bedrock.url(), "key": {"env": "A_KEY"}});
        let target = json!({"targets": [{"provider": "bedrock", "model": "claude-sim"}]});
        let builder = Gateway::builder()
            .provider("openai", Kind::OpenAi, &openai)
            .with(json!({"providers": {"bedrock": provider}, "models": {"bedrock": target}}))
            .with(json!({"reservation": {"output_tokens": MOST}}))
            .model("openai", &[("openai", "gpt-sim")])
            .price("openai/gpt-sim", PRICE.input, PRICE.output)
            .price("bedrock/claude-sim", PRICE.input, PRICE.output)
            .key(Key::new("alice", KEY).budget(json!({"total": 1})));
        if !in_redis {
            return Self { gateway: builder.start().await, openai, bedrock, store: None };
        }
        let store = Store::lease().await;
        Self { gateway: builder.store(&store).start().await, openai, bedrock, store: Some(store) }
    }

    fn body(model: &str, stream: bool) -> Value {
        with(ask(model, "say one two three"), json!({"stream": stream}))
    }

    async fn open(&self, model: &str, stream: bool) -> Open {
        let body = Self::body(model, stream).to_string();
        self.gateway.with_key(KEY).open("POST", CHAT, body).await.expect("an answer")
    }

    /// A request for more choices than the budget covers.
    async fn refused(&self) -> Answer {
        let body = with(Self::body("openai", false), json!({"n": MANY}));
        self.gateway.with_key(KEY).post(CHAT, &body).await
    }

    /// The amount counted on the key's budget.
    async fn counted(&self) -> u64 {
        match &self.store {
            None => said(&self.refused().await, "Used"),
            Some(store) => {
                all_settled(store.redis()).await;
                in_redis(store.redis(), "key=alice")
            }
        }
    }
}

/// Reads a stream until it contains `wanted`.
async fn read_until(open: &mut Open, wanted: &str) -> String {
    let mut read = String::new();
    while !read.contains(wanted) {
        let bytes = open.next().await.expect("more").unwrap_or_else(|| panic!("no {wanted} in {read}"));
        read += &String::from_utf8_lossy(&bytes);
    }
    read
}

/// The log's last line, once the log has `count` lines.
async fn line(site: &Site, count: usize) -> Value {
    site.gateway.log_lines(count).await.pop().expect("a line")
}

#[tokio::test]
async fn the_end_of_a_stream_waits_for_the_count_and_not_for_long() {
    let site = Site::start(false).await;
    // Each provider pauses after its finish reason until the client has received it. Events before the pause: OpenAI's role and three
    // tokens; Bedrock's message start, block start, three tokens and block end.
    for (number, (model, provider, events)) in
        [("openai", &site.openai, 5), ("bedrock", &site.bedrock, 7)].into_iter().enumerate()
    {
        provider.always(&format!("tokens=3+whole+pause-after={events}"));
        let mut open = site.open(model, true).await;
        let mut text = read_until(&mut open, "\"finish_reason\":\"stop\"").await;
        provider.go_on();
        let rest = open.finish().await;
        text += &rest.text();
        assert!(rest.complete && text.ends_with("data: [DONE]\n\n"), "{model}: {text}");
        assert_eq!(text.matches("finish_reason\":\"stop").count(), 1, "{model}: {text}");
        assert_eq!(text.matches("\"usage\":{").count(), 0, "{model}: its client did not ask: {text}");
        let line = line(&site, number + 1).await;
        assert_eq!((&line["usage"], &line["abandoned"]), (&json!("complete"), &json!(null)), "{model}: {line}");
        assert_eq!(line["output_tokens"], 3, "{model}: {line}");
    }
    // A client also gets a complete stream if the provider closes the connection instead.
    site.openai.always("tokens=3+whole+no-usage+no-end");
    let answer = site.open("openai", true).await.finish().await;
    assert!(answer.complete && answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
}

/// A client that disconnects before the count pays for more than it received.
async fn leaving(site: &Site) -> u64 {
    let mut cost = 0;
    // A stream after one token; a complete stream before its count; and a response before its first byte.
    for (number, (faults, stream, seen, wanted)) in [
        ("tokens=3+whole+pause-after=2", true, 1, "00 "),
        ("tokens=3+whole+pause-after=5", true, 3, "\"finish_reason\":\"stop\""),
        ("silence", false, 1, ""),
    ]
    .into_iter()
    .enumerate()
    {
        site.openai.clear();
        site.openai.always(faults);
        if stream {
            let mut open = site.open("openai", true).await;
            read_until(&mut open, wanted).await;
        } else {
            let body = Site::body("openai", false).to_string();
            let waiting = tokio::spawn({
                let client = site.gateway.with_key(KEY);
                async move { client.open("POST", CHAT, body).await.map(drop) }
            });
            until("the request to be at its provider", || (site.openai.count() == 1).then_some(())).await;
            waiting.abort();
        }
        let line = line(site, number + 1).await;
        assert_eq!((&line["abandoned"], &line["estimated"]), (&json!(true), &json!(true)), "{faults}: {line}");
        let output = line["output_tokens"].as_u64().expect("a count");
        // At least the received tokens. Time has passed, so the charge is never zero.
        assert!((seen..=MOST).contains(&output), "{faults}: {line}");
        cost += micro(line["cost_usd"].as_str().expect("a cost"));
    }
    cost
}

/// The provider generated an unreadable response too, so the gateway charges the full reservation.
async fn unread(site: &Site, lines: usize) -> u64 {
    site.openai.clear();
    let body = Site::body("openai", false);
    let reserved = said(&site.refused().await, "may cost") - (MANY - 1) * MOST * 1_000;
    let mut cost = 0;
    for (number, faults) in ["gzip", "huge=33"].into_iter().enumerate() {
        site.openai.always(faults);
        let answer = site.gateway.with_key(KEY).post(CHAT, &body).await;
        assert_eq!(answer.status, 502, "{faults}: {}", answer.text());
        let line = line(site, lines + number + 2).await;
        let charged = micro(line["cost_usd"].as_str().expect("a cost"));
        // The prompts differ by a digit or two, at ten micro-dollars a token.
        assert!(charged.abs_diff(reserved * line["attempts"].as_u64().expect("attempts")) <= 20, "{faults}: {line}");
        assert_eq!(line["estimated"], true, "{faults}: {line}");
        cost += charged;
    }
    cost
}

#[tokio::test]
async fn what_nobody_has_counted_is_charged_with_the_store_in_envoys_memory() {
    let site = Site::start(false).await;
    let cost = leaving(&site).await + unread(&site, 3).await;
    assert_eq!(site.counted().await, cost);
}

#[tokio::test]
async fn what_nobody_has_counted_is_charged_with_the_store_in_redis() {
    let site = Site::start(true).await;
    let cost = leaving(&site).await + unread(&site, 3).await;
    assert_eq!(site.counted().await, cost);
    let redis = site.store.as_ref().expect("a store").redis();
    let accounts = redis.command(&["KEYS", &redis.name("a:key:*:alice")]);
    let estimated = redis.command(&["HGET", accounts[0].as_str().expect("an account"), "estimated_cost"]);
    assert_eq!(estimated.as_str(), Some(cost.to_string().as_str()), "all of it was estimated");
}
