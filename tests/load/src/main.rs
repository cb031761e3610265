//! The benchmark's load generator. It repeats one request on a number of connections, each with a thread of its own.
//! The closed loop sends the next request after each answer. The open loop sends at a fixed rate that does not wait for
//! slow answers: latency counts from a request's due time, so a stall shows in all requests that it delays. A late
//! timer is not the server's latency and is left out.
//!
//! The generator is no general HTTP client: it calls our own servers, and counts every answer other than a complete 200 as an
//! error.
//!
//! `load ADDRESS REQUEST CONNECTIONS SECONDS RATE [paced | FIRST NUMBERS]`: REQUEST is a file with the bytes to send,
//! head and body; RATE is in requests per second over all connections, 0 for the closed loop. `paced` is for streams
//! whose events contain their send times (`arrivals`): the connections start one after the other, so that their events
//! do not coincide. With NUMBERS, each request has the next of so many numbers in place of `00000000`, from FIRST on.
//! The result is one line of JSON.

mod arrivals;
mod response;

use std::error::Error;
use std::io::Write;
use std::net::TcpStream;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arrivals::Arrivals;
use response::Responses;

/// The time between two events of a paced stream.
const PACE: Duration = Duration::from_millis(20);

type Failure = Box<dyn Error + Send + Sync>;

/// The work of one connection.
#[derive(Clone)]
struct Plan {
    address: String,
    request: Vec<u8>,
    start: Instant,
    end: Instant,
    /// The time between two requests; `None` in the closed loop.
    interval: Option<Duration>,
    paced: bool,
    numbers: Option<Numbers>,
}

/// Where the requests of all connections have a number.
const PLACE: &[u8] = b"00000000";

/// The numbers of the requests.
#[derive(Clone)]
struct Numbers {
    place: Range<usize>,
    first: u64,
    count: u64,
    used: Arc<AtomicU64>,
}

impl Numbers {
    fn of(request: &[u8], first: u64, count: u64) -> Result<Self, Failure> {
        let start = request.windows(PLACE.len()).position(|part| part == PLACE).ok_or("the request has no number")?;
        Ok(Self { place: start..start + PLACE.len(), first, count, used: Arc::default() })
    }

    fn next(&self, request: &mut [u8]) {
        let number = self.first + self.used.fetch_add(1, Ordering::Relaxed) % self.count;
        request[self.place.clone()].copy_from_slice(format!("{:08}", number % 100_000_000).as_bytes());
    }
}

#[derive(Default)]
struct Outcome {
    latencies: Vec<Duration>,
    events: u64,
    arrivals: Arrivals,
    error: Option<String>,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, request, connections, seconds, rate, options @ ..] = arguments.as_slice() else {
        return Err("load ADDRESS REQUEST CONNECTIONS SECONDS RATE [paced | FIRST NUMBERS]".into());
    };
    let request = std::fs::read(request)?;
    let (paced, numbers) = match options {
        [] => (false, None),
        [paced] if paced == "paced" => (true, None),
        [first, count] => (false, Some(Numbers::of(&request, first.parse()?, count.parse::<u64>()?.max(1))?)),
        _ => return Err("the options are paced, or FIRST and NUMBERS".into()),
    };
    let (connections, seconds, rate) = (connections.parse::<u32>()?, seconds.parse::<f64>()?, rate.parse::<f64>()?);
    let interval = (rate > 0.0).then(|| Duration::from_secs_f64(f64::from(connections) / rate));
    let start = Instant::now() + Duration::from_millis(50);
    let end = start + Duration::from_secs_f64(seconds);
    let plan = Plan { address: address.clone(), request, start, end, interval, paced, numbers };
    let apart = interval.or(paced.then_some(PACE)).unwrap_or_default();

    let threads: Vec<_> = (0..connections)
        .map(|index| {
            let mut plan = plan.clone();
            plan.start += apart * index / connections;
            std::thread::spawn(move || run(&plan))
        })
        .collect();
    let mut total = Outcome::default();
    let mut errors = 0;
    for thread in threads {
        let outcome = thread.join().map_err(|_| "a connection's thread panicked")?;
        total.latencies.extend(outcome.latencies);
        total.events += outcome.events;
        total.arrivals.delays.extend(outcome.arrivals.delays);
        total.arrivals.firsts.extend(outcome.arrivals.firsts);
        total.arrivals.merged += outcome.arrivals.merged;
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

/// Sends and reads until the end time or an error. The closed loop sends at least one request: a busy machine may start
/// threads late.
fn exchange(plan: &Plan, outcome: &mut Outcome) -> Result<(), Failure> {
    let mut stream = TcpStream::connect(&plan.address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut responses = Responses::new(plan.paced.then(Arrivals::default));
    let result = converse(plan, &mut stream, &mut responses, outcome);
    outcome.arrivals = responses.arrivals.unwrap_or_default();
    result
}

fn converse(
    plan: &Plan,
    stream: &mut TcpStream,
    responses: &mut Responses,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let (mut due, mut request) = (plan.start, plan.request.clone());
    loop {
        let early = due.checked_duration_since(Instant::now());
        if let Some(early) = early {
            std::thread::sleep(early);
        }
        let now = Instant::now();
        if now >= plan.end && (plan.interval.is_some() || !outcome.latencies.is_empty()) {
            return Ok(());
        }
        let from = if early.is_some() || plan.interval.is_none() { now } else { due };
        if let Some(numbers) = &plan.numbers {
            numbers.next(&mut request);
        }
        if let Some(arrivals) = &mut responses.arrivals {
            arrivals.ask(SystemTime::now());
        }
        stream.write_all(&request)?;
        outcome.events += responses.next(stream)?;
        outcome.latencies.push(from.elapsed());
        if let Some(interval) = plan.interval {
            due += interval;
        }
    }
}

fn report(mut total: Outcome, errors: usize, elapsed: Duration) {
    let Outcome { latencies, events, arrivals: Arrivals { delays, firsts, merged, .. }, error } = &mut total;
    latencies.sort_unstable();
    delays.sort_unstable();
    firsts.sort_unstable();
    let (requests, stamped, error) = (latencies.len(), delays.len(), error.take().unwrap_or_default());
    println!(
        r#"{{"requests":{requests},"errors":{errors},"error":{error:?},"seconds":{:.3},"events":{events},"p50_us":{:.1},"p99_us":{:.1},"stamped":{stamped},"merged":{merged},"delay_p50_us":{:.1},"delay_p99_us":{:.1},"first_p50_us":{:.1},"first_p99_us":{:.1}}}"#,
        elapsed.as_secs_f64(),
        at(latencies, 0.5),
        at(latencies, 0.99),
        at(delays, 0.5),
        at(delays, 0.99),
        at(firsts, 0.5),
        at(firsts, 0.99),
    );
}

/// A percentile, in microseconds.
fn at(sorted: &[Duration], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share) as usize;
    sorted.get(rank).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}
