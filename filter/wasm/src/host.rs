//! All host calls of the proxy-wasm ABI, every one fallible.
//!
//! The SDK's wrappers panic on unexpected statuses, and on header bytes that are not UTF-8; a panic ends every request of the worker. Here
//! every failed call is an error, and a header map is read as a whole.
//!
//! Source: the proxy-wasm ABI specification 0.2.1.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proxy_wasm::types::{BufferType, LogLevel, MapType, MetricType, StreamType};
use sluice_core::callout::{Call, Called};
use sluice_core::metrics::Recorder;
use sluice_core::pipeline::{LARGEST_BODY, REPLY_DETAILS};
use sluice_core::store::{Conflict, SharedData};
use sluice_shell::in_flight::InFlight;
use sluice_shell::stream::{Attribute, Failed, Side, Stream};
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::succession;

type Result<T> = std::result::Result<T, Failed>;

mod abi {
    use proxy_wasm::types::{BufferType, LogLevel, MapType, MetricType, StreamType};

    // Every function returns a status: 0 is success. Returned data was allocated with this module's allocator and belongs to it.
    unsafe extern "C" {
        pub fn proxy_log(level: LogLevel, text: *const u8, size: usize) -> u32;
        pub fn proxy_get_log_level(level: *mut u32) -> u32;
        pub fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
        pub fn proxy_get_header_map_pairs(map: MapType, data: *mut *mut u8, size: *mut usize) -> u32;
        pub fn proxy_set_header_map_pairs(map: MapType, data: *const u8, size: usize) -> u32;
        pub fn proxy_get_header_map_value(
            map: MapType,
            name: *const u8,
            name_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub fn proxy_replace_header_map_value(
            map: MapType,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub fn proxy_remove_header_map_value(map: MapType, name: *const u8, name_size: usize) -> u32;
        pub fn proxy_get_buffer_bytes(
            buffer: BufferType,
            start: usize,
            length: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub fn proxy_set_buffer_bytes(
            buffer: BufferType,
            start: usize,
            length: usize,
            data: *const u8,
            size: usize,
        ) -> u32;
        pub fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
        pub fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
        pub fn proxy_call_foreign_function(
            name: *const u8,
            name_size: usize,
            argument: *const u8,
            argument_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub fn proxy_set_effective_context(id: u32) -> u32;
        pub fn proxy_done() -> u32;
        pub fn proxy_close_stream(stream: StreamType) -> u32;
        pub fn proxy_continue_stream(stream: StreamType) -> u32;
        pub fn proxy_get_shared_data(
            name: *const u8,
            name_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
            version: *mut u32,
        ) -> u32;
        pub fn proxy_set_shared_data(
            name: *const u8,
            name_size: usize,
            data: *const u8,
            size: usize,
            version: u32,
        ) -> u32;
        pub fn proxy_define_metric(kind: MetricType, name: *const u8, name_size: usize, id: *mut u32) -> u32;
        pub fn proxy_increment_metric(id: u32, by: i64) -> u32;
        pub fn proxy_record_metric(id: u32, value: u64) -> u32;
        pub fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32;
    }

    // The WASI functions that are needed; Envoy offers them to every module. Each returns an errno: 0 is success.
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub fn random_get(buffer: *mut u8, size: usize) -> u32;
        pub fn environ_sizes_get(count: *mut usize, size: *mut usize) -> u32;
        pub fn environ_get(variables: *mut *mut u8, buffer: *mut u8) -> u32;
    }
}

fn checked(status: u32) -> Result<()> {
    if status == 0 { Ok(()) } else { Err(Failed) }
}

/// Runs a call that returns data.
fn returned(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>> {
    let mut data = std::ptr::null_mut();
    let mut size = 0;
    checked(call(&raw mut data, &raw mut size))?;
    if data.is_null() || size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the host filled `size` bytes that it had allocated with this module's exported allocator, which makes a boxed slice of
    // exactly that size from the global allocator, and it retains no pointer to them.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// Writes a line to Envoy's own log.
pub fn log(level: LogLevel, text: &str) {
    // SAFETY: the host reads `text` during the call.
    let _ = unsafe { abi::proxy_log(level, text.as_ptr(), text.len()) };
}

/// Envoy's log level for modules.
pub fn log_level() -> Result<LogLevel> {
    let mut level = 0;
    // SAFETY: the host writes four bytes during the call.
    checked(unsafe { abi::proxy_get_log_level(&raw mut level) })?;
    // A plain number, because Envoy's `off` is beyond the values of `LogLevel`.
    Ok(match level {
        0 => LogLevel::Trace,
        1 => LogLevel::Debug,
        2 => LogLevel::Info,
        3 => LogLevel::Warn,
        4 => LogLevel::Error,
        _ => LogLevel::Critical,
    })
}

/// Nanoseconds since the Unix epoch.
pub fn now() -> u64 {
    let mut time = 0;
    // SAFETY: the host writes eight bytes during the call.
    let status = unsafe { abi::proxy_get_current_time_nanoseconds(&raw mut time) };
    checked(status).map_or(0, |()| time)
}

/// The status of a call for a missing value.
const NOT_FOUND: u32 = 1;

/// A stream, by its context id. Calls apply to the current context: the stream's own in its callbacks, and in others after it was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context(pub u32);

thread_local! {
    static SWITCHBOARD: InFlight<Context> = const { InFlight::empty() };
}

fn map(of: Side) -> MapType {
    match of {
        Side::Request => MapType::HttpRequestHeaders,
        Side::Response => MapType::HttpResponseHeaders,
    }
}

fn buffer_of(of: Side) -> BufferType {
    match of {
        Side::Request => BufferType::HttpRequestBody,
        Side::Response => BufferType::HttpResponseBody,
    }
}

impl Stream for Context {
    fn number(self) -> u32 {
        self.0
    }

    fn in_flight<T>(act: impl FnOnce(&InFlight<Self>) -> T) -> T {
        SWITCHBOARD.with(act)
    }

    fn now(self) -> Time {
        Time(now())
    }

    fn random(bytes: &mut [u8]) -> Result<()> {
        random(bytes)
    }

    fn shared(self) -> &'static dyn SharedData {
        &Shared
    }

    fn enter(self) -> Result<()> {
        enter(self.0)
    }

    // The context can make calls until its last callback has returned.
    fn survivor(self, _request: Option<Self>) -> Option<Self> {
        Some(self)
    }

    fn has_answer(self) -> bool {
        matches!(self.header(Side::Response, ":status"), Ok(Some(_)))
    }

    fn headers(self, of: Side) -> Result<HeaderMap> {
        // SAFETY: see `returned`.
        returned(|data, size| unsafe { abi::proxy_get_header_map_pairs(map(of), data, size) }).map(HeaderMap::parse)
    }

    fn header(self, of: Side, name: &str) -> Result<Option<Vec<u8>>> {
        header(map(of), name)
    }

    fn replace_headers(self, of: Side, headers: &HeaderMap) -> Result<()> {
        let bytes = headers.serialize();
        // SAFETY: the host reads `bytes` during the call.
        checked(unsafe { abi::proxy_set_header_map_pairs(map(of), bytes.as_ptr(), bytes.len()) })
    }

    fn set_header(self, of: Side, name: &str, value: &str) -> Result<()> {
        let map = map(of);
        // SAFETY: the host reads both during the call.
        checked(unsafe {
            abi::proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len())
        })
    }

    fn remove_header(self, of: Side, name: &str) -> Result<()> {
        // SAFETY: the host reads `name` during the call.
        checked(unsafe { abi::proxy_remove_header_map_value(map(of), name.as_ptr(), name.len()) })
    }

    fn body(self, of: Side, start: usize, length: usize) -> Result<Vec<u8>> {
        buffer(buffer_of(of), start, length)
    }

    fn replace_front(self, of: Side, drain: usize, with: &[u8]) -> Result<()> {
        // SAFETY: the host reads `with` during the call.
        checked(unsafe { abi::proxy_set_buffer_bytes(buffer_of(of), 0, drain, with.as_ptr(), with.len()) })
    }

    fn attribute(self, attribute: Attribute) -> Vec<u8> {
        let path = match attribute {
            Attribute::SourceAddress => "source\0address",
            Attribute::CodeDetails => "response\0code_details",
            Attribute::UpstreamAddress => "upstream\0address",
            Attribute::UpstreamLocalAddress => "upstream\0local_address",
            Attribute::TransportFailureReason => "upstream\0transport_failure_reason",
        };
        property(path).unwrap_or_default()
    }

    fn response_flags(self) -> u64 {
        let flags = property("response\0flags").ok().and_then(|bytes| bytes.try_into().ok());
        flags.map_or(0, u64::from_le_bytes)
    }

    fn property(self, name: &str) -> Result<Vec<u8>> {
        property(name)
    }

    fn set_property(self, name: &str, value: &[u8]) -> Result<()> {
        // SAFETY: the host reads both during the call.
        checked(unsafe { abi::proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
    }

    fn clear_route(self) -> Result<()> {
        let name = "clear_route_cache";
        // SAFETY: the host reads `name` during the call; see `returned`.
        returned(|data, size| unsafe {
            abi::proxy_call_foreign_function(name.as_ptr(), name.len(), std::ptr::null(), 0, data, size)
        })
        .map(drop)
    }

    fn reply(self, status: u16, headers: &HeaderMap, body: &[u8]) -> Result<()> {
        const NOT_GRPC: i32 = -1;
        let headers = headers.serialize();
        // SAFETY: the host reads all of them during the call.
        checked(unsafe {
            abi::proxy_send_local_response(
                u32::from(status),
                REPLY_DETAILS.as_ptr(),
                REPLY_DETAILS.len(),
                body.as_ptr(),
                body.len(),
                headers.as_ptr(),
                headers.len(),
                NOT_GRPC,
            )
        })
    }

    fn resume_request(self) -> Result<()> {
        // SAFETY: plain numbers.
        checked(unsafe { abi::proxy_continue_stream(StreamType::HttpRequest) })
    }

    // Envoy crashes if the response's headers have not arrived.
    fn resume_response(self) -> Result<()> {
        // SAFETY: plain numbers.
        checked(unsafe { abi::proxy_continue_stream(StreamType::HttpResponse) })
    }

    // The request's last callbacks run before this returns.
    fn cut(self) -> Result<()> {
        self.enter()?;
        close(StreamType::HttpResponse)
    }

    fn call(self, call: &Call) -> Result<u64> {
        self::call(call).map(u64::from)
    }

    fn recorder(self) -> Option<Arc<Recorder>> {
        succession::predecessor().map(|worker| worker.recorder().clone())
    }

    fn count(self, name: &'static str) -> Result<()> {
        let id = metric(MetricType::Counter, name)?;
        // SAFETY: plain numbers.
        checked(unsafe { abi::proxy_increment_metric(id, 1) })
    }

    #[cfg(feature = "trap")]
    fn defect(self, deed: &str) -> Result<()> {
        match deed {
            "close-request" => close(StreamType::HttpRequest),
            "close-response" => close(StreamType::HttpResponse),
            "trailer" => {
                let (name, value) = ("x-trap", "1");
                // SAFETY: the host reads both during the call.
                checked(unsafe {
                    abi::proxy_replace_header_map_value(
                        MapType::HttpResponseTrailers,
                        name.as_ptr(),
                        name.len(),
                        value.as_ptr(),
                        value.len(),
                    )
                })
            }
            "enter" => enter(u32::MAX),
            _ => std::process::abort(),
        }
    }
}

/// The first header of that name.
fn header(map: MapType, name: &str) -> Result<Option<Vec<u8>>> {
    let mut absent = false;
    let value = returned(|data, size| {
        // SAFETY: the host reads `name` during the call; see `returned`.
        let status = unsafe { abi::proxy_get_header_map_value(map, name.as_ptr(), name.len(), data, size) };
        absent = status == NOT_FOUND;
        status
    });
    if absent { Ok(None) } else { value.map(Some) }
}

/// A range of a buffered body.
fn buffer(buffer: BufferType, start: usize, length: usize) -> Result<Vec<u8>> {
    // SAFETY: see `returned`.
    returned(|data, size| unsafe { abi::proxy_get_buffer_bytes(buffer, start, length, data, size) })
}

/// A property; zero bytes separate the segments of its path.
fn property(name: &str) -> Result<Vec<u8>> {
    // SAFETY: the host reads `name` during the call; see `returned`.
    returned(|data, size| unsafe { abi::proxy_get_property(name.as_ptr(), name.len(), data, size) })
}

/// Ends a stream of the current context.
fn close(stream: StreamType) -> Result<()> {
    // SAFETY: plain numbers.
    checked(unsafe { abi::proxy_close_stream(stream) })
}

/// Sets the tick period of the current root context; zero stops its ticks.
pub fn tick_every(period: Duration) -> Result<()> {
    let milliseconds = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
    // SAFETY: plain numbers.
    checked(unsafe { abi::proxy_set_tick_period_milliseconds(milliseconds) })
}

/// Makes `id` the current context. After leaving a root context's callback this way, enter the root context again.
pub fn enter(id: u32) -> Result<()> {
    // SAFETY: plain numbers.
    checked(unsafe { abi::proxy_set_effective_context(id) })
}

/// Tells Envoy that the current root context, which Envoy has dropped, is done: it gets no further callbacks.
pub fn done() -> Result<()> {
    // SAFETY: no arguments.
    checked(unsafe { abi::proxy_done() })
}

/// Fills `bytes` with cryptographic randomness.
pub fn random(bytes: &mut [u8]) -> Result<()> {
    // SAFETY: the host writes `bytes.len()` bytes during the call.
    checked(unsafe { abi::random_get(bytes.as_mut_ptr(), bytes.len()) })
}

/// An environment variable of Envoy that Envoy's configuration of the VM names.
pub fn environment(name: &str) -> Option<Vec<u8>> {
    let (mut count, mut size) = (0, 0);
    // SAFETY: the host writes two numbers of 32 bits during the call.
    checked(unsafe { abi::environ_sizes_get(&raw mut count, &raw mut size) }).ok()?;
    let (mut pointers, mut texts) = (vec![std::ptr::null_mut(); count], vec![0; size]);
    // SAFETY: the host writes `count` pointers and `size` bytes during the call, as it has just said. The pointers are not used.
    checked(unsafe { abi::environ_get(pointers.as_mut_ptr(), texts.as_mut_ptr()) }).ok()?;
    let mut variables = texts.split(|byte| *byte == 0);
    variables.find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=").map(<[u8]>::to_vec))
}

/// Sets a gauge; all workers share the gauge of a name.
pub fn set_gauge(name: &'static str, value: u64) -> Result<()> {
    let id = metric(MetricType::Gauge, name)?;
    // SAFETY: plain numbers.
    checked(unsafe { abi::proxy_record_metric(id, value) })
}

/// The number of a metric.
fn metric(kind: MetricType, name: &'static str) -> Result<u32> {
    thread_local! {
        // Envoy allocates a new number, for good, on each definition of a metric: so define once in a VM.
        static NUMBERS: RefCell<BTreeMap<&'static str, u32>> = const { RefCell::new(BTreeMap::new()) };
    }
    if let Some(id) = NUMBERS.with_borrow(|numbers| numbers.get(name).copied()) {
        return Ok(id);
    }
    let mut id = 0;
    // SAFETY: the host reads `name` and writes four bytes during the call.
    checked(unsafe { abi::proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) })?;
    NUMBERS.with_borrow_mut(|numbers| numbers.insert(name, id));
    Ok(id)
}

/// Sends a request; its response goes to `on_http_call_response` of the current context, with the number returned here. This uses the SDK's
/// wrapper, because the SDK must know that context; the statuses on which it panics mean a memory fault.
pub fn call(call: &Call) -> Result<u32> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: Vec<(String, String)> = call.headers.iter().map(|(name, value)| (text(name), text(value))).collect();
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    proxy_wasm::hostcalls::dispatch_http_call(&call.cluster, headers, Some(&call.body), Vec::new(), call.timeout)
        .map_err(|_| Failed)
}

/// The response to a call, during `on_http_call_response`.
pub fn called(body_size: usize) -> Called {
    let status = header(MapType::HttpCallResponseHeaders, ":status").ok();
    let status = status.and_then(|status| String::from_utf8(status?).ok()?.parse().ok());
    // The VM's memory never shrinks again; a response that is too large counts as empty.
    let body = if body_size <= LARGEST_BODY {
        buffer(BufferType::HttpCallResponseBody, 0, body_size).unwrap_or_default()
    } else {
        Vec::new()
    };
    Called { status, body }
}

/// Envoy's shared data: one map for all workers.
#[derive(Debug, Clone, Copy)]
pub struct Shared;

impl SharedData for Shared {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        let mut version = 0;
        // SAFETY: the host reads `name` and writes the version during the call; see `returned`.
        let value = returned(|data, size| unsafe {
            abi::proxy_get_shared_data(name.as_ptr(), name.len(), data, size, &raw mut version)
        });
        value.ok().map(|value| (value, version))
    }

    fn write(&self, name: &str, value: &[u8], version: u32) -> std::result::Result<(), Conflict> {
        // SAFETY: the host reads both during the call.
        let status =
            unsafe { abi::proxy_set_shared_data(name.as_ptr(), name.len(), value.as_ptr(), value.len(), version) };
        checked(status).map_err(|_| Conflict)
    }
}
