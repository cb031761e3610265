//! Implements [`Stream`] with Envoy's functions for native filters.
//!
//! Some of these functions make Envoy call the filter again before they return. They are delayed until the current callback has returned
//! (see [`Later`]). Every call fails once Envoy has destroyed the filter.
#![allow(unsafe_code)]

use std::ptr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use sluice_core::callout::Call;
use sluice_core::metrics::Recorder;
use sluice_core::pipeline::{REPLY_DETAILS, metric};
use sluice_core::store::SharedData;
use sluice_shell::in_flight::InFlight;
use sluice_shell::stream::{Attribute, Failed, Side, Stream};
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::abi::{self, BodyType, EnvoyBuffer, EnvoyHeader, HeaderType, ModuleBuffer, ModuleHeader, attribute};
use crate::calls;
use crate::filters::{self, Handle, Later};
use crate::root;

/// The response code details of a reply after a panic.
const DEFECT: &str = "sluice_defect";

type Result<T> = std::result::Result<T, Failed>;

thread_local! {
    static SWITCHBOARD: InFlight<Handle> = const { InFlight::empty() };
}

fn map(of: Side) -> HeaderType {
    match of {
        Side::Request => HeaderType::RequestHeader,
        Side::Response => HeaderType::ResponseHeader,
    }
}

/// The wall-clock time.
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

fn done(done: bool) -> Result<()> {
    if done { Ok(()) } else { Err(Failed) }
}

/// Whether Envoy crashes without this header.
fn is_vital(of: Side, name: &[u8]) -> bool {
    match of {
        Side::Request => [&b":method"[..], b":path", b":authority"].contains(&name),
        Side::Response => name == b":status",
    }
}

/// All values of a header, in order.
fn values<'a>(map: &'a HeaderMap, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    map.iter().filter(move |(other, _)| *other == name).map(|(_, value)| value)
}

/// The parts of a body, in order: the buffered bytes, and those of the current callback.
fn parts(filter: *mut abi::Filter, of: Side) -> [Option<BodyType>; 2] {
    // SAFETY: the filter is alive.
    let (kept, came, same) = unsafe {
        match of {
            Side::Request => {
                (BodyType::BufferedRequest, BodyType::ReceivedRequest, abi::http_received_buffered_request_body(filter))
            }
            Side::Response => (
                BodyType::BufferedResponse,
                BodyType::ReceivedResponse,
                abi::http_received_buffered_response_body(filter),
            ),
        }
    };
    // Both can be the same buffer.
    if same { [None, Some(came)] } else { [Some(kept), Some(came)] }
}

/// The size of a body in bytes.
pub fn body_size(filter: *mut abi::Filter, of: Side) -> usize {
    // SAFETY: the filter is alive.
    parts(filter, of).into_iter().flatten().map(|part| unsafe { abi::http_get_body_size(filter, part) }).sum()
}

/// Calls `look` on a part's slices, in order, until it returns false.
fn each_piece(filter: *mut abi::Filter, part: BodyType, mut look: impl FnMut(&[u8]) -> bool) -> Result<()> {
    // SAFETY: the filter is alive.
    let count = unsafe { abi::http_get_body_chunks_size(filter, part) };
    if count == 0 {
        return Ok(());
    }
    let mut pieces = vec![EnvoyBuffer::EMPTY; count];
    // SAFETY: the array has the size that Envoy returned, and nothing has changed since.
    done(unsafe { abi::http_get_body_chunks(filter, part, pieces.as_mut_ptr()) })?;
    for piece in pieces {
        // SAFETY: the bytes are Envoy's, and nothing changes the body meanwhile.
        if !look(unsafe { piece.bytes() }) {
            break;
        }
    }
    Ok(())
}

impl Handle {
    fn there(self) -> Result<*mut abi::Filter> {
        self.envoy().ok_or(Failed)
    }

    /// Runs an action now, or after the filter's current callback.
    fn soon(self, later: Later) -> Result<()> {
        let filter = self.filter().ok_or(Failed)?;
        filter.later.borrow_mut().push_back(later);
        if filter.role.try_borrow_mut().is_ok() {
            filter.catch_up(true);
        }
        Ok(())
    }

    fn text(self, number: u32) -> Result<Vec<u8>> {
        let filter = self.there()?;
        let mut value = EnvoyBuffer::EMPTY;
        // SAFETY: the filter is alive; Envoy writes a pointer to its own bytes, which are copied immediately.
        unsafe {
            done(abi::http_filter_get_attribute_string(filter, number, &raw mut value))?;
            Ok(value.bytes().to_vec())
        }
    }
}

impl Stream for Handle {
    fn number(self) -> u32 {
        self.index()
    }

    fn in_flight<T>(act: impl FnOnce(&InFlight<Self>) -> T) -> T {
        SWITCHBOARD.with(act)
    }

    fn now(self) -> Time {
        now()
    }

    fn random(bytes: &mut [u8]) -> Result<()> {
        getrandom::fill(bytes).map_err(|_| Failed)
    }

    fn shared(self) -> &'static dyn SharedData {
        self.domain.shared()
    }

    fn enter(self) -> Result<()> {
        self.there().map(drop)
    }

    // Envoy has detached the filter by then.
    fn survivor(self, request: Option<Self>) -> Option<Self> {
        request
    }

    // Envoy shows an upstream filter its response headers only until they have continued.
    fn has_answer(self) -> bool {
        self.filter().is_some_and(|filter| filter.has_answer.get())
    }

    fn headers(self, of: Side) -> Result<HeaderMap> {
        let filter = self.there()?;
        // SAFETY: the filter is alive.
        let count = unsafe { abi::http_get_headers_size(filter, map(of)) };
        let mut headers = vec![EnvoyHeader::EMPTY; count];
        // SAFETY: the array has the size that Envoy returned, and nothing has changed since.
        done(unsafe { abi::http_get_headers(filter, map(of), headers.as_mut_ptr()) })?;
        let bytes = headers.iter().map(|header| header.key_length + header.value_length).sum();
        let mut all = HeaderMap::with_capacity(count, bytes);
        for header in headers {
            // SAFETY: the bytes are Envoy's, and are copied before anything changes.
            unsafe { all.push(header.key().bytes(), header.value().bytes()) }
        }
        Ok(all)
    }

    fn header(self, of: Side, name: &str) -> Result<Option<Vec<u8>>> {
        let filter = self.there()?;
        let (mut value, name) = (EnvoyBuffer::EMPTY, ModuleBuffer::new(name.as_bytes()));
        // SAFETY: the filter is alive; Envoy reads the name and writes a pointer to its own bytes, which are copied immediately.
        unsafe {
            let is_there = abi::http_get_header(filter, map(of), name, &raw mut value, 0, ptr::null_mut());
            Ok(is_there.then(|| value.bytes().to_vec()))
        }
    }

    fn replace_headers(self, of: Side, headers: &HeaderMap) -> Result<()> {
        let (filter, map, before) = (self.there()?, map(of), self.headers(of)?);
        let has = |map: &HeaderMap, name: &[u8]| map.iter().any(|(other, _)| other == name);
        let mut goes = before.iter().map(|(name, _)| name).filter(|name| !has(headers, name)).peekable();
        if goes.peek().is_some() && before.iter().any(|(name, _)| is_vital(of, name) && !has(headers, name)) {
            return Err(Failed);
        }
        for name in goes {
            // SAFETY: the filter is alive, and Envoy reads the name during the call.
            done(unsafe { abi::http_set_header(filter, map, ModuleBuffer::new(name), ModuleBuffer::NONE) })?;
        }
        for (place, (name, value)) in headers.iter().enumerate() {
            if values(&before, name).eq(values(headers, name)) {
                continue;
            }
            let is_first = headers.iter().take(place).all(|(other, _)| other != name);
            let (name, value) = (ModuleBuffer::new(name), ModuleBuffer::new(value));
            // SAFETY: the filter is alive, and Envoy reads both during the call.
            let written = unsafe {
                match is_first {
                    true => abi::http_set_header(filter, map, name, value),
                    // Envoy adds no empty values; beside another value, one means nothing.
                    false => value.length == 0 || abi::http_add_header(filter, map, name, value),
                }
            };
            done(written)?;
        }
        Ok(())
    }

    fn set_header(self, of: Side, name: &str, value: &str) -> Result<()> {
        let filter = self.there()?;
        let (name, value) = (ModuleBuffer::new(name.as_bytes()), ModuleBuffer::new(value.as_bytes()));
        // SAFETY: the filter is alive, and Envoy reads both during the call.
        done(unsafe { abi::http_set_header(filter, map(of), name, value) })
    }

    fn remove_header(self, of: Side, name: &str) -> Result<()> {
        if is_vital(of, name.as_bytes()) {
            return Err(Failed);
        }
        let filter = self.there()?;
        // SAFETY: the filter is alive, and Envoy reads the name during the call.
        done(unsafe { abi::http_set_header(filter, map(of), ModuleBuffer::new(name.as_bytes()), ModuleBuffer::NONE) })
    }

    fn body(self, of: Side, start: usize, length: usize) -> Result<Vec<u8>> {
        let filter = self.there()?;
        let (mut skipped, mut bytes) = (start, Vec::with_capacity(length.min(body_size(filter, of))));
        for part in parts(filter, of).into_iter().flatten() {
            each_piece(filter, part, |piece| {
                let rest = piece.get(skipped..).unwrap_or_default();
                skipped = skipped.saturating_sub(piece.len());
                bytes.extend(rest.get(..length - bytes.len()).unwrap_or(rest));
                bytes.len() < length
            })?;
        }
        Ok(bytes)
    }

    fn replace_front(self, of: Side, drain: usize, with: &[u8]) -> Result<()> {
        let filter = self.there()?;
        let rest = self.body(of, drain, usize::MAX)?;
        let mut last = None;
        for part in parts(filter, of).into_iter().flatten() {
            // SAFETY: the filter is alive.
            let size = unsafe { abi::http_get_body_size(filter, part) };
            if size > 0 {
                // SAFETY: the filter is alive.
                done(unsafe { abi::http_drain_body(filter, part, size) })?;
                last = Some(part);
            }
        }
        // SAFETY: the filter is alive, and Envoy copies the bytes during the call.
        let add = |to, bytes| unsafe { abi::http_append_body(filter, to, ModuleBuffer::new(bytes)) };
        let bytes = if rest.is_empty() { with } else { &[with, &rest].concat() };
        done(match last {
            _ if bytes.is_empty() => true,
            Some(to) => add(to, bytes),
            // Appends to the current callback's part, or else to the buffered one.
            None => parts(filter, of).into_iter().flatten().rev().any(|to| add(to, bytes)),
        })
    }

    fn attribute(self, attribute: Attribute) -> Vec<u8> {
        let number = match attribute {
            Attribute::SourceAddress => attribute::SOURCE_ADDRESS,
            Attribute::CodeDetails => attribute::RESPONSE_CODE_DETAILS,
            Attribute::UpstreamAddress => attribute::UPSTREAM_ADDRESS,
            Attribute::UpstreamLocalAddress => attribute::UPSTREAM_LOCAL_ADDRESS,
            Attribute::TransportFailureReason => attribute::UPSTREAM_TRANSPORT_FAILURE_REASON,
        };
        self.text(number).unwrap_or_default()
    }

    fn response_flags(self) -> u64 {
        let Ok(filter) = self.there() else { return 0 };
        let mut flags = 0;
        // SAFETY: the filter is alive, and Envoy writes the number during the call.
        let known = unsafe { abi::http_filter_get_attribute_int(filter, attribute::RESPONSE_FLAGS, &raw mut flags) };
        if known { flags } else { 0 }
    }

    fn property(self, name: &str) -> Result<Vec<u8>> {
        let filter = self.there()?;
        let (key, mut value) = (format!("wasm.{name}"), EnvoyBuffer::EMPTY);
        // SAFETY: the filter is alive; Envoy reads the key and writes a pointer to its own bytes, which are copied immediately.
        unsafe {
            done(abi::http_get_filter_state_bytes(filter, ModuleBuffer::new(key.as_bytes()), &raw mut value))?;
            Ok(value.bytes().to_vec())
        }
    }

    fn set_property(self, name: &str, value: &[u8]) -> Result<()> {
        let filter = self.there()?;
        let key = format!("wasm.{name}");
        let (key, value) = (ModuleBuffer::new(key.as_bytes()), ModuleBuffer::new(value));
        // SAFETY: the filter is alive, and Envoy reads both during the call.
        done(unsafe { abi::http_set_filter_state_bytes(filter, key, value) })
    }

    fn clear_route(self) -> Result<()> {
        // SAFETY: the filter is alive.
        unsafe { abi::http_clear_route_cache(self.there()?) }
        Ok(())
    }

    fn reply(self, status: u16, headers: &HeaderMap, body: &[u8]) -> Result<()> {
        let filter = self.filter().ok_or(Failed)?;
        if filter.answered.replace(true) {
            return Err(Failed);
        }
        let mut headers = headers.clone();
        if filter.is_grpc() {
            headers.push("grpc-status", grpc_status(status));
        }
        self.soon(Later::Reply(status, headers, body.to_vec()))
    }

    fn resume_request(self) -> Result<()> {
        self.soon(Later::ResumeRequest)
    }

    fn resume_response(self) -> Result<()> {
        self.soon(Later::ResumeResponse)
    }

    fn cut(self) -> Result<()> {
        // SAFETY: the filter is alive. Its last callbacks may run before this returns, and nothing here is borrowed.
        unsafe {
            abi::http_filter_reset_stream(self.there()?, abi::FilterResetReason::LocalReset, ModuleBuffer::NONE);
        }
        Ok(())
    }

    fn call(self, call: &Call) -> Result<u64> {
        let filter = self.there()?;
        let (headers, cluster, body, timeout) = calls::written(call);
        let mut id = 0;
        // SAFETY: the filter is alive; Envoy reads the rest during the call and writes the number.
        let begun = unsafe {
            abi::http_filter_http_callout(filter, &raw mut id, cluster, headers.as_ptr(), headers.len(), body, timeout)
        };
        done(begun == abi::BEGUN).map(|()| id)
    }

    fn recorder(self) -> Option<Arc<Recorder>> {
        root::recorder(self.domain)
    }

    fn count(self, name: &'static str) -> Result<()> {
        let number =
            calls::number(metric::COUNTERS, name).inspect_err(|_| log::error!("the counter {name} is not defined"))?;
        let filter = filters::counting(self).ok_or(Failed)?;
        // SAFETY: the filter is alive; no labels are read.
        let counted = unsafe { abi::http_filter_increment_counter(filter, number, ptr::null(), 0, 1) };
        done(counted == abi::COUNTED)
    }

    #[cfg(feature = "trap")]
    fn defect(self, deed: &str) -> Result<()> {
        let nothing = ModuleBuffer::NONE;
        match deed {
            "trailer" => {
                let (name, value) = (ModuleBuffer::new(b"x-trap"), ModuleBuffer::new(b"1"));
                // SAFETY: the filter is alive, and Envoy reads both during the call.
                done(unsafe { abi::http_set_header(self.there()?, HeaderType::ResponseTrailer, name, value) })
            }
            "main-thread" => {
                crate::main_thread::TRAP.store(true, std::sync::atomic::Ordering::Relaxed);
                Ok(())
            }
            "close-request" | "close-response" => {
                let filter = self.there()?;
                // SAFETY: the filter is alive.
                unsafe { abi::http_filter_reset_stream(filter, abi::FilterResetReason::LocalReset, nothing) };
                Ok(())
            }
            #[expect(clippy::panic, reason = "the defect that is asked for")]
            _ => panic!("a trap"),
        }
    }
}

/// The gRPC status for an HTTP status, as Envoy converts it.
fn grpc_status(status: u16) -> &'static str {
    match status {
        400 => "13",
        401 => "16",
        403 => "7",
        404 => "12",
        429 | 502..=504 => "14",
        _ => "2",
    }
}

impl filters::Filter {
    /// Whether the client speaks gRPC. Envoy sends it every reply as gRPC's, and without a `grpc-status` as a success.
    fn is_grpc(&self) -> bool {
        let (envoy, mut value) = (self.envoy.get(), EnvoyBuffer::EMPTY);
        if envoy.is_null() {
            return false;
        }
        let name = ModuleBuffer::new(b"content-type");
        // SAFETY: the filter is alive; Envoy reads the name and writes a pointer to its own bytes, which are read immediately.
        let media = unsafe {
            let request = HeaderType::RequestHeader;
            if !abi::http_get_header(envoy, request, name, &raw mut value, 0, ptr::null_mut()) {
                return false;
            }
            value.bytes()
        };
        media.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    }

    /// Runs the actions that waited for the end of a callback. No callback of the role may be running. Envoy must not continue a message
    /// within a callback about that message: then `resumes` is false, and those actions are skipped.
    pub fn catch_up(&self, resumes: bool) {
        loop {
            let later = self.later.borrow_mut().pop_front();
            let (Some(later), envoy) = (later, self.envoy.get()) else { return };
            if envoy.is_null() {
                return;
            }
            // SAFETY: the filter is alive. Envoy may call it before these return, and nothing of it is borrowed.
            match later {
                Later::Reply(status, headers, body) => unsafe {
                    let headers: Vec<ModuleHeader> =
                        headers.iter().map(|(name, value)| ModuleHeader::new(name, value)).collect();
                    let details = ModuleBuffer::new(REPLY_DETAILS.as_bytes());
                    let body = ModuleBuffer::new(&body);
                    abi::http_send_response(envoy, u32::from(status), headers.as_ptr(), headers.len(), body, details);
                },
                Later::Failed => unsafe {
                    let details = ModuleBuffer::new(DEFECT.as_bytes());
                    let headers = [ModuleHeader::new(b"grpc-status", grpc_status(500).as_bytes())];
                    let count = if self.is_grpc() { headers.len() } else { 0 };
                    abi::http_send_response(envoy, 500, headers.as_ptr(), count, ModuleBuffer::NONE, details);
                },
                Later::ResumeRequest if resumes => unsafe { abi::http_filter_continue_decoding(envoy) },
                Later::ResumeResponse if resumes => unsafe { abi::http_filter_continue_encoding(envoy) },
                Later::ResumeRequest | Later::ResumeResponse => {}
            }
        }
    }
}
