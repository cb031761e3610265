//! Shared data in memory, and the store's guarantees one at a time. Random histories are in `properties`, real threads in `threads`.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Mutex;
use std::time::Duration;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::store::dimension::Grouping;
use crate::store::{AccountEntry, CombinedName, Conflict, Debit, LimitExceeded, ReserveRequest, ReserveResult, Sums};

mod leases;
#[cfg(not(target_arch = "wasm32"))]
mod properties;
mod replication;
#[cfg(not(target_arch = "wasm32"))]
mod threads;

/// 2027-01-31, noon: the last day of a month.
const NOON: u64 = 1_801_396_800;
const DAY: u64 = 86_400;
const LEASE: u64 = 70;

/// Like Envoy's: versions count over all names, and writing a missing name ignores the version.
#[derive(Default)]
struct Memory(Mutex<(Values, u32)>);

/// Each value with its version.
type Values = HashMap<String, (Vec<u8>, u32)>;

impl SharedData for Memory {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        self.0.lock().unwrap().0.get(name).cloned()
    }

    fn write(&self, name: &str, value: &[u8], version: u32) -> Result<(), Conflict> {
        let mut guard = self.0.lock().unwrap();
        let (values, written) = &mut *guard;
        if values.get(name).is_some_and(|(_, known)| version != 0 && version != *known) {
            return Err(Conflict);
        }
        *written += 1;
        values.insert(name.to_owned(), (value.to_vec(), *written));
        Ok(())
    }
}

fn at(seconds: u64) -> Time {
    Time(seconds * 1_000_000_000)
}

fn counter(name: &str, shard: &str, kind: LimitWindow) -> Counter {
    Counter { name: name.into(), shard_key: shard.into(), kind }
}

fn hard(counter: &Counter, amount: u64, limit: u64) -> Debit {
    Debit { counter: counter.clone(), amount, limit, hard: true }
}

fn soft(counter: &Counter, amount: u64, limit: u64) -> Debit {
    Debit { hard: false, ..hard(counter, amount, limit) }
}

fn request(id: &str, alternatives: Vec<Vec<Debit>>) -> ReserveRequest {
    ReserveRequest { id: id.into(), lease: Duration::from_secs(LEASE), alternatives }
}

/// The snapshots of a granted request with one alternative.
#[track_caller]
fn granted(memory: &Memory, debits: Vec<Debit>, now: Time) -> Vec<CounterSnapshot> {
    match reserve(memory, &request("granted", vec![debits]), CounterScope::Local, now) {
        Ok(ReserveResult::Granted { chosen: 0, snapshots }) => snapshots,
        other => panic!("{other:?}"),
    }
}

/// [`granted`], and settled with the full amount.
#[track_caller]
fn spent(memory: &Memory, debits: Vec<Debit>, now: Time) -> Vec<CounterSnapshot> {
    let snapshots = granted(memory, debits.clone(), now);
    let parts =
        debits.iter().zip(&snapshots).map(|(debit, held)| part(&debit.counter, *held, debit.amount, debit.amount));
    settle(memory, &settlement(parts.collect(), now), CounterScope::Local).unwrap();
    snapshots
}

/// The exceeded limit of a rejected request with one alternative.
#[track_caller]
fn refused(memory: &Memory, debits: Vec<Debit>, now: Time) -> LimitExceeded {
    match reserve(memory, &request("refused", vec![debits]), CounterScope::Local, now) {
        Ok(ReserveResult::Refused(all_exceeded)) if all_exceeded.len() == 1 => all_exceeded[0],
        other => panic!("{other:?}"),
    }
}

fn settlement(parts: Vec<Settled>, now: Time) -> Settlement {
    let sums = Sums::from([1, 10, 5, 7, 15, 7]);
    let entry = AccountEntry { key: "k1".into(), team: "red".into(), app: None, model: "small".into(), sums };
    Settlement { id: "settled".into(), parts, entry: Some(entry), at: now, corrects: false, notes: Vec::new() }
}

/// The settlement of a reservation with this snapshot.
fn part(counter: &Counter, held: CounterSnapshot, reserved: u64, used: u64) -> Settled {
    Settled { counter: counter.clone(), window: held.period, until: held.until, reserved, used }
}

/// The snapshot for usage without a reservation.
fn unreserved(window: u64) -> CounterSnapshot {
    CounterSnapshot { period: window, ..CounterSnapshot::default() }
}

fn settle_one(memory: &Memory, counter: &Counter, held: CounterSnapshot, reserved: u64, used: u64, now: Time) {
    let part = part(counter, held, reserved, used);
    settle(memory, &settlement(vec![part], now), CounterScope::Local).unwrap();
}

fn used(memory: &Memory, counter: &Counter, now: Time) -> u64 {
    read(memory, std::slice::from_ref(counter), now).unwrap()[0].used
}

#[test]
fn a_limit_covers_exactly_as_many_as_it_says() {
    for kind in [LimitWindow::Minute, LimitWindow::Day, LimitWindow::Month, LimitWindow::Total, LimitWindow::Concurrent]
    {
        let (memory, counter) = (Memory::default(), counter("m", "red", kind));
        for taken in 1..=7 {
            assert_eq!(granted(&memory, vec![hard(&counter, 1, 7)], at(NOON))[0].used, taken, "{kind:?}");
        }
        let exceeded = refused(&memory, vec![hard(&counter, 1, 7)], at(NOON));
        assert_eq!((exceeded.debit, exceeded.snapshot.used), (0, 7), "{kind:?}");
        assert_eq!(used(&memory, &counter, at(NOON)), 7, "{kind:?}");
    }
}

#[test]
fn what_is_refused_says_when_it_may_fit() {
    let half_a_day = Some(Duration::from_secs(DAY / 2));
    for (kind, taken, retry_after) in [
        (LimitWindow::Minute, 60, Some(Duration::from_secs(10))),
        (LimitWindow::Day, 60, half_a_day),
        (LimitWindow::Month, 60, half_a_day),
        (LimitWindow::Total, 60, None),
        (LimitWindow::Concurrent, 60, Some(Duration::from_secs(1))),
    ] {
        let (memory, counter) = (Memory::default(), counter("m", "red", kind));
        granted(&memory, vec![hard(&counter, taken, 60)], at(NOON));
        assert_eq!(refused(&memory, vec![hard(&counter, 10, 60)], at(NOON)).retry_after, retry_after, "{kind:?}");
        let never = refused(&memory, vec![hard(&counter, 61, 60)], at(NOON)).retry_after;
        assert_eq!(never, None, "{kind:?}: more than the whole limit");
    }
}

#[test]
fn what_fits_after_the_wait_that_was_told_fits_not_before() {
    let (memory, rate) = (Memory::default(), counter("m", "red", LimitWindow::Minute));
    granted(&memory, vec![hard(&rate, 7, 7)], at(NOON));
    let wait = refused(&memory, vec![hard(&rate, 2, 7)], at(NOON)).retry_after.unwrap();
    let wait = u64::try_from(wait.as_nanos()).unwrap();
    refused(&memory, vec![hard(&rate, 2, 7)], Time(at(NOON).0 + wait - 1_000));
    granted(&memory, vec![hard(&rate, 2, 7)], Time(at(NOON).0 + wait));
}

#[test]
fn readings_of_a_rate_tell_until_it_is_as_if_nothing_had_been_used() {
    let (memory, rate) = (Memory::default(), counter("m", "red", LimitWindow::Minute));
    let snapshot = granted(&memory, vec![hard(&rate, 30, 60)], at(NOON))[0];
    assert_eq!(
        snapshot,
        CounterSnapshot { period: NOON * 1_000_000, used: 30, reset: Duration::from_secs(30), ..snapshot }
    );
    assert_eq!(used(&memory, &rate, at(NOON + 10)), 20);
    assert_eq!(used(&memory, &rate, at(NOON + 30)), 0);
}

#[test]
fn a_rate_whose_limit_changes_keeps_what_was_used() {
    let (memory, rate) = (Memory::default(), counter("m", "red", LimitWindow::Minute));
    granted(&memory, vec![hard(&rate, 60, 60)], at(NOON));
    let snapshot = granted(&memory, vec![hard(&rate, 30, 120)], at(NOON + 30))[0];
    assert_eq!(snapshot.used, 60, "half of the sixty has drained at the pace it was taken at");
    let exceeded = refused(&memory, vec![hard(&rate, 1, 30)], at(NOON + 30));
    assert_eq!((exceeded.snapshot.used, exceeded.retry_after), (60, Some(Duration::from_secs(62))));
}

#[test]
fn a_rate_whose_clock_is_set_back_is_not_full_until_the_clock_has_caught_up() {
    let (memory, rate) = (Memory::default(), counter("a", "a", LimitWindow::Minute));
    granted(&memory, vec![hard(&rate, 60, 60)], at(NOON));
    refused(&memory, vec![hard(&rate, 1, 60)], Time(at(NOON).0 - 500_000_000));
    assert_eq!(granted(&memory, vec![hard(&rate, 60, 60)], at(NOON - 3_600))[0].used, 60);
    refused(&memory, vec![hard(&rate, 1, 60)], at(NOON - 3_600));
    granted(&memory, vec![hard(&rate, 10, 60)], at(NOON - 3_590));
}

#[test]
fn what_a_rate_reserved_too_much_is_given_back_and_too_little_is_added() {
    let (memory, rate) = (Memory::default(), counter("m", "red", LimitWindow::Minute));
    let held = granted(&memory, vec![hard(&rate, 50, 60)], at(NOON))[0];
    settle_one(&memory, &rate, held, 50, 20, at(NOON + 10));
    assert_eq!(used(&memory, &rate, at(NOON + 10)), 10);
    let held = granted(&memory, vec![hard(&rate, 10, 60)], at(NOON + 10))[0];
    settle_one(&memory, &rate, held, 10, 40, at(NOON + 10));
    assert_eq!(used(&memory, &rate, at(NOON + 10)), 50);
}

#[test]
fn what_has_drained_away_since_is_not_given_back() {
    let (memory, rate) = (Memory::default(), counter("m", "red", LimitWindow::Minute));
    let held = granted(&memory, vec![hard(&rate, 60, 60)], at(NOON))[0];
    granted(&memory, vec![hard(&rate, 60, 60)], at(NOON + 120));
    settle_one(&memory, &rate, held, 60, 0, at(NOON + 120));
    assert_eq!(used(&memory, &rate, at(NOON + 120)), 60);
}

#[test]
fn a_rate_that_was_nearly_empty_since_gives_back_no_more_than_was_left() {
    let (memory, rate) = (Memory::default(), counter("m", "red", LimitWindow::Minute));
    let nearly = Time(at(NOON + 60).0 - 100_000_000);
    let first = granted(&memory, vec![hard(&rate, 600, 600)], at(NOON))[0];
    spent(&memory, vec![hard(&rate, 599, 600)], nearly);
    settle_one(&memory, &rate, first, 600, 10, nearly);
    assert_eq!(used(&memory, &rate, nearly), 599, "all but one of the 600 had drained");
    refused(&memory, vec![hard(&rate, 590, 600)], nearly);
}

#[test]
fn a_rate_that_only_a_settlement_touched_drains_at_the_next_takes_limit() {
    let (memory, rate) = (Memory::default(), counter("m", "red", LimitWindow::Minute));
    settle_one(&memory, &rate, unreserved(0), 0, 40, at(NOON));
    assert_eq!(used(&memory, &rate, at(NOON + 30)), 40);
    // Any limit that allows 40 has drained them by then.
    assert_eq!([60, 61].map(|seconds| used(&memory, &rate, at(NOON + seconds))), [40, 0]);
    assert_eq!(granted(&memory, vec![hard(&rate, 1, 60)], at(NOON + 30))[0].used, 11);
}

#[test]
fn windows_are_days_and_months_of_the_calendar() {
    let (memory, day, month) =
        (Memory::default(), counter("d", "red", LimitWindow::Day), counter("m", "red", LimitWindow::Month));
    let debits = || vec![hard(&day, 1, 1), hard(&month, 1, 2)];
    let first = spent(&memory, debits(), at(NOON));
    assert_eq!((first[0].period, first[1].period), (NOON / DAY, 684));
    refused(&memory, debits(), at(NOON + DAY / 2 - 1));
    let second = spent(&memory, debits(), at(NOON + DAY / 2));
    assert_eq!((second[0].used, second[1].used), (1, 1), "February begins with the day");
    assert_eq!(second[1].reset, Duration::from_secs(28 * DAY));
    assert_eq!(refused(&memory, debits(), at(NOON + DAY)).debit, 0);
    spent(&memory, debits(), at(NOON + DAY + DAY / 2));
    let exceeded = refused(&memory, debits(), at(NOON + 2 * DAY + DAY / 2));
    assert_eq!((exceeded.debit, exceeded.retry_after), (1, Some(Duration::from_secs(26 * DAY))));
}

#[test]
fn a_settlement_corrects_its_own_window_and_never_the_next() {
    let (day, total) = (counter("d", "red", LimitWindow::Day), counter("t", "red", LimitWindow::Total));
    let debits = || vec![hard(&day, 100, 1_000), hard(&total, 100, 1_000)];
    for (days, then) in [(0, Some(230)), (1, Some(130)), (400, None)] {
        let (memory, later) = (Memory::default(), at(NOON + days * DAY));
        spent(&memory, debits(), at(NOON));
        let snapshots = granted(&memory, debits(), at(NOON));
        granted(&memory, debits(), later);
        settle_one(&memory, &day, snapshots[0], 100, 30, later);
        settle_one(&memory, &total, snapshots[1], 100, 130, later);
        let today = if days == 0 { 230 } else { 100 };
        assert_eq!(used(&memory, &day, later), today, "{days} days later");
        assert_eq!(used(&memory, &total, later), 330, "{days} days later");
        assert!(then.is_none_or(|then| used(&memory, &day, at(NOON)) == then), "{days} days later");
    }
}

#[test]
fn a_clock_a_little_behind_counts_in_yesterday() {
    let (memory, day) = (Memory::default(), counter("d", "red", LimitWindow::Day));
    let midnight = NOON + DAY / 2;
    granted(&memory, vec![hard(&day, 5, 9)], at(midnight - 1));
    granted(&memory, vec![hard(&day, 7, 9)], at(midnight));
    assert_eq!(refused(&memory, vec![hard(&day, 5, 9)], at(midnight - 1)).snapshot.used, 5);
    assert_eq!(granted(&memory, vec![hard(&day, 4, 9)], at(midnight - 1))[0].used, 9);
    assert_eq!(used(&memory, &day, at(midnight)), 7);
}

#[test]
fn a_place_is_given_back_once_settled() {
    let (memory, slots) = (Memory::default(), counter("c", "red", LimitWindow::Concurrent));
    let first = granted(&memory, vec![hard(&slots, 1, 2)], at(NOON))[0];
    granted(&memory, vec![hard(&slots, 1, 2)], at(NOON + 30));
    refused(&memory, vec![hard(&slots, 1, 2)], at(NOON + 30));
    settle_one(&memory, &slots, first, 1, 0, at(NOON + 30));
    assert_eq!(used(&memory, &slots, at(NOON + 30)), 1);
    granted(&memory, vec![hard(&slots, 1, 2)], at(NOON + 30));
}

#[test]
fn a_place_of_a_lost_worker_is_free_after_its_lease_and_a_bucket() {
    let (memory, slots) = (Memory::default(), counter("c", "red", LimitWindow::Concurrent));
    let lost = granted(&memory, vec![hard(&slots, 1, 1)], at(NOON + 3))[0];
    refused(&memory, vec![hard(&slots, 1, 1)], at(NOON + 3 + LEASE - 1));
    let free = at(NOON + 3 + LEASE + LEASE / 7);
    let next = granted(&memory, vec![hard(&slots, 1, 1)], free)[0];
    settle_one(&memory, &slots, lost, 1, 0, free);
    assert_eq!(used(&memory, &slots, free), 1, "settled late: the place is another's by now");
    settle_one(&memory, &slots, next, 1, 0, free);
    assert_eq!(used(&memory, &slots, free), 0);
}

#[test]
fn leases_of_all_lengths_are_kept_together() {
    let (memory, slots) = (Memory::default(), counter("c", "red", LimitWindow::Concurrent));
    let mut held = Vec::new();
    for lease in [1, 60, 600, 7_200, 30 * DAY, 5] {
        let debits = vec![vec![hard(&slots, 1, 10)]];
        let request = ReserveRequest { lease: Duration::from_secs(lease), ..request("o", debits) };
        let Ok(ReserveResult::Granted { snapshots, .. }) = reserve(&memory, &request, CounterScope::Local, at(NOON))
        else {
            panic!("{lease}")
        };
        assert!(snapshots[0].until >= (NOON + lease) * 1_000, "never shorter than its lease of {lease} s");
        held.push(snapshots[0]);
    }
    assert_eq!(used(&memory, &slots, at(NOON)), 6);
    for (settled, held) in held.into_iter().enumerate() {
        settle_one(&memory, &slots, held, 1, 0, at(NOON));
        assert_eq!(used(&memory, &slots, at(NOON)), 5 - settled as u64);
    }
}

#[test]
fn an_order_takes_all_or_nothing_over_both_pages() {
    let (team, common) = (counter("t", "red", LimitWindow::Total), counter("c", "", LimitWindow::Total));
    for (team_limit, common_limit, exceeded) in [(9, 10, 0), (10, 9, 1)] {
        let memory = Memory::default();
        let debits = || vec![hard(&team, 2, team_limit), hard(&common, 2, common_limit)];
        (0..4).for_each(|_| assert_eq!(granted(&memory, debits(), at(NOON)).len(), 2));
        let refusal = refused(&memory, debits(), at(NOON));
        assert_eq!((refusal.debit, refusal.snapshot.used), (exceeded, 8));
        assert_eq!((used(&memory, &team, at(NOON)), used(&memory, &common, at(NOON))), (8, 8));
    }
}

#[test]
fn the_first_alternative_that_fits_is_taken() {
    let (memory, dear, cheap) =
        (Memory::default(), counter("dear", "red", LimitWindow::Total), counter("cheap", "", LimitWindow::Total));
    let both = request("o", vec![vec![hard(&dear, 1, 1), hard(&cheap, 1, 9)], vec![hard(&cheap, 3, 5)]]);
    for (chosen, count) in [(0, 2), (1, 1)] {
        match reserve(&memory, &both, CounterScope::Local, at(NOON)).unwrap() {
            ReserveResult::Granted { chosen: taken, snapshots } => {
                assert_eq!((taken, snapshots.len()), (chosen, count))
            }
            refused => panic!("{refused:?}"),
        }
    }
    let Ok(ReserveResult::Refused(all_exceeded)) = reserve(&memory, &both, CounterScope::Local, at(NOON)) else {
        panic!("it does not fit")
    };
    let stands: Vec<_> = all_exceeded.iter().map(|exceeded| (exceeded.debit, exceeded.snapshot.used)).collect();
    assert_eq!(stands, [(0, 1), (0, 4)]);
}

#[test]
fn an_alternative_without_takes_always_fits_and_writes_nothing() {
    let memory = Memory::default();
    let reserve_result = reserve(&memory, &request("o", vec![vec![]]), CounterScope::Local, at(NOON));
    assert_eq!(reserve_result, Ok(ReserveResult::Granted { chosen: 0, snapshots: Vec::new() }));
    assert!(memory.0.lock().unwrap().0.is_empty());
}

#[test]
fn what_only_warns_always_fits_and_is_counted() {
    for kind in [LimitWindow::Minute, LimitWindow::Day, LimitWindow::Month, LimitWindow::Total, LimitWindow::Concurrent]
    {
        let (memory, counter) = (Memory::default(), counter("m", "", kind));
        granted(&memory, vec![soft(&counter, 8, 10)], at(NOON));
        assert_eq!(granted(&memory, vec![soft(&counter, 8, 10)], at(NOON))[0].used, 16, "{kind:?}");
    }
}

#[test]
fn numbers_as_large_as_they_get_do_not_wrap() {
    for kind in [LimitWindow::Minute, LimitWindow::Day, LimitWindow::Total, LimitWindow::Concurrent] {
        let (memory, counter) = (Memory::default(), counter("m", "", kind));
        let held = granted(&memory, vec![soft(&counter, u64::MAX, 1)], at(NOON))[0];
        settle_one(&memory, &counter, held, 0, u64::MAX, at(NOON));
        refused(&memory, vec![hard(&counter, 1, 1_000_000)], at(NOON));
    }
}

#[test]
fn what_was_used_without_a_reservation_is_counted() {
    let (memory, day, total) =
        (Memory::default(), counter("d", "", LimitWindow::Day), counter("t", "", LimitWindow::Total));
    settle_one(&memory, &day, unreserved(NOON / DAY), 0, 12, at(NOON));
    settle_one(&memory, &total, unreserved(0), 0, 34, at(NOON));
    assert_eq!((used(&memory, &day, at(NOON)), used(&memory, &total, at(NOON))), (12, 34));
}

#[test]
fn a_page_does_not_grow_with_time() {
    let memory = Memory::default();
    let names: Vec<Rc<str>> = (0..50).map(|number| format!("m{number}").into()).collect();
    let kinds = [LimitWindow::Minute, LimitWindow::Day, LimitWindow::Concurrent];
    for hour in 0..24 * 20 {
        for (name, kind) in names.iter().zip(kinds.iter().cycle()) {
            let counter = Counter { name: name.clone(), shard_key: "red".into(), kind: *kind };
            granted(&memory, vec![hard(&counter, 1, 1_000)], at(NOON + hour * 3_600));
        }
    }
    let size = memory.read(&shard::name(ShardId::of("red"))).unwrap().0.len();
    assert!(size < 120 * record::SIZE, "{size} bytes");
}

#[test]
fn a_page_that_is_full_says_so_and_keeps_counting_what_it_knows() {
    let memory = Memory::default();
    let counters: Vec<Counter> =
        (0..4_096).map(|number| counter(&format!("m{number}"), "", LimitWindow::Total)).collect();
    granted(&memory, counters.iter().map(|counter| hard(counter, 1, 10)).collect(), at(NOON));
    let (one_more, team) = (counter("more", "", LimitWindow::Total), counter("t", "red", LimitWindow::Total));
    let both = vec![vec![hard(&team, 1, 10), hard(&one_more, 1, 10)]];
    assert!(reserve(&memory, &request("o", both), CounterScope::Local, at(NOON)).is_err());
    assert_eq!(used(&memory, &team, at(NOON)), 0, "nothing is held elsewhere");
    assert_eq!(granted(&memory, vec![hard(&counters[9], 1, 10)], at(NOON))[0].used, 2);
}

#[test]
fn a_damaged_page_is_neither_believed_nor_overwritten() {
    let (memory, counter) = (Memory::default(), counter("m", "red", LimitWindow::Total));
    granted(&memory, vec![hard(&counter, 1, 10)], at(NOON));
    let whole = memory.read(&shard::name(ShardId::of("red"))).unwrap().0;
    // The record is followed by one lease.
    let kind = whole.len() - 24 - record::SIZE + 8;
    let unknown_gauge = whole.iter().enumerate().map(|(at, byte)| if at == kind { 9 } else { *byte }).collect();
    for damaged in [Vec::new(), whole[1..].to_vec(), whole[..whole.len() - 1].to_vec(), unknown_gauge] {
        memory.write(&shard::name(ShardId::of("red")), &damaged, 0).unwrap();
        assert!(
            reserve(&memory, &request("o", vec![vec![hard(&counter, 1, 10)]]), CounterScope::Local, at(NOON)).is_err()
        );
        assert!(read(&memory, std::slice::from_ref(&counter), at(NOON)).is_err());
        let settlement = settlement(vec![part(&counter, unreserved(0), 1, 0)], at(NOON));
        assert!(settle(&memory, &settlement, CounterScope::Local).is_err());
        assert_eq!(memory.read(&shard::name(ShardId::of("red"))).unwrap().0, damaged);
    }
}

#[test]
fn a_refusal_next_to_an_order_that_is_lost_stands_in_the_end() {
    let (memory, counter) = (Memory::default(), counter("m", "red", LimitWindow::Total));
    let now = CounterTime::of(at(NOON));
    granted(&memory, vec![hard(&counter, 1, 1)], at(NOON));
    let mut shard = Shard::read(&memory, ShardId::of("red"), CounterScope::Local, &now).unwrap();
    shard.open(1, &now);
    shard.write().unwrap();
    refused(&memory, vec![hard(&counter, 1, 1)], at(NOON));
    assert!(shard.is_unsettled(&now) && !shard.is_unsettled(&CounterTime::of(at(NOON + 1))));
}

/// The day of [`NOON`], since 1970.
fn today() -> u64 {
    CounterTime::of(at(NOON)).day
}

/// The accounts of a day under a configuration that has none of their teams.
fn all_accounts(memory: &dyn SharedData, day: u64) -> Result<Vec<Account>, Unavailable> {
    accounts(memory, &BTreeSet::new(), day)
}

#[test]
fn accounts_sum_up_each_day_by_each_name_and_by_all_together() {
    let memory = Memory::default();
    let settle_at = |now, model: &str, app: Option<&str>| {
        let mut settlement = settlement(Vec::new(), at(now));
        let entry = settlement.entry.as_mut().unwrap();
        (entry.model, entry.app) = (model.into(), app.map(Into::into));
        settle(&memory, &settlement, CounterScope::Local).unwrap();
    };
    assert_eq!(first_day(&memory, today()), None);
    settle_at(NOON - DAY, "small", Some("chat"));
    settle_at(NOON, "small", None);
    settle_at(NOON, "large", None);
    settle_at(NOON - DAY, "small", None);
    settle_at(NOON, "large", None);
    let requests = |day| -> Vec<(Grouping, String, u64)> {
        let accounts = all_accounts(&memory, day).unwrap().into_iter();
        accounts.map(|account| (account.grouping, account.name, account.sums.requests)).collect()
    };
    let row = |grouping, name: &str, requests| (grouping, name.to_owned(), requests);
    let yesterday = [
        row(Grouping::Key, "k1", 2),
        row(Grouping::Team, "red", 2),
        row(Grouping::App, "chat", 1),
        row(Grouping::Model, "small", 2),
        row(Grouping::Combination, r#"["small","red","chat","k1"]"#, 1),
        row(Grouping::Combination, r#"["small","red",null,"k1"]"#, 1),
    ];
    assert_eq!(requests(today() - 1), yesterday);
    let expected = [
        row(Grouping::Key, "k1", 3),
        row(Grouping::Team, "red", 3),
        row(Grouping::Model, "small", 1),
        row(Grouping::Combination, r#"["small","red",null,"k1"]"#, 1),
        row(Grouping::Model, "large", 2),
        row(Grouping::Combination, r#"["large","red",null,"k1"]"#, 2),
    ];
    assert_eq!(requests(today()), expected);
    assert_eq!(all_accounts(&memory, today()).unwrap()[0].sums, Sums::from([3, 30, 15, 21, 45, 21]));
    assert_eq!((requests(today() + 1), requests(today() - 2)), (Vec::new(), Vec::new()));
    assert_eq!(first_day(&memory, today()), Some(today() - 1));
}

#[test]
fn accounts_are_kept_for_400_days_and_memory_stays_bounded() {
    let memory = crate::store::fake::Shared::default();
    for number in 0..1000 {
        settle(&memory, &settlement(Vec::new(), at(NOON + number * DAY)), CounterScope::Local).unwrap();
    }
    let last = today() + 999;
    assert_eq!(first_day(&memory, last), Some(last - 399));
    for day in [last, last - 1, last - 399] {
        assert_eq!(all_accounts(&memory, day).unwrap()[0].sums.requests, 1, "{day}");
    }
    assert_eq!(all_accounts(&memory, last - 400), Ok(Vec::new()));
    assert_eq!(memory.names().len(), 401);
    settle(&memory, &settlement(Vec::new(), at(NOON)), CounterScope::Local).unwrap();
    assert_eq!(all_accounts(&memory, last - 199).unwrap()[0].sums.requests, 1, "a clock far behind changes nothing");
}

#[test]
fn accounts_of_a_version_that_noted_no_shards_are_found_by_their_teams() {
    let (memory, name) = (Memory::default(), "sluice.accounts.4.first");
    let settle_of = |team: &str| {
        let mut settlement = settlement(Vec::new(), at(NOON));
        settlement.entry.as_mut().unwrap().team = team.into();
        settle(&memory, &settlement, CounterScope::Local).unwrap();
    };
    settle_of("red");
    let (noted, _) = memory.read(name).unwrap();
    memory.write(name, &noted[..8], 0).unwrap();
    let found = || accounts(&memory, &BTreeSet::from(["red".to_owned()]), today()).unwrap().len();
    assert_eq!(found(), 4);
    settle_of("blue");
    assert_eq!((found(), first_day(&memory, today())), (8, Some(today())));
}

#[test]
fn long_names_are_cut_between_characters() {
    let memory = Memory::default();
    let mut settlement = settlement(Vec::new(), at(NOON));
    settlement.entry.as_mut().unwrap().model = format!("x{}", "ü".repeat(4_000)).into();
    settle(&memory, &settlement, CounterScope::Local).unwrap();
    settle(&memory, &settlement, CounterScope::Local).unwrap();
    let accounts = all_accounts(&memory, today()).unwrap();
    let model = accounts.iter().find(|account| account.grouping == Grouping::Model).unwrap();
    assert_eq!((model.name.len(), model.sums.requests), (4095, 2));
}

#[test]
fn accounts_that_are_full_say_so_until_the_next_day() {
    let memory = Memory::default();
    let settle_model = |number: usize, now| {
        let mut settlement = settlement(Vec::new(), at(now));
        settlement.entry.as_mut().unwrap().model = format!("{number:0>200}").into();
        settle(&memory, &settlement, CounterScope::Local)
    };
    let full = (0..).find(|number| settle_model(*number, NOON).is_err()).unwrap();
    assert!(full > 800, "{full}");
    assert_eq!(settle_model(0, NOON), Ok(()), "known names are still summed up");
    let team = all_accounts(&memory, today()).unwrap().swap_remove(1);
    assert_eq!(
        (team.grouping, team.sums.requests),
        (Grouping::Team, full as u64 + 2),
        "and so are they beside a new one"
    );
    assert_eq!(settle_model(full, NOON + DAY), Ok(()));
    assert_eq!(all_accounts(&memory, today() + 1).unwrap().len(), 4);
}

#[test]
fn damaged_accounts_are_not_believed() {
    let memory = Memory::default();
    settle(&memory, &settlement(Vec::new(), at(NOON)), CounterScope::Local).unwrap();
    let name = &accounts::name(ShardId::of("red"), today());
    let whole = memory.read(name).unwrap().0;
    for damaged in [&whole[1..], &whole[..whole.len() - 1], &[]] {
        memory.write(name, damaged, 0).unwrap();
        assert!(all_accounts(&memory, today()).is_err());
        assert!(settle(&memory, &settlement(Vec::new(), at(NOON)), CounterScope::Local).is_err());
    }
}

#[test]
fn the_name_of_a_combination_is_read_as_it_was_written() {
    let name = |app: Option<&str>| CombinedName {
        model: "gpt-4.1/\"x".into(),
        team: "red".into(),
        app: app.map(|app| app.to_owned().into()),
        key: "k1".into(),
    };
    for name in [name(None), name(Some("a,\u{fc}"))] {
        assert_eq!(CombinedName::parse(&name.text()), Some(name));
    }
    for wrong in ["", "[]", r#"["m","t",null,null]"#, r#"["m","t","a"]"#, "null"] {
        assert_eq!(CombinedName::parse(wrong), None, "{wrong}");
    }
}

/// Each configuration has a team and a key of its own, and one team that all have.
#[cfg(not(target_arch = "wasm32"))]
#[test]
fn teams_that_come_and_go_leave_a_bounded_memory_and_one_that_stays_is_exact() {
    let memory = crate::store::fake::Shared::default();
    let stays = [
        counter("team=stays/usd/month", "stays", LimitWindow::Month),
        counter("all/requests/total", "", LimitWindow::Total),
    ];
    let mut spent = 0;
    let first = counter("team=t0/usd/month", "t0", LimitWindow::Month);
    for number in 0..10_000 {
        let team = format!("t{number}");
        let kinds = [
            ("usd/month", LimitWindow::Month),
            ("requests/minute", LimitWindow::Minute),
            ("requests/concurrent", LimitWindow::Concurrent),
        ];
        let fresh = kinds.map(|(what, kind)| counter(&format!("team={team}/{what}"), &team, kind));
        let debits: Vec<Debit> = stays.iter().chain(&fresh).map(|counter| hard(counter, 2, u64::MAX / 2)).collect();
        let now = at(NOON + number);
        let Ok(ReserveResult::Granted { snapshots, .. }) =
            reserve(&memory, &request(&team, vec![debits.clone()]), CounterScope::Replicated, now)
        else {
            panic!("refused")
        };
        let parts = debits.iter().zip(&snapshots).map(|(debit, held)| part(&debit.counter, *held, 2, 1)).collect();
        let mut settlement = settlement(parts, now);
        settlement.entry.as_mut().unwrap().team = team.as_str().into();
        settle(&memory, &settlement, CounterScope::Replicated).unwrap();
        spent += 1;
        let used: Vec<u64> = read(&memory, &stays, now).unwrap().iter().map(|snapshot| snapshot.used).collect();
        assert_eq!(used, [spent, spent], "{number}");
    }
    let end = at(NOON + 10_000);
    assert_eq!(read(&memory, &[first], end).unwrap()[0].used, 1, "money of a team that went is not forgotten");
    assert_eq!(all_accounts(&memory, CounterTime::of(end).day).unwrap().len(), 4 * 10_000);
    let names = memory.names();
    let bytes: usize = names.iter().map(|name| memory.read(name).unwrap().0.len()).sum();
    assert!(names.len() <= 3 * 1024, "{} names", names.len());
    assert!(bytes < 16 << 20, "{bytes} bytes");
}
