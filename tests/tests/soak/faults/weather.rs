//! The providers' behavior: mostly healthy, with every fault of the simulator now and then. From time to time one of them goes down for a
//! while.

use std::time::{Duration, Instant};

use sluice_tests::chance::Chance;
use sluice_tests::simulator::Simulator;

/// The responses per about a thousand requests. Responses without a provider fault come first, and dominate: a provider that fails more
/// often would never get all of its requests back.
const FAIR: [(u64, &str); 41] = [
    (220, "wait=10+whole"),
    (220, "wait=20+burst"),
    (150, "wait=15"),
    (70, "wait=5+whole+every=4"),
    (60, "first=40+whole"),
    (60, "burst"),
    (40, "wait=60+every=10+whole"),
    (30, "wait=10+comments+seed=5"),
    (30, "wait=10+crlf+extra+headers"),
    (15, "wait=300+burst"),
    (10, "wait=10+no-usage+seed=3"),
    (5, "wait=10+cached=3"),
    (6, "status=429"),
    (8, "status=500"),
    (6, "status=503"),
    (2, "status=503+retry-after=1"),
    (4, "status=529"),
    (3, "wait=40+status=502"),
    (6, "reset"),
    (3, "wait=30+reset"),
    (2, "silence"),
    (2, "first=1200"),
    (1, "wait=1400"),
    (3, "every=5+whole+stall-after=6"),
    (3, "every=5+whole+reset-after=5"),
    (3, "reset-after=6"),
    (3, "every=5+whole+close-after=5"),
    (2, "close-after=1"),
    (4, "every=3+whole+eof-after=6"),
    (2, "eof-after=1"),
    (4, "every=3+whole+malformed-after=5"),
    (2, "malformed-after=0"),
    (4, "every=3+whole+error-after=5"),
    (4, "error"),
    (3, "no-end"),
    (2, "blank"),
    (2, "html"),
    (2, "gzip"),
    (2, "status=408"),
    (1, "status=401"),
    (1, "filter"),
];

/// Rarer responses, as weights per ten thousand, drawn together with the others. A provider that states a retry time comes last until then,
/// so with more of these all providers would.
const RARE: [(u64, &str); 7] = [
    (3, "status=429+retry-after=1"),
    (1, "status=429+retry-after=3"),
    (3, "status=429+retry-after-ms=30"),
    (3, "status=429+retry-after=0.2"),
    (20, "context"),
    (20, "status=409"),
    (20, "status=400"),
];

/// Additional faults of OpenAI's kind. Anthropic's kind may validly return nothing, and stops at the requested maximum.
const OPENAI: [(u64, &str); 2] = [(30, "empty"), (15, "huge=1")];

/// A provider's behavior while it is down.
const DOWN: [&str; 5] = ["status=503", "reset", "silence", "status=429+retry-after=1", "error"];

/// The durations of healthy periods and of outages, in milliseconds.
const WELL: (u64, u64) = (2_000, 6_000);
const ILL: (u64, u64) = (1_000, 4_000);

fn fair(simulator: &Simulator, chance: Chance, is_openai: bool) {
    let mut faults: Vec<(u64, &str)> = FAIR.iter().map(|(weight, words)| (weight * 10, *words)).collect();
    faults.extend(RARE);
    faults.extend(OPENAI.iter().filter(|_| is_openai));
    simulator.by_chance(chance, &faults);
}

/// Runs the behavior until `end`; returns the number of outages. Afterwards all providers are healthy.
pub async fn blow(providers: &[Simulator], seed: u64, end: Instant) -> usize {
    let mut chance = Chance::of(seed, u64::MAX);
    let mut outages = 0;
    // The last provider is of Anthropic's kind.
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

/// Waits for a random time; false at the end of the run.
async fn spend(chance: &mut Chance, (least, most): (u64, u64), end: Instant) -> bool {
    let until = Instant::now() + Duration::from_millis(least + chance.below(most - least));
    tokio::time::sleep_until(until.min(end).into()).await;
    until < end
}
