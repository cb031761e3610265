//! `sluice cache evaluate` before a stub of an embeddings server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;

use serde_json::{Value, json};

/// Similar texts have similar vectors: how often each letter occurs, and a number that texts without such letters have, too.
fn letters(text: &str) -> Vec<usize> {
    let counts = ('a'..='z').map(|letter| text.to_lowercase().matches(letter).count());
    counts.chain([1]).collect()
}

fn vectors(request: &Value) -> Value {
    let texts = request["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    let data = texts.enumerate().map(|(index, text)| json!({"index": index, "embedding": letters(text)}));
    json!({"data": data.collect::<Vec<_>>(), "model": "letters"})
}

/// Runs the command against a server that answers the n-th request, from 0, with a status, a `retry-after` and a body. Returns the requests.
fn evaluate(
    arguments: &[&str],
    answer: impl Fn(usize, &Value) -> (u16, Value) + Send + 'static,
) -> (Output, Vec<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stub = thread::spawn(move || {
        let mut requests = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = Vec::new();
            while let Some(line) = reader.by_ref().lines().next().map(Result::unwrap).filter(|line| !line.is_empty()) {
                head.push(line);
            }
            let Some(first) = head.first() else { break requests };
            assert!(first.starts_with("POST /v1/embeddings "), "{first}");
            let header = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).map(str::trim);
            assert_eq!(header("authorization:"), Some("Bearer sk-secret"));
            let mut body = vec![0; header("content-length:").unwrap().parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            let request = serde_json::from_slice(&body).unwrap();
            let (status, body) = answer(requests.len(), &request);
            requests.push(request);
            let body = body.to_string();
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nconnection: close\r\nretry-after: 0\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    let output = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["cache", "evaluate", "--model", "letters", "--key-env", "EMBEDDINGS_KEY"])
        .args(["--url", &format!("http://{address}/v1")])
        .args(arguments)
        .env("EMBEDDINGS_KEY", "sk-secret")
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    drop(TcpStream::connect(address));
    (output, stub.join().unwrap())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn file(lines: &[Value]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for line in lines {
        writeln!(file, "{line}").unwrap();
    }
    file
}

fn pair(a: &str, b: &str, same: bool, half: &str) -> Value {
    json!({"a": a, "b": b, "same": same, "half": half})
}

/// Right pairs, and one that only its words tell apart.
fn own_pairs(half: &str) -> Vec<Value> {
    vec![
        pair("How do I reset my password?", "How can I reset my password?", true, half),
        pair("What is a mutex?", "Explain mutexes", true, half),
        pair("Flights from Oslo to Rome", "Flights from Rome to Oslo", false, half),
    ]
}

#[test]
fn it_proposes_a_threshold_and_measures_it_with_the_other_half() {
    let pairs = file(&[own_pairs("design"), own_pairs("report")].concat());
    let (output, requests) =
        evaluate(&[pairs.path().to_str().unwrap(), "--json"], |_, request| (200, vectors(request)));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["threshold"].as_f64().is_some_and(|threshold| (0.5..1.0).contains(&threshold)), "{found}");
    assert_eq!(found["dimensions"], 27);
    for half in ["design", "report"] {
        let measured = &found["at_threshold"][half];
        assert_eq!(measured["pairs"], 3, "{found}");
        assert_eq!(measured["with_words"]["precision"], 1.0, "{found}");
        assert!(measured["similarity_alone"]["precision"].as_f64().unwrap() < 0.99, "{found}");
    }
    // Each text once.
    assert_eq!(requests.iter().map(|request| request["input"].as_array().unwrap().len()).sum::<usize>(), 6);
    assert!(requests.iter().all(|request| request["model"] == "letters"));
}

#[test]
fn the_shipped_pairs_are_the_default() {
    let (output, requests) = evaluate(&[], |_, request| (200, vectors(request)));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("574 pairs"), "{output:?}");
    assert!(text(&output.stdout).contains("\nthreshold: 0."), "{output:?}");
    assert!(requests.len() > 1, "{}", requests.len());
}

#[test]
fn too_few_hits_are_not_worth_it() {
    let rare = |half| pair("How do I reset my password?", "I forgot the secret word. Help!", true, half);
    let pairs = file(&[rare("design"), rare("report")]);
    let (output, _) = evaluate(&[pairs.path().to_str().unwrap()], |_, request| (200, vectors(request)));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stdout).contains("not worth it"), "{output:?}");
    assert!(!text(&output.stdout).contains("threshold: 0."), "{output:?}");
}

#[test]
fn a_pair_without_a_half_belongs_to_one_by_its_texts() {
    let lines: Vec<Value> = (0..40)
        .map(|number| json!({"a": format!("What is the number {number}?"), "b": format!("What's the number {number}"), "same": true}))
        .collect();
    let pairs = file(&lines);
    let (output, _) = evaluate(&[pairs.path().to_str().unwrap(), "--json"], |_, request| (200, vectors(request)));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |half: &str| found["at_threshold"][half]["pairs"].as_u64().unwrap();
    assert_eq!(count("design") + count("report"), 40);
    assert!(count("design") >= 8 && count("report") >= 8, "{found}");
}

#[test]
fn an_overloaded_server_is_asked_again() {
    let pairs = file(&[own_pairs("design"), own_pairs("report")].concat());
    let busy = json!({"error": {"message": "Slow down."}});
    let path = pairs.path().to_str().unwrap();
    let (output, requests) = evaluate(&[path], {
        let busy = busy.clone();
        move |at, request| match at {
            0 => (429, busy.clone()),
            1 => (503, busy.clone()),
            _ => (200, vectors(request)),
        }
    });
    assert_eq!((output.status.code(), requests.len()), (Some(0), 3), "{output:?}");

    let (output, requests) = evaluate(&[path], move |_, _| (429, busy.clone()));
    assert_eq!((output.status.code(), requests.len()), (Some(1), 5), "{output:?}");
    assert!(text(&output.stderr).contains("429: Slow down."), "{output:?}");
}

#[test]
fn an_error_tells_its_reason_and_no_secret() {
    let pairs = file(&own_pairs("design"));
    let path = pairs.path().to_str().unwrap();
    let missing = json!({"error": {"message": "The model does not exist."}});
    for (status, body, expected) in [
        (404, missing, "404: The model does not exist."),
        (200, json!({"data": [{"embedding": [1.0]}]}), "1 embedding for 6 texts"),
        (200, json!({"data": []}), "no embeddings"),
        (200, json!({"data": vec![json!({"embedding": [0.0, 0.0]}); 6]}), "an embedding without a direction"),
    ] {
        let (output, requests) = evaluate(&[path], move |_, _| (status, body.clone()));
        assert_eq!((output.status.code(), requests.len(), text(&output.stdout)), (Some(1), 1, ""), "{output:?}");
        assert!(text(&output.stderr).contains(expected), "{output:?}");
        assert!(!text(&output.stderr).contains("sk-secret"), "{output:?}");
    }
}

#[test]
fn a_mistake_in_the_pairs_is_found_before_anything_is_sent() {
    let wrong = file(&[pair("a", "b", true, "design"), json!({"a": "x"})]);
    let none = file(&[]);
    for (path, expected) in [
        (wrong.path().to_str().unwrap(), "line 2"),
        (none.path().to_str().unwrap(), "no pairs"),
        ("/nowhere/pairs.jsonl", "cannot read /nowhere/pairs.jsonl"),
    ] {
        let (output, requests) = evaluate(&[path], |_, request| (200, vectors(request)));
        assert_eq!((output.status.code(), requests.len()), (Some(1), 0), "{output:?}");
        assert!(text(&output.stderr).contains(expected), "{output:?}");
    }
}
