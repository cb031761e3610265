//! How the providers are: mostly well, with every fault of the simulator now and then, and each of them down for a while,
//! one after another.

use std::time::{Duration, Instant};

use sluice_tests::chance::Chance;
use sluice_tests::simulator::Simulator;

/// Of a thousand requests, how many are answered so. Those that are no fault of a provider come first.
const FAIR: [(u64, &str); 42] = [
    (160, "wait=10+whole"),
    (160, "wait=20+burst"),
    (120, "wait=15"),
    (60, "wait=5+whole+every=4"),
    (60, "first=40+whole"),
    (50, "burst"),
    (40, "wait=60+every=10+whole"),
    (30, "wait=10+comments+seed=5"),
    (30, "wait=10+crlf+extra+headers+seed=9"),
    (20, "wait=300+burst"),
    (15, "wait=10+no-usage+seed=3"),
    (10, "wait=10+cached=3"),
    (21, "status=429"),
    (22, "status=500"),
    (15, "status=503"),
    (5, "status=503+retry-after=1"),
    (10, "status=529"),
    (10, "wait=40+status=502"),
    (15, "reset"),
    (10, "wait=30+reset"),
    (5, "silence"),
    (5, "first=1200"),
    (3, "wait=1400"),
    (6, "every=5+whole+stall-after=6"),
    (8, "every=5+whole+reset-after=5"),
    (8, "reset-after=6"),
    (8, "every=5+whole+close-after=5"),
    (5, "close-after=1"),
    (10, "every=3+whole+eof-after=6"),
    (5, "eof-after=1"),
    (10, "every=3+whole+malformed-after=5"),
    (5, "malformed-after=0"),
    (10, "every=3+whole+error-after=5"),
    (10, "error"),
    (8, "no-end"),
    (8, "empty"),
    (6, "blank"),
    (6, "html"),
    (6, "gzip"),
    (5, "status=408"),
    (4, "status=401"),
    (4, "filter"),
];

/// What is rarer than one in a thousand counts too: these are drawn together with the others, ten times as fine. A provider that says
/// when to come back is asked last until then: more of that, and all would be.
const RARE: [(u64, &str); 7] = [
    (10, "status=429+retry-after=1"),
    (2, "status=429+retry-after=3"),
    (5, "status=429+retry-after-ms=30"),
    (10, "status=429+retry-after=0.2"),
    (20, "context"),
    (20, "status=409"),
    (20, "status=400"),
];

/// How a provider of OpenAI's kind may be large: one of Anthropic's ends at the longest answer that was asked for.
const HUGE: (u64, &str) = (15, "huge=1");

/// How a provider is while it is down.
const DOWN: [&str; 5] = ["status=503", "reset", "silence", "status=429+retry-after=1", "error"];

/// How long a provider is well before one is down, and for how long it is, in milliseconds.
const WELL: (u64, u64) = (2_000, 6_000);
const ILL: (u64, u64) = (1_000, 4_000);

fn fair(simulator: &Simulator, chance: Chance, huge: bool) {
    let mut faults: Vec<(u64, &str)> = FAIR.iter().map(|(weight, words)| (weight * 10, *words)).collect();
    faults.extend(RARE);
    faults.extend(huge.then_some(HUGE));
    simulator.by_chance(chance, &faults);
}

/// Makes weather until that moment, and gives back how often a provider was down. Afterwards all are well.
pub async fn blow(providers: &[Simulator], seed: u64, end: Instant) -> usize {
    let mut chance = Chance::of(seed, u64::MAX);
    let mut outages = 0;
    // The last of them is of Anthropic's kind.
    let is_openai = |number: usize| number + 1 < providers.len();
    for (number, simulator) in providers.iter().enumerate() {
        fair(simulator, Chance::of(seed, 1_000 + number as u64), is_openai(number));
    }
    while spend(&mut chance, WELL, end).await {
        let number = chance.below(providers.len() as u64) as usize;
        let how = chance.pick(&DOWN);
        providers[number].by_chance(chance.clone(), &[(1, how)]);
        outages += 1;
        spend(&mut chance, ILL, end).await;
        fair(&providers[number], Chance::new(chance.number()), is_openai(number));
    }
    providers.iter().for_each(Simulator::clear);
    outages
}

/// Lets some time pass; false when the end has come.
async fn spend(chance: &mut Chance, (least, most): (u64, u64), end: Instant) -> bool {
    let until = Instant::now() + Duration::from_millis(least + chance.below(most - least));
    tokio::time::sleep_until(until.min(end).into()).await;
    until < end
}
