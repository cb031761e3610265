//! The hooks that Envoy calls. Each catches panics: a panic ends only its callback's request.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_void};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use sluice_shell::stream::Side;
use sluice_shell::{FilterStatus, Role, idle_timeout};

use crate::abi::{self, BodyStatus, EnvoyBuffer, EnvoyHeader, HeadersStatus, LocalReplyStatus, TrailersStatus, hook};
use crate::config::Config;
use crate::filters::{self, Filter, Handle, Later};
use crate::root::Root;
use crate::stream::{body_size, now};
use crate::{calls, logger, main_thread, ticks};

fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

/// The subject of a callback.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Request,
    Response,
    /// No message: a waiting one may be continued.
    Call,
}

/// Runs a filter's callback, then the actions that had to wait for its end.
fn run(token: *const c_void, about: About, callback: impl FnOnce(&mut dyn Role) -> FilterStatus) -> FilterStatus {
    let Some(filter) = filters::by_token(token) else { return FilterStatus::Answered };
    if filter.failed.get() {
        return FilterStatus::Answered;
    }
    // Envoy rejected the request before this filter saw it.
    if about == About::Response && !filter.begun.get() {
        return FilterStatus::Moves;
    }
    filter.begun.set(true);
    filter.has_answer.set(filter.has_answer.get() || about == About::Response);
    let status = guarded(|| match filter.role.try_borrow_mut() {
        Ok(mut role) => {
            let status = callback(&mut **role);
            if about != About::Response && role.waits() {
                filters::waits(token);
            }
            status
        }
        // Envoy replies itself during another callback, because the request exceeds one of Envoy's own limits.
        Err(_) if about == About::Response => FilterStatus::Moves,
        Err(_) => FilterStatus::Answered,
    });
    let status = status.unwrap_or_else(|| {
        filter.fails(about == About::Response);
        FilterStatus::Answered
    });
    if filter.role.try_borrow_mut().is_ok() {
        filter.catch_up(about == About::Call);
        if filter.over.take() {
            guarded(|| filter.log_now());
        }
    }
    status
}

impl Filter {
    /// Runs the role's log callback, now or after the current callback.
    fn log_now(&self) {
        match self.role.try_borrow_mut() {
            Ok(mut role) => role.log(),
            Err(_) => self.over.set(true),
        }
    }

    /// A callback panicked, in the response if `answered`. The role ends the request. If the role does not reply, Envoy does.
    fn fails(&self, answered: bool) {
        self.failed.set(true);
        let dropped: Vec<_> = self.later.borrow_mut().drain(..).collect();
        if dropped.iter().any(|later| matches!(later, Later::Reply(..))) {
            self.answered.set(false);
        }
        let replied = guarded(|| {
            self.role.try_borrow_mut().is_ok_and(|mut role| {
                role.fail(answered);
                true
            })
        });
        if replied != Some(true) || !self.answered.get() {
            self.later.borrow_mut().push_back(Later::Failed);
        }
    }
}

fn headers(status: FilterStatus) -> HeadersStatus {
    match status {
        FilterStatus::Moves => HeadersStatus::Continue,
        FilterStatus::Waits | FilterStatus::Answered => HeadersStatus::StopIteration,
    }
}

fn body(status: FilterStatus) -> BodyStatus {
    match status {
        FilterStatus::Moves => BodyStatus::Continue,
        FilterStatus::Waits => BodyStatus::StopIterationAndBuffer,
        FilterStatus::Answered => BodyStatus::StopIterationNoBuffer,
    }
}

fn trailers(status: FilterStatus) -> TrailersStatus {
    match status {
        FilterStatus::Moves => TrailersStatus::Continue,
        FilterStatus::Waits | FilterStatus::Answered => TrailersStatus::StopIteration,
    }
}

/// Exports hooks and checks their types.
macro_rules! hooks {
    ($($kind:ident $name:ident = |$($argument:ident: $type:ty),*| $(-> $result:ty)? $body:block)*) => {$(
        const _: hook::$kind = {
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($argument: $type),*) $(-> $result)? $body

            $name
        };
    )*};
}

hooks! {
    ProgramInit envoy_dynamic_module_on_program_init = | | -> *const c_char {
        guarded(logger::install);
        abi::VERSION.as_ptr()
    }

    ConfigNew envoy_dynamic_module_on_http_filter_config_new = |envoy: *mut abi::Config, name: EnvoyBuffer, json: EnvoyBuffer| -> *const c_void {
        let made = guarded(|| {
            logger::follow();
            // SAFETY: the bytes are valid until this returns.
            let (name, json) = unsafe { (name.bytes(), json.bytes()) };
            Config::new(envoy, &String::from_utf8_lossy(name), json)
        });
        made.flatten().map_or(ptr::null(), |config| Arc::into_raw(config).cast())
    }

    Destroy envoy_dynamic_module_on_http_filter_config_destroy = |config: *const c_void| {
        guarded(|| {
            if config.is_null() {
                return;
            }
            // SAFETY: `config_new` created it, and Envoy destroys it only once.
            let config = unsafe { Arc::from_raw(config.cast::<Config>()) };
            config.ends();
        });
    }

    RouteConfigNew envoy_dynamic_module_on_http_filter_per_route_config_new = |_name: EnvoyBuffer, _json: EnvoyBuffer| -> *const c_void {
        guarded(|| log::error!("the filter has no configuration of routes"));
        ptr::null()
    }

    FilterNew envoy_dynamic_module_on_http_filter_new = |config: *const c_void, envoy: *mut abi::Filter| -> *const c_void {
        let made = guarded(|| {
            // SAFETY: `config_new` created it, and Envoy has not destroyed it. `ManuallyDrop` leaves Envoy's reference alone.
            let config = ManuallyDrop::new(unsafe { Arc::from_raw(config.cast::<Config>()) });
            let root = Root::of(&config)?;
            let handle = Handle::take(config.domain)?;
            handle.put(Rc::new(Filter {
                envoy: Cell::new(envoy),
                role: RefCell::new(root.role(handle)),
                later: RefCell::default(),
                begun: Cell::new(false),
                has_answer: Cell::new(false),
                answered: Cell::new(false),
                failed: Cell::new(false),
                over: Cell::new(false),
                root,
            }));
            ticks::begins(envoy);
            Some(handle.token())
        });
        made.flatten().unwrap_or(ptr::null())
    }

    Headers envoy_dynamic_module_on_http_filter_request_headers = |_envoy: *mut abi::Filter, filter: *const c_void, end: bool| -> HeadersStatus {
        headers(run(filter, About::Request, |role| role.request_headers(end)))
    }

    Body envoy_dynamic_module_on_http_filter_request_body = |envoy: *mut abi::Filter, filter: *const c_void, end: bool| -> BodyStatus {
        body(run(filter, About::Request, |role| role.request_body(body_size(envoy, Side::Request), end)))
    }

    Trailers envoy_dynamic_module_on_http_filter_request_trailers = |_envoy: *mut abi::Filter, filter: *const c_void| -> TrailersStatus {
        trailers(run(filter, About::Request, |role| role.request_trailers()))
    }

    Headers envoy_dynamic_module_on_http_filter_response_headers = |_envoy: *mut abi::Filter, filter: *const c_void, end: bool| -> HeadersStatus {
        headers(run(filter, About::Response, |role| role.response_headers(end)))
    }

    Body envoy_dynamic_module_on_http_filter_response_body = |envoy: *mut abi::Filter, filter: *const c_void, end: bool| -> BodyStatus {
        body(run(filter, About::Response, |role| role.response_body(body_size(envoy, Side::Response), end)))
    }

    Trailers envoy_dynamic_module_on_http_filter_response_trailers = |_envoy: *mut abi::Filter, filter: *const c_void| -> TrailersStatus {
        trailers(run(filter, About::Response, |role| role.response_trailers()))
    }

    FilterNotice envoy_dynamic_module_on_http_filter_stream_complete = |_envoy: *mut abi::Filter, filter: *const c_void| {
        // Runs even after a panic, so that the request is settled and logged.
        guarded(|| {
            if let Some(filter) = filters::by_token(filter).filter(|filter| filter.begun.get()) {
                filter.log_now();
            }
        });
    }

    Destroy envoy_dynamic_module_on_http_filter_destroy = |filter: *const c_void| {
        guarded(|| {
            let Some(filter) = filters::remove(filter) else { return };
            ticks::ends(filter.envoy.replace(ptr::null_mut()));
            if let Ok(mut role) = filter.role.try_borrow_mut() {
                role.done();
            }
        });
    }

    FilterCalloutDone envoy_dynamic_module_on_http_filter_http_callout_done = |
        _envoy: *mut abi::Filter, filter: *const c_void, id: u64, result: u32,
        headers: *mut EnvoyHeader, headers_size: usize, chunks: *mut EnvoyBuffer, chunks_size: usize
    | {
        // SAFETY: the arrays are valid until this returns.
        let called = guarded(|| unsafe { calls::called(result, headers, headers_size, chunks, chunks_size) });
        if let Some(called) = called {
            run(filter, About::Call, |role| {
                role.called(id, &called);
                FilterStatus::Moves
            });
        }
    }

    FilterEvent envoy_dynamic_module_on_http_filter_scheduled = |_envoy: *mut abi::Filter, _filter: *const c_void, _event: u64| {
        guarded(|| {
            ticks::came();
            logger::follow();
            guarded(|| {
                idle_timeout::end_all::<Handle>(now(), main_thread::shut_down(), |end| {
                    guarded(end);
                });
            });
            for token in filters::waiting() {
                run(token, About::Call, |role| {
                    role.woken();
                    FilterStatus::Moves
                });
            }
        });
    }

    LocalReply envoy_dynamic_module_on_http_filter_local_reply = |
        _envoy: *mut abi::Filter, _filter: *const c_void, _status: u32, _details: EnvoyBuffer, _reset: bool
    | -> LocalReplyStatus {
        LocalReplyStatus::Continue
    }

    BootstrapConfigNew envoy_dynamic_module_on_bootstrap_extension_config_new = |
        envoy: *mut abi::Bootstrap, _name: EnvoyBuffer, _json: EnvoyBuffer
    | -> *const c_void {
        if guarded(|| main_thread::begins(envoy)) == Some(true) { ptr::without_provenance(1) } else { ptr::null() }
    }

    Destroy envoy_dynamic_module_on_bootstrap_extension_config_destroy = |_config: *const c_void| {
        guarded(main_thread::ends);
    }

    BootstrapNew envoy_dynamic_module_on_bootstrap_extension_new = |config: *const c_void, _envoy: *mut c_void| -> *const c_void {
        config
    }

    Destroy envoy_dynamic_module_on_bootstrap_extension_destroy = |_extension: *const c_void| {}

    BootstrapTimer envoy_dynamic_module_on_bootstrap_extension_timer_fired = |
        _envoy: *mut abi::Bootstrap, _config: *const c_void, _timer: *mut abi::Timer
    | {
        guarded(main_thread::tick);
        guarded(main_thread::ticked);
    }

    BootstrapCalloutDone envoy_dynamic_module_on_bootstrap_extension_http_callout_done = |
        _envoy: *mut abi::Bootstrap, _config: *const c_void, id: u64, result: u32,
        headers: *mut EnvoyHeader, headers_size: usize, chunks: *mut EnvoyBuffer, chunks_size: usize
    | {
        guarded(|| {
            // SAFETY: the arrays are valid until this returns.
            let called = unsafe { calls::called(result, headers, headers_size, chunks, chunks_size) };
            main_thread::called(id, &called);
        });
    }

    BootstrapShutdown envoy_dynamic_module_on_bootstrap_extension_shutdown = |
        _envoy: *mut c_void, _extension: *const c_void, go_on: unsafe extern "C" fn(*mut c_void), context: *mut c_void
    | {
        guarded(|| main_thread::shuts_down(go_on, context));
    }

    // Unused hooks that Envoy requires.
    FilterNotice envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark = |_envoy: *mut abi::Filter, _filter: *const c_void| {}
    FilterNotice envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark = |_envoy: *mut abi::Filter, _filter: *const c_void| {}
    FilterStreamHeaders envoy_dynamic_module_on_http_filter_http_stream_headers = |
        _envoy: *mut abi::Filter, _filter: *const c_void, _id: u64, _headers: *mut EnvoyHeader, _size: usize, _end: bool
    | {}
    FilterStreamData envoy_dynamic_module_on_http_filter_http_stream_data = |
        _envoy: *mut abi::Filter, _filter: *const c_void, _id: u64, _chunks: *const EnvoyBuffer, _size: usize, _end: bool
    | {}
    FilterStreamTrailers envoy_dynamic_module_on_http_filter_http_stream_trailers = |
        _envoy: *mut abi::Filter, _filter: *const c_void, _id: u64, _trailers: *mut EnvoyHeader, _size: usize
    | {}
    FilterEvent envoy_dynamic_module_on_http_filter_http_stream_complete = |_envoy: *mut abi::Filter, _filter: *const c_void, _id: u64| {}
    FilterStreamReset envoy_dynamic_module_on_http_filter_http_stream_reset = |_envoy: *mut abi::Filter, _filter: *const c_void, _id: u64, _reason: u32| {}
    ConfigStreamHeaders envoy_dynamic_module_on_http_filter_config_http_stream_headers = |
        _envoy: *mut abi::Config, _config: *const c_void, _id: u64, _headers: *mut EnvoyHeader, _size: usize, _end: bool
    | {}
    ConfigStreamData envoy_dynamic_module_on_http_filter_config_http_stream_data = |
        _envoy: *mut abi::Config, _config: *const c_void, _id: u64, _chunks: *const EnvoyBuffer, _size: usize, _end: bool
    | {}
    ConfigStreamTrailers envoy_dynamic_module_on_http_filter_config_http_stream_trailers = |
        _envoy: *mut abi::Config, _config: *const c_void, _id: u64, _trailers: *mut EnvoyHeader, _size: usize
    | {}
    ConfigEvent envoy_dynamic_module_on_http_filter_config_http_stream_complete = |_envoy: *mut abi::Config, _config: *const c_void, _id: u64| {}
    ConfigStreamReset envoy_dynamic_module_on_http_filter_config_http_stream_reset = |_envoy: *mut abi::Config, _config: *const c_void, _id: u64, _reason: u32| {}
    ConfigEvent envoy_dynamic_module_on_http_filter_config_scheduled = |_envoy: *mut abi::Config, _config: *const c_void, _event: u64| {}
    ConfigCalloutDone envoy_dynamic_module_on_http_filter_config_http_callout_done = |
        _envoy: *mut abi::Config, _config: *const c_void, _id: u64, _result: u32,
        _headers: *mut EnvoyHeader, _headers_size: usize, _chunks: *mut EnvoyBuffer, _chunks_size: usize
    | {}
    Destroy envoy_dynamic_module_on_http_filter_per_route_config_destroy = |_config: *const c_void| {}
    BootstrapNotice envoy_dynamic_module_on_bootstrap_extension_server_initialized = |_envoy: *mut c_void, _extension: *const c_void| {}
    BootstrapNotice envoy_dynamic_module_on_bootstrap_extension_worker_thread_initialized = |
        _envoy: *mut c_void, _extension: *const c_void
    | {}
    BootstrapNotice envoy_dynamic_module_on_bootstrap_extension_drain_started = |_envoy: *mut c_void, _extension: *const c_void| {}
    BootstrapEvent envoy_dynamic_module_on_bootstrap_extension_config_scheduled = |
        _envoy: *mut abi::Bootstrap, _config: *const c_void, _event: u64
    | {}
    BootstrapFile envoy_dynamic_module_on_bootstrap_extension_file_changed = |
        _envoy: *mut abi::Bootstrap, _config: *const c_void, _path: EnvoyBuffer, _events: u32
    | {}
    BootstrapName envoy_dynamic_module_on_bootstrap_extension_cluster_add_or_update = |
        _envoy: *mut abi::Bootstrap, _config: *const c_void, _name: EnvoyBuffer
    | {}
    BootstrapName envoy_dynamic_module_on_bootstrap_extension_cluster_removal = |
        _envoy: *mut abi::Bootstrap, _config: *const c_void, _name: EnvoyBuffer
    | {}
    BootstrapName envoy_dynamic_module_on_bootstrap_extension_listener_add_or_update = |
        _envoy: *mut abi::Bootstrap, _config: *const c_void, _name: EnvoyBuffer
    | {}
    BootstrapName envoy_dynamic_module_on_bootstrap_extension_listener_removal = |
        _envoy: *mut abi::Bootstrap, _config: *const c_void, _name: EnvoyBuffer
    | {}
    BootstrapAdmin envoy_dynamic_module_on_bootstrap_extension_admin_request = |
        _envoy: *mut abi::Bootstrap, _config: *const c_void, _method: EnvoyBuffer, _path: EnvoyBuffer, _body: EnvoyBuffer
    | -> u32 {
        404
    }
}
