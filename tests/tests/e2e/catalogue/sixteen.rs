//! Sixteen faults of real providers and networks. They run with default settings and with `timeouts: fast`, on models that are streamed and
//! models with `delivery: whole`. A healthy target follows the failing one.
//!
//! The outcomes: *pass*, a complete correct response; *partial*, a truncated response with an error; *safe*, a clear error in bounded time;
//! *fail*, anything else. Two of the sixteen run elsewhere with the same settings: forgotten connections in `connections.rs`, and an outage
//! of a minute in `outage.rs`. Faults that end in a timeout wait for the real one, so they run only on request (`./scripts/test slow`).

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_tests::client::Answer;
use sluice_tests::gateway::{Builder, Gateway, Kind};
use sluice_tests::port::Port;
use sluice_tests::simulator::Simulator;

use super::{PROMPT, SPOKEN};
use crate::{CHAT, ask, model_of, other, said, together, with};

/// Longer than any default timeout of an attempt.
const LONGEST: Duration = Duration::from_secs(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Pass,
    Partial,
    Safe,
    Fail,
}
use Verdict::{Partial, Pass};

/// One of the sixteen faults.
struct Fault {
    name: &'static str,
    /// Its variants, as the simulator's faults, or [`REFUSED`] and [`NOWHERE`].
    ways: &'static [&'static str],
    /// The worst verdict of a streamed model. With `delivery: whole` the verdict is a pass.
    streamed: Verdict,
    /// Whether it ends in a timeout.
    waits: bool,
}

/// A port that refuses connections.
const REFUSED: &str = "refused";
/// A name that does not resolve.
const NOWHERE: &str = "nowhere";

const fn at_once(name: &'static str, ways: &'static [&'static str], streamed: Verdict) -> Fault {
    Fault { name, ways, streamed, waits: false }
}

const fn in_time(name: &'static str, ways: &'static [&'static str], streamed: Verdict) -> Fault {
    Fault { name, ways, streamed, waits: true }
}

const FAULTS: [Fault; 14] = [
    at_once("a server's error", &["status=500", "status=502", "status=504"], Pass),
    at_once("overload", &["status=503", "status=529", "status=503+retry-after=3600"], Pass),
    at_once("a rate limit", &["status=429", "status=429+retry-after=1", "status=429+retry-after=3600", "quota"], Pass),
    at_once("a revoked key", &["status=401", "status=402", "status=403"], Pass),
    at_once("a retired model", &["status=404"], Pass),
    at_once("a prompt too long for the model", &["context"], Pass),
    at_once("a redirect", &["status=301", "status=307"], Pass),
    at_once("no connection", &[REFUSED, NOWHERE, "reset"], Pass),
    at_once("no answer under a 200", &["html", "blank", "malformed-after=0", "error", "eof-after=0"], Pass),
    at_once("an error among the first tokens", &["error-after=6", "malformed-after=6"], Partial),
    at_once("a cut after the first tokens", &["reset-after=6", "close-after=6", "eof-after=6"], Partial),
    in_time("silence before the headers", &["silence"], Pass),
    in_time("silence before the first token", &["first=3600000"], Pass),
    in_time("silence after the first tokens", &["stall-after=6"], Partial),
];

/// A slow, healthy provider: no fault, and no other attempt.
const SLOW: &str = "first=1000+every=60";

/// A gateway with a model for each variant and each delivery, with a failing and a healthy provider.
struct Board {
    gateway: Gateway,
    failing: Simulator,
    _well: Simulator,
    _refusing: Port,
}

#[derive(Debug, Clone, Copy)]
struct Way {
    fault: &'static str,
    words: &'static str,
    whole: bool,
}

impl Way {
    fn model(self) -> String {
        let delivery = if self.whole { "whole" } else { "stream" };
        format!("{delivery}-{}", self.words.replace(['+', '='], "-"))
    }

    /// The provider of the first target, and its model. A stream pauses until the client has received its beginning.
    fn target(self, primary: &'static str) -> (&'static str, String) {
        let name = format!("{}-{}", model_of(primary), self.model());
        match self.words {
            REFUSED => ("refusing", name),
            NOWHERE => ("nowhere", name),
            words if self.pauses() => (primary, format!("{name}+pause-after=6+{words}")),
            words => (primary, format!("{name}+{words}")),
        }
    }

    fn pauses(self) -> bool {
        !self.whole && self.words.ends_with("-after=6") && !self.words.starts_with("stall")
    }
}

fn ways(faults: &[&Fault]) -> Vec<Way> {
    let of = |fault: &&Fault| {
        let name = fault.name;
        let both = |words: &&'static str| [false, true].map(|whole| Way { fault: name, words, whole });
        fault.ways.iter().flat_map(both).collect::<Vec<_>>()
    };
    faults.iter().flat_map(of).collect()
}

impl Board {
    async fn start(primary: &'static str, fast: bool, ways: &[Way]) -> Self {
        let (failing, well, refusing) = (Simulator::start().await, Simulator::start().await, Port::reserve());
        let kind = |provider| if provider == "openai" { Kind::OpenAi } else { Kind::Anthropic };
        let builder = Gateway::builder()
            .provider(primary, kind(primary), &failing)
            .provider("refusing", kind(primary), &refusing)
            .provider("nowhere", kind(primary), "http://nowhere.invalid/v1")
            .provider(other(primary), kind(other(primary)), &well);
        let builder = if fast { builder.with(json!({"timeouts": "fast"})) } else { builder };
        let add = |builder: Builder, way: &Way| {
            let (first, second) = (way.target(primary), format!("well-{}", way.model()));
            let delivery = if way.whole { "whole" } else { "stream" };
            let builder = builder.model(&way.model(), &[(first.0, &first.1), (other(primary), &second)]);
            builder.with(json!({"models": {way.model(): {"delivery": delivery}}}))
        };
        let gateway = ways.iter().fold(builder, add).start().await;
        Self { gateway, failing, _well: well, _refusing: refusing }
    }

    /// The client's response to a stream, and its duration.
    async fn play(&self, way: Way) -> (Answer, Duration) {
        let body: Value = with(ask(&way.model(), PROMPT), json!({"stream": true}));
        let (began, client) = (Instant::now(), self.gateway.client().patience(LONGEST));
        let answer = match way.pauses() {
            true => client.post_begun(CHAT, &body, || self.failing.go_on()).await,
            false => client.post(CHAT, &body).await,
        };
        (answer, began.elapsed())
    }
}

/// The verdict on a response.
fn judge(answer: &Answer) -> Verdict {
    if answer.status != 200 {
        let told = answer.complete && answer.json()["error"]["message"].is_string();
        return if told { Verdict::Safe } else { Verdict::Fail };
    }
    let (events, text) = (answer.events(), said(answer));
    let done = events.iter().filter(|event| event.data == "[DONE]").count();
    let ends = events.last().is_some_and(|event| event.data == "[DONE]");
    let error = events.last().is_some_and(|event| event.json()["error"]["message"].is_string());
    match (answer.complete, done) {
        (true, 1) if ends && text == SPOKEN => Pass,
        (complete, 0) if SPOKEN.starts_with(&text) && (error || !complete) => Partial,
        _ => Verdict::Fail,
    }
}

/// Runs all of these faults of one provider, prints the outcomes, and fails with all differences.
async fn played(primary: &'static str, fast: bool, waits: bool) {
    let faults: Vec<_> = FAULTS.iter().filter(|fault| fault.waits == waits).collect();
    let ways = ways(&faults);
    let settings = if fast { "timeouts: fast" } else { "as it ships" };
    let board = Board::start(primary, fast, &ways).await;
    let seen = if waits {
        together(ways.iter().map(|way| board.play(*way))).await
    } else {
        let mut seen = Vec::new();
        for way in &ways {
            seen.push(board.play(*way).await);
        }
        seen
    };
    let (mut table, mut wrong) = (format!("\n{settings}, {primary} fails"), Vec::new());
    for fault in &faults {
        for whole in [false, true] {
            let of_it = ways.iter().zip(&seen).filter(|(way, _)| way.fault == fault.name && way.whole == whole);
            let worst = of_it.clone().map(|(_, (answer, _))| judge(answer)).max();
            let longest = of_it.clone().map(|(_, (_, took))| took.as_millis()).max().unwrap_or_default();
            let delivery = if whole { "whole" } else { "stream" };
            let seen = worst.map(|worst| format!("{worst:?}")).unwrap_or_default();
            let _ = write!(table, "\n{:<34}{delivery:<8}{seen:<9}{longest:>7} ms", fault.name);
            if worst != Some(if whole { Pass } else { fault.streamed }) {
                let each = of_it.map(|(way, (answer, _))| format!("{}: {:?} {answer:?}", way.words, judge(answer)));
                wrong.push(format!("{} ({delivery}): {worst:?}: {}", fault.name, each.collect::<Vec<_>>().join("\n")));
            }
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{settings}, {primary} fails: {}", wrong.join("\n"));
}

#[tokio::test]
async fn what_is_known_at_once_is_answered_as_the_gateway_ships() {
    played("openai", false, false).await;
    played("anthropic", false, false).await;
}

#[tokio::test]
async fn what_is_known_at_once_is_answered_with_timeouts_that_are_fast() {
    played("openai", true, false).await;
    played("anthropic", true, false).await;
}

#[tokio::test]
#[ignore = "takes two minutes"]
async fn silence_is_answered_as_the_gateway_ships_and_with_timeouts_that_are_fast() {
    let all = [("openai", false), ("openai", true), ("anthropic", false), ("anthropic", true)];
    together(all.map(|(primary, fast)| played(primary, fast, true))).await;
}

#[tokio::test]
async fn a_slow_provider_is_waited_for() {
    let ways = [false, true].map(|whole| Way { fault: "none", words: SLOW, whole });
    for fast in [false, true] {
        let board = Board::start("openai", fast, &ways).await;
        for way in ways {
            let (answer, _) = board.play(way).await;
            let told = (answer.header("x-sluice-provider"), answer.header("x-sluice-attempts"));
            assert_eq!((judge(&answer), told), (Pass, (Some("openai"), Some("1"))), "{way:?}: {answer:?}");
        }
    }
}
