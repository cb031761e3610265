//! A provider is down for a while, and then well again.
//!
//! What counts: every request is answered meanwhile, and soon after its return the provider serves again. The whole story takes
//! a minute and a half: it is told when asked for (`--ignored`), and ten times as fast always.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;
use sluice_tests::gateway::{Gateway, Kind};
use sluice_tests::port::Port;
use sluice_tests::simulator::Simulator;

use crate::{ask, said};

/// How a provider is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    /// Nobody listens.
    Gone,
    /// It answers every request with this fault.
    Ill(&'static str),
}

/// The times of a story; all of them shrink alike.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Between two requests, at least.
    every: Duration,
    /// When a circuit opens and closes, as the gateway file has it; as it is by default without.
    circuit: Option<[&'static str; 3]>,
}

const REAL: Pace = Pace { every: Duration::from_secs(4), circuit: None };

const FAST: Pace = Pace { every: Duration::from_millis(400), circuit: Some(["200ms", "2s", "500ms"]) };

/// For so many requests the provider is down.
const DOWN: usize = 15;
/// It serves again one of so many after that. On a slow machine they take longer, and fewer would do.
const BACK: usize = 8;

/// The provider, while it is not down.
struct Provider {
    simulator: Option<Simulator>,
    port: Port,
    outage: Outage,
}

impl Provider {
    fn falls(&mut self) {
        match self.outage {
            Outage::Gone => self.simulator = None,
            Outage::Ill(fault) => self.simulator.iter().for_each(|simulator| simulator.always(fault)),
        }
    }

    async fn returns(&mut self) {
        if self.outage == Outage::Gone {
            self.simulator = Some(simulator(&self.port).await);
        }
        self.simulator.as_ref().expect("one that is back").clear();
    }
}

/// One on a port that stays its own while nobody is there.
async fn simulator(port: &Port) -> Simulator {
    Simulator::builder().port(port.number()).start().await.expect("a port of its own")
}

async fn outage(outage: Outage, pace: Pace) {
    let port = Port::reserve();
    let (openai, anthropic) = (simulator(&port).await, Simulator::start().await);
    let gateway = Gateway::builder()
        .provider("openai", Kind::OpenAi, &openai)
        .provider("anthropic", Kind::Anthropic, &anthropic)
        .model("chat", &[("openai", "gpt-sim"), ("anthropic", "claude-sim")]);
    let gateway = match pace.circuit {
        Some([open, longest, ramp]) => {
            gateway.with(json!({"circuit": {"open": open, "longest": longest, "ramp": ramp}}))
        }
        None => gateway,
    };
    let gateway = gateway.start().await;
    let served = async |stream: bool| {
        let body = ask("chat", "say still here");
        let answer = if stream { gateway.stream(&body).await } else { gateway.chat(&body).await };
        assert_eq!((answer.status, answer.complete, &*said(&answer)), (200, true, "still here"), "{answer:?}");
        let attempts = answer.header("x-sluice-attempts").expect("a number").to_owned();
        (answer.header("x-sluice-provider").expect("a provider").to_owned(), attempts)
    };
    let began = Instant::now();
    let told = async |number: usize, story: &mut String| {
        tokio::time::sleep(pace.every).await;
        let (by, attempts) = served(number % 2 == 1).await;
        let _ = write!(story, "\n{number:>3} at {:>6} ms: {by}, {attempts} attempts", began.elapsed().as_millis());
        (by, attempts)
    };
    assert_eq!(served(false).await.0, "openai");

    let mut provider = Provider { simulator: Some(openai), port, outage };
    provider.falls();
    let mut wasted = 0;
    let mut story = format!("\n{outage:?}, a request every {:?}", pace.every);
    for number in 0..DOWN {
        let (by, attempts) = told(number, &mut story).await;
        assert_eq!(by, "anthropic", "{story}");
        wasted += usize::from(attempts != "1");
    }
    provider.returns().await;
    for number in DOWN..DOWN + BACK {
        if told(number, &mut story).await.0 == "openai" {
            println!("{story}\n{wasted} requests found the provider down");
            return;
        }
    }
    panic!("not back in time: {story}");
}

#[tokio::test]
async fn all_are_served_while_a_provider_is_gone_and_it_serves_again_soon_after_its_return() {
    outage(Outage::Gone, FAST).await;
}

#[tokio::test]
async fn all_are_served_while_a_provider_is_ill_and_it_serves_again_soon_after_it_is_well() {
    outage(Outage::Ill("status=503"), FAST).await;
}

/// To be asked last is not to be left out: with nobody better left, those that keep failing are asked, and are found well.
#[tokio::test]
async fn when_all_were_down_the_first_request_after_it_is_served() {
    let (openai, anthropic) = (Simulator::start().await, Simulator::start().await);
    let gateway = Gateway::builder()
        .provider("openai", Kind::OpenAi, &openai)
        .provider("anthropic", Kind::Anthropic, &anthropic)
        .model("chat", &[("openai", "gpt-sim"), ("anthropic", "claude-sim")])
        .with(json!({"circuit": {"failures": 3, "open": "1h", "longest": "1h"}}))
        .start()
        .await;
    openai.always("status=503");
    anthropic.always("status=503");
    for _ in 0..8 {
        let answer = gateway.chat(&ask("chat", "hi")).await;
        assert_eq!((answer.status, answer.header("x-sluice-attempts")), (503, Some("2")), "{answer:?}");
    }
    openai.clear();
    anthropic.clear();
    let answer = gateway.chat(&ask("chat", "say hi")).await;
    assert_eq!((answer.status, &*said(&answer), answer.header("x-sluice-attempts")), (200, "hi", Some("1")));
}

#[tokio::test]
#[ignore = "takes a minute and a half"]
async fn the_same_at_its_real_pace() {
    tokio::join!(outage(Outage::Gone, REAL), outage(Outage::Ill("status=503"), REAL));
}
