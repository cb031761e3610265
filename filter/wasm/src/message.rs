//! One message, request or answer, as Envoy shows it during a callback: what core may read of it, and what becomes of it.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use proxy_wasm::types::{Action, BufferType, LogLevel, MapType};
use sluice_core::exchange::headers::HeaderMap;
use sluice_core::exchange::{Effect, Flow, Reply, Time, View};

use crate::host;

/// A message's header map and body buffer.
#[derive(Clone, Copy)]
pub struct Message {
    map: MapType,
    body: BufferType,
}

/// What the client sent.
pub const REQUEST: Message = Message { map: MapType::HttpRequestHeaders, body: BufferType::HttpRequestBody };
/// What is answered.
pub const RESPONSE: Message = Message { map: MapType::HttpResponseHeaders, body: BufferType::HttpResponseBody };

impl View for Message {
    fn now(&self) -> Time {
        Time(host::now())
    }

    fn headers(&self) -> HeaderMap {
        host::headers(self.map).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        host::header(self.map, name).ok()
    }

    fn body(&self, range: Range<usize>) -> Vec<u8> {
        host::buffer(self.body, range.start, range.len()).unwrap_or_default()
    }

    fn source(&self) -> Option<IpAddr> {
        let address = String::from_utf8(host::property("source\0address").ok()?).ok()?;
        address.parse().map(|address: SocketAddr| address.ip()).ok()
    }

    fn provider_left(&self) -> bool {
        // Envoy's response flags UR (remote reset), UC (connection termination) and UPE (protocol error, which a body cut short is),
        // as `response.flags` has them.
        const LEFT: u64 = 0x10 | 0x40 | 0x80_0000;
        let flags = host::property("response\0flags").ok().and_then(|bytes| bytes.try_into().ok());
        flags.is_some_and(|flags| u64::from_le_bytes(flags) & LEFT != 0)
    }
}

impl Message {
    /// Carries out what core decided, and tells Envoy whether the message moves on.
    pub fn apply(self, flow: Flow, effects: Vec<Effect>) -> Action {
        let mut action = match flow {
            Flow::Continue => Action::Continue,
            Flow::Pause => Action::Pause,
        };
        for effect in effects {
            if matches!(effect, Effect::Reply(_)) {
                action = Action::Pause;
            }
            let _ = self.carry_out(&effect);
        }
        action
    }

    /// Carries out what core decided of a message that waits in the context that was entered, from a callback of the root context
    /// `root`, which is entered again. It moves on if all of it was done, unless a reply takes its place.
    pub fn release(self, root: u32, effects: &[Effect]) -> Result<(), host::Failed> {
        let replied = effects.iter().any(|effect| matches!(effect, Effect::Reply(_)));
        let done = effects.iter().try_for_each(|effect| self.carry_out(effect));
        // A message whose headers are not here could not be changed, and must not be told to move on: Envoy would crash.
        let done = done.and_then(|()| if replied { Ok(()) } else { host::resume_response() });
        let _ = host::enter(root);
        done
    }

    fn carry_out(self, effect: &Effect) -> Result<(), host::Failed> {
        let done = match effect {
            Effect::ReplaceHeaders(headers) => host::replace_headers(self.map, headers),
            Effect::SetHeader(name, value) => host::set_header(self.map, name, value),
            Effect::RemoveHeader(name) => host::remove_header(self.map, name),
            Effect::ReplaceBody { drain, with } => host::replace_front(self.body, *drain, with),
            Effect::SetProperty(name, value) => host::set_property(name, value),
            Effect::ClearRoute => host::clear_route_cache(),
            Effect::Reply(reply) => send(reply),
            Effect::Count(name) => host::count(name),
            Effect::Warn(text) => {
                host::log(LogLevel::Warn, &format!("sluice: {text}"));
                Ok(())
            }
        };
        if done.is_err() {
            // Names only: values may be secrets or prompts.
            host::log(LogLevel::Error, &format!("sluice: Envoy refused: {}", name_of(effect)));
        }
        done
    }
}

fn send(reply: &Reply) -> Result<(), host::Failed> {
    let mut headers: HeaderMap = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push("content-type", &*reply.content_type);
    host::reply(reply.status, &headers, &reply.body)
}

fn name_of(effect: &Effect) -> &'static str {
    match effect {
        Effect::ReplaceHeaders(_) => "replacing the headers",
        Effect::SetHeader(..) => "setting a header",
        Effect::RemoveHeader(_) => "removing a header",
        Effect::ReplaceBody { .. } => "replacing the body",
        Effect::SetProperty(..) => "setting a property",
        Effect::ClearRoute => "choosing the route anew",
        Effect::Reply(_) => "a local reply",
        Effect::Count(_) => "counting",
        Effect::Warn(_) => "a warning",
    }
}
