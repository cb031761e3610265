//! What Envoy 1.40 offers to a dynamic module that is an HTTP filter (ABI version `v0.2.0`), without Envoy's SDK.
//!
//! Only the functions that this filter needs. All are resolved when Envoy loads the module (a Rust library binds at
//! once), so a name that an Envoy does not have makes it refuse the module. Names are as in the symbol table, without
//! the prefix `envoy_dynamic_module_callback_`; the types of the hooks that the module must export stand at the end of this file.
//!
//! Numbers that go to Envoy are Rust enums. Numbers that come from Envoy are plain `u32`, as an Envoy that knows one
//! more must not make an invalid value here.
//!
//! All pointers that Envoy hands out live until the hook returns, and those into headers or bodies only until the next
//! call that changes the same map or buffer. An empty buffer may have a null pointer: see [`EnvoyBuffer::bytes`].
#![allow(dead_code, reason = "Envoy's enums are whole, whichever of their values are used")]

use std::ffi::{c_char, c_void};
use std::marker::{PhantomData, PhantomPinned};
use std::ptr;
use std::slice;

/// The ABI that this file describes, with the zero that C wants: what `on_program_init` returns.
pub(crate) const VERSION: &std::ffi::CStr = c"v0.2.0";

/// An object that Envoy owns. The module knows its address only.
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
    /// Envoy's side of one filter of one stream. Its memory stays until the destroy hook has returned.
    Filter;
    /// Envoy's side of one configuration of the filter. Its memory stays until its destroy hook has returned.
    Config;
    /// Reaches a filter's worker from any thread. Ours to delete.
    FilterScheduler;
    /// Envoy's side of the bootstrap extension's configuration. It stays until Envoy ends.
    Bootstrap;
    /// A timer of the main thread. Ours to delete.
    Timer;
}

/// Bytes of ours, read by Envoy during the call (`envoy_dynamic_module_type_module_buffer`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModuleBuffer {
    pub(crate) ptr: *const c_char,
    pub(crate) length: usize,
}

impl ModuleBuffer {
    /// No bytes: as a header's value it removes the header.
    pub(crate) const NONE: Self = Self { ptr: ptr::null(), length: 0 };

    /// These bytes, which must outlive the call.
    pub(crate) const fn new(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr().cast(), length: bytes.len() }
    }
}

/// Bytes of Envoy's (`envoy_dynamic_module_type_envoy_buffer`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct EnvoyBuffer {
    pub(crate) ptr: *const c_char,
    pub(crate) length: usize,
}

impl EnvoyBuffer {
    /// A place for Envoy to write to.
    pub(crate) const EMPTY: Self = Self { ptr: ptr::null(), length: 0 };

    /// What it points at.
    ///
    /// # Safety
    ///
    /// Envoy must still own the bytes and leave them alone for as long as the caller says.
    pub(crate) unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() || self.length == 0 {
            return &[];
        }
        // SAFETY: not null, and the caller vouches for the rest.
        unsafe { slice::from_raw_parts(self.ptr.cast(), self.length) }
    }
}

/// A header of ours (`envoy_dynamic_module_type_module_http_header`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModuleHeader {
    pub(crate) key_ptr: *const c_char,
    pub(crate) key_length: usize,
    pub(crate) value_ptr: *const c_char,
    pub(crate) value_length: usize,
}

impl ModuleHeader {
    /// This name and value, which must outlive the call.
    pub(crate) const fn new(key: &[u8], value: &[u8]) -> Self {
        Self {
            key_ptr: key.as_ptr().cast(),
            key_length: key.len(),
            value_ptr: value.as_ptr().cast(),
            value_length: value.len(),
        }
    }
}

/// A header of Envoy's (`envoy_dynamic_module_type_envoy_http_header`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct EnvoyHeader {
    pub(crate) key_ptr: *const c_char,
    pub(crate) key_length: usize,
    pub(crate) value_ptr: *const c_char,
    pub(crate) value_length: usize,
}

impl EnvoyHeader {
    /// A place for Envoy to write to.
    pub(crate) const EMPTY: Self =
        Self { key_ptr: ptr::null(), key_length: 0, value_ptr: ptr::null(), value_length: 0 };

    /// Its name, in lower case.
    pub(crate) const fn key(self) -> EnvoyBuffer {
        EnvoyBuffer { ptr: self.key_ptr, length: self.key_length }
    }

    /// Its value: any bytes, not always UTF-8.
    pub(crate) const fn value(self) -> EnvoyBuffer {
        EnvoyBuffer { ptr: self.value_ptr, length: self.value_length }
    }
}

/// Which map of headers.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HeaderType {
    RequestHeader = 0,
    RequestTrailer = 1,
    ResponseHeader = 2,
    ResponseTrailer = 3,
}

/// A part of a body: the bytes that came with this event (received), or those that Envoy has kept so far (buffered).
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BodyType {
    ReceivedRequest = 0,
    BufferedRequest = 1,
    ReceivedResponse = 2,
    BufferedResponse = 3,
}

/// The level of a log line.
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

/// What the hooks for request and response headers return.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HeadersStatus {
    /// To the next filter.
    Continue = 0,
    /// Held. The body still comes to this filter, part by part.
    StopIteration = 1,
    /// To the next filter, but never as the end, as a body is to be added.
    ContinueAndDontEndStream = 2,
    /// Held. Envoy also buffers the body and the trailers, and shows neither until the message goes on. It rejects a body over the limit.
    StopAllIterationAndBuffer = 3,
    /// The same, but Envoy stops reading at the limit.
    StopAllIterationAndWatermark = 4,
}

/// What the hooks for request and response bodies return.
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

/// What the hooks for request and response trailers return.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TrailersStatus {
    Continue = 0,
    StopIteration = 1,
}

/// What the hook for a reply of Envoy's own (or ours) returns.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LocalReplyStatus {
    /// Envoy sends the reply.
    Continue = 0,
    /// Envoy calls the other filters, and resets the stream.
    ContinueAndResetStream = 1,
}

/// Why we reset a stream.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FilterResetReason {
    LocalReset = 0,
    /// Kills Envoy 1.40 in an upstream filter.
    LocalRefusedStreamReset = 1,
}

/// A metric was defined, or counted.
pub(crate) const COUNTED: u32 = 0;
/// A callout has begun.
pub(crate) const BEGUN: u32 = 0;
/// A callout has an answer. Envoy answers 503 or 504 itself if it cannot reach the host, or the host is too slow.
pub(crate) const ANSWERED: u32 = 0;

/// The numbers of attributes. Envoy 1.40 has 71, from zero, in the order of its header.
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
    // The log and the server.

    /// Writes a line to Envoy's log at any level: ask `log_enabled` first.
    #[link_name = "envoy_dynamic_module_callback_log"]
    pub(crate) fn log(level: LogLevel, message: ModuleBuffer);

    /// Whether lines of this level are written. Any thread.
    #[link_name = "envoy_dynamic_module_callback_log_enabled"]
    pub(crate) safe fn log_enabled(level: LogLevel) -> bool;

    /// How many workers there are. Main thread only.
    #[link_name = "envoy_dynamic_module_callback_get_concurrency"]
    pub(crate) fn get_concurrency() -> u32;

    /// Whether Envoy only validates its configuration. Main thread only.
    #[link_name = "envoy_dynamic_module_callback_is_validation_mode"]
    pub(crate) fn is_validation_mode() -> bool;

    // Headers and trailers.

    /// The value with this index of a header, and how many it has (`count`, may be null). False if there is none.
    #[link_name = "envoy_dynamic_module_callback_http_get_header"]
    pub(crate) fn http_get_header(
        filter: *mut Filter,
        kind: HeaderType,
        key: ModuleBuffer,
        value: *mut EnvoyBuffer,
        index: usize,
        count: *mut usize,
    ) -> bool;

    /// How many headers there are. Zero if the map is not there.
    #[link_name = "envoy_dynamic_module_callback_http_get_headers_size"]
    pub(crate) fn http_get_headers_size(filter: *mut Filter, kind: HeaderType) -> usize;

    /// All headers, into an array of the size that the function before said. False if the map is not there.
    #[link_name = "envoy_dynamic_module_callback_http_get_headers"]
    pub(crate) fn http_get_headers(filter: *mut Filter, kind: HeaderType, headers: *mut EnvoyHeader) -> bool;

    /// Adds a value beside those that are there. False for an empty value or a map that is not there.
    #[link_name = "envoy_dynamic_module_callback_http_add_header"]
    pub(crate) fn http_add_header(
        filter: *mut Filter,
        kind: HeaderType,
        key: ModuleBuffer,
        value: ModuleBuffer,
    ) -> bool;

    /// Replaces all values; an empty value removes the header. False if the map is not there.
    #[link_name = "envoy_dynamic_module_callback_http_set_header"]
    pub(crate) fn http_set_header(
        filter: *mut Filter,
        kind: HeaderType,
        key: ModuleBuffer,
        value: ModuleBuffer,
    ) -> bool;

    // Bodies.

    /// How many bytes there are. Zero if there is no such part now.
    #[link_name = "envoy_dynamic_module_callback_http_get_body_size"]
    pub(crate) fn http_get_body_size(filter: *mut Filter, kind: BodyType) -> usize;

    /// In how many pieces the bytes lie.
    #[link_name = "envoy_dynamic_module_callback_http_get_body_chunks_size"]
    pub(crate) fn http_get_body_chunks_size(filter: *mut Filter, kind: BodyType) -> usize;

    /// All pieces, into an array of the size that the function before said. False if there is no such part now.
    #[link_name = "envoy_dynamic_module_callback_http_get_body_chunks"]
    pub(crate) fn http_get_body_chunks(filter: *mut Filter, kind: BodyType, chunks: *mut EnvoyBuffer) -> bool;

    /// Drops this many bytes from the front. False if there is no such part now.
    #[link_name = "envoy_dynamic_module_callback_http_drain_body"]
    pub(crate) fn http_drain_body(filter: *mut Filter, kind: BodyType, number_of_bytes: usize) -> bool;

    /// Adds bytes at the end. False if there is no such part now; a buffered part that is not there is made.
    #[link_name = "envoy_dynamic_module_callback_http_append_body"]
    pub(crate) fn http_append_body(filter: *mut Filter, kind: BodyType, data: ModuleBuffer) -> bool;

    /// Whether the received part is the buffered part itself: then their bytes are the same and count once.
    #[link_name = "envoy_dynamic_module_callback_http_received_buffered_request_body"]
    pub(crate) fn http_received_buffered_request_body(filter: *mut Filter) -> bool;

    /// The same for the response.
    #[link_name = "envoy_dynamic_module_callback_http_received_buffered_response_body"]
    pub(crate) fn http_received_buffered_response_body(filter: *mut Filter) -> bool;

    // The stream.

    /// Chooses the route anew on its next use. Does nothing in an upstream filter.
    #[link_name = "envoy_dynamic_module_callback_http_clear_route_cache"]
    pub(crate) fn http_clear_route_cache(filter: *mut Filter);

    /// Writes filter state as a string, over what was there. False if the stream is gone.
    #[link_name = "envoy_dynamic_module_callback_http_set_filter_state_bytes"]
    pub(crate) fn http_set_filter_state_bytes(filter: *mut Filter, key: ModuleBuffer, value: ModuleBuffer) -> bool;

    /// Reads filter state that is a string. Valid until the same key is written. False if there is none, if it is not a
    /// string, or if the stream is gone.
    #[link_name = "envoy_dynamic_module_callback_http_get_filter_state_bytes"]
    pub(crate) fn http_get_filter_state_bytes(filter: *mut Filter, key: ModuleBuffer, value: *mut EnvoyBuffer) -> bool;

    /// An attribute that is a string. False if it is not there, not a string or the stream is gone.
    #[link_name = "envoy_dynamic_module_callback_http_filter_get_attribute_string"]
    pub(crate) fn http_filter_get_attribute_string(
        filter: *mut Filter,
        attribute: u32,
        value: *mut EnvoyBuffer,
    ) -> bool;

    /// An attribute that is an integer.
    #[link_name = "envoy_dynamic_module_callback_http_filter_get_attribute_int"]
    pub(crate) fn http_filter_get_attribute_int(filter: *mut Filter, attribute: u32, value: *mut u64) -> bool;

    // Answers of ours.

    /// Answers the client. `details` may be empty (then Envoy writes `dynamic_module`) and has no spaces. Outside the
    /// request hooks the whole stream may be over when it returns, with the stream complete hook called on the way.
    #[link_name = "envoy_dynamic_module_callback_http_send_response"]
    pub(crate) fn http_send_response(
        filter: *mut Filter,
        status_code: u32,
        headers: *const ModuleHeader,
        headers_size: usize,
        body: ModuleBuffer,
        details: ModuleBuffer,
    );

    /// Lets a held request go on. Nothing if the last request hook returned 0 or the stream is gone.
    #[link_name = "envoy_dynamic_module_callback_http_filter_continue_decoding"]
    pub(crate) fn http_filter_continue_decoding(filter: *mut Filter);

    /// Lets a held answer go on. Nothing if the last response hook returned 0 or the stream is gone.
    #[link_name = "envoy_dynamic_module_callback_http_filter_continue_encoding"]
    pub(crate) fn http_filter_continue_encoding(filter: *mut Filter);

    /// Ends the stream without an answer. `details` may be empty.
    #[link_name = "envoy_dynamic_module_callback_http_filter_reset_stream"]
    pub(crate) fn http_filter_reset_stream(filter: *mut Filter, reason: FilterResetReason, details: ModuleBuffer);

    // Callouts.

    /// Asks a cluster, and the filter's callout hook gets the answer. Zero milliseconds are no limit. Returns
    /// [`BEGUN`] if so.
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

    /// A way to this filter's worker from any thread. Made on that worker, and deleted by us.
    #[link_name = "envoy_dynamic_module_callback_http_filter_scheduler_new"]
    pub(crate) fn http_filter_scheduler_new(filter: *mut Filter) -> *mut FilterScheduler;

    /// Has the filter's scheduled hook called soon. Any thread; nothing if the filter is gone now or then.
    #[link_name = "envoy_dynamic_module_callback_http_filter_scheduler_commit"]
    pub(crate) fn http_filter_scheduler_commit(scheduler: *mut FilterScheduler, event_id: u64);

    /// Any thread, but not while another uses it.
    #[link_name = "envoy_dynamic_module_callback_http_filter_scheduler_delete"]
    pub(crate) fn http_filter_scheduler_delete(scheduler: *mut FilterScheduler);

    // Metrics. Those with labels and those without are numbered apart, both from one: the number of one with labels,
    // used without any, is another metric's.

    /// A counter, in the configuration's new hook only. Returns [`COUNTED`] if so.
    #[link_name = "envoy_dynamic_module_callback_http_filter_config_define_counter"]
    pub(crate) fn http_filter_config_define_counter(
        config: *mut Config,
        name: ModuleBuffer,
        label_names: *const ModuleBuffer,
        label_names_length: usize,
        counter_id: *mut usize,
    ) -> u32;

    /// A gauge, in the configuration's new hook only.
    #[link_name = "envoy_dynamic_module_callback_http_filter_config_define_gauge"]
    pub(crate) fn http_filter_config_define_gauge(
        config: *mut Config,
        name: ModuleBuffer,
        label_names: *const ModuleBuffer,
        label_names_length: usize,
        gauge_id: *mut usize,
    ) -> u32;

    /// Adds to a counter. Also in the destroy hook.
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

    // The bootstrap extension. All of its functions are for the main thread.

    /// Lets Envoy go on with its start, which waits for it. Once.
    #[link_name = "envoy_dynamic_module_callback_bootstrap_extension_config_signal_init_complete"]
    pub(crate) fn bootstrap_signal_init_complete(config: *mut Bootstrap);

    /// A counter, in the configuration's new hook only.
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

    /// Asks a cluster, and the callout hook gets the answer. Returns
    /// [`BEGUN`] if so.
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

    /// A timer that is not running. It is to be deleted on the main thread.
    #[link_name = "envoy_dynamic_module_callback_bootstrap_extension_timer_new"]
    pub(crate) fn bootstrap_timer_new(config: *mut Bootstrap) -> *mut Timer;

    /// Has a timer fire once, so much later.
    #[link_name = "envoy_dynamic_module_callback_bootstrap_extension_timer_enable"]
    pub(crate) fn bootstrap_timer_enable(timer: *mut Timer, delay_milliseconds: u64);

    /// Deletes a timer, which does not fire any more.
    #[link_name = "envoy_dynamic_module_callback_bootstrap_extension_timer_delete"]
    pub(crate) fn bootstrap_timer_delete(timer: *mut Timer);
}

/// The types of the hooks, all named `envoy_dynamic_module_on_…`. Envoy calls those of a filter on its worker, and the others on its main
/// thread, but for `http_filter_config_destroy`: that comes on whichever thread drops the configuration's last reference.
///
/// The last pointer before the numbers is always ours: what `…_new` returned.
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

    /// Ours of the configuration, Envoy's of the filter; returns ours of the filter. Null: the request gets a 500.
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
    /// The status code, the response code details, and whether the stream is to be reset anyway.
    pub(crate) type LocalReply =
        unsafe extern "C" fn(*mut Filter, *const c_void, u32, EnvoyBuffer, bool) -> LocalReplyStatus;

    pub(crate) type BootstrapConfigNew =
        unsafe extern "C" fn(*mut Bootstrap, EnvoyBuffer, EnvoyBuffer) -> *const c_void;
    /// Ours of the configuration, Envoy's of the extension; returns ours of the extension.
    pub(crate) type BootstrapNew = unsafe extern "C" fn(*const c_void, *mut c_void) -> *const c_void;
    pub(crate) type BootstrapNotice = unsafe extern "C" fn(*mut c_void, *const c_void);
    /// The last two are a function to be called once, when Envoy may end, and what to call it with.
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
