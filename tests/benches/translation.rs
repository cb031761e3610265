//! Measures the speed of reading and writing each format: `cargo bench -p sluice-tests`.
//!
//! Bodies are measured in bytes per second, streams in events per second (an event carries 20 bytes of text). The
//! allocations of one body and of one streamed event are counted first.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sluice_wire::conversation::{Request, StreamEvent};
use sluice_wire::dialect::{ChatClient, ChatProvider, FORMATS, Opening};

#[path = "../../filter/wire/src/dialect/robustness/samples.rs"]
mod samples;

const EVENTS: usize = 1000;

/// The chat formats that clients speak, with both halves: the client half reads the output of the provider half, and
/// the reverse.
fn chats() -> impl Iterator<Item = (&'static str, &'static ChatClient, &'static ChatProvider)> {
    FORMATS
        .iter()
        .filter_map(|format| Some((format.provider.id.name(), format.client?.chat()?, format.provider.chat()?)))
}

/// The request as a provider of the format receives it, and its source. The source is the plain request if the format
/// cannot express the full one.
fn request(provider: &ChatProvider) -> (Vec<u8>, Request) {
    let whole = samples::request(16);
    match (provider.write_request)(&whole, "model") {
        Ok(written) => (written.body, whole),
        Err(_) => {
            let written = (provider.write_request)(&samples::plain(), "model");
            (written.map(|written| written.body).unwrap_or_default(), samples::plain())
        }
    }
}

fn read_stream(provider: &ChatProvider, bytes: &[u8]) -> usize {
    let (mut reader, mut events, mut count) = ((provider.stream_reader)(), Vec::new(), 0);
    // A connection delivers a few events at a time.
    for portion in bytes.chunks(1024) {
        let _ = reader.read(portion, &mut events);
        count += events.drain(..).count();
    }
    count
}

/// Writes a stream. Unless `keep` is set, the buffer is cleared after each event, as if it were sent.
fn write_stream(client: &ChatClient, events: &[StreamEvent], out: &mut Vec<u8>, keep: bool) {
    let mut writer = (client.stream_writer)(Opening {
        model: "model".to_owned(),
        now: 0,
        include_usage: true,
        estimate: 0,
        guises: sluice_wire::conversation::Guises::none(),
    });
    for event in events {
        writer.write(event, out);
        if !keep {
            out.clear();
        }
    }
}

fn written(client: &ChatClient, events: &[StreamEvent]) -> Vec<u8> {
    let mut out = Vec::new();
    write_stream(client, events, &mut out, true);
    out
}

fn bodies(criterion: &mut Criterion) {
    // For provider-only formats the benchmark measures the provider half.
    for provider in FORMATS.iter().filter(|format| format.client.is_none()).map(|format| format.provider) {
        let Some(chat) = provider.chat() else { continue };
        let (body, asked) = request(chat);
        let mut group = criterion.benchmark_group(provider.id.name());
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function("write_request", |bencher| {
            bencher.iter(|| (chat.write_request)(black_box(&asked), "model"));
        });
        group.finish();
    }
    for (name, client, provider) in chats() {
        let (body, asked) = request(provider);
        let response = (client.write_response)(&samples::response(16), 0);
        let answered = (provider.read_response)(&response);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function("read_request", |bencher| bencher.iter(|| (client.read_request)(black_box(&body))));
        group.bench_function("write_request", |bencher| {
            bencher.iter(|| (provider.write_request)(black_box(&asked), "model"));
        });
        group.throughput(Throughput::Bytes(response.len() as u64));
        group.bench_function("read_response", |bencher| {
            bencher.iter(|| (provider.read_response)(black_box(&response)));
        });
        if let Ok(answered) = &answered {
            group.bench_function("write_response", |bencher| {
                bencher.iter(|| (client.write_response)(black_box(answered), 0));
            });
        }
        group.finish();
    }
}

fn streams(criterion: &mut Criterion) {
    let events = samples::events(EVENTS);
    for (name, client, provider) in chats() {
        let bytes = written(client, &events);
        let mut out = Vec::with_capacity(4096);
        let mut group = criterion.benchmark_group(format!("{name}_stream"));
        group.throughput(Throughput::Elements(EVENTS as u64));
        group.bench_function(BenchmarkId::from_parameter("read"), |bencher| {
            bencher.iter(|| read_stream(provider, black_box(&bytes)));
        });
        group.bench_function(BenchmarkId::from_parameter("write"), |bencher| {
            bencher.iter(|| write_stream(client, black_box(&events), &mut out, false));
        });
        group.finish();
    }
}

/// Counts the allocations of all client formats: the counts do not depend on the machine.
fn allocations(_: &mut Criterion) {
    let events = samples::events(EVENTS);
    println!(
        "{:20} {:>14} {:>15} {:>18} {:>19}",
        "allocations", "read a request", "write a request", "read 1000 events", "write 1000 events"
    );
    for (name, client, provider) in chats() {
        let (body, asked) = request(provider);
        let bytes = written(client, &events);
        let mut out = Vec::with_capacity(4096);
        let count = |work: &mut dyn FnMut()| allocation_counter::measure(work).count_total;
        let read = count(&mut || drop(black_box((client.read_request)(&body))));
        let write = count(&mut || drop(black_box((provider.write_request)(&asked, "model"))));
        let read_events = count(&mut || {
            black_box(read_stream(provider, &bytes));
        });
        let write_events = count(&mut || write_stream(client, &events, &mut out, false));
        println!("{name:20} {read:>14} {write:>15} {read_events:>18} {write_events:>19}");
    }
}

/// Short runs: the benchmark compares formats and does not need the last percent.
fn configured() -> Criterion {
    let (warm, measured) = (Duration::from_millis(200), Duration::from_secs(1));
    Criterion::default().sample_size(20).warm_up_time(warm).measurement_time(measured)
}

criterion_group! { name = benches; config = configured(); targets = allocations, bodies, streams }
criterion_main!(benches);
