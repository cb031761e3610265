//! `sluice usage` before a stub of the administration interface.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;

use serde_json::{Value, json};

/// A response: its status, its further headers, its body.
type Scripted = (u16, &'static str, String);

/// Runs the command. The stub sends one response per request; returns the paths of the requests too.
fn usage(arguments: &[&str], answers: Vec<Scripted>) -> (Output, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stub = thread::spawn(move || {
        let mut paths = Vec::new();
        for (status, headers, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let Some(first) = lines.next() else { break };
            assert!(
                lines.by_ref().take_while(|line| !line.is_empty()).any(|line| line == "authorization: Bearer sk-a")
            );
            paths.push(first.split(' ').nth(1).unwrap().to_owned());
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
            )
            .unwrap();
        }
        paths
    });
    let output = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .arg("usage")
        .args(arguments)
        .env("SLUICE_ADMIN_KEY", "sk-a")
        .env("SLUICE_ADMIN_URL", format!("http://{address}"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    // Ends the stub's wait if the command sent fewer requests.
    drop(TcpStream::connect(address));
    (output, stub.join().unwrap())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

const HEAD: &str = "team,date,requests,input_tokens,output_tokens,cost_usd,estimated_tokens,estimated_cost_usd\r\n";
const OPS: &str = "\"ops\",2027-01-01,1,2,3,0.000004,0,0.000000\r\n";
const RESEARCH: &str = "\"'-research\",2027-01-02,1,2,3,9007199254.740993,0,0.000000\r\n";

fn csv(headers: &'static str, rows: &[&str]) -> Scripted {
    (200, headers, [&[HEAD], rows].concat().concat())
}

#[test]
fn csv_has_the_rows_of_all_pages_below_one_header_row() {
    let pages = vec![
        csv("content-type: text/csv; charset=utf-8; header=present\r\nx-sluice-next: 2027-01-02\r\n", &[OPS]),
        csv("content-type: text/csv; charset=utf-8; header=present\r\nx-sluice-complete: true\r\n", &[RESEARCH]),
    ];
    let (output, paths) = usage(&["--csv", "--from", "2027-01-01", "--to", "2027-01-31"], pages);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), &*[HEAD, OPS, RESEARCH].concat()));
    assert_eq!(text(&output.stderr), "");
    let path = |from: &str| format!("/admin/v1/usage?by=team&from={from}&to=2027-01-31&format=csv");
    assert_eq!(paths, [path("2027-01-01"), path("2027-01-02")]);
}

#[test]
fn csv_has_the_same_filters_as_the_table() {
    let csv = || vec![csv("content-type: text/csv\r\n", &[])];
    for (arguments, expected) in [
        (&["--csv"][..], "/usage?by=team&format=csv"),
        (&["--csv", "--by", "key", "--name", "a@b"], "/usage?by=key&name=a%40b&format=csv"),
        (&["--csv", "--top", "3"], "/usage/top?by=team&period=month&limit=3&format=csv"),
        (&["--csv", "--by", "model", "--period", "day"], "/usage/top?by=model&period=day&limit=10&format=csv"),
    ] {
        let (output, paths) = usage(arguments, csv());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), HEAD), "{arguments:?}: {output:?}");
        assert_eq!(paths, [format!("/admin/v1{expected}")], "{arguments:?}");
    }
    for wrong in [&["--csv", "--json"][..], &["--csv", "--top", "3", "--from", "2027-01-01"]] {
        let (output, paths) = usage(wrong, csv());
        assert_eq!((output.status.code(), paths), (Some(2), Vec::new()), "{wrong:?}");
    }
}

#[test]
fn what_csv_lacks_and_why_there_is_none_is_on_standard_error() {
    let incomplete = csv("content-type: text/csv\r\nx-sluice-complete: false\r\n", &[OPS]);
    let (output, _) = usage(&["--csv"], vec![incomplete]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), &*[HEAD, OPS].concat()));
    assert!(text(&output.stderr).contains("Earlier days are not included."), "{output:?}");

    let refused = json!({"error": {"code": "invalid_request", "message": "No.", "param": "from"}}).to_string();
    let (output, _) = usage(&["--csv"], vec![(422, "content-type: application/json\r\n", refused)]);
    assert_eq!(
        (output.status.code(), text(&output.stdout), text(&output.stderr)),
        (Some(1), "", "sluice: from: No.\n")
    );

    // A page that fails leaves no partial output.
    let first = csv("content-type: text/csv\r\nx-sluice-next: 2027-01-02\r\n", &[OPS]);
    let (output, _) = usage(&["--csv"], vec![first, (503, "", json!({}).to_string())]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));

    let (output, _) = usage(&["--csv"], vec![(200, "content-type: text/html\r\n", "<html>".to_owned())]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
}

#[test]
fn a_table_and_json_have_the_rows_and_the_total_of_all_pages() {
    let sums = |cost: u64| {
        let usd = format!("{}.{:06}", cost / 1_000_000, cost % 1_000_000);
        json!({"requests": 1, "input_tokens": 2, "output_tokens": 3, "cost_usd": usd, "cost_micro_usd": cost,
            "estimated_tokens": 0, "estimated_cost_usd": "0.000000", "estimated_cost_micro_usd": 0})
    };
    let page = |date: &str, name: &str, cost: u64, next: Value| {
        let mut day = sums(cost);
        (day["date"], day["name"]) = (json!(date), json!(name));
        let page = json!({"by": "team", "name": null, "from": date, "to": "2027-01-31", "complete": true, "days": [day],
            "total": sums(cost), "next": next});
        (200, "content-type: application/json\r\n", page.to_string())
    };
    let pages = || {
        let first = page("2027-01-01", "ops", 4, json!("2027-01-02"));
        vec![first, page("2027-01-02", "research", 9_007_199_254_740_993, Value::Null)]
    };
    let (output, paths) = usage(&["--from", "2027-01-01", "--json"], pages());
    let whole: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(whole["days"].as_array().map(Vec::len), Some(2));
    assert_eq!((&whole["from"], &whole["next"]), (&json!("2027-01-01"), &Value::Null));
    let mut total = sums(9_007_199_254_740_997);
    for name in ["requests", "input_tokens", "output_tokens"] {
        total[name] = json!(total[name].as_u64().unwrap() * 2);
    }
    assert_eq!(whole["total"], total);
    assert_eq!(paths[1], "/admin/v1/usage?by=team&from=2027-01-02");

    let (output, _) = usage(&["--from", "2027-01-01"], pages());
    let table: Vec<Vec<&str>> = text(&output.stdout).lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(table[0], ["DAY", "TEAM", "REQUESTS", "INPUT", "OUTPUT", "USD", "ESTIMATED"]);
    assert_eq!(table[1], ["2027-01-01", "ops", "1", "2", "3", "0.000004", "0.000000"]);
    assert_eq!(table[3], ["total", "2", "4", "6", "9007199254.740997", "0.000000"]);
}
