//! Safe wrappers of Envoy's functions, except for those of a stream: see [`stream`](crate::stream).
#![allow(unsafe_code)]

use std::ptr;
use std::slice;
use std::time::Duration;

use sluice_core::callout::{Call, Called};
use sluice_core::pipeline::{LARGEST_BODY, metric};
use sluice_shell::Failed;

use crate::abi::{self, ModuleBuffer, ModuleHeader};

/// Whether Envoy only validates its configuration. Only on Envoy's main thread.
pub fn only_validates() -> bool {
    // SAFETY: no arguments.
    unsafe { abi::is_validation_mode() }
}

/// The number of Envoy's workers. Only on Envoy's main thread.
pub fn workers() -> usize {
    // SAFETY: no arguments.
    usize::try_from(unsafe { abi::get_concurrency() }).unwrap_or(1)
}

/// Defines metrics without labels. Envoy numbers each kind from 1, so a metric's index in the list determines its number.
fn defined(names: &[&str], define: impl Fn(ModuleBuffer, *mut usize) -> u32) -> Result<(), Failed> {
    let is_defined = |(place, name): (usize, &&str)| {
        let mut number = 0;
        define(ModuleBuffer::new(name.as_bytes()), &raw mut number) == abi::COUNTED && number == place + 1
    };
    if names.iter().enumerate().all(is_defined) { Ok(()) } else { Err(Failed) }
}

/// Defines the counters of a configuration that Envoy is creating.
pub fn define_counters(config: *mut abi::Config) -> Result<(), Failed> {
    // SAFETY: Envoy is creating this configuration; it reads the name and writes the number during the call.
    defined(metric::COUNTERS, |name, number| unsafe {
        abi::http_filter_config_define_counter(config, name, ptr::null(), 0, number)
    })
}

/// Defines the gauges of a configuration that Envoy is creating. An unset gauge is 0.
pub fn define_gauges(config: *mut abi::Config) -> Result<(), Failed> {
    // SAFETY: the same.
    defined(metric::GAUGES, |name, number| unsafe {
        abi::http_filter_config_define_gauge(config, name, ptr::null(), 0, number)
    })
}

/// The number of a metric of this kind.
pub fn number(of: &[&str], name: &str) -> Result<usize, Failed> {
    of.iter().position(|known| *known == name).map(|place| place + 1).ok_or(Failed)
}

/// Sets a gauge of a configuration, on Envoy's main thread.
pub fn set_gauge(config: *mut abi::Config, name: &str, value: u64) -> Result<(), Failed> {
    let number = number(metric::GAUGES, name)?;
    // SAFETY: the configuration is alive; no labels are read.
    match unsafe { abi::http_filter_config_set_gauge(config, number, ptr::null(), 0, value) } {
        abi::COUNTED => Ok(()),
        _ => Err(Failed),
    }
}

/// Converts a call to the arguments of Envoy's functions.
pub fn written(call: &Call) -> (Vec<ModuleHeader>, ModuleBuffer, ModuleBuffer, u64) {
    let headers = call.headers.iter().map(|(name, value)| ModuleHeader::new(name, value)).collect();
    let milliseconds = u64::try_from(call.timeout.as_millis()).unwrap_or(u64::MAX);
    (headers, ModuleBuffer::new(call.cluster.as_bytes()), ModuleBuffer::new(&call.body), milliseconds)
}

/// Reads the response to a call from a hook's arguments.
///
/// # Safety
///
/// Both arrays must be Envoy's, of these lengths, or null.
pub unsafe fn called(
    result: u32,
    headers: *const abi::EnvoyHeader,
    headers_size: usize,
    chunks: *const abi::EnvoyBuffer,
    chunks_size: usize,
) -> Called {
    let nothing = Called { status: None, body: Vec::new() };
    if result != abi::ANSWERED || headers.is_null() {
        return nothing;
    }
    // SAFETY: the caller guarantees it.
    let headers = unsafe { slice::from_raw_parts(headers, headers_size) };
    // SAFETY: the bytes are valid until the hook returns.
    let mut pairs = headers.iter().map(|header| unsafe { (header.key().bytes(), header.value().bytes()) });
    let status =
        pairs.find(|(name, _)| *name == b":status").and_then(|(_, value)| str::from_utf8(value).ok()?.parse().ok());
    let chunks = match chunks.is_null() {
        true => &[],
        // SAFETY: the caller guarantees it.
        false => unsafe { slice::from_raw_parts(chunks, chunks_size) },
    };
    // A response that is too large counts as empty.
    let size = chunks.iter().fold(0_usize, |size, chunk| size.saturating_add(chunk.length));
    let mut body = Vec::new();
    if size <= LARGEST_BODY {
        body.reserve_exact(size);
        // SAFETY: the bytes are valid until the hook returns.
        chunks.iter().for_each(|chunk| body.extend_from_slice(unsafe { chunk.bytes() }));
    }
    Called { status, body }
}

/// Sends events to a filter from any thread.
pub struct FilterScheduler {
    scheduler: *mut abi::FilterScheduler,
    filter: *mut abi::Filter,
}

// SAFETY: Envoy's functions for it may be called on any thread, one at a time.
unsafe impl Send for FilterScheduler {}

impl FilterScheduler {
    /// Creates a scheduler for this filter, which belongs to the current worker.
    pub fn new(filter: *mut abi::Filter) -> Option<Self> {
        // SAFETY: the filter is alive, and this is its worker.
        let scheduler = unsafe { abi::http_filter_scheduler_new(filter) };
        (!scheduler.is_null()).then_some(Self { scheduler, filter })
    }

    /// Whether the events go to this filter.
    pub fn is_of(&self, filter: *mut abi::Filter) -> bool {
        ptr::eq(self.filter, filter)
    }

    /// Sends an event.
    pub fn commit(&self) {
        // SAFETY: it is not deleted.
        unsafe { abi::http_filter_scheduler_commit(self.scheduler, 0) }
    }
}

impl Drop for FilterScheduler {
    fn drop(&mut self) {
        // SAFETY: this is the only owner.
        unsafe { abi::http_filter_scheduler_delete(self.scheduler) }
    }
}

/// The bootstrap extension's configuration, on Envoy's main thread, until Envoy exits.
#[derive(Clone, Copy)]
pub struct Bootstrap(*mut abi::Bootstrap);

impl Bootstrap {
    /// Defines the counters and lets Envoy finish its startup, while Envoy creates the configuration.
    pub fn new(config: *mut abi::Bootstrap) -> Result<Self, Failed> {
        // SAFETY: Envoy is creating this configuration; it reads the name and writes the number during the call.
        defined(metric::COUNTERS, |name, number| unsafe {
            abi::bootstrap_define_counter(config, name, ptr::null(), 0, number)
        })?;
        // SAFETY: once, on the main thread.
        unsafe { abi::bootstrap_signal_init_complete(config) }
        Ok(Self(config))
    }

    /// Increments a counter.
    pub fn count(self, name: &str) -> Result<(), Failed> {
        let number = number(metric::COUNTERS, name)?;
        // SAFETY: the configuration is alive; no labels are read.
        match unsafe { abi::bootstrap_increment_counter(self.0, number, ptr::null(), 0, 1) } {
            abi::COUNTED => Ok(()),
            _ => Err(Failed),
        }
    }

    /// Sends a request and returns its number.
    pub fn call(self, call: &Call) -> Result<u64, Failed> {
        let (headers, cluster, body, timeout) = written(call);
        let mut id = 0;
        // SAFETY: the configuration is alive; Envoy reads the rest during the call and writes the number.
        let begun = unsafe {
            abi::bootstrap_http_callout(self.0, &raw mut id, cluster, headers.as_ptr(), headers.len(), body, timeout)
        };
        if begun == abi::BEGUN { Ok(id) } else { Err(Failed) }
    }

    /// Creates a stopped timer.
    pub fn timer(self) -> Option<Timer> {
        // SAFETY: the configuration is alive.
        let timer = unsafe { abi::bootstrap_timer_new(self.0) };
        (!timer.is_null()).then_some(Timer(timer))
    }
}

/// A timer of Envoy's main thread.
pub struct Timer(*mut abi::Timer);

impl Timer {
    /// Makes it fire once, after this delay.
    pub fn fires_in(&self, delay: Duration) {
        let milliseconds = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        // SAFETY: it is not deleted, and does not leave the main thread.
        unsafe { abi::bootstrap_timer_enable(self.0, milliseconds) }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: this is the only owner.
        unsafe { abi::bootstrap_timer_delete(self.0) }
    }
}
