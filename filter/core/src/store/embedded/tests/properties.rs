//! Random histories against a simple model, and malformed shards.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::pending_sync::PendingSync;
use super::*;

/// Every limit window once in the team's shard and once in the common one, each with its limit.
const COUNTERS: [(&str, &str, LimitWindow, u64); 8] = [
    ("rate", "red", LimitWindow::Minute, 60),
    ("day", "red", LimitWindow::Day, 90),
    ("month", "red", LimitWindow::Month, 250),
    ("places", "red", LimitWindow::Concurrent, 7),
    ("rate", "", LimitWindow::Minute, 100),
    ("day", "", LimitWindow::Day, 120),
    ("total", "", LimitWindow::Total, 700),
    ("places", "", LimitWindow::Concurrent, 9),
];

fn counter_of(index: usize) -> Counter {
    let (name, shard, kind, _) = COUNTERS[index];
    counter(name, shard, kind)
}

/// A step of a history.
#[derive(Debug, Clone)]
enum Step {
    /// A reserve request: alternatives of (counter, amount, hard), each counter at most once in one.
    Reserve(Vec<Vec<(usize, u64, bool)>>),
    /// Settles the open reservation with this number, with this percentage of its amount.
    Settle(usize, u64),
    /// Advances time by milliseconds.
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let debit = (0..COUNTERS.len(), 0..30_u64, prop::bool::weighted(0.8));
    let debits = prop::collection::vec(debit, 0..5).prop_map(|debits| {
        let distinct: BTreeMap<usize, (u64, bool)> =
            debits.into_iter().map(|(counter, amount, hard)| (counter, (amount, hard))).collect();
        distinct.into_iter().map(|(counter, (amount, hard))| (counter, amount, hard)).collect()
    });
    let pass = prop_oneof![
        6 => 0..20_000_u64,
        2 => 50_000..200_000_u64,
        1 => 20_000_000..200_000_000_u64,
        1 => Just(31 * 86_400_000_u64)
    ];
    let step = prop_oneof![
        5 => prop::collection::vec(debits, 1..3).prop_map(Step::Reserve),
        4 => (0..12_usize, prop_oneof![Just(0), Just(100), 0..250_u64]).prop_map(|(back, part)| Step::Settle(back, part)),
        3 => pass.prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..80)
}

/// One change of a rate: its time, its amount in parts of a unit, and, for a return, the time of the reservation.
#[derive(Debug, Clone, Copy)]
struct Change {
    at: u64,
    amount: i128,
    reserved: u64,
}

/// The expected counts: all changes ever, summed up on each query.
#[derive(Debug, Default)]
struct Model {
    /// Settled usage of days, months and totals.
    windows: BTreeMap<(usize, u64), u64>,
    /// Reservations of those and of concurrency slots: end and amount.
    held: BTreeMap<(usize, u64), Vec<(u64, u64)>>,
    rates: BTreeMap<usize, Vec<Change>>,
}

impl Model {
    /// The level of a rate, in parts of a unit. One part drains each microsecond for each unit of the limit.
    fn level(&self, counter: usize, now: u64) -> i128 {
        let limit = i128::from(COUNTERS[counter].3);
        let (mut level, mut at, mut empty_at) = (0_i128, 0_u64, 0_u64);
        let changes = self.rates.get(&counter).into_iter().flatten().copied();
        for change in changes.chain([Change { at: now, amount: 0, reserved: now }]) {
            level = (level - limit * i128::from(change.at - at)).max(0);
            at = change.at;
            if level == 0 {
                empty_at = at;
            }
            if change.amount > 0 || change.reserved >= empty_at {
                level = (level + change.amount).max(0);
            }
        }
        level
    }

    fn used(&self, counter: usize, now: u64) -> u64 {
        let kind = COUNTERS[counter].2;
        match kind {
            LimitWindow::Minute => u64::try_from((self.level(counter, now) + 59_999_999) / 60_000_000).unwrap(),
            LimitWindow::Concurrent | LimitWindow::Day | LimitWindow::Month | LimitWindow::Total => {
                let window = (counter, Window::number(kind, &CounterTime::of(Time(now * 1_000))));
                let held = self.held.get(&window).into_iter().flatten();
                let held: u64 = held.filter(|(until, _)| *until > now / 1_000).map(|(_, amount)| amount).sum();
                self.windows.get(&window).copied().unwrap_or_default() + held
            }
        }
    }

    fn fits(&self, debits: &[(usize, u64, bool)], now: u64) -> bool {
        debits.iter().all(|(counter, amount, hard)| {
            let limit = COUNTERS[*counter].3;
            let fits = match COUNTERS[*counter].2 {
                LimitWindow::Minute => {
                    self.level(*counter, now) + i128::from(*amount) * 60_000_000 <= i128::from(limit) * 60_000_000
                }
                _ => self.used(*counter, now) + amount <= limit,
            };
            fits || !hard
        })
    }

    fn debit(&mut self, counter: usize, amount: u64, snapshot: &CounterSnapshot, now: u64) {
        match COUNTERS[counter].2 {
            LimitWindow::Minute => {
                let change = Change { at: now, amount: i128::from(amount) * 60_000_000, reserved: now };
                self.rates.entry(counter).or_default().push(change);
                assert_eq!(i128::from(snapshot.until), self.level(counter, now));
            }
            LimitWindow::Concurrent | LimitWindow::Day | LimitWindow::Month | LimitWindow::Total => {
                self.held.entry((counter, snapshot.period)).or_default().push((snapshot.until, amount));
            }
        }
    }

    fn settle(&mut self, counter: usize, part: &Settled, now: u64) {
        match COUNTERS[counter].2 {
            LimitWindow::Minute => {
                let amount = (i128::from(part.used) - i128::from(part.reserved)) * 60_000_000;
                let drained = i128::from(COUNTERS[counter].3) * i128::from(now - part.window);
                let amount = amount.max((drained - i128::from(part.until)).min(0));
                self.rates.entry(counter).or_default().push(Change { at: now, amount, reserved: part.window });
            }
            LimitWindow::Concurrent | LimitWindow::Day | LimitWindow::Month | LimitWindow::Total => {
                let held = self.held.entry((counter, part.window)).or_default();
                let mine = held.iter().position(|held| *held == (part.until, part.reserved)).unwrap();
                held.remove(mine);
                *self.windows.entry((counter, part.window)).or_default() += part.used;
            }
        }
    }
}

/// The store and the model side by side.
struct Both {
    memory: Memory,
    model: Model,
    /// Microseconds.
    now: u64,
    open: Vec<Vec<Settled>>,
}

impl Both {
    fn reserve(&mut self, alternatives: &[Vec<(usize, u64, bool)>]) {
        let debits = |debits: &Vec<(usize, u64, bool)>| -> Vec<Debit> {
            let debit = |&(index, amount, hard): &(usize, u64, bool)| Debit {
                counter: counter_of(index),
                amount,
                limit: COUNTERS[index].3,
                hard,
            };
            debits.iter().map(debit).collect()
        };
        let request = request("o", alternatives.iter().map(debits).collect());
        let expected = alternatives.iter().position(|debits| self.model.fits(debits, self.now));
        match reserve(&self.memory, &request, CounterScope::Local, Time(self.now * 1_000)).unwrap() {
            ReserveResult::Granted { chosen, snapshots } => {
                assert_eq!(Some(chosen), expected);
                assert_eq!(snapshots.len(), alternatives[chosen].len());
                self.note(&alternatives[chosen], &snapshots);
            }
            ReserveResult::Refused(all_exceeded) => {
                assert_eq!(None, expected);
                for (exceeded, debits) in all_exceeded.iter().zip(alternatives) {
                    let stands = debits[exceeded.debit];
                    assert!(
                        !self.model.fits(&[stands], self.now) && self.model.fits(&debits[..exceeded.debit], self.now)
                    );
                    assert_eq!(exceeded.snapshot.used, self.model.used(stands.0, self.now));
                }
            }
        }
    }

    fn note(&mut self, debits: &[(usize, u64, bool)], snapshots: &[CounterSnapshot]) {
        let mut parts = Vec::new();
        for (&(index, amount, hard), snapshot) in debits.iter().zip(snapshots) {
            match (COUNTERS[index].2, snapshot.until) {
                (LimitWindow::Minute, _) => {}
                (_, 0) => assert_eq!(amount, 0),
                (_, until) => {
                    let held = until - self.now / 1_000;
                    assert!((LEASE * 1_000..=LEASE * 1_000 * 8 / 7 + 1).contains(&held), "{held}");
                }
            }
            self.model.debit(index, amount, snapshot, self.now);
            assert_eq!(snapshot.used, self.model.used(index, self.now));
            assert!(!hard || snapshot.used <= COUNTERS[index].3);
            parts.push(part(&counter_of(index), *snapshot, amount, 0));
        }
        self.open.push(parts);
    }

    fn settle(&mut self, back: usize, percent: u64) {
        let Some(number) = self.open.len().checked_sub(back + 1) else { return };
        let mut parts = self.open.remove(number);
        for part in &mut parts {
            let index = (0..COUNTERS.len()).find(|index| counter_of(*index) == part.counter).unwrap();
            part.used = match part.counter.kind {
                LimitWindow::Concurrent => 0,
                // An empty rate has no known pace: tested separately.
                LimitWindow::Minute if self.model.level(index, self.now) == 0 => part.reserved * percent.min(100) / 100,
                _ => part.reserved * percent / 100,
            };
            self.model.settle(index, part, self.now);
        }
        settle(&self.memory, &settlement(parts, Time(self.now * 1_000)), CounterScope::Local).unwrap();
    }

    fn compare(&self) {
        let counters: Vec<Counter> = (0..COUNTERS.len()).map(counter_of).collect();
        let snapshots = read(&self.memory, &counters, Time(self.now * 1_000)).unwrap();
        for (index, snapshot) in snapshots.iter().enumerate() {
            assert_eq!(snapshot.used, self.model.used(index, self.now), "{:?}", COUNTERS[index]);
        }
    }
}

proptest! {
    /// Reservations settled late or never, across the ends of leases, days and months.
    #[test]
    fn any_history_leaves_the_counters_as_the_model_has_them(steps in steps()) {
        let mut both =
            Both { memory: Memory::default(), model: Model::default(), now: NOON * 1_000_000, open: Vec::new() };
        for step in steps {
            match step {
                Step::Reserve(alternatives) => both.reserve(&alternatives),
                Step::Settle(back, percent) => both.settle(back, percent),
                Step::Pass(milliseconds) => both.now += milliseconds * 1_000 + 1,
            }
            both.compare();
        }
    }

    /// Rounding neither rejects nor grants debits of one unit on a rate.
    #[test]
    fn a_rate_grants_exactly_its_limit_at_once(limit in 1..400_u64, now in 0..4_000_000_000_000_000_000_u64) {
        let (memory, rate) = (Memory::default(), counter("m", "", LimitWindow::Minute));
        for _ in 0..limit {
            granted(&memory, vec![hard(&rate, 1, limit)], Time(now));
        }
        refused(&memory, vec![hard(&rate, 1, limit)], Time(now));
        refused(&memory, vec![hard(&rate, 1, limit)], Time(now + 60_000_000_000 / limit - 1_000));
        granted(&memory, vec![hard(&rate, 1, limit)], Time(now + 60_000_000_000 / limit + 1_000));
    }

    #[test]
    fn a_record_reads_back_as_it_was_written(
        id in any::<u64>(), numbers in any::<[u64; 4]>(), counts in any::<[u32; 8]>(), width in any::<u32>(),
        unsent in any::<i64>(), sending in any::<i64>(),
    ) {
        let [level, at, since, limit] = numbers;
        let window = |kind| counter_state::CounterState::Window(Window { kind, number: at, used: level });
        for state in [
            window(LimitWindow::Day),
            window(LimitWindow::Month),
            window(LimitWindow::Total),
            counter_state::CounterState::Rate(rate::Rate { level, at, since, limit }),
            counter_state::CounterState::Slots(concurrency_slots::ConcurrencySlots { width, first: at, counts, others: width }),
        ] {
            let pending = match state {
                counter_state::CounterState::Slots(_) => PendingSync { unsent: 0, sending: sending & i64::from(u32::MAX) },
                _ => PendingSync { unsent, sending },
            };
            let bytes = record::record(Id(id), &state, pending);
            prop_assert_eq!(record::pending(&bytes), pending);
            prop_assert_eq!(record::id(&bytes), Id(id));
            prop_assert_eq!(record::state(&bytes), Some(state));
        }
    }

    /// Arbitrary bytes in place of a shard or accounts give a result or an error, never a panic.
    #[test]
    fn no_bytes_make_it_panic(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        keep in any::<prop::sample::Index>(),
    ) {
        let memory = Memory::default();
        let debits: Vec<Debit> = (0..COUNTERS.len()).map(|index| hard(&counter_of(index), 2, 50)).collect();
        granted(&memory, debits.clone(), at(NOON));
        let again = granted(&memory, debits.clone(), at(NOON));
        let part = |(debit, held): (&Debit, &CounterSnapshot)| part(&debit.counter, *held, 2, 1);
        let settlement = settlement(debits.iter().zip(&again).map(part).collect(), at(NOON));
        settle(&memory, &settlement, CounterScope::Local).unwrap();
        for name in [shard::name(ShardId::of("red")), shard::name(ShardId::of("")), accounts::name(ShardId::of("red"), CounterTime::of(at(NOON)).day)] {
            let (mut bytes, _) = memory.read(&name).unwrap();
            for (place, byte) in &cuts {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            if keep.index(4) == 0 {
                bytes.truncate(keep.index(bytes.len()));
            }
            memory.write(&name, &bytes, 0).unwrap();
        }
        let _ = reserve(&memory, &request("o", vec![debits]), CounterScope::Local, at(NOON));
        let _ = settle(&memory, &settlement, CounterScope::Local);
        let _ = all_accounts(&memory, CounterTime::of(at(NOON)).day);
        let counters: Vec<Counter> = (0..COUNTERS.len()).map(counter_of).collect();
        let _ = read(&memory, &counters, at(NOON));
    }
}
