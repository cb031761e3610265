use std::sync::Arc;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::metrics::Recorder;
use crate::metrics::instruments::{BUDGET, REJECTED, USAGE, budget, rejected, usage, worker};
use crate::store::fake::{Contended, Interrupted, Shared, damage};

const PLENTY: usize = 10_000;

fn recorder(name: &str, limit: usize) -> Arc<Recorder> {
    let recorder = Arc::new(Recorder::new(name.to_owned()));
    recorder.configure(limit, None);
    recorder
}

fn at(seconds: u64) -> Time {
    Time(1_800_000_000_000_000_000 + seconds * 1_000_000_000)
}

/// A request of this team that cost a micro-dollar, with `tokens` input tokens.
fn serve(recorder: &Recorder, team: &str, tokens: u64) {
    recorder.record(&USAGE, &[team, "app"], |values| {
        values.add(usage::COST, 1);
        values.add(usage::INPUT, tokens);
    });
}

/// Micro-dollars and input tokens by team.
fn served(shared: &dyn SharedData, now: Time) -> Vec<(String, u64, u64)> {
    let snapshot = Snapshot::read(shared, now);
    let rows = snapshot.rows(&USAGE).map(|(labels, values)| {
        let team = labels.iter().find(|(name, _)| *name == "team").map_or("", |(_, value)| value);
        (team.to_owned(), values[usage::COST.at], values[usage::INPUT.at])
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

/// The row of zeros.
fn nothing() -> Vec<(String, u64, u64)> {
    vec![(String::new(), 0, 0)]
}

#[test]
fn workers_add_up() {
    let shared = Shared::default();
    let (one, two) = (recorder("1", PLENTY), recorder("2", PLENTY));
    serve(&one, "red", 3);
    serve(&two, "red", 4);
    serve(&two, "blue", 5);
    assert_eq!(served(&shared, at(0)), nothing());
    one.flush(0, &shared, at(0));
    two.flush(0, &shared, at(0));
    one.flush(0, &shared, at(1));
    serve(&one, "red", 10);
    one.flush(0, &shared, at(2));
    assert_eq!(served(&shared, at(2)), [("blue".to_owned(), 1, 5), ("red".to_owned(), 3, 17)]);
    assert_eq!(Snapshot::read(&shared, at(2)).started, at(0));
}

#[test]
fn a_tick_stores_at_most_once_a_second() {
    let shared = Shared::default();
    let one = recorder("1", PLENTY);
    one.tick(0, &shared, at(1));
    serve(&one, "red", 1);
    one.tick(0, &shared, Time(at(2).0 - 1));
    assert_eq!(served(&shared, at(2)), nothing());
    one.tick(0, &shared, at(2));
    assert_eq!(served(&shared, at(2)), [("red".to_owned(), 1, 1)]);
}

#[test]
fn rows_beyond_the_limit_are_counted_as_other_and_nothing_is_lost() {
    let shared = Shared::default();
    let series: usize = GROUPS.iter().map(|group| group.series()).sum();
    let limit = series + 3 * USAGE.series();
    let workers = [recorder("1", limit), recorder("2", limit)];
    for round in 0..3 {
        for (index, worker) in workers.iter().enumerate() {
            for team in 0..20 {
                serve(worker, &format!("team-{}", team + index * 10), 2);
            }
            worker.flush(0, &shared, at(round));
        }
    }
    let rows = served(&shared, at(3));
    assert_eq!(rows.len(), 4, "{rows:?}");
    assert_eq!(rows.iter().map(|(_, cost, _)| cost).sum::<u64>(), 120);
    assert_eq!(rows.iter().map(|(_, _, tokens)| tokens).sum::<u64>(), 240);
    assert!(rows.iter().any(|(team, ..)| team == "other"));
    let snapshot = Snapshot::read(&shared, at(3));
    let sum: usize = GROUPS.iter().map(|group| group.series() * snapshot.rows(group).count()).sum();
    assert!(sum <= limit, "{sum} time series of at most {limit}");
}

#[test]
fn a_flood_of_labels_between_two_ticks_is_bounded() {
    let shared = Shared::default();
    let one = recorder("1", 0);
    for team in 0..5_000 {
        serve(&one, &format!("team-{team}"), 1);
    }
    one.flush(0, &shared, at(0));
    assert_eq!(served(&shared, at(0)), [("other".to_owned(), 5_000, 5_000)]);
}

#[test]
fn gauges_beyond_the_limit_are_dropped() {
    let shared = Shared::default();
    let one = recorder("1", 0);
    for budget in 0..5_000 {
        use_up(&one, &format!("team={budget}"));
    }
    one.flush(7, &shared, at(0));
    let snapshot = Snapshot::read(&shared, at(0));
    assert_eq!(snapshot.rows(&BUDGET).count(), 0);
    // There are as many of these as workers, so no limit applies.
    assert_eq!(snapshot.rows(&WORKER).map(|(_, values)| values[worker::BACKLOG.at]).collect::<Vec<_>>(), [7]);
}

/// A request uses up this budget.
fn use_up(recorder: &Recorder, budget: &str) {
    recorder.record(&BUDGET, &[budget, "total"], |values| values.set(budget::USED, 1));
}

/// The reported budgets.
fn budgets(shared: &dyn SharedData, now: Time) -> Vec<String> {
    let snapshot = Snapshot::read(shared, now);
    let names = snapshot.rows(&BUDGET).filter_map(|(labels, _)| Some(labels.iter().next()?.1.to_owned()));
    names.collect()
}

#[test]
fn budgets_and_counters_leave_each_others_room() {
    let shared = Shared::default();
    let one = recorder("1", PLENTY);
    for key in 0..3_000 {
        use_up(&one, &format!("key={key}"));
    }
    one.flush(0, &shared, at(0));
    assert_eq!(budgets(&shared, at(0)).len() as u64, room(PLENTY) / BUDGET.series() as u64);
    serve(&one, "red", 1);
    one.flush(0, &shared, at(1));
    assert_eq!(served(&shared, at(1)), [("red".to_owned(), 1, 1)]);

    let shared = Shared::default();
    let two = recorder("2", PLENTY);
    for team in 0..3_000 {
        serve(&two, &format!("team-{team}"), 1);
    }
    two.flush(0, &shared, at(0));
    use_up(&two, "key=a");
    two.flush(0, &shared, at(1));
    let snapshot = Snapshot::read(&shared, at(1));
    assert!(snapshot.rows(&USAGE).any(|(labels, _)| labels.iter().any(|(_, value)| value == "other")));
    assert_eq!(budgets(&shared, at(1)), ["key=a"]);
}

#[test]
fn a_budget_without_a_request_for_seven_days_leaves_its_room_to_another() {
    const WEEK: u64 = 7 * 86_400;
    let shared = Shared::default();
    let series: usize = GROUPS.iter().map(|group| group.series()).sum();
    let (one, two) = (recorder("1", series + BUDGET.series()), recorder("2", PLENTY));
    let asked = |budget: &str, now: Time| {
        use_up(&one, budget);
        one.flush(0, &shared, now);
        budgets(&shared, now)
    };
    assert_eq!(asked("team=old", at(0)), ["team=old"]);
    assert_eq!(asked("team=new", at(1)), ["team=old"], "there is room for one");
    // A rejected request.
    one.record(&BUDGET, &["team=old", "total"], |values| values.set(budget::LIMIT, 1));
    one.record(&BUDGET, &["team=another", "total"], |values| values.set(budget::LIMIT, 1));
    one.flush(0, &shared, at(2));
    assert_eq!(budgets(&shared, at(WEEK + 2)), ["team=old"]);
    assert!(budgets(&shared, at(WEEK + 3)).is_empty());
    // The first write of its page releases its room.
    for team in 0..500 {
        serve(&two, &format!("team-{team}"), 1);
    }
    two.flush(0, &shared, at(WEEK + 3));
    assert_eq!(asked("team=new", at(WEEK + 3)), ["team=new"]);
    assert_eq!(asked("team=old", at(WEEK + 4)), ["team=new"]);
    let claims: Claims = value::read(&shared, CLAIMS);
    assert_eq!(claims.series[1], BUDGET.series() as u64);
}

#[test]
fn claims_of_another_registry_count_as_empty() {
    let shared = Shared::default();
    let one = recorder("1", PLENTY);
    serve(&one, "red", 1);
    one.flush(0, &shared, at(0));
    let (mut bytes, _) = shared.read(CLAIMS).unwrap();
    assert_eq!(Snapshot::read(&shared, at(5)).started, at(0));
    bytes[CLAIMS_FORMAT.len()] ^= 1;
    damage(&shared, CLAIMS, &bytes);
    serve(&one, "blue", 1);
    one.flush(0, &shared, at(5));
    assert_eq!(Snapshot::read(&shared, at(5)).started, at(5));
    let claims: Claims = value::read(&shared, CLAIMS);
    assert_eq!(claims.series, [USAGE.series() as u64, 0]);
}

#[test]
fn counts_that_could_not_be_stored_wait_for_the_next_tick() {
    let shared = Shared::default();
    let one = recorder("1", PLENTY);
    serve(&one, "red", 1);
    one.flush(0, &Contended(&shared), at(0));
    assert_eq!(served(&shared, at(0)), nothing());
    serve(&one, "red", 1);
    one.flush(0, &shared, at(1));
    assert_eq!(served(&shared, at(1)), [("red".to_owned(), 2, 2)]);
}

#[test]
fn another_workers_write_in_between_is_kept() {
    for before in 0..40 {
        let shared = Shared::default();
        let (one, two) = (recorder("1", PLENTY), recorder("2", PLENTY));
        serve(&one, "red", 1);
        serve(&two, "red", 2);
        let interrupted = Interrupted::new(&shared, before, |shared: &Shared| two.flush(0, shared, at(0)));
        one.flush(0, &interrupted, at(0));
        if !interrupted.happened() {
            return;
        }
        assert_eq!(served(&shared, at(0)), [("red".to_owned(), 2, 3)], "before call {before}");
        let claims: Claims = value::read(&shared, CLAIMS);
        assert_eq!(claims.series, [USAGE.series() as u64, 0], "before call {before}");
    }
    panic!("the flush makes more calls than expected");
}

#[test]
fn damaged_pages_and_those_of_another_registry_count_as_empty() {
    let shared = Shared::default();
    let one = recorder("1", PLENTY);
    serve(&one, "red", 1);
    one.flush(0, &shared, at(0));
    let names: Vec<String> = shared.names().into_iter().filter(|name| name != CLAIMS).collect();
    for name in names {
        let (whole, _) = shared.read(&name).unwrap();
        for cut in 0..whole.len() {
            let _ = Page::parse(&whole[..cut]);
        }
        damage(&shared, &name, &[7; 30]);
    }
    assert_eq!(served(&shared, at(0)), nothing());
    serve(&one, "red", 1);
    one.flush(0, &shared, at(1));
    assert_eq!(served(&shared, at(1)), [("red".to_owned(), 1, 1)]);
}

#[test]
fn gauges_of_workers_add_up_while_the_workers_live() {
    let shared = Shared::default();
    let (one, two) = (recorder("1", PLENTY), recorder("2", PLENTY));
    let running = [one.enters(), one.enters(), two.enters()];
    one.flush(5, &shared, at(0));
    two.flush(0, &shared, at(8));
    let gauges = |now: Time| {
        let snapshot = Snapshot::read(&shared, now);
        let rows: Vec<_> = snapshot.rows(&WORKER).map(|(_, values)| values.to_vec()).collect();
        assert_eq!(rows.len(), 1);
        (rows[0][worker::IN_FLIGHT.at], rows[0][worker::BACKLOG.at])
    };
    assert_eq!(gauges(at(8)), (3, 5));
    // The first worker has ended.
    assert_eq!(gauges(at(15)), (1, 0));
    drop(running);
    two.flush(0, &shared, at(15));
    assert_eq!(gauges(at(15)), (0, 0));
    let (page, _) = read(&shared, &name(0));
    assert_eq!(page.0.len(), 1, "the ended worker's row is removed");
}

#[test]
fn a_budget_reports_the_most_that_its_period_has_used() {
    let shared = Shared::default();
    let (one, two) = (recorder("1", PLENTY), recorder("2", PLENTY));
    let set = |recorder: &Recorder, used: u64, resets_at: u64| {
        recorder.record(&BUDGET, &["team=red", "month"], |values| {
            values.set(budget::USED, used);
            values.set(budget::RESETS_AT, resets_at);
        });
    };
    let (this, next) = (at(1_000).seconds(), at(90_000).seconds());
    let used = |now: Time| Snapshot::read(&shared, now).rows(&BUDGET).map(|(_, values)| values[0]).collect::<Vec<_>>();
    set(&one, 10, this);
    // These requests reserved earlier and ended later.
    set(&one, 7, this);
    set(&two, 7, this + 1);
    one.flush(0, &shared, at(4));
    two.flush(0, &shared, at(5));
    assert_eq!(used(at(5)), [10]);
    set(&two, 12, this);
    two.flush(0, &shared, at(6));
    assert_eq!(used(at(6)), [12]);
    // The next period, also if an older count arrives late.
    set(&one, 3, next);
    one.flush(0, &shared, at(2_000));
    set(&two, 13, this);
    two.flush(0, &shared, at(2_001));
    assert_eq!(used(at(2_001)), [3]);
    // Nothing has been used after its end.
    assert_eq!(used(at(90_001)), [0]);
}

#[test]
fn the_used_part_of_a_budget_follows_its_limit() {
    let shared = Shared::default();
    let one = recorder("1", PLENTY);
    for (now, used, limit, ratio) in [(0, 50, 50, 1_000_000), (1, 40, 100, 500_000), (2, 0, 40, 1_250_000)] {
        one.record(&BUDGET, &["all", "total"], |values| {
            values.set(budget::USED, used);
            values.set(budget::LIMIT, limit);
        });
        one.flush(0, &shared, at(now));
        let snapshot = Snapshot::read(&shared, at(now));
        let ratios: Vec<u64> = snapshot.rows(&BUDGET).map(|(_, values)| values[budget::RATIO.at]).collect();
        assert_eq!(ratios, [ratio], "the most used is 50, the limit {limit}");
    }
}

#[test]
fn counters_exist_before_their_first_event() {
    let shared = Shared::default();
    let counts = || Snapshot::read(&shared, at(0)).rows(&REJECTED).map(|(_, values)| values[0]).collect::<Vec<_>>();
    assert_eq!(counts(), [0]);
    let one = recorder("1", PLENTY);
    one.record(&REJECTED, &["", "", "", "rate_limited"], |values| values.add(rejected::REQUESTS, 1));
    one.flush(0, &shared, at(0));
    assert_eq!(counts(), [1]);
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn threads_lose_nothing() {
    let shared = crate::store::fake::Threaded::default();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let shared = &shared;
            scope.spawn(move || {
                let recorder = recorder(&worker.to_string(), PLENTY);
                for round in 0..50 {
                    serve(&recorder, "red", 1);
                    serve(&recorder, &format!("team-{}", round % 5), 1);
                    recorder.flush(0, shared, at(round));
                }
                for _ in 0..10 {
                    recorder.flush(0, shared, at(60));
                }
            });
        }
    });
    assert_eq!(served(&shared, at(60)).iter().map(|(_, cost, _)| cost).sum::<u64>(), 400);
}
