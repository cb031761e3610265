use std::rc::Rc;
use std::time::Duration;

use crate::store::Note;
use crate::store::{
    AccountEntry, Counter, CounterSnapshot, Debit, Delta, LimitExceeded, ReserveRequest, ReserveResult, Settled,
    Settlement, Sums,
};

use super::wire::Script;
use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn counter(name: &str, kind: LimitWindow) -> Counter {
    Counter { name: name.into(), shard_key: "".into(), kind }
}

fn debit(name: &str, kind: LimitWindow) -> Debit {
    Debit { counter: counter(name, kind), amount: 3, limit: u64::MAX, hard: true }
}

fn request() -> ReserveRequest {
    let first = vec![debit("a", LimitWindow::Month), debit("b", LimitWindow::Minute)];
    let second = vec![debit("a", LimitWindow::Month)];
    ReserveRequest { id: "o".into(), lease: Duration::from_secs(2), alternatives: vec![first, second] }
}

#[test]
fn the_hashes_are_those_of_the_scripts() {
    let scripts: [(&str, &Script); 4] =
        [("reserve", &reserve::SCRIPT), ("settle", &settle::SCRIPT), ("read", &read::SCRIPT), ("sync", &sync::SCRIPT)];
    for (name, script) in scripts {
        assert_eq!(sha1_smol::Sha1::from(script.source.concat()).digest().to_string(), script.sha1, "{name}");
    }
}

#[test]
fn every_meter_of_an_order_is_a_key_of_the_script_once() {
    let command = reserve::command("p", &request());
    let expected = "4 {p}:r:o {p}:open {p}:m:a {p}:m:b o 2000000 2 2 3 M 3 9007199254740992 1 4 m 3 9007199254740992 1 1 \
                    3 M 3 9007199254740992 1";
    assert_eq!(command.words()[2..].join(" "), expected);
}

#[test]
fn a_report_reads_the_counters_of_its_mode() {
    let counters = [counter("a", LimitWindow::Day), counter("c", LimitWindow::Concurrent)];
    let words = |mode| read::command("p", mode, &counters).words()[2..].join(" ");
    assert_eq!(words(settings::Mode::Strict), "3 {p}:open {p}:m:a {p}:m:c D C");
    assert_eq!(words(settings::Mode::Relaxed), "3 {p}:open {p}:m:a {p}:s:c D s");
}

#[test]
fn verdicts_are_read_as_they_are_written() {
    let reserve_result = |text: &str| reserve::reserve_result(&request(), &RedisReply::Text(text.to_owned()));
    let snapshot = |used, window, reset| CounterSnapshot {
        used,
        reserved: 0,
        period: window,
        until: 0,
        reset: Duration::from_micros(reset),
    };
    let first = CounterSnapshot { reserved: 4, ..snapshot(5, 682, 9) };
    let granted = ReserveResult::Granted { chosen: 0, snapshots: vec![first, snapshot(3, 7, 0)] };
    assert_eq!(reserve_result("G 0 5 682 9 4 3 7 0 0"), Ok(granted));
    let all_exceeded = vec![
        LimitExceeded { debit: 1, snapshot: snapshot(4, 7, 1), retry_after: Some(Duration::from_micros(8)) },
        LimitExceeded { debit: 0, snapshot: snapshot(5, 682, 9), retry_after: None },
    ];
    assert_eq!(reserve_result("R 1 4 7 1 8 0 5 682 9 -1"), Ok(ReserveResult::Refused(all_exceeded)));
}

#[test]
fn answers_that_do_not_fit_the_question_are_no_answers() {
    for text in [
        "",
        "S",
        "G",
        "G 2",
        "G 0 5 682 9 0",
        "G 1 5 682 9",
        "G 1 5 682 9 0 1",
        "G 1 -5 682 9 0",
        "R 1 4 7 1 8",
        "R 1 4 7 1 8 1 5 682 9 -1",
    ] {
        assert!(reserve::reserve_result(&request(), &RedisReply::Text(text.to_owned())).is_err(), "{text}");
    }
    let failed = reserve::reserve_result(&request(), &RedisReply::Error("ERR user_script:1: OOM".into()));
    assert_eq!(failed, Err(Unavailable("ERR user_script:1: OOM".into())));
    assert!(settle::settled(&RedisReply::Nil).is_err() && settle::settled(&RedisReply::Int(-1)).is_err());
    let delta = Delta { counter: counter("a", LimitWindow::Day), window: 1, amount: 1 };
    assert!(sync::globals(std::slice::from_ref(&delta), &RedisReply::Text("1".into())).is_err());
    assert!(read::snapshots(&[counter("a", LimitWindow::Day)], &RedisReply::Text("1 2".into())).is_err());
}

#[test]
fn a_settlement_names_its_meters_and_accounts() {
    let name: Rc<str> = "x".into();
    let settlement = Settlement {
        id: "o".into(),
        parts: vec![Settled {
            counter: counter("a", LimitWindow::Day),
            window: 20_000,
            until: 0,
            reserved: 5,
            used: 2,
        }],
        entry: Some(AccountEntry {
            key: name.clone(),
            team: name.clone(),
            app: None,
            model: name,
            sums: Sums::from([1, 2, 3, 4, 5, 6]),
        }),
        at: sluice_wire::time::Time(86_400_000_000_000 * 31),
        corrects: false,
        notes: vec![Note { name: "batch:b".into(), text: "t".into() }],
    };
    let command = settle::command("p", &[settle::SettleCommand::new("p", &settlement)]);
    let words = command.words();
    assert_eq!(words[2], "16");
    assert_eq!(words[3..9], ["{p}:open", "{p}:r:o", "{p}:m:a", "{p}:a:key:31:x", "{p}:top:key:d31", "{p}:top:key:m1"]);
    assert_eq!(words[15], r#"{p}:a:all:31:["x","x",null,"x"]"#);
    let expected =
        r#"1 2 o 1 3 D 20000 2 1 2 3 4 5 6 4 4 5 6 x 7 8 9 x 10 11 12 x 13 14 15 ["x","x",null,"x"] 1 16 t 3456000"#;
    assert_eq!(words[19..].join(" "), expected);
}

#[test]
fn sums_are_read_from_a_hash() {
    let text = |text: &str| RedisReply::Text(text.to_owned());
    let reply = RedisReply::List(["requests", "1", "cost", "7", "input", "2", "output", "3"].map(text).to_vec());
    assert_eq!(settle::sums(&reply), Ok(Sums::from([1, 2, 3, 7, 0, 0])), "nothing was estimated");
    let RedisReply::List(mut list) = reply else { panic!("no list") };
    list.extend(["estimated_tokens", "5", "estimated_cost", "6"].map(text));
    let reply = RedisReply::List(list);
    let expected = Sums::from([1, 2, 3, 7, 5, 6]);
    assert_eq!(settle::sums(&reply), Ok(expected));
    assert_eq!(settle::sums(&RedisReply::List(Vec::new())), Ok(Sums::default()));
    assert!(settle::sums(&RedisReply::List(vec![text("cost")])).is_err());
}
