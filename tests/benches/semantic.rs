//! Measures a lookup in the semantic cache's index, by the number of entries and of dimensions:
//! `cargo bench -p sluice-tests --bench semantic`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sluice_core::cache::key::KeyBuilder;
use sluice_core::cache::semantic::{Entry, LocalIndex, Vector, index};
use sluice_core::store::{Conflict, SharedData};
use sluice_lexical::Lexicon;
use sluice_wire::time::Time;

const PARTITION: [u8; 16] = [7; 16];

/// Envoy's shared data, without versions.
#[derive(Default)]
struct Shared(RefCell<BTreeMap<String, Vec<u8>>>);

impl SharedData for Shared {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        self.0.borrow().get(name).map(|value| (value.clone(), 1))
    }

    fn write(&self, name: &str, value: &[u8], _: u32) -> Result<(), Conflict> {
        self.0.borrow_mut().insert(name.to_owned(), value.to_vec());
        Ok(())
    }
}

/// A text's embedding: any numbers, the same for the same text.
fn vector(seed: usize, dimensions: usize) -> Option<Vector> {
    let number = |place: usize| ((seed * 31 + place * 17) % 101) as f32 - 50.0;
    Vector::of(&(0..dimensions).map(number).collect::<Vec<_>>())
}

fn lookups(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lookup");
    let lexicon = Lexicon::new([1; 32]);
    for dimensions in [384, 1536] {
        for count in [100, 1_000, 10_000] {
            let shared = Shared::default();
            for seed in 0..count {
                let text = format!("How do I reset password number {seed}?");
                let (Some(vector), Some(signature)) = (vector(seed, dimensions), lexicon.signature(&text)) else {
                    continue;
                };
                let key = KeyBuilder::default().part(text).key();
                let entry = Entry { partition: PARTITION, key, made: Time(1), vector, signature };
                index::add(&shared, std::slice::from_ref(&entry));
            }
            let mut local = LocalIndex::default();
            local.refresh(&shared);
            let asked = (vector(count / 2, dimensions), lexicon.signature("How do I reset password number 7?"));
            let (Some(vector), Some(signature)) = asked else { continue };
            let name = format!("{} entries of {dimensions} dimensions", local.len());
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                bencher.iter(|| black_box(local.nearest(PARTITION, (&vector, &signature), (Time(0), 0.9), 3)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, lookups);
criterion_main!(benches);
