//! Usage by day and name, as JSON and as CSV.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn usage_is_summed_by_day_and_exact() {
    let host = Host::new(true);
    let reply = json!([
        1,
        "",
        "2",
        "10",
        "20",
        "1234567",
        "30",
        "7",
        2,
        "",
        "0",
        "0",
        "0",
        "0",
        "0",
        "0",
        3,
        "",
        "1",
        "1",
        "1",
        "9007199254740993",
        "0",
        "0"
    ]);
    let seen = host.get("/usage?by=team&name=research&from=2027-01-13&to=2027-01-15", &[reply]);
    assert_eq!(seen.asked[0][2..4], ["3", "{sluice}:a:team:20831:research"]);
    assert_eq!(seen.asked[0].len(), 6, "a name needs no ranking");
    assert_eq!((&seen.body["name"], &seen.body["days"][0]["name"]), (&json!("research"), &json!("research")));
    assert_eq!((&seen.body["complete"], &seen.body["next"]), (&json!(true), &Value::Null));
    assert_eq!(seen.body["days"][0]["cost_usd"], "1.234567");
    assert_eq!(
        (seen.body["days"].as_array().map(Vec::len), &seen.body["days"][1]["date"]),
        (Some(2), &json!("2027-01-15"))
    );
    assert_eq!(seen.body["total"]["cost_micro_usd"], 9_007_199_255_975_560_u64);
}

#[test]
fn usage_needs_a_grouping_and_a_range_that_is_one() {
    let host = Host::new(true);
    for (query, param) in [
        ("", "by"),
        ("?by=team&name=", "name"),
        ("?by=team&format=xml", "format"),
        ("?by=team&name=x&format=", "format"),
        ("/top?format=xml", "format"),
        ("?by=region&name=x", "by"),
        ("?by=team,region", "by"),
        ("?by=team,team", "by"),
        ("?by=team,", "by"),
        ("?by=team,model&name=x", "name"),
        ("/top?by=team,model", "by"),
        ("?by=team&name=x&from=2027-02-30", "from"),
        ("?by=team&name=x&from=2027-01-02&to=2027-01-01", "from"),
        ("?by=team&name=x&from=2025-01-01&to=2027-01-01", "from"),
        ("?by=team&name=x&since=1", "since"),
    ] {
        let seen = host.get(&format!("/usage{query}"), &[]);
        let status = if query.contains("from=") || query.contains(",model&name=") { 422 } else { 400 };
        assert_eq!((seen.status, &seen.body["error"]["param"]), (status, &json!(param)), "{query}");
    }
}

/// The rows of the script for this day of the range: names with their six numbers.
fn rows(day: u64, of: &[(&str, [u64; 6])]) -> Vec<Value> {
    let row = |(name, numbers): &(&str, [u64; 6])| {
        let numbers = numbers.map(|number| json!(number.to_string()));
        [vec![json!(day), json!(name)], numbers.to_vec()].concat()
    };
    of.iter().flat_map(row).collect()
}

#[test]
fn usage_of_all_names_has_a_row_for_each_day_and_name() {
    let host = Host::new(true);
    let first = rows(1, &[("research", [2, 10, 20, 1_234_567, 30, 7]), ("ops", [1, 1, 1, 0, 0, 0]), ("gone", [0; 6])]);
    let third = rows(3, &[("ops", [1, 5, 6, 9_007_199_254_740_993, 0, 0])]);
    let reply = json!([first, third].concat());
    let range = "from=2027-01-13&to=2027-01-15";
    let seen = host.get(&format!("/usage?by=team&{range}"), std::slice::from_ref(&reply));
    let asked = &seen.asked[0];
    assert_eq!(asked[2..4], ["3", "{sluice}:top:team:d20831"]);
    assert_eq!((asked.len(), &*asked[6]), (9, "{sluice}:a:team:20831:"));
    let shown: Vec<_> = seen.body["days"].as_array().unwrap().iter().map(|day| (&day["date"], &day["name"])).collect();
    assert_eq!(
        shown,
        [
            (&json!("2027-01-13"), &json!("ops")),
            (&json!("2027-01-13"), &json!("research")),
            (&json!("2027-01-15"), &json!("ops"))
        ]
    );
    assert_eq!((&seen.body["name"], &seen.body["next"]), (&Value::Null, &Value::Null));
    assert_eq!(seen.body["total"]["requests"], 4);

    let csv = host.get(&format!("/usage?by=team&{range}&format=csv"), std::slice::from_ref(&reply));
    assert_eq!((csv.status, &*csv.content_type), (200, "text/csv; charset=utf-8; header=present"));
    assert_eq!(
        csv.text,
        "team,date,requests,input_tokens,output_tokens,cost_usd,estimated_tokens,estimated_cost_usd\r\n\
         \"ops\",2027-01-13,1,1,1,0.000000,0,0.000000\r\n\
         \"research\",2027-01-13,2,10,20,1.234567,30,0.000007\r\n\
         \"ops\",2027-01-15,1,5,6,9007199254.740993,0,0.000000\r\n"
    );
    assert_eq!((&*csv.headers["x-sluice-complete"], csv.headers.get("x-sluice-next")), ("true", None));
    assert_eq!(csv.asked, seen.asked);

    let empty = host.get("/usage?by=app&format=csv", &[json!([])]);
    assert_eq!(empty.text.lines().count(), 1);
}

#[test]
fn usage_as_csv_can_be_requested_in_either_way_and_the_parameter_wins() {
    let host = Host::new(true);
    let bearer = format!("Bearer {ADMIN}");
    for (accept, format, expected) in [
        ("text/csv", "", "text/csv; charset=utf-8; header=present"),
        ("text/csv", "&format=json", "application/json"),
        ("application/json", "&format=csv", "text/csv; charset=utf-8; header=present"),
        ("*/*", "", "application/json"),
    ] {
        let headers = [("authorization", &*bearer), ("accept", accept)];
        for (path, reply) in [("/usage?by=team", json!([])), ("/usage/top?by=team", json!([]))] {
            let seen = host.raw("GET", &format!("{path}{format}"), &headers, b"", &[reply]);
            assert_eq!((seen.status, &*seen.content_type), (200, expected), "{path} {accept} {format}");
        }
    }
    let headers = [("authorization", &*bearer), ("accept", "text/csv")];
    assert_eq!(host.raw("GET", "/prices", &headers, b"", &[]).status, 200, "other paths ignore it");
    assert_eq!(host.get("/prices?format=csv", &[]).error(), (400, "invalid_request"));
}

#[test]
fn a_page_ends_with_a_whole_day_and_names_the_next() {
    let host = Host::new(true);
    let names: Vec<String> = (0..1001).map(|number| format!("k{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| (&**name, [1, 1, 1, 1, 0, 0])).collect();
    let page = json!([rows(1, &many[..400]), rows(2, &many[..601])].concat());
    let query = "/usage?by=key&from=2027-01-10&to=2027-01-15";
    let seen = host.get(query, std::slice::from_ref(&page));
    assert_eq!((seen.body["days"].as_array().map(Vec::len), &seen.body["next"]), (Some(1001), &json!("2027-01-12")));
    let csv = host.get(&format!("{query}&format=csv"), std::slice::from_ref(&page));
    assert_eq!((csv.text.lines().count(), &*csv.headers["x-sluice-next"]), (1002, "2027-01-12"));
    let whole = host.get(query, &[json!(rows(6, &many))]);
    assert_eq!(whole.body["next"], Value::Null, "the range is over");
    let few = host.get(query, &[json!(rows(2, &many[..999]))]);
    assert_eq!(few.body["next"], Value::Null, "the other days are empty");
}

#[test]
fn redis_keeps_400_days_and_an_earlier_range_is_incomplete() {
    let host = Host::new(true);
    for (from, complete) in [("2025-12-12", true), ("2025-12-11", false)] {
        let seen = host.get(&format!("/usage?by=team&name=ops&from={from}&to=2026-01-01"), &[json!([])]);
        assert_eq!(seen.body["complete"], complete, "{from}");
        let csv = host.get(&format!("/usage?by=team&from={from}&to=2026-01-01&format=csv"), &[json!([])]);
        assert_eq!(csv.headers["x-sluice-complete"], complete.to_string());
    }
}

/// Settles a request of a team, so many days ago.
fn served(host: &Host, team: &str, days_ago: u64, app: Option<&str>, model: &str) {
    use sluice_core::store::embedded::{CounterScope, settle};
    use sluice_core::store::{AccountEntry, Settlement, Sums};
    let sums = Sums::from([1, 2, 3, 4_000_000, 5, 1_000_000]);
    let app = app.map(Into::into);
    let entry = AccountEntry { key: "filed".into(), team: team.into(), app, model: model.into(), sums };
    let at = Time((NOW - days_ago * 86_400) * 1_000_000_000);
    let settlement =
        Settlement { id: "1".into(), parts: Vec::new(), entry: Some(entry), at, corrects: false, notes: Vec::new() };
    settle(&host.shared, &settlement, CounterScope::Local).unwrap();
}

/// A gateway without Redis that served two requests, ten days apart.
fn without_redis() -> Host {
    let host = Host::new(false);
    served(&host, "research", 10, Some("bot"), "mini;=1+1");
    served(&host, "research", 0, None, "chat");
    host
}

#[test]
fn envoys_memory_has_each_day_since_its_start_and_an_earlier_range_is_incomplete() {
    let host = without_redis();
    let seen = host.get("/usage?by=model&name=chat", &[]);
    assert_eq!((&seen.body["complete"], &seen.body["from"]), (&json!(false), &json!("2027-01-01")));
    assert_eq!(seen.body["days"][0]["cost_usd"], "4.000000");
    assert_eq!(seen.body["total"]["estimated_tokens"], 5);
    assert_eq!(seen.body["total"]["estimated_cost_usd"], "1.000000");
    let since = host.get("/usage?by=key&name=filed&from=2027-01-05", &[]);
    assert_eq!((&since.body["complete"], &since.body["total"]["requests"]), (&json!(true), &json!(2)));
    let csv = host.get("/usage?by=model&format=csv", &[]);
    assert_eq!(
        csv.text.lines().skip(1).collect::<Vec<_>>(),
        ["\"mini;=1+1\",2027-01-05,1,2,3,4.000000,5,1.000000", "\"chat\",2027-01-15,1,2,3,4.000000,5,1.000000"]
    );
    assert_eq!(csv.headers["x-sluice-complete"], "false");
    assert_eq!(host.get("/usage?by=model&from=2027-01-06&to=2027-01-14", &[]).body["days"], json!([]));
    assert_eq!(host.get("/usage?by=app", &[]).body["days"][0]["name"], "bot");
    for (period, cost) in [("month", 8_000_000), ("day", 4_000_000)] {
        let top = host.get(&format!("/usage/top?period={period}"), &[]);
        assert_eq!(top.body["top"][0]["cost_micro_usd"], cost, "{period}");
    }
    assert_eq!(Host::new(false).get("/usage?by=team&from=2027-01-15", &[]).body["complete"], true);
}

#[test]
fn envoys_memory_keeps_the_usage_of_teams_that_the_file_no_longer_has() {
    let host = without_redis();
    served(&host, "gone", 1, None, "chat");
    served(&host, "gone", 0, None, "chat");
    let seen = host.get("/usage?by=team", &[]);
    let days: Vec<_> = seen.body["days"].as_array().unwrap().iter().map(|day| (&day["date"], &day["name"])).collect();
    let expected =
        [("2027-01-05", "research"), ("2027-01-14", "gone"), ("2027-01-15", "gone"), ("2027-01-15", "research")];
    assert_eq!(
        days,
        expected.map(|(date, name)| (json!(date), json!(name))).each_ref().map(|(date, name)| (date, name))
    );
    assert_eq!(host.get("/usage?by=model&name=chat", &[]).body["total"]["requests"], 3);
    assert_eq!(host.get("/usage/top?by=key&period=month", &[]).body["top"][0]["cost_micro_usd"], 16_000_000);
}

#[test]
fn usage_by_several_names_has_a_column_for_each() {
    let memory = without_redis();
    let combined = [
        (1, r#"["chat","research",null,"filed"]"#, [1, 2, 3, 4, 0, 0]),
        (1, r#"["chat","research","bot","=k"]"#, [1, 1, 1, 1, 0, 0]),
        (1, r#"["mini","ops","bot","k"]"#, [1, 1, 1, 1, 0, 0]),
        (2, r#"["chat","research",null,"filed"]"#, [1, 1, 1, 1, 0, 0]),
    ];
    let reply = [json!(combined.iter().flat_map(|(day, name, sums)| rows(*day, &[(name, *sums)])).collect::<Vec<_>>())];
    let host = Host::new(true);
    let range = "from=2027-01-13&to=2027-01-15";
    let seen = host.get(&format!("/usage?by=team,model&{range}"), &reply);
    assert_eq!(seen.asked[0][3], "{sluice}:top:all:d20831");
    assert_eq!((&seen.body["by"], seen.body["days"].as_array().map(Vec::len)), (&json!("model,team"), Some(3)));
    let first = &seen.body["days"][0];
    assert_eq!((&first["model"], &first["team"], first.get("name")), (&json!("chat"), &json!("research"), None));
    assert_eq!((&first["date"], &first["cost_micro_usd"]), (&json!("2027-01-13"), &json!(5)));
    let csv = host.get(&format!("/usage?by=team%2Capp,key,model&{range}&format=csv"), &reply);
    assert_eq!(
        csv.text.lines().take(4).collect::<Vec<_>>(),
        [
            "model,team,app,key,date,requests,input_tokens,output_tokens,cost_usd,estimated_tokens,estimated_cost_usd",
            "\"chat\",\"research\",\"\",\"filed\",2027-01-13,1,2,3,0.000004,0,0.000000",
            "\"chat\",\"research\",\"bot\",\"'=k\",2027-01-13,1,1,1,0.000001,0,0.000000",
            "\"mini\",\"ops\",\"bot\",\"k\",2027-01-13,1,1,1,0.000001,0,0.000000"
        ]
    );
    let seen = memory.get("/usage?by=app,model", &[]);
    let names: Vec<_> = seen.body["days"].as_array().unwrap().iter().map(|day| (&day["app"], &day["model"])).collect();
    assert_eq!(names, [(&json!("bot"), &json!("mini;=1+1")), (&Value::Null, &json!("chat"))]);
    assert_eq!(host.get("/usage?by=team,model", &[json!(rows(1, &[("damaged", [1; 6])]))]).status, 503);
}

#[test]
fn who_cost_most_is_read_from_the_ranking() {
    let host = Host::new(true);
    let seen = host.get("/usage/top?by=model&period=day&limit=2", &[json!({ "chat": "1.5e6", "mini": "7" })]);
    assert_eq!(seen.asked[0], ["ZREVRANGE", "{sluice}:top:model:d20833", "0", "1", "WITHSCORES"]);
    assert_eq!(seen.body["top"][0], json!({ "name": "chat", "cost_usd": "1.500000", "cost_micro_usd": 1_500_000 }));
    assert_eq!(seen.body["top"][1]["name"], "mini");
    let csv = host.get("/usage/top?by=model&format=csv", &[json!({ "=chat": "1.5e6", "mini": "7" })]);
    assert_eq!(
        csv.text,
        "model,period,from,cost_usd\r\n\"'=chat\",day,2027-01-15,1.500000\r\n\"mini\",day,2027-01-15,0.000007\r\n"
    );
}
