//! From the request headers to the caller: matches the endpoint and authenticates the key.

use std::borrow::Cow;
use std::rc::Rc;

use sha2::{Digest, Sha256};
use sluice_wire::coding::{self, Coding};
use sluice_wire::dialect::{Asks, Client};
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::headers::HeaderMap;
use sluice_wire::hex;
use sluice_wire::time::Time;

use crate::callout::Called;
use crate::keys::caller::{Caller, Credential};
use crate::keys::{self, Denied};
use crate::memory_limiter::{Exhausted, LARGEST_BODY, Permit};
use crate::peek::BodyPeek;
use crate::routing::routing_headers::RoutingHeaders;
use crate::trace::context::{Parent, TRACE_PARENT, TRACE_STATE};

use super::super::redis_client::Asking;
use super::super::request_state::{PassThrough, RequestHead, from_envoy};
use super::super::worker::Lookup;
use super::super::{Context, Effect, Flow, Reply};
use super::client_keys::Keys;
use super::endpoint::{self, Endpoint, EndpointKind, VERSION, speaker_at};
use super::path::{canonical, origin};
use super::{LogContext, Outcome, Phase, Refused, RequestPipeline, health, models, quoted};

/// The client's headers that a provider may see. All others stay here: credentials, cookies, addresses.
const FORWARDED: [&[u8]; 5] = [b":method", b"x-request-id", PARENT, b"user-agent", IDEMPOTENCY_KEY];

/// The usual size of these headers, in bytes.
const ROOM: usize = 256;

const IDEMPOTENCY_KEY: &[u8] = b"idempotency-key";

const PARENT: &[u8] = TRACE_PARENT.as_bytes();

const STATE: &[u8] = TRACE_STATE.as_bytes();

/// A request whose caller is not authenticated yet.
#[derive(Debug)]
pub(super) struct PendingAuth {
    started: Time,
    keys: Keys,
    endpoint: Endpoint,
    /// The canonical path, without a query.
    path: String,
    pass_through: Option<PassThrough>,
    forwarded: HeaderMap,
    /// The routing headers. An error in them is shown only to an authenticated caller.
    routing_headers: Result<RoutingHeaders, ApiError>,
    /// The body's size, once all of it is here; zero when there is none.
    pub(super) body: Option<usize>,
    /// The body's content coding, if it has one.
    coding: Result<Option<Coding>, ApiError>,
    /// The declared body size.
    declared: Option<u64>,
    /// Memory at the worker's memory limiter: until authentication, all such requests have one common permit.
    permit: Permit,
    /// The key lookup in Redis.
    asking: Option<Asking>,
}

impl PendingAuth {
    /// Records the body size so far. A body that is too large is rejected after authentication; until then Envoy's own limit bounds it.
    pub(super) fn arrives(&mut self, size: usize) -> Result<(), Exhausted> {
        let wide = u64::try_from(size).unwrap_or(u64::MAX);
        self.declared = self.declared.max(Some(wide));
        self.permit.grow(size)
    }

    fn is_too_large(&self) -> bool {
        self.declared.is_some_and(|length| length > LARGEST_BODY as u64)
    }

    /// The expected body size, as far as it is known.
    fn expected(&self) -> usize {
        self.declared.and_then(|length| usize::try_from(length).ok()).unwrap_or_default().min(LARGEST_BODY)
    }
}

impl RequestPipeline {
    pub(super) fn headers(&mut self, end: bool, cx: &mut Context<'_>) -> Result<Outcome, Refused> {
        let headers = cx.view.headers()?;
        let started = cx.now();
        let parent = Parent::of(&headers);
        let trace = self.worker.config.tracing.as_ref().map(|settings| self.worker.trace(settings, parent));
        self.log_context = LogContext::read(&headers, trace, started);
        strip(&headers, cx.effects);
        let asked = headers.text(":path").unwrap_or_default().split('#').next().unwrap_or_default();
        let (asked, query) = asked.split_once('?').map_or((asked, None), |(path, query)| (path, Some(query)));
        let path = &*canonical(asked);
        // In case the request is rejected here.
        let is_anthropics = headers.get("anthropic-version").is_some();
        self.client = speaker_at(path, is_anthropics);
        let method = headers.text(":method").unwrap_or_default();
        let origin = || origin(headers.text(":scheme"), headers.text(":authority"));
        let endpoint = Endpoint::at(method, path, is_anthropics).map_err(|unserved| {
            // The access log shows the caller even if the path is unknown.
            let keys = Keys::of(&headers, &self.worker.config);
            self.log_context.caller =
                keys.and_then(|keys| keys.iter().find_map(|key| self.worker.knows(&key.hash, started)));
            self.phase = Phase::Answered { error: None };
            unserved.refused(method, asked, &origin())
        })?;
        self.client = endpoint.client;
        match endpoint.purpose {
            EndpointKind::About => return self.answer_anybody(endpoint::about(&origin())),
            EndpointKind::Alive => return self.answer_anybody(health::alive()),
            EndpointKind::Ready => return self.ready(cx),
            EndpointKind::Ask | EndpointKind::Models | EndpointKind::Model(_) | EndpointKind::Stored => {}
        }
        if self.worker.config.shuts_down {
            let message = "The gateway is shutting down. Send the request again.";
            return Err(ApiError::new(503, ErrorKind::Server, message).with_code("gateway_shutting_down").into());
        }
        let configured = self.worker.config.forward_headers.iter().map(|header| header.name());
        let own: Vec<&str> = endpoint.client.manner.forwards.iter().copied().chain(configured).collect();
        let passes = |name: &[u8]| match name {
            // Each attempt has its own span as the parent.
            PARENT => trace.is_none(),
            // It belongs to the client's trace.
            STATE if trace.is_some() && parent.is_none() => false,
            _ => FORWARDED.contains(&name) || own.iter().any(|own| own.as_bytes() == name),
        };
        let Some(keys) = Keys::of(&headers, &self.worker.config) else {
            return Err(unauthorized("You didn't provide an API key. Send it as 'Authorization: Bearer <key>'.").into());
        };
        let mut forwarded = HeaderMap::with_capacity(FORWARDED.len(), ROOM);
        forwarded.extend(headers.iter().filter(|(name, _)| passes(name)));
        let pending = PendingAuth {
            started,
            keys,
            forwarded,
            pass_through: pass_through(endpoint.client, path, query, &headers),
            endpoint,
            path: path.to_owned(),
            routing_headers: RoutingHeaders::read(&headers, &self.worker.config.watched_headers),
            body: end.then_some(0),
            coding: coding(&headers),
            declared: headers.text("content-length").and_then(|text| text.parse().ok()),
            permit: self.worker.memory_limiter.unknown(),
            asking: None,
        };
        self.look_up(pending, cx)
    }

    /// Looks up the sent keys in order, until one is known.
    fn look_up(&mut self, mut pending: PendingAuth, cx: &mut Context<'_>) -> Result<Outcome, Refused> {
        loop {
            match self.worker.find(&pending.keys.presented.text, &pending.keys.presented.hash, pending.started) {
                Lookup::Ask(call, asking) => {
                    pending.permit.grow(pending.expected())?;
                    pending.asking = Some(asking);
                    self.phase = Phase::Authenticating(Box::new(pending));
                    return Ok(Outcome::Ask(call));
                }
                Lookup::Known(None) if pending.keys.tries_another() => {}
                found => return self.admit(pending, found, cx),
            }
        }
    }

    /// Handles Redis's reply to the key lookup.
    pub(super) fn recognised(
        &mut self,
        mut pending: PendingAuth,
        called: &Called,
        cx: &mut Context<'_>,
    ) -> Result<Outcome, Refused> {
        match self.worker.found(&pending.keys.presented.hash, called, &mut cx.moment()) {
            Lookup::Known(None) if pending.keys.tries_another() => self.look_up(pending, cx),
            found => self.admit(pending, found, cx),
        }
    }

    fn admit(&mut self, pending: PendingAuth, found: Lookup, cx: &mut Context<'_>) -> Result<Outcome, Refused> {
        let found = match found {
            Lookup::Known(found) => found,
            Lookup::Busy => return Err(Exhausted::Keys.into()),
            Lookup::Ask(..) | Lookup::Silent => {
                let message = "The gateway cannot check API keys right now. Try again in a moment.";
                return Err(ApiError::new(503, ErrorKind::Server, message).with_code("key_store_unavailable").into());
            }
        };
        // For the access log, in case the request is rejected.
        self.log_context.caller = found.as_ref().map(|credential| credential.caller.clone());
        self.phase = Phase::Answered { error: None };
        let caller = recognise(&pending, found.as_ref(), cx)?;
        if pending.is_too_large() {
            return Err(from_envoy(413).into());
        }
        let expected = pending.expected();
        let PendingAuth {
            started,
            endpoint,
            path,
            forwarded,
            routing_headers,
            pass_through,
            body,
            coding,
            mut permit,
            ..
        } = pending;
        let trace = self.log_context.trace;
        let coding = coding.map_err(|error| Refused {
            error: error.into(),
            headers: vec![("accept-encoding", coding::ACCEPTED.to_owned())],
        })?;
        let forwarded = with_own_idempotency_key(forwarded, &caller.key_id);
        let Endpoint { purpose, client } = endpoint;
        match purpose {
            EndpointKind::Models => {
                let asked = cx.view.header(":path")?.unwrap_or_default();
                let asked = String::from_utf8_lossy(&asked);
                let query =
                    asked.split('#').next().and_then(|asked| asked.split_once('?')).map_or("", |(_, query)| query);
                let list = models::list(&self.worker.config, &caller, client, query)?;
                self.answer(list)
            }
            EndpointKind::Model(name) => {
                let model = models::one(&self.worker.config, &caller, client, &name)?;
                self.answer(model)
            }
            EndpointKind::Stored if caller.endpoints.is_none() => Err(shared(&path).into()),
            // These were answered before authentication.
            EndpointKind::About | EndpointKind::Alive | EndpointKind::Ready => self.answer(health::alive()),
            EndpointKind::Ask | EndpointKind::Stored => {
                let routing_headers = routing_headers?;
                routing_headers.allowed(&caller)?;
                permit.belongs_to(caller.key_id.clone())?;
                permit.grow(expected)?;
                self.phase = Phase::Body(RequestHead {
                    started,
                    caller,
                    client,
                    forwarded,
                    routing_headers,
                    pass_through,
                    coding,
                    trace,
                    permit,
                });
                match body {
                    None => Ok(Outcome::Step(Flow::Pause)),
                    Some(0) if purpose == EndpointKind::Ask => {
                        Err(BodyPeek::read(&[], client.shape).err().unwrap_or_else(|| from_envoy(400)).into())
                    }
                    Some(size) => self.body(size, cx),
                }
            }
        }
    }
}

impl RequestPipeline {
    /// The same for a client without a key.
    fn answer_anybody(&mut self, body: Vec<u8>) -> Result<Outcome, Refused> {
        self.phase = Phase::Answered { error: None };
        self.answer(body)
    }

    /// Responds without a provider.
    pub(super) fn answer(&self, body: Vec<u8>) -> Result<Outcome, Refused> {
        Ok(Outcome::Step(Flow::Reply(Reply::json(200, self.name().into_iter().collect(), body))))
    }
}

fn recognise(pending: &PendingAuth, found: Option<&Credential>, cx: &Context<'_>) -> Result<Rc<Caller>, Refused> {
    let now = pending.started.seconds();
    keys::admit(found, &pending.keys.presented.text, now, &pending.path, || cx.view.source())
        // The code for the log; `public` maps it for the caller.
        .map_err(|denied: Denied| denied.error().with_code(denied.code()).into())
}

/// All keys with access to stored objects share them, so access needs an explicit `endpoints`.
fn shared(path: &str) -> ApiError {
    let message = format!(
        "This key may not call {path}. Stored objects are shared by all keys whose `endpoints` list their path, and \
         this key's do not. Ask the gateway's operator to add the path."
    );
    ApiError::new(403, ErrorKind::Permission, message).with_code("endpoint_not_allowed")
}

/// The body's content coding: at most one, and a supported one.
fn coding(headers: &HeaderMap) -> Result<Option<Coding>, ApiError> {
    let all: Vec<_> = headers.all("content-encoding").map(String::from_utf8_lossy).collect();
    if all.is_empty() {
        return Ok(None);
    }
    let all = all.join(",");
    let is_one = |name: &&str| !name.is_empty() && !name.eq_ignore_ascii_case("identity");
    let mut names = all.split(',').map(str::trim).filter(is_one);
    match (names.next(), names.next()) {
        (None, _) => Ok(None),
        (Some(name), None) if let Some(coding) = Coding::named(name) => Ok(Some(coding)),
        _ => {
            let accepted = coding::ACCEPTED;
            let message = format!(
                "The gateway does not support the content-encoding {}. Send the request body uncompressed, or with \
                 one of {accepted}.",
                quoted(&all)
            );
            let error = ApiError::new(415, ErrorKind::InvalidRequest, message);
            Err(error.with_code("unsupported_content_encoding"))
        }
    }
}

/// The parts of a passed-through request that its provider needs.
fn pass_through(client: &Client, path: &str, query: Option<&str>, headers: &HeaderMap) -> Option<PassThrough> {
    let below = path.strip_prefix(VERSION).unwrap_or(path);
    matches!(client.asks, Asks::PassedThrough).then(|| PassThrough {
        method: headers.text(":method").unwrap_or_default().to_owned(),
        path: query.map_or_else(|| below.to_owned(), |query| format!("{below}?{query}")),
        content_type: headers.text("content-type").map(str::to_owned),
    })
}

/// Makes the `idempotency-key` unique to the caller's key. All keys share the gateway's account at a provider, which would otherwise take
/// two keys' requests with the same value for one. The mapping is deterministic.
fn with_own_idempotency_key(headers: HeaderMap, key: &str) -> HeaderMap {
    if headers.get("idempotency-key").is_none() {
        return headers;
    }
    let own = |value: &[u8]| {
        let digest = Sha256::new().chain_update(key).chain_update([0]).chain_update(value).finalize();
        format!("sluice-{}", hex::encoded(&digest)).into_bytes()
    };
    let owned = |(name, value): (&[u8], &[u8])| match name == IDEMPOTENCY_KEY {
        true => (name.to_vec(), own(value)),
        false => (name.to_vec(), value.to_vec()),
    };
    headers.iter().map(owned).collect()
}

/// Removes headers that only the gateway, or the router behind it, may set.
fn strip(headers: &HeaderMap, effects: &mut Vec<Effect>) {
    const ENVOYS_OWN: [&[u8]; 2] = [b"x-envoy-internal", b"x-envoy-external-address"];
    for (name, _) in headers.iter() {
        let ours = name.starts_with(b"x-sluice-") || (name.starts_with(b"x-envoy-") && !ENVOYS_OWN.contains(&name));
        if ours && let Ok(name) = std::str::from_utf8(name) {
            effects.push(Effect::RemoveHeader(name.to_owned().into()));
        }
    }
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::new(401, ErrorKind::Authentication, message).with_code("invalid_api_key")
}

/// Hides from the caller why a key is invalid; only the log has the reason.
pub(super) fn public(error: &ApiError) -> Cow<'_, ApiError> {
    match error.code.as_deref() {
        Some("malformed_api_key" | "unknown_api_key" | "expired_api_key" | "revoked_api_key") => {
            Cow::Owned(error.clone().with_code("invalid_api_key"))
        }
        _ => Cow::Borrowed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn an_idempotency_key_is_its_own_keys_and_the_same_each_time() {
        let sent = |value: &str, key: &str| {
            let headers: HeaderMap = [("user-agent", "x"), ("idempotency-key", value)].into_iter().collect();
            let headers = with_own_idempotency_key(headers, key);
            assert_eq!((headers.text("user-agent"), headers.iter().count()), (Some("x"), 2));
            headers.text("idempotency-key").unwrap().to_owned()
        };
        let once = sent("once", "alice");
        assert_eq!((once.len(), once.get(..7)), (71, Some("sluice-")));
        assert_eq!(once, sent("once", "alice"));
        assert_ne!(once, sent("once", "bob"));
        assert_ne!(once, sent("twice", "alice"));
        assert_ne!(sent("b", "a"), sent("\0b", "a"));
        let none: HeaderMap = [("user-agent", "x")].into_iter().collect();
        assert_eq!(with_own_idempotency_key(none, "alice").iter().count(), 1);
    }
}
