//! How fast each format is read and written: `cargo bench -p sluice-tests`.
//!
//! Bodies are measured in bytes a second, streams in events a second (a piece of text of 20 bytes each). Before the times, the
//! allocations of each are counted: of one body, and of one streamed event.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sluice_wire::dialect::{Chat, Opening};

#[path = "../../filter/core/tests/samples/mod.rs"]
mod samples;

const EVENTS: usize = 1000;

fn read_stream(format: &dyn Chat, bytes: &[u8]) -> usize {
    let (mut reader, mut events, mut count) = (format.stream_reader(), Vec::new(), 0);
    // As they come from a connection: a few events at a time.
    for portion in bytes.chunks(1024) {
        let _ = reader.read(portion, &mut events);
        count += events.drain(..).count();
    }
    count
}

fn write_stream(format: &dyn Chat, events: &[sluice_wire::conversation::StreamEvent], out: &mut Vec<u8>) {
    let mut writer = format.stream_writer(Opening {
        model: "model".to_owned(),
        now: 0,
        include_usage: true,
        estimate: 0,
        guises: sluice_wire::conversation::Guises::none(),
    });
    for event in events {
        writer.write(event, out);
        // As it leaves: what was written is handed on.
        out.clear();
    }
}

fn bodies(criterion: &mut Criterion) {
    for format in samples::chats() {
        let request = format.write_request(&samples::request(16), "model");
        let request = request.or_else(|_| format.write_request(&samples::plain(), "model")).map(|written| written.body);
        let request = request.unwrap_or_default();
        let response = format.write_response(&samples::response(16), 0);
        let (asked, answered) = (format.read_request(&request), format.read_response(&response));
        let mut group = criterion.benchmark_group(format.name());
        group.throughput(Throughput::Bytes(request.len() as u64));
        group.bench_function("read_request", |bencher| bencher.iter(|| format.read_request(black_box(&request))));
        if let Ok(asked) = &asked {
            group.bench_function("write_request", |bencher| {
                bencher.iter(|| format.write_request(black_box(asked), "model"));
            });
        }
        group.throughput(Throughput::Bytes(response.len() as u64));
        group.bench_function("read_response", |bencher| bencher.iter(|| format.read_response(black_box(&response))));
        if let Ok(answered) = &answered {
            group.bench_function("write_response", |bencher| {
                bencher.iter(|| format.write_response(black_box(answered), 0));
            });
        }
        group.finish();
    }
}

fn streams(criterion: &mut Criterion) {
    let events = samples::events(EVENTS);
    for format in samples::chats() {
        let bytes = samples::written(format, &events);
        let mut out = Vec::with_capacity(4096);
        let mut group = criterion.benchmark_group(format!("{}_stream", format.name()));
        group.throughput(Throughput::Elements(EVENTS as u64));
        group.bench_function(BenchmarkId::from_parameter("read"), |bencher| {
            bencher.iter(|| read_stream(format, black_box(&bytes)));
        });
        group.bench_function(BenchmarkId::from_parameter("write"), |bencher| {
            bencher.iter(|| write_stream(format, black_box(&events), &mut out));
        });
        group.finish();
    }
}

/// What is allocated, for all formats: it does not depend on the machine.
fn allocations(_: &mut Criterion) {
    let events = samples::events(EVENTS);
    println!(
        "{:20} {:>14} {:>15} {:>18} {:>19}",
        "allocations", "read a request", "write a request", "read 1000 events", "write 1000 events"
    );
    for format in samples::chats() {
        let request = format.write_request(&samples::request(16), "model");
        let request = request.or_else(|_| format.write_request(&samples::plain(), "model")).map(|written| written.body);
        let request = request.unwrap_or_default();
        let asked = format.read_request(&request);
        let bytes = samples::written(format, &events);
        let mut out = Vec::with_capacity(4096);
        let count = |work: &mut dyn FnMut()| allocation_counter::measure(work).count_total;
        let read = count(&mut || drop(black_box(format.read_request(&request))));
        let write = asked.map_or(0, |asked| count(&mut || drop(black_box(format.write_request(&asked, "model")))));
        let read_events = count(&mut || {
            black_box(read_stream(format, &bytes));
        });
        let write_events = count(&mut || write_stream(format, &events, &mut out));
        println!("{:20} {read:>14} {write:>15} {read_events:>18} {write_events:>19}", format.name());
    }
}

/// Short: formats are compared, not tuned to the last percent.
fn configured() -> Criterion {
    let (warm, measured) = (Duration::from_millis(200), Duration::from_secs(1));
    Criterion::default().sample_size(20).warm_up_time(warm).measurement_time(measured)
}

criterion_group! { name = benches; config = configured(); targets = allocations, bodies, streams }
criterion_main!(benches);
