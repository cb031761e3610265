//! The benchmark's load: one request again and again on a number of connections, each with a thread of its own, either as
//! fast as the answers come (closed loop) or at a fixed rate that does not wait for slow answers (open loop). In the open
//! loop a request that had to wait for the one before it on its connection counts from when it was due, so a stall is seen
//! by all that it delays; a timer that fires late is not the server's latency and is left out.
//!
//! It is not a general HTTP client: it speaks to our own servers, and every answer that is not a whole 200 is an error.
//!
//! `load ADDRESS REQUEST CONNECTIONS SECONDS RATE`: REQUEST is a file with the bytes to send, head and body; RATE is in
//! requests per second over all connections, 0 for the closed loop. One line of JSON says what came of it.

mod response;

use std::error::Error;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use response::Responses;

type Failure = Box<dyn Error + Send + Sync>;

/// What one connection does.
#[derive(Clone)]
struct Plan {
    address: String,
    request: Vec<u8>,
    start: Instant,
    end: Instant,
    /// Between two requests; nothing in the closed loop.
    interval: Option<Duration>,
}

#[derive(Default)]
struct Outcome {
    latencies: Vec<Duration>,
    events: u64,
    error: Option<String>,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, request, connections, seconds, rate] = arguments.as_slice() else {
        return Err("load ADDRESS REQUEST CONNECTIONS SECONDS RATE".into());
    };
    let (connections, seconds, rate) = (connections.parse::<u32>()?, seconds.parse::<f64>()?, rate.parse::<f64>()?);
    let interval = (rate > 0.0).then(|| Duration::from_secs_f64(f64::from(connections) / rate));
    let start = Instant::now() + Duration::from_millis(50);
    let end = start + Duration::from_secs_f64(seconds);
    let plan = Plan { address: address.clone(), request: std::fs::read(request)?, start, end, interval };

    let threads: Vec<_> = (0..connections)
        .map(|index| {
            let mut plan = plan.clone();
            plan.start += plan.interval.unwrap_or_default() * index / connections;
            std::thread::spawn(move || run(&plan))
        })
        .collect();
    let mut total = Outcome::default();
    let mut errors = 0;
    for thread in threads {
        let outcome = thread.join().map_err(|_| "a connection's thread panicked")?;
        total.latencies.extend(outcome.latencies);
        total.events += outcome.events;
        if let Some(error) = outcome.error {
            errors += 1;
            total.error = Some(error);
        }
    }
    report(total, errors, start.elapsed());
    Ok(())
}

fn run(plan: &Plan) -> Outcome {
    let mut outcome = Outcome::default();
    if let Err(error) = exchange(plan, &mut outcome) {
        outcome.error = Some(error.to_string());
    }
    outcome
}

/// Sends and reads until the time is over, or until something is wrong.
fn exchange(plan: &Plan, outcome: &mut Outcome) -> Result<(), Failure> {
    let mut stream = TcpStream::connect(&plan.address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut responses = Responses::default();
    let mut due = plan.start;
    loop {
        let early = due.checked_duration_since(Instant::now());
        if let Some(early) = early {
            std::thread::sleep(early);
        }
        let now = Instant::now();
        if now >= plan.end {
            return Ok(());
        }
        let from = if early.is_some() || plan.interval.is_none() { now } else { due };
        stream.write_all(&plan.request)?;
        outcome.events += responses.next(&mut stream)?;
        outcome.latencies.push(from.elapsed());
        if let Some(interval) = plan.interval {
            due += interval;
        }
    }
}

fn report(mut total: Outcome, errors: usize, elapsed: Duration) {
    total.latencies.sort_unstable();
    let requests = total.latencies.len();
    let at = |share: f64| {
        let rank = (requests as f64 * share) as usize;
        total.latencies.get(rank).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    };
    println!(
        r#"{{"requests":{requests},"errors":{errors},"error":{:?},"seconds":{:.3},"events":{},"p50_us":{:.1},"p99_us":{:.1}}}"#,
        total.error.unwrap_or_default(),
        elapsed.as_secs_f64(),
        total.events,
        at(0.5),
        at(0.99),
    );
}
