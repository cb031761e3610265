//! Envoy's memory under load.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_tests::gateway::{Gateway, children};
use tempfile::TempDir;

/// Growth below this, or below a tenth, counts as flat.
const FLAT: u64 = 10 << 20;

/// Bytes at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Resident memory by the kernel, including the filter's VMs.
    pub resident: u64,
    /// Memory from Envoy's own allocator, without the VMs.
    pub allocated: u64,
}

/// The address space that Envoy reserves before its first request, rounded up: mostly V8's and its allocator's.
const RESERVED: u64 = 4 << 30;
/// Envoy's allocator reserves address space in regions of this size.
const REGION: u64 = 1 << 30;

/// A command that runs Envoy in a limited address space. An allocation beyond the limit fails, and ends Envoy.
pub struct Confined {
    directory: TempDir,
}

impl Confined {
    /// Leaves Envoy room for this many bytes.
    pub fn to(room: u64) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let limit = (RESERVED + room.next_multiple_of(REGION)) >> 10;
        let envoy = std::env::var("SLUICE_ENVOY").expect("SLUICE_ENVOY, which ./scripts/test sets");
        let confined = Self { directory };
        let script = format!("#!/bin/sh\nulimit -v {limit} && exec '{envoy}' \"$@\"\n");
        std::fs::write(confined.command(), script).expect("a file in the temporary directory");
        std::fs::set_permissions(confined.command(), Permissions::from_mode(0o755)).expect("its permissions");
        confined
    }

    /// The command to run.
    pub fn command(&self) -> PathBuf {
        self.directory.path().join("envoy")
    }
}

/// Takes a sample at this interval until `end`.
pub async fn watch(gateway: &Gateway, every: Duration, end: Instant) -> Vec<Sample> {
    let mut samples = Vec::new();
    while Instant::now() < end {
        samples.push(look(gateway).await);
        tokio::time::sleep_until((Instant::now() + every).min(end).into()).await;
    }
    samples
}

/// Takes one sample.
pub async fn look(gateway: &Gateway) -> Sample {
    let resident = kernel(gateway, "VmRSS:");
    let memory: Value = serde_json::from_str(&gateway.envoy("/memory").await).expect("JSON");
    Sample { resident, allocated: memory["allocated"].as_str().and_then(|bytes| bytes.parse().ok()).expect("a number") }
}

/// The kernel's peak of resident memory, which misses no moment.
pub fn peak(gateway: &Gateway) -> u64 {
    kernel(gateway, "VmHWM:")
}

/// A value of the kernel's memory status, in bytes.
fn kernel(gateway: &Gateway, name: &str) -> u64 {
    let envoy = children(gateway.process_id());
    let status = std::fs::read_to_string(format!("/proc/{}/status", envoy.first().expect("an Envoy")));
    let status = status.expect("its status");
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
    value.and_then(|kib| kib.trim().parse::<u64>().ok()).expect("a number") << 10
}

/// The medians of the second and of the last quarter of the samples.
pub fn quarters(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> (u64, u64) {
    let quarter = samples.len().div_ceil(4).max(1);
    let median = |part: &[Sample]| {
        let mut values: Vec<u64> = part.iter().map(&of).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    let second = samples.chunks(quarter).nth(1).unwrap_or(samples);
    (median(second), median(samples.rchunks(quarter).next().unwrap_or_default()))
}

/// Whether memory has not grown.
pub fn is_flat((before, after): (u64, u64)) -> bool {
    after <= before + FLAT.max(before / 10)
}
