//! Dead connections: pooled ones that a load balancer has dropped, and ones that are never established.

use std::time::{Duration, Instant};

use serde_json::json;
use sluice_tests::balancer::Balancer;
use sluice_tests::gateway::{Gateway, KEY, Key, Kind};
use sluice_tests::simulator::Simulator;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::{SHORT, ask, refusal, said, together, with};

#[tokio::test]
async fn a_lost_connection_is_made_anew_and_says_nothing_of_its_provider() {
    let (openai, anthropic) = (Simulator::start().await, Simulator::start().await);
    let gateway = Gateway::builder()
        .provider("openai", Kind::OpenAi, &openai)
        .provider("anthropic", Kind::Anthropic, &anthropic)
        .model("both", &[("openai", "gpt-sim"), ("anthropic", "claude-sim")])
        .model("alone", &[("openai", "gpt-sim")])
        .key(Key::new("test", KEY))
        // One failure would open a circuit for as long as the test lasts.
        .with(json!({"circuit": {"failures": 1, "open": "1h", "longest": "1h"}}))
        .start()
        .await;
    // More than a retry budget allows.
    for _ in 0..15 {
        for model in ["both", "alone"] {
            openai.script(&["reset", "ok"]);
            let answer = gateway.chat(&ask(model, "say hi")).await;
            assert_eq!((answer.status, &*said(&answer)), (200, "hi"), "{model}: {}", answer.text());
            assert_eq!(
                (answer.header("x-sluice-provider"), answer.header("x-sluice-attempts")),
                (Some("openai"), Some("2")),
                "{model}: {}",
                gateway.errors()
            );
        }
    }
    assert_eq!(anthropic.count(), 0);
    // A provider that loses every connection is as bad as one that is down.
    openai.clear();
    openai.always("reset");
    let answer = gateway.chat(&ask("both", "say hi")).await;
    assert_eq!((openai.count(), anthropic.count(), &*said(&answer)), (2, 1, "hi"));
    assert_eq!(refusal(&gateway.chat(&ask("alone", "say hi")).await), (503, "provider_unavailable".to_owned()));
    assert_eq!(openai.count(), 5, "and its only target once more");
}

/// The number of pooled connections when the load balancer drops them all.
const POOLED: usize = 50;

/// Each request gets a new connection in the end, however many dead ones it tried before, and no circuit counts a failure.
#[tokio::test]
async fn a_pool_of_forgotten_connections_is_no_failure_of_its_provider() {
    let (openai, anthropic) = (Simulator::start().await, Simulator::start().await);
    let balancer = Balancer::start(openai.port()).await;
    for (settings, sizes) in [(json!({}), &[1, 10, 50][..]), (json!({"timeouts": "fast"}), &[10])] {
        let gateway = Gateway::builder()
            .provider("openai", Kind::OpenAi, &*balancer.base_url())
            .provider("anthropic", Kind::Anthropic, &anthropic)
            .model("both", &[("openai", "gpt-sim"), ("anthropic", "claude-sim")])
            .model("both-whole", &[("openai", "gpt-sim"), ("anthropic", "claude-sim")])
            .model("alone", &[("openai", "gpt-sim")])
            .with(json!({"models": {"both-whole": {"delivery": "whole"}}}))
            // One worker's pool contains all connections, and one failure would open a circuit for as long as the test lasts.
            .concurrency(1)
            .with(json!({"circuit": {"failures": 1, "open": "1h", "longest": "1h"}}))
            .with(settings)
            .start()
            .await;
        for model in ["both", "both-whole", "alone"] {
            for size in sizes {
                forgotten(&gateway, &balancer, &openai, model, *size).await;
            }
        }
        assert_eq!(anthropic.count(), 0);
    }
}

/// Fills the pool, drops its connections, and sends `size` requests at once.
async fn forgotten(gateway: &Gateway, balancer: &Balancer, openai: &Simulator, model: &str, size: usize) {
    let burst = async |size: usize| {
        let body = with(ask(model, "say hi"), json!({"stream": size % 20 != 10}));
        for answer in together((0..size).map(|_| gateway.chat(&body))).await {
            let by = answer.header("x-sluice-provider");
            assert_eq!(
                (answer.status, &*said(&answer), by),
                (200, "hi", Some("openai")),
                "{model}, {size}: {answer:?}"
            );
        }
    };
    openai.clear();
    openai.hold();
    let full = async {
        sluice_tests::until("all to be under way", || (openai.count() == POOLED).then_some(())).await;
        openai.release();
    };
    tokio::join!(burst(POOLED), full);
    let (forgotten, before) = (balancer.forget(), balancer.reset());
    assert!(forgotten >= POOLED, "{forgotten}");
    let began = Instant::now();
    burst(size).await;
    let took = began.elapsed().as_millis();
    // Each request tries a dead connection first. A new one is opened only after all dead ones are gone.
    let lost = balancer.reset() - before;
    println!("{model}: {size} requests after {forgotten} forgotten connections, {lost} of them tried, took {took} ms");
    assert!(lost >= size && openai.count() == POOLED + size, "{lost} of {forgotten}, {}", openai.count());
}

/// Responds to the first request of each connection, and reads later ones slowly: `pause` after each KiB.
async fn reads_no_more(listener: TcpListener, pause: Duration) {
    const ANSWER: &str = r#"{"id":"x","object":"chat.completion","type":"message","role":"assistant","model":"x","created":1,
        "choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],
        "content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","stop_sequence":null,
        "usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"input_tokens":1,"output_tokens":1}}"#;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", ANSWER.len());
    let mut connections = JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let answer = [&*head, ANSWER].concat();
        connections.spawn(async move {
            let (mut bytes, mut seen) = ([0; 1 << 10], 0);
            // The first request is short, and its body ends with this.
            while let Ok(read @ 1..) = stream.read(&mut bytes).await {
                if seen < 1 << 10 && bytes[..read].ends_with(b"}") {
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
                seen += read;
                if seen >= 1 << 10 {
                    tokio::time::sleep(pause).await;
                }
            }
        });
    }
}

/// The failure of a provider that does not accept a whole body in time, for each timeout. On a reused connection, Envoy's timer starts with
/// the event loop turn in which the body was read and rewritten.
#[tokio::test]
async fn a_timeout_while_a_body_is_still_being_sent_is_a_timeout() {
    let listener = async || TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let (deaf, slow) = (listener().await, listener().await);
    let urls = [&deaf, &slow].map(|listener| format!("http://{}/v1", listener.local_addr().expect("an address")));
    let mut providers = JoinSet::new();
    providers.spawn(reads_no_more(deaf, Duration::from_secs(3600)));
    providers.spawn(reads_no_more(slow, Duration::from_millis(50)));
    // More than the socket buffers hold.
    let long = "so ".repeat(4 << 20);
    for limits in [json!({"answer": "2s", "first_token": "2s"}), json!({"total": SHORT})] {
        let gateway = Gateway::builder()
            .provider("deaf", Kind::OpenAi, &*urls[0])
            .provider("slow", Kind::Anthropic, &*urls[1])
            .model("deaf", &[("deaf", "gpt-sim")])
            .model("slow", &[("slow", "claude-sim")])
            .with(json!({"timeouts": limits}))
            .start()
            .await;
        for (model, stream) in [("deaf", false), ("deaf", true), ("slow", false), ("slow", true)] {
            let served = gateway.chat(&ask(model, "hi")).await;
            assert_eq!((served.status, &*said(&served)), (200, "hi"), "{served:?}");
            let answer = gateway.chat(&with(ask(model, &long), json!({"stream": stream}))).await;
            assert_eq!(refusal(&answer), (504, "provider_timeout".to_owned()), "{limits}, {model}, {stream}");
            let told = ["x-sluice-failures", "x-sluice-attempts"].map(|name| answer.header(name).unwrap_or_default());
            assert!(told[0].ends_with("-sim: timeout") && told[1] == "1", "{limits}, {model}, {stream}: {told:?}");
        }
    }
}

/// A server accepts, but never starts the TLS handshake.
#[tokio::test]
async fn a_connection_has_a_time_of_its_own_and_the_next_target_is_asked_in_time() {
    let mute = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("https://{}/v1", mute.local_addr().expect("an address"));
    let openai = Simulator::start().await;
    let gateway = Gateway::builder()
        .provider("mute", Kind::OpenAi, &*url)
        .provider("openai", Kind::OpenAi, &openai)
        .model("both", &[("mute", "gpt-sim"), ("openai", "gpt-sim")])
        .model("alone", &[("mute", "gpt-sim")])
        // The total timeout is as short as the connect timeout once was, which left no time for another target.
        .with(json!({"timeouts": {"total": SHORT, "connect": "1s"}}))
        .start()
        .await;
    for stream in [false, true] {
        let answer = gateway.chat(&with(ask("both", "say hi"), json!({"stream": stream}))).await;
        let told = (answer.header("x-sluice-provider"), answer.header("x-sluice-failures"));
        assert_eq!((answer.status, told), (200, (Some("openai"), Some("mute/gpt-sim: no_answer"))), "{answer:?}");
        let answer = gateway.chat(&with(ask("alone", "say hi"), json!({"stream": stream}))).await;
        assert_eq!(refusal(&answer), (503, "provider_unavailable".to_owned()), "{stream}");
    }
}

/// A port with a full accept queue: the kernel drops new connections.
async fn black_hole() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let listener = socket.listen(0).expect("to listen");
    let (address, mut queued) = (listener.local_addr().expect("an address"), Vec::new());
    // The kernel's queue is slightly longer than requested.
    for _ in 0..16 {
        match timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            Ok(stream) => queued.push(stream.expect("a connection")),
            Err(_) => return (listener, queued),
        }
    }
    panic!("a queue without an end");
}

/// By default a provider that accepts no connection costs two seconds of a request's time, and no more.
#[tokio::test]
async fn what_takes_no_connection_leaves_time_for_the_next_target() {
    let mute = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let (hole, _queued) = black_hole().await;
    let url = |scheme: &str, of: &TcpListener| format!("{scheme}://{}/v1", of.local_addr().expect("an address"));
    let openai = Simulator::start().await;
    let gateway = Gateway::builder()
        .provider("mute", Kind::OpenAi, &*url("https", &mute))
        .provider("hole", Kind::Anthropic, &*url("http", &hole))
        .provider("openai", Kind::OpenAi, &openai)
        .model("mute", &[("mute", "gpt-sim"), ("openai", "gpt-sim")])
        .model("hole", &[("hole", "claude-sim"), ("openai", "gpt-sim")])
        .timeout("total", SHORT)
        .start()
        .await;
    for model in ["mute", "hole"] {
        for stream in [false, true] {
            let answer = gateway.chat(&with(ask(model, "say hi"), json!({"stream": stream}))).await;
            assert_eq!((answer.status, &*said(&answer)), (200, "hi"), "{model} {stream}: {answer:?}");
            let failures = answer.header("x-sluice-failures").unwrap_or_default();
            assert!(failures.ends_with("-sim: no_answer"), "{model} {stream}: {failures}");
        }
    }
}
