//! A provider is down for a while, and then recovers.
//!
//! Every request must be served meanwhile, and the provider must serve again soon after its recovery. The full scenario takes a minute and
//! a half, so it runs only on request (`./scripts/test slow`), with many models at once. A version that is ten times as fast always runs.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;
use sluice_tests::gateway::{Gateway, Kind};
use sluice_tests::port::Port;
use sluice_tests::simulator::Simulator;

use crate::{ask, said, together, with};

/// How a provider is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    /// The provider refuses connections.
    Gone,
    /// The provider responds to every request with this fault.
    Ill(&'static str),
}

/// The durations of a scenario; all shrink alike.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// The minimum interval between two requests.
    every: Duration,
    /// The circuit's open times in the gateway file; `None` for the defaults.
    circuit: Option<[&'static str; 3]>,
    /// Whether the gateway has `timeouts: fast`.
    fast: bool,
    /// The number of scenarios at once, on models with their own targets. Every second model has `delivery: whole`.
    models: usize,
    /// The provider must serve one of this many requests after its recovery.
    back: usize,
}

const REAL: Pace = Pace { every: Duration::from_secs(4), circuit: None, fast: false, models: 48, back: 5 };

/// Eight requests, since requests take longer on a slow machine; on a fast one, fewer would do.
const FAST: Pace = Pace {
    every: Duration::from_millis(400),
    circuit: Some(["200ms", "2s", "500ms"]),
    fast: false,
    models: 1,
    back: 8,
};

/// The provider is down for this many requests.
const DOWN: usize = 15;

/// The provider while it is up.
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

/// A simulator on a port that stays reserved while it is down.
async fn simulator(port: &Port) -> Simulator {
    Simulator::builder().port(port.number()).start().await.expect("a port of its own")
}

async fn outage(outage: Outage, pace: Pace) {
    let port = Port::reserve();
    let (openai, anthropic) = (simulator(&port).await, Simulator::start().await);
    let builder =
        Gateway::builder().provider("openai", Kind::OpenAi, &openai).provider("anthropic", Kind::Anthropic, &anthropic);
    let models: Vec<_> = (0..pace.models).map(|number| format!("chat-{number}")).collect();
    let mut builder = models.iter().enumerate().fold(builder, |builder, (number, model)| {
        let delivery = if number % 2 == 0 { "stream" } else { "whole" };
        let builder =
            builder.model(model, &[("openai", &format!("gpt-{number}")), ("anthropic", &format!("claude-{number}"))]);
        builder.with(json!({"models": {model: {"delivery": delivery}}}))
    });
    if let Some([open, longest, ramp]) = pace.circuit {
        builder = builder.with(json!({"circuit": {"open": open, "longest": longest, "ramp": ramp}}));
    }
    if pace.fast {
        builder = builder.with(json!({"timeouts": "fast"}));
    }
    let gateway = builder.start().await;
    // The provider that served each model.
    let served = async |stream: bool| {
        let asking = models.iter().map(async |model| {
            let answer = gateway.chat(&with(ask(model, "say still here"), json!({"stream": stream}))).await;
            assert_eq!((answer.status, answer.complete, &*said(&answer)), (200, true, "still here"), "{answer:?}");
            let wasted = answer.header("x-sluice-attempts") != Some("1");
            (answer.header("x-sluice-provider") == Some("openai"), wasted)
        });
        together(asking).await
    };
    let began = Instant::now();
    let told = async |number: usize, story: &mut String| {
        tokio::time::sleep(pace.every).await;
        let served = served(number % 2 == 1).await;
        let count = |which: fn(&(bool, bool)) -> bool| served.iter().filter(|one| which(one)).count();
        let (by_openai, wasted) = (count(|(openai, _)| *openai), count(|(_, wasted)| *wasted));
        let at = began.elapsed().as_millis();
        let _ = write!(story, "\n{number:>3} at {at:>6} ms: {by_openai} by openai, {wasted} tried another first");
        (served, wasted)
    };
    assert!(served(false).await.iter().all(|(openai, _)| *openai));

    let mut provider = Provider { simulator: Some(openai), port, outage };
    provider.falls();
    let mut wasted = 0;
    let mut story = format!("\n{outage:?}, {} models, a request of each every {:?}", pace.models, pace.every);
    for number in 0..DOWN {
        let (served, in_vain) = told(number, &mut story).await;
        assert!(served.iter().all(|(openai, _)| !openai), "{story}");
        wasted += in_vain;
    }
    provider.returns().await;
    let mut back = vec![false; pace.models];
    for number in DOWN..DOWN + pace.back {
        let (served, _) = told(number, &mut story).await;
        back.iter_mut().zip(served).for_each(|(back, (openai, _))| *back |= openai);
        if back.iter().all(|back| *back) {
            println!("{story}\nall are back; {wasted} requests found the provider down");
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

/// The last position is not an exclusion: without better targets, the gateway tries the failing ones, and finds that they have recovered.
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

/// Default settings: 24 streamed models and 24 with `delivery: whole`, with a provider that is gone and with one that returns errors.
#[tokio::test]
#[ignore = "takes a minute and a half"]
async fn a_provider_that_was_away_for_a_minute_serves_every_model_again() {
    let fast = Pace { fast: true, ..REAL };
    tokio::join!(
        outage(Outage::Gone, REAL),
        outage(Outage::Ill("status=503"), REAL),
        outage(Outage::Gone, fast),
        outage(Outage::Ill("status=503"), fast),
    );
}
