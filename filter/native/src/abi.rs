//! The part of Envoy 1.40's dynamic module ABI (version `v0.2.0`) that an HTTP filter needs, without Envoy's SDK.
//!
//! It contains only the functions that this filter uses. Envoy resolves all of them when it loads the module (a Rust library binds at
//! once), so an Envoy without one of them rejects the module. Names are as in the symbol table, without the prefix
//! `envoy_dynamic_module_callback_`; the types of the exported hooks are at the end of this file.
//!
//! Numbers passed to Envoy are Rust enums. Numbers from Envoy are plain `u32`, so that a value unknown here is not undefined behavior.
//!
//! Pointers from Envoy are valid until the hook returns; those into headers or bodies only until the next call that changes the same map or
//! buffer. An empty buffer may have a null pointer: see [`EnvoyBuffer::bytes`].
#![allow(dead_code, reason = "Envoy's enums are whole, whichever of their values are used")]

use std::ffi::{c_char, c_void};
use std::marker::{PhantomData, PhantomPinned};
use std::ptr;
use std::slice;

/// The ABI version of this file, with C's terminating zero: the result of `on_program_init`.
pub(crate) const VERSION: &std::ffi::CStr = c"v0.2.0";

/// Declares types of objects that Envoy owns. The module knows only their addresses.
macro_rules! opaque {
    ($($(#[$about:meta])* $name:ident;)*) => {$(
        $(#[$about])*
        #[repr(C)]
        pub(crate) struct $name {
            _bytes: [u8; 0],
            _not_send: PhantomData<(*mut u8, PhantomPinned)>,
        }
    )*};
}

opaque! {
    /// Envoy's part of one filter of one stream. Valid until the destroy hook has returned.
    Filter;
    /// Envoy's part of a filter configuration. Valid until its destroy hook has returned.
    Config;
    /// Reaches a filter's worker from any thread. The module deletes it.
    FilterScheduler;
    /// Envoy's part of the bootstrap extension's configuration. Valid until Envoy exits.
    Bootstrap;
    /// A timer of the main thread. The module deletes it.
    Timer;
}

/// The module's bytes, which Envoy reads during the call (`envoy_dynamic_module_type_module_buffer`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModuleBuffer {
    pub(crate) ptr: *const c_char,
    pub(crate) length: usize,
}

impl ModuleBuffer {
    /// No bytes. As a header's value, this removes the header.
    pub(crate) const NONE: Self = Self { ptr: ptr::null(), length: 0 };

    /// Points to bytes that must outlive the call.
    pub(crate) const fn new(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr().cast(), length: bytes.len() }
    }
}

/// Envoy's bytes (`envoy_dynamic_module_type_envoy_buffer`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct EnvoyBuffer {
    pub(crate) ptr: *const c_char,
    pub(crate) length: usize,
}

impl EnvoyBuffer {
    /// For Envoy to fill.
    pub(crate) const EMPTY: Self = Self { ptr: ptr::null(), length: 0 };

    /// The bytes that it points to.
    ///
    /// # Safety
    ///
    /// Envoy must own the bytes, and nothing may change them, for the lifetime that the caller chooses.
    pub(crate) unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() || self.length == 0 {
            return &[];
        }
        // SAFETY: not null; the caller guarantees the rest.
        unsafe { slice::from_raw_parts(self.ptr.cast(), self.length) }
    }
}

/// A header of the module (`envoy_dynamic_module_type_module_http_header`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModuleHeader {
    pub(crate) key_ptr: *const c_char,
    pub(crate) key_length: usize,
    pub(crate) value_ptr: *const c_char,
    pub(crate) value_length: usize,
}

impl ModuleHeader {
    /// Points to a name and value that must outlive the call.
    pub(crate) const fn new(key: &[u8], value: &[u8]) -> Self {
        Self {
            key_ptr: key.as_ptr().cast(),
            key_length: key.len(),
            value_ptr: value.as_ptr().cast(),
            value_length: value.len(),
        }
    }
}

/// A header of Envoy (`envoy_dynamic_module_type_envoy_http_header`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct EnvoyHeader {
    pub(crate) key_ptr: *const c_char,
    pub(crate) key_length: usize,
    pub(crate) value_ptr: *const c_char,
    pub(crate) value_length: usize,
}

impl EnvoyHeader {
    /// For Envoy to fill.
    pub(crate) const EMPTY: Self =
        Self { key_ptr: ptr::null(), key_length: 0, value_ptr: ptr::null(), value_length: 0 };

    /// The name, in lower case.
    pub(crate) const fn key(self) -> EnvoyBuffer {
        EnvoyBuffer { ptr: self.key_ptr, length: self.key_length }
    }

    /// The value: any bytes, not always UTF-8.
    pub(crate) const fn value(self) -> EnvoyBuffer {
        EnvoyBuffer { ptr: self.value_ptr, length: self.value_length }
    }
}

/// A header map.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HeaderType {
    RequestHeader = 0,
    RequestTrailer = 1,
    ResponseHeader = 2,
    ResponseTrailer = 3,
}

/// A part of a body: the bytes of the current event (received), or those that Envoy has buffered.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BodyType {
    ReceivedRequest = 0,
    BufferedRequest = 1,
    ReceivedResponse = 2,
    BufferedResponse = 3,
}

#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum LogLevel {
    Trace = 0,
    Debug = 1,
    Info = 2,
    Warn = 3,
    Error = 4,
    Critical = 5,
    Off = 6,
}

/// The result of the hooks for request and response headers.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HeadersStatus {
    /// Continues with the next filter.
    Continue = 0,
    /// Holds the headers. This filter still receives the body, portion by portion.
    StopIteration = 1,
    /// Continues, but not as the end of the stream, because a body follows.
    ContinueAndDontEndStream = 2,
    /// Holds the message. Envoy also buffers the body and the trailers, and shows neither until the message continues. It rejects a body
    /// over the limit.
    StopAllIterationAndBuffer = 3,
    /// The same, but Envoy stops reading at the limit.
    StopAllIterationAndWatermark = 4,
}

/// The result of the hooks for request and response bodies.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BodyStatus {
    /// Envoy passes the buffered bytes and this part to the next filter, with the headers if it held them.
    Continue = 0,
    /// Envoy buffers this part. It rejects a body over the limit.
    StopIterationAndBuffer = 1,
    /// Envoy buffers this part. It stops reading at the limit.
    StopIterationAndWatermark = 2,
    /// Envoy drops this part.
    StopIterationNoBuffer = 3,
}

/// The result of the hooks for request and response trailers.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TrailersStatus {
    Continue = 0,
    StopIteration = 1,
}

/// The result of the hook for local replies (Envoy's or the module's).
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LocalReplyStatus {
    /// Envoy sends the reply.
    Continue = 0,
    /// Envoy calls the other filters, and resets the stream.
    ContinueAndResetStream = 1,
}

/// Why the module resets a stream.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FilterResetReason {
    LocalReset = 0,
    /// Crashes Envoy 1.40 in an upstream filter.
    LocalRefusedStreamReset = 1,
}

/// The result of a defined, or incremented, metric.
pub(crate) const COUNTED: u32 = 0;
/// The result of a callout that has started.
pub(crate) const BEGUN: u32 = 0;
/// The result of a callout with a response. If the host is unreachable or too slow, Envoy itself responds with 503 or 504.
pub(crate) const ANSWERED: u32 = 0;

/// Attribute numbers. Envoy 1.40 has 71, from zero, in the order of its header.
pub(crate) mod attribute {
    pub(crate) const RESPONSE_CODE_DETAILS: u32 = 16;
    pub(crate) const RESPONSE_FLAGS: u32 = 17;
    /// With the port.
    pub(crate) const SOURCE_ADDRESS: u32 = 24;
    /// With the port.
    pub(crate) const UPSTREAM_ADDRESS: u32 = 41;
    /// With the port.
    pub(crate) const UPSTREAM_LOCAL_ADDRESS: u32 = 51;
    pub(crate) const UPSTREAM_TRANSPORT_FAILURE_REASON: u32 = 52;
}

unsafe extern "C" {
    // Logging and the server.

    /// Writes a line to Envoy's log, at any level: check `log_enabled` first.
    #[link_name = "envoy_dynamic_module_callback_log"]
    pub(crate) fn log(level: LogLevel, message: ModuleBuffer);

    /// Whether Envoy logs this level. Any thread.
    #[link_name = "envoy_dynamic_module_callback_log_enabled"]
    pub(crate) safe fn log_enabled(level: LogLevel) -> bool;

    /// The number of workers. Main thread only.
    #[link_name = "envoy_dynamic_module_callback_get_concurrency"]
    pub(crate) fn get_concurrency() -> u32;

    /// Whether Envoy only validates its configuration. Main thread only.
    #[link_name = "envoy_dynamic_module_callback_is_validation_mode"]
    pub(crate) fn is_validation_mode() -> bool;

    // Headers and trailers.

    /// The value at this index of a header, and the number of values (`count`, may be null). False if there is none.
    #[link_name = "envoy_dynamic_module_callback_http_get_header"]
    pub(crate) fn http_get_header(
        filter: *mut Filter,
        kind: HeaderType,
        key: ModuleBuffer,
        value: *mut EnvoyBuffer,
        index: usize,
        count: *mut usize,
    ) -> bool;

    /// The number of headers. Zero without this map.
    #[link_name = "envoy_dynamic_module_callback_http_get_headers_size"]
    pub(crate) fn http_get_headers_size(filter: *mut Filter, kind: HeaderType) -> usize;

    /// Writes all headers into an array of the size from the previous function. False without this map.
    #[link_name = "envoy_dynamic_module_callback_http_get_headers"]
    pub(crate) fn http_get_headers(filter: *mut Filter, kind: HeaderType, headers: *mut EnvoyHeader) -> bool;

    /// Adds a value to the existing ones. False for an empty value, or without this map.
    #[link_name = "envoy_dynamic_module_callback_http_add_header"]
    pub(crate) fn http_add_header(
        filter: *mut Filter,
        kind: HeaderType,
        key: ModuleBuffer,
        value: ModuleBuffer,
    ) -> bool;

    /// Replaces all values; an empty value removes the header. False without this map.
    #[link_name = "envoy_dynamic_module_callback_http_set_header"]
    pub(crate) fn http_set_header(
        filter: *mut Filter,
        kind: HeaderType,
        key: ModuleBuffer,
        value: ModuleBuffer,
    ) -> bool;

    // Bodies.

    /// The part's size in bytes. Zero without this part.
    #[link_name = "envoy_dynamic_module_callback_http_get_body_size"]
    pub(crate) fn http_get_body_size(filter: *mut Filter, kind: BodyType) -> usize;

    /// The part's number of slices.
    #[link_name = "envoy_dynamic_module_callback_http_get_body_chunks_size"]
    pub(crate) fn http_get_body_chunks_size(filter: *mut Filter, kind: BodyType) -> usize;

    /// Writes all slices into an array of the size from the previous function. False without this part.
    #[link_name = "envoy_dynamic_module_callback_http_get_body_chunks"]
    pub(crate) fn http_get_body_chunks(filter: *mut Filter, kind: BodyType, chunks: *mut EnvoyBuffer) -> bool;

    /// Removes this many bytes from the front. False without this part.
    #[link_name = "envoy_dynamic_module_callback_http_drain_body"]
    pub(crate) fn http_drain_body(filter: *mut Filter, kind: BodyType, number_of_bytes: usize) -> bool;

    /// Appends bytes. False without this part; a missing buffered part is created.
    #[link_name = "envoy_dynamic_module_callback_http_append_body"]
    pub(crate) fn http_append_body(filter: *mut Filter, kind: BodyType, data: ModuleBuffer) -> bool;

    /// Whether the received part is the buffered part: then the same bytes must be counted once.
    #[link_name = "envoy_dynamic_module_callback_http_received_buffered_request_body"]
    pub(crate) fn http_received_buffered_request_body(filter: *mut Filter) -> bool;

    /// The same for the response.
    #[link_name = "envoy_dynamic_module_callback_http_received_buffered_response_body"]
    pub(crate) fn http_received_buffered_response_body(filter: *mut Filter) -> bool;

    // The stream.

    /// Makes Envoy choose the route again on its next use. No effect in an upstream filter.
    #[link_name = "envoy_dynamic_module_callback_http_clear_route_cache"]
    pub(crate) fn http_clear_route_cache(filter: *mut Filter);

    /// Writes filter state as a string, replacing any existing value. False if the stream is gone.
    #[link_name = "envoy_dynamic_module_callback_http_set_filter_state_bytes"]
    pub(crate) fn http_set_filter_state_bytes(filter: *mut Filter, key: ModuleBuffer, value: ModuleBuffer) -> bool;

    /// Reads filter state that is a string. Valid until the same key is written. False if it is missing, not a string, or the stream is
    /// gone.
    #[link_name = "envoy_dynamic_module_callback_http_get_filter_state_bytes"]
    pub(crate) fn http_get_filter_state_bytes(filter: *mut Filter, key: ModuleBuffer, value: *mut EnvoyBuffer) -> bool;

    /// Reads a string attribute. False if it is missing, not a string, or the stream is gone.
    #[link_name = "envoy_dynamic_module_callback_http_filter_get_attribute_string"]
    pub(crate) fn http_filter_get_attribute_string(
        filter: *mut Filter,
        attribute: u32,
        value: *mut EnvoyBuffer,
    ) -> bool;

    /// Reads an integer attribute.
    #[link_name = "envoy_dynamic_module_callback_http_filter_get_attribute_int"]
    pub(crate) fn http_filter_get_attribute_int(filter: *mut Filter, attribute: u32, value: *mut u64) -> bool;

    // Local replies.

    /// Replies to the client. `details` has no spaces; if it is empty, Envoy writes `dynamic_module`. Outside the request hooks, the whole
    /// stream may be over when this returns, and the stream complete hook may have been called.
    #[link_name = "envoy_dynamic_module_callback_http_send_response"]
    pub(crate) fn http_send_response(
        filter: *mut Filter,
        status_code: u32,
        headers: *const ModuleHeader,
        headers_size: usize,
        body: ModuleBuffer,
        details: ModuleBuffer,
    );

    /// Continues a held request. No effect if the last request hook returned 0 or the stream is gone.
    #[link_name = "envoy_dynamic_module_callback_http_filter_continue_decoding"]
    pub(crate) fn http_filter_continue_decoding(filter: *mut Filter);

    /// Continues a held response. No effect if the last response hook returned 0 or the stream is gone.
    #[link_name = "envoy_dynamic_module_callback_http_filter_continue_encoding"]
    pub(crate) fn http_filter_continue_encoding(filter: *mut Filter);

    /// Ends the stream without a response. `details` may be empty.
    #[link_name = "envoy_dynamic_module_callback_http_filter_reset_stream"]
    pub(crate) fn http_filter_reset_stream(filter: *mut Filter, reason: FilterResetReason, details: ModuleBuffer);

    // Callouts.

    /// Sends a request to a cluster; the filter's callout hook receives the response. Zero milliseconds mean no timeout. Returns [`BEGUN`]
    /// on success.
    #[link_name = "envoy_dynamic_module_callback_http_filter_http_callout"]
    pub(crate) fn http_filter_http_callout(
        filter: *mut Filter,
        callout_id: *mut u64,
        cluster_name: ModuleBuffer,
        headers: *const ModuleHeader,
        headers_size: usize,
        body: ModuleBuffer,
        timeout_milliseconds: u64,
    ) -> u32;

    // Schedulers.

    /// Creates a scheduler for this filter. Only on the filter's worker; the module deletes it.
    #[link_name = "envoy_dynamic_module_callback_http_filter_scheduler_new"]
    pub(crate) fn http_filter_scheduler_new(filter: *mut Filter) -> *mut FilterScheduler;

    /// Schedules a call of the filter's scheduled hook. Any thread; no effect if the filter is gone.
    #[link_name = "envoy_dynamic_module_callback_http_filter_scheduler_commit"]
    pub(crate) fn http_filter_scheduler_commit(scheduler: *mut FilterScheduler, event_id: u64);

    /// Any thread, but not during another use.
    #[link_name = "envoy_dynamic_module_callback_http_filter_scheduler_delete"]
    pub(crate) fn http_filter_scheduler_delete(scheduler: *mut FilterScheduler);

    // Metrics. Those with and without labels are numbered separately, both from one: without its labels, the number of a labeled metric
    // means another metric.

    /// Defines a counter, only in the configuration's new hook. Returns [`COUNTED`] on success.
    #[link_name = "envoy_dynamic_module_callback_http_filter_config_define_counter"]
    pub(crate) fn http_filter_config_define_counter(
        config: *mut Config,
        name: ModuleBuffer,
        label_names: *const ModuleBuffer,
        label_names_length: usize,
        counter_id: *mut usize,
    ) -> u32;

    /// Defines a gauge, only in the configuration's new hook.
    #[link_name = "envoy_dynamic_module_callback_http_filter_config_define_gauge"]
    pub(crate) fn http_filter_config_define_gauge(
        config: *mut Config,
        name: ModuleBuffer,
        label_names: *const ModuleBuffer,
        label_names_length: usize,
        gauge_id: *mut usize,
    ) -> u32;

    /// Adds to a counter. Also allowed in the destroy hook.
    #[link_name = "envoy_dynamic_module_callback_http_filter_increment_counter"]
    pub(crate) fn http_filter_increment_counter(
        filter: *mut Filter,
        id: usize,
        label_values: *const ModuleBuffer,
        label_values_length: usize,
        value: u64,
    ) -> u32;

    /// Sets a gauge without a stream. Any thread.
    #[link_name = "envoy_dynamic_module_callback_http_filter_config_set_gauge"]
    pub(crate) fn http_filter_config_set_gauge(
        config: *mut Config,
        id: usize,
        label_values: *const ModuleBuffer,
        label_values_length: usize,
        value: u64,
    ) -> u32;

    // The bootstrap extension. All functions are for the main thread.

    /// Lets Envoy finish its startup, which waits for this. Once.
    #[link_name = "envoy_dynamic_module_callback_bootstrap_extension_config_signal_init_complete"]
    pub(crate) fn bootstrap_signal_init_complete(config: *mut Bootstrap);

    /// Defines a counter, only in the configuration's new hook.
    #[link_name = "envoy_dynamic_module_callback_bootstrap_extension_config_define_counter"]
    pub(crate) fn bootstrap_define_counter(
        config: *mut Bootstrap,
        name: ModuleBuffer,
        label_names: *const ModuleBuffer,
        label_names_length: usize,
        counter_id: *mut usize,
    ) -> u32;

    /// Adds to a counter.
    #[link_name = "envoy_dynamic_module_callback_bootstrap_extension_config_increment_counter"]
    pub(crate) fn bootstrap_increment_counter(
        config: *mut Bootstrap,
        id: usize,
        label_values: *const ModuleBuffer,
        label_values_length: usize,
        value: u64,
    ) -> u32;

    /// Sends a request to a cluster; the callout hook receives the response. Returns [`BEGUN`] on success.
    #[link_name = "envoy_dynamic_module_callback_bootstrap_extension_http_callout"]
    pub(crate) fn bootstrap_http_callout(
        config: *mut Bootstrap,
        callout_id: *mut u64,
        cluster_name: ModuleBuffer,
        headers: *const ModuleHeader,
        headers_size: usize,
        body: ModuleBuffer,
        timeout_milliseconds: u64,
    ) -> u32;

    /// Creates a stopped timer. Delete it on the main thread.
    #[link_name = "envoy_dynamic_module_callback_bootstrap_extension_timer_new"]
    pub(crate) fn bootstrap_timer_new(config: *mut Bootstrap) -> *mut Timer;

    /// Makes a timer fire once, after this delay.
    #[link_name = "envoy_dynamic_module_callback_bootstrap_extension_timer_enable"]
    pub(crate) fn bootstrap_timer_enable(timer: *mut Timer, delay_milliseconds: u64);

    /// Stops and deletes a timer.
    #[link_name = "envoy_dynamic_module_callback_bootstrap_extension_timer_delete"]
    pub(crate) fn bootstrap_timer_delete(timer: *mut Timer);
}

/// The types of the hooks, all named `envoy_dynamic_module_on_…`. Envoy calls a filter's hooks on its worker, and the others on its main
/// thread, except `http_filter_config_destroy`: on any thread that drops the configuration's last reference.
///
/// The last pointer before the numbers is always the module's: the result of `…_new`.
pub(crate) mod hook {
    use super::{
        BodyStatus, Bootstrap, Config, EnvoyBuffer, EnvoyHeader, Filter, HeadersStatus, LocalReplyStatus, Timer,
        TrailersStatus, c_char, c_void,
    };

    pub(crate) type ProgramInit = unsafe extern "C" fn() -> *const c_char;
    pub(crate) type ConfigNew = unsafe extern "C" fn(*mut Config, EnvoyBuffer, EnvoyBuffer) -> *const c_void;
    pub(crate) type Destroy = unsafe extern "C" fn(*const c_void);
    pub(crate) type RouteConfigNew = unsafe extern "C" fn(EnvoyBuffer, EnvoyBuffer) -> *const c_void;
    pub(crate) type ConfigEvent = unsafe extern "C" fn(*mut Config, *const c_void, u64);
    pub(crate) type ConfigCalloutDone =
        unsafe extern "C" fn(*mut Config, *const c_void, u64, u32, *mut EnvoyHeader, usize, *mut EnvoyBuffer, usize);
    pub(crate) type ConfigStreamHeaders =
        unsafe extern "C" fn(*mut Config, *const c_void, u64, *mut EnvoyHeader, usize, bool);
    pub(crate) type ConfigStreamData =
        unsafe extern "C" fn(*mut Config, *const c_void, u64, *const EnvoyBuffer, usize, bool);
    pub(crate) type ConfigStreamTrailers =
        unsafe extern "C" fn(*mut Config, *const c_void, u64, *mut EnvoyHeader, usize);
    pub(crate) type ConfigStreamReset = unsafe extern "C" fn(*mut Config, *const c_void, u64, u32);

    /// Takes the module's configuration and Envoy's filter; returns the module's filter. Null: the request gets a 500.
    pub(crate) type FilterNew = unsafe extern "C" fn(*const c_void, *mut Filter) -> *const c_void;
    pub(crate) type Headers = unsafe extern "C" fn(*mut Filter, *const c_void, bool) -> HeadersStatus;
    pub(crate) type Body = unsafe extern "C" fn(*mut Filter, *const c_void, bool) -> BodyStatus;
    pub(crate) type Trailers = unsafe extern "C" fn(*mut Filter, *const c_void) -> TrailersStatus;
    pub(crate) type FilterNotice = unsafe extern "C" fn(*mut Filter, *const c_void);
    pub(crate) type FilterEvent = unsafe extern "C" fn(*mut Filter, *const c_void, u64);
    pub(crate) type FilterCalloutDone =
        unsafe extern "C" fn(*mut Filter, *const c_void, u64, u32, *mut EnvoyHeader, usize, *mut EnvoyBuffer, usize);
    pub(crate) type FilterStreamHeaders =
        unsafe extern "C" fn(*mut Filter, *const c_void, u64, *mut EnvoyHeader, usize, bool);
    pub(crate) type FilterStreamData =
        unsafe extern "C" fn(*mut Filter, *const c_void, u64, *const EnvoyBuffer, usize, bool);
    pub(crate) type FilterStreamTrailers =
        unsafe extern "C" fn(*mut Filter, *const c_void, u64, *mut EnvoyHeader, usize);
    pub(crate) type FilterStreamReset = unsafe extern "C" fn(*mut Filter, *const c_void, u64, u32);
    /// The status code, the response code details, and whether Envoy resets the stream anyway.
    pub(crate) type LocalReply =
        unsafe extern "C" fn(*mut Filter, *const c_void, u32, EnvoyBuffer, bool) -> LocalReplyStatus;

    pub(crate) type BootstrapConfigNew =
        unsafe extern "C" fn(*mut Bootstrap, EnvoyBuffer, EnvoyBuffer) -> *const c_void;
    /// Takes the module's configuration and Envoy's extension; returns the module's extension.
    pub(crate) type BootstrapNew = unsafe extern "C" fn(*const c_void, *mut c_void) -> *const c_void;
    pub(crate) type BootstrapNotice = unsafe extern "C" fn(*mut c_void, *const c_void);
    /// The last two are a function to call once, when Envoy may exit, and its argument.
    pub(crate) type BootstrapShutdown =
        unsafe extern "C" fn(*mut c_void, *const c_void, unsafe extern "C" fn(*mut c_void), *mut c_void);
    pub(crate) type BootstrapEvent = unsafe extern "C" fn(*mut Bootstrap, *const c_void, u64);
    pub(crate) type BootstrapTimer = unsafe extern "C" fn(*mut Bootstrap, *const c_void, *mut Timer);
    pub(crate) type BootstrapCalloutDone =
        unsafe extern "C" fn(*mut Bootstrap, *const c_void, u64, u32, *mut EnvoyHeader, usize, *mut EnvoyBuffer, usize);
    pub(crate) type BootstrapFile = unsafe extern "C" fn(*mut Bootstrap, *const c_void, EnvoyBuffer, u32);
    pub(crate) type BootstrapName = unsafe extern "C" fn(*mut Bootstrap, *const c_void, EnvoyBuffer);
    pub(crate) type BootstrapAdmin =
        unsafe extern "C" fn(*mut Bootstrap, *const c_void, EnvoyBuffer, EnvoyBuffer, EnvoyBuffer) -> u32;
}
