//! The fault catalogue: for each way in which a provider fails, the client's result, the number of attempts, and the duration.
//!
//! A case has its own targets, one at a failing provider and one at a healthy provider, so no case affects the target health of another.
//! Each case bounds its duration from below by its own wait. It needs no bound from above: every other wait, such as another timeout or a
//! provider's delay, would take longer than any test waits.

mod accounting;
mod bench;
mod context;
mod cut;
mod outage;
mod patience;
mod refusals;
mod silence;
mod sixteen;
mod whole;

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Event};
use sluice_tests::gateway::{Builder, Gateway, Kind};
use sluice_tests::shared::{self, Fixture, Shared};
use sluice_tests::simulator::{Recorded, Simulator};

use crate::{ask, model_of, other, refusal, said, with};

const A_SECOND: Duration = Duration::from_secs(1);

const PROMPT: &str = "say one two three four five six";
const SPOKEN: &str = "one two three four five six";

/// The client's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sees {
    /// A complete response from the first provider.
    First,
    /// A complete response from the second provider, without any of the first's.
    Second,
    /// The beginning of the first provider's response, then an error event or a reset, without a terminator.
    Broken,
    /// An error with this status and code.
    Error(u16, &'static str),
}

/// One way to fail.
#[derive(Debug, Clone, Copy)]
struct Case<'a> {
    /// The first provider's behavior, one entry per request.
    faults: &'a [&'a str],
    /// Its behavior for all later requests.
    then: &'a str,
    sees: Sees,
    /// The number of requests to each provider.
    asked: (usize, usize),
    /// The minimum duration.
    takes: Duration,
}

impl<'a> Case<'a> {
    /// The first provider always fails like this; the second responds at once.
    const fn always(fault: &'a str, sees: Sees, asked: (usize, usize)) -> Self {
        Self { faults: &[], then: fault, sees, asked, takes: Duration::ZERO }
    }

    /// The first provider fails like this once.
    const fn once(fault: &'a [&'a str], sees: Sees, asked: (usize, usize)) -> Self {
        Self { faults: fault, then: "ok", sees, asked, takes: Duration::ZERO }
    }

    /// Sets the minimum duration.
    const fn after(self, wait: Duration) -> Self {
        Self { takes: wait, ..self }
    }
}

/// The outcome of a case.
struct Outcome {
    answer: Answer,
    /// The requests to each provider.
    first: Vec<Recorded>,
    second: Vec<Recorded>,
    took: Duration,
    text: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = (self.first.len(), self.second.len());
        write!(f, "{:<44}{:>7}{:>6} ms", self.end(), format!("{}+{}", asked.0, asked.1), self.took.as_millis())
    }
}

impl Outcome {
    /// The client's result as text.
    fn end(&self) -> String {
        let answer = &self.answer;
        if answer.status != 200 {
            return format!("{} {}", answer.status, answer.json()["error"]["code"].as_str().unwrap_or("-"));
        }
        let tokens = self.text.split_whitespace().count();
        let end = match answer.events().last() {
            None if answer.complete => "whole".to_owned(),
            Some(event) if event.data == "[DONE]" && answer.complete => "[DONE]".to_owned(),
            Some(event) if event.json()["error"].is_object() => {
                format!("error event {}", event.json()["error"]["code"].as_str().unwrap_or("without a code"))
            }
            _ if !answer.complete => "a reset".to_owned(),
            _ => "A CLEAN END WITHOUT [DONE]".to_owned(),
        };
        let by = answer.header("x-sluice-provider").unwrap_or("-");
        format!("200 of {by}, {tokens} words, {end}")
    }

    /// Compares the outcome with the case; the error is the first difference.
    fn judge(&self, case: &Case<'_>, primary: &str, text: &str) -> Result<(), String> {
        let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        let answer = &self.answer;
        let all = (case.asked.0 + case.asked.1).to_string();
        must((self.first.len(), self.second.len()) == case.asked, "as often as it should be asked")?;
        must(answer.header("x-sluice-attempts") == Some(&*all), "x-sluice-attempts")?;
        // Timers run in whole milliseconds, and not all start at once.
        let early = Duration::from_millis(20);
        must(self.took + early >= case.takes, "after its time")?;
        let events = answer.events();
        let done = events.iter().filter(|event| event.data == "[DONE]").count();
        let by = |provider: &str| answer.header("x-sluice-provider") == Some(provider);
        match case.sees {
            Sees::First | Sees::Second => {
                let server = if case.sees == Sees::First { primary } else { other(primary) };
                must(answer.status == 200 && answer.complete && by(server), "a whole answer of the right provider")?;
                must(self.text == text, "the text")?;
                must(events.is_empty() || done == 1, "one terminator")?;
                must(events.last().is_none_or(|event| event.data == "[DONE]"), "a terminator at the end")
            }
            Sees::Broken => {
                must(answer.status == 200 && by(primary), "an answer that has begun")?;
                must(!self.text.is_empty() && text.starts_with(&self.text), "the beginning of the text")?;
                must(self.text.len() < text.len() && done == 0, "an answer that did not end")?;
                let error = |event: &Event| event.json()["error"]["message"].is_string();
                must(!answer.complete || events.last().is_some_and(error), "an error event or a reset")
            }
            Sees::Error(status, code) => must(refusal(answer) == (status, code.to_owned()), "the error"),
        }
    }
}

/// The cases of a test.
#[derive(Debug, Clone, Copy)]
struct Set {
    /// A short name.
    name: &'static str,
    /// The number of cases.
    cases: usize,
    /// The fields of a case's model besides its two targets.
    settings: fn(Builder, &Names, usize) -> Builder,
}

impl Set {
    /// A set whose models have only targets.
    const fn plain(name: &'static str, cases: usize) -> Self {
        Self { name, cases, settings: |builder, _, _| builder }
    }

    /// Adds the models of its cases, with either provider first, streamed and not.
    fn models(mut builder: Builder, set: &Self) -> Builder {
        for primary in ["openai", "anthropic"] {
            for (case, stream) in (0..set.cases).flat_map(|case| [(case, false), (case, true)]) {
                let names = Names::of(set, primary, case, stream);
                let targets = [&names.first, &names.second];
                let targets = targets.map(|target| target.split_once('/').expect("a provider"));
                builder = (set.settings)(builder.model(&names.model, &targets), &names, case);
            }
        }
        builder
    }
}

/// A case as it runs, and the names that derive from it.
struct Names {
    /// The failing provider.
    primary: &'static str,
    /// Whether the response is streamed.
    stream: bool,
    /// Its model's name for clients.
    model: String,
    /// Its failing target, `provider/model`.
    first: String,
    /// Its healthy target.
    second: String,
}

impl Names {
    fn of(set: &Set, primary: &'static str, case: usize, stream: bool) -> Self {
        let how = if stream { "stream" } else { "whole" };
        let model = format!("{}-{primary}-{case}-{how}", set.name);
        let first = format!("{primary}/{}-{model}", model_of(primary));
        let second = format!("{}/well-{model}", other(primary));
        Self { primary, stream, model, first, second }
    }
}

/// Adds these fields to a case's model.
fn model(builder: Builder, names: &Names, fields: &Value) -> Builder {
    builder.with(json!({"models": {&names.model: fields}}))
}

/// A gateway with two providers and a model for each case, with either provider first.
struct Bench {
    gateway: Gateway,
    openai: Simulator,
    anthropic: Simulator,
}

/// A bench with the cases of all tests here.
static BENCH: Shared<Bench> = Shared::new(2, || Box::pin(Bench::start()));

impl Bench {
    async fn start() -> Self {
        let (openai, anthropic) = (Simulator::start().await, Simulator::start().await);
        let builder = Gateway::builder().provider("openai", Kind::OpenAi, &openai).provider(
            "anthropic",
            Kind::Anthropic,
            &anthropic,
        );
        // Longer than any test waits.
        let builder =
            ["answer", "first_token", "idle"].into_iter().fold(builder, |builder, name| builder.timeout(name, "1h"));
        let sets = [context::SETS, cut::SETS, refusals::SETS, silence::SETS, whole::SETS].concat();
        let gateway = sets.iter().fold(builder.timeout("total", "1h"), Set::models).start().await;
        Self { gateway, openai, anthropic }
    }

    /// The simulators of the failing provider and of the other.
    fn simulators(&self, primary: &str) -> (&Simulator, &Simulator) {
        if primary == "openai" { (&self.openai, &self.anthropic) } else { (&self.anthropic, &self.openai) }
    }

    /// Runs one case of a set.
    async fn play(&self, names: &Names, case: &Case<'_>, more: &Value) -> Outcome {
        let (first, second) = self.simulators(names.primary);
        first.clear();
        second.clear();
        first.script(case.faults);
        first.always(case.then);
        let body = with(with(ask(&names.model, PROMPT), json!({"stream": names.stream})), more.clone());
        let started = Instant::now();
        let answer = self.gateway.chat_past_a_pause(&body, first).await;
        let took = started.elapsed();
        let text = if answer.status == 200 { said(&answer) } else { String::new() };
        Outcome { answer, first: first.requests(), second: second.requests(), took, text }
    }
}

impl Fixture for Bench {
    async fn renew(&mut self) -> bool {
        shared::renew(&mut self.gateway, &[&self.openai, &self.anthropic]).await;
        true
    }
}

/// Runs the cases of a set in order, prints the outcomes, and fails with a list of all errors.
async fn play(primary: &'static str, set: &Set, cases: &[Case<'_>], streams: &[bool]) {
    let bench = BENCH.lease().await;
    let (mut table, mut wrong) = (format!("\n{primary} fails"), Vec::new());
    for (number, case) in cases.iter().enumerate() {
        for stream in streams {
            let names = Names::of(set, primary, number, *stream);
            let outcome = bench.play(&names, case, &json!({})).await;
            let fault = if case.faults.is_empty() { case.then.to_owned() } else { case.faults.join(", ") + " once" };
            let how = if *stream { "stream" } else { "whole" };
            table += &format!("\n{fault:<40}{how:<8}{outcome}");
            if let Err(what) = outcome.judge(case, primary, SPOKEN) {
                wrong.push(format!("{fault} ({how}): not {what}: {outcome}; {:?}", outcome.answer));
            }
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
