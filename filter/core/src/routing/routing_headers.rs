//! The routing headers of a request, read with its headers and used when the body has arrived.

use std::time::Duration;

use sluice_wire::calendar;
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::headers::HeaderMap;
use sluice_wire::json;

use crate::keys::caller::Caller;
use crate::keys::spec::Permission;
use crate::routing::spec::Strategy;

/// The request header that names a strategy or a target.
pub const ROUTE: &str = "x-sluice-route";
/// The request header that disables fallback.
pub const FALLBACK: &str = "x-sluice-fallback";
/// The request header that shortens the timeout.
pub const TIMEOUT: &str = "x-sluice-timeout";
/// The request header that names a part of the cache.
pub const NAMESPACE: &str = "x-sluice-cache-namespace";
/// The request header that raises the threshold of the semantic cache, and the response header with the similarity.
pub const SIMILARITY: &str = "x-sluice-similarity";

/// The longest namespace, in bytes.
const LONGEST_NAMESPACE: usize = 64;

/// The routing headers of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoutingHeaders {
    /// The strategy or target that the client asks for.
    pub overriding: Option<Override>,
    /// Whether the client disables fallback.
    pub no_fallback: bool,
    /// The client's timeout.
    pub timeout: Option<Duration>,
    /// How the client restricts the cache.
    pub caching: Caching,
    /// The part of the cache that the client names.
    pub namespace: Option<String>,
    /// The least similarity of another request whose cached response the client accepts, in ten-thousandths.
    pub similarity: Option<u16>,
    /// The headers that the configuration matches on.
    headers: Vec<(String, String)>,
}

/// How a client restricts the cache with `cache-control`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caching {
    /// `no-cache`: no response from the cache. The provider's response is stored.
    pub no_cache: bool,
    /// `no-store`: no response from the cache, and none is stored.
    pub no_store: bool,
    /// `only-if-cached`: no response from a provider.
    pub only_if_cached: bool,
    /// `max-age`: only responses that are younger.
    pub max_age: Option<Duration>,
}

/// The strategy or target that a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Override {
    /// Replaces the model's strategy.
    Strategy(Strategy),
    /// A target as `provider/model` or by its provider's name. It is tried first.
    Target(String),
}

impl RoutingHeaders {
    /// Reads the client's headers. Errors are 400s that name the invalid header.
    pub fn read(headers: &HeaderMap, watched: &[String]) -> Result<Self, ApiError> {
        let headers_seen =
            watched.iter().filter_map(|name| Some((name.clone(), headers.text(name)?.to_owned()))).collect();
        Ok(Self {
            overriding: one(headers, ROUTE)?.map(overriding),
            no_fallback: one(headers, FALLBACK)?.map(no_fallback).transpose()?.unwrap_or_default(),
            timeout: one(headers, TIMEOUT)?.map(timeout).transpose()?,
            caching: caching(headers),
            namespace: one(headers, NAMESPACE)?.map(namespace).transpose()?,
            similarity: one(headers, SIMILARITY)?.map(similarity).transpose()?,
            headers: headers_seen,
        })
    }

    /// A copy without the override, for a model that the client has not asked for.
    pub fn without_wish(&self) -> Self {
        Self { overriding: None, ..self.clone() }
    }

    /// The value of a header that the configuration matches on. `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Checks the caller's permissions. A header that is not permitted is an error, and is never ignored.
    pub fn allowed(&self, caller: &Caller) -> Result<(), ApiError> {
        let asked = [
            (self.overriding.is_some(), Permission::Route, ROUTE),
            (self.no_fallback, Permission::Fallback, FALLBACK),
            (self.timeout.is_some(), Permission::Timeout, TIMEOUT),
            (self.namespace.is_some(), Permission::Cache, NAMESPACE),
        ];
        match asked.into_iter().find(|(asked, control, _)| *asked && !caller.control.contains(control)) {
            None => Ok(()),
            Some((_, _, header)) => {
                let message = format!(
                    "This key may not use the header {header}. Remove the header, or ask the gateway's operator to \
                     allow it."
                );
                Err(ApiError::new(403, ErrorKind::Permission, message).with_code("control_not_allowed"))
            }
        }
    }
}

/// The value of a header that must not occur twice.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.all(name);
    let Some(value) = values.next() else { return Ok(None) };
    match (std::str::from_utf8(value), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        (Err(_), _) => Err(bad(name, "expected UTF-8")),
        (_, Some(_)) => Err(bad(name, "expected a single value")),
    }
}

fn overriding(text: &str) -> Override {
    let text = text.trim();
    match Strategy::named(text) {
        Some(strategy) => Override::Strategy(strategy),
        None => Override::Target(text.to_owned()),
    }
}

fn no_fallback(text: &str) -> Result<bool, ApiError> {
    match text.trim() {
        "off" => Ok(true),
        "on" => Ok(false),
        _ => Err(bad(FALLBACK, "expected `off` or `on`")),
    }
}

fn timeout(text: &str) -> Result<Duration, ApiError> {
    let given = calendar::duration(text.trim()).filter(|time| !time.is_zero());
    given.ok_or_else(|| bad(TIMEOUT, "expected a time above zero, such as 500ms, 30s or 2m"))
}

fn namespace(text: &str) -> Result<String, ApiError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
    let text = text.trim();
    let is_name = (1..=LONGEST_NAMESPACE).contains(&text.len()) && text.bytes().all(allowed);
    let expected = || format!("expected 1 to {LONGEST_NAMESPACE} letters, digits, or any of - _ . : /");
    if is_name { Ok(text.to_owned()) } else { Err(bad(NAMESPACE, &expected())) }
}

fn similarity(text: &str) -> Result<u16, ApiError> {
    let given = json::number(text.trim()).filter(|number| (0.0..=1.0).contains(number));
    let rounded_up = given.map(|number| (number * 10_000.0).ceil() as u16);
    rounded_up.ok_or_else(|| bad(SIMILARITY, "expected a number from 0 to 1, such as 0.95"))
}

/// Reads the directives of RFC 9111, section 5.2.1, that have a use here: not `max-stale` and `min-fresh`, since no stale response is
/// served. A `max-age` that is no number counts as 0, as section 4.2.1 recommends.
fn caching(headers: &HeaderMap) -> Caching {
    let mut caching = Caching::default();
    for directive in headers.all("cache-control").flat_map(|value| value.split(|byte| *byte == b',')) {
        let mut parts = directive.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
        let (name, value) = (parts.next().unwrap_or_default(), parts.next());
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        caching.no_cache |= is("no-cache");
        caching.no_store |= is("no-store");
        caching.only_if_cached |= is("only-if-cached");
        if is("max-age") {
            let age = seconds(value.unwrap_or_default());
            caching.max_age = Some(caching.max_age.map_or(age, |known| known.min(age)));
        }
    }
    caching
}

fn seconds(value: &[u8]) -> Duration {
    let digits = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(digits).ok().filter(|_| is_number);
    // More digits than fit are a very long time.
    Duration::from_secs(number.map_or(0, |digits| digits.parse::<u32>().unwrap_or(u32::MAX).into()))
}

fn bad(header: &str, expected: &str) -> ApiError {
    ApiError::new(400, ErrorKind::InvalidRequest, format!("Invalid header {header}: {expected}."))
        .with_code("invalid_header")
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(name: &'static str, value: &'static str) -> Result<RoutingHeaders, ApiError> {
        RoutingHeaders::read(&[(name, value)].into_iter().collect(), &[])
    }

    #[test]
    fn a_header_that_stands_there_twice_or_is_no_text_is_refused_and_not_left_aside() {
        for name in [ROUTE, FALLBACK, TIMEOUT, NAMESPACE, SIMILARITY] {
            let values: [&[&[u8]]; 2] = [&[b"off", b"off"], &[b"\xff\xfe"]];
            for values in values {
                let mut headers = HeaderMap::default();
                values.iter().for_each(|value| headers.push(name, value));
                let error = RoutingHeaders::read(&headers, &[]).unwrap_err();
                assert_eq!((error.status, error.code.as_deref()), (400, Some("invalid_header")), "{name}");
            }
        }
    }

    #[test]
    fn a_wish_is_a_strategy_or_a_target() {
        assert_eq!(read(ROUTE, "cheapest").unwrap().overriding, Some(Override::Strategy(Strategy::Cheapest)));
        assert_eq!(read(ROUTE, " ant/claude").unwrap().overriding, Some(Override::Target("ant/claude".to_owned())));
        for strategy in
            [Strategy::Fallback, Strategy::Weighted, Strategy::Fastest, Strategy::LeastBusy, Strategy::Pinned]
        {
            let name = serde_json::to_string(&strategy).unwrap();
            assert_eq!(Strategy::named(name.trim_matches('"')), Some(strategy));
        }
    }

    #[test]
    fn a_similarity_is_a_number_from_0_to_1_and_never_rounded_down() {
        for (value, expected) in [("0.95", 9_500), (" 1 ", 10_000), ("0", 0), ("0.90001", 9_001), ("9e-1", 9_000)] {
            assert_eq!(read(SIMILARITY, value).unwrap().similarity, Some(expected), "{value}");
        }
        for value in ["", "1.01", "-0.1", "high", "NaN", "inf", "1e999"] {
            let error = read(SIMILARITY, value).unwrap_err();
            assert_eq!(error.code.as_deref(), Some("invalid_header"), "{value}");
        }
    }

    #[test]
    fn a_client_can_restrict_a_cache_in_plain_http() {
        let caching = |value: &'static str| read("cache-control", value).unwrap().caching;
        let (none, secs) = (Caching::default(), Duration::from_secs);
        for (value, expected) in [
            ("", none),
            ("no-cachet, max-stale=5, private", none),
            ("no-cache", Caching { no_cache: true, ..none }),
            ("No-Store", Caching { no_store: true, ..none }),
            ("no-cache , no-store", Caching { no_cache: true, no_store: true, ..none }),
            ("only-if-cached", Caching { only_if_cached: true, ..none }),
            ("max-age=0, No-Cache", Caching { no_cache: true, max_age: Some(secs(0)), ..none }),
            ("max-age=60", Caching { max_age: Some(secs(60)), ..none }),
            ("Max-Age = \"60\"", Caching { max_age: Some(secs(60)), ..none }),
            ("max-age=60, max-age=5, max-age=7", Caching { max_age: Some(secs(5)), ..none }),
            ("max-age=99999999999999999999", Caching { max_age: Some(secs(u32::MAX.into())), ..none }),
            ("max-age", Caching { max_age: Some(secs(0)), ..none }),
            ("max-age=-1", Caching { max_age: Some(secs(0)), ..none }),
            ("max-age=1.5", Caching { max_age: Some(secs(0)), ..none }),
        ] {
            assert_eq!(caching(value), expected, "{value}");
        }
        let twice: HeaderMap = [("cache-control", "no-cache"), ("cache-control", "no-store")].into_iter().collect();
        let both = Caching { no_cache: true, no_store: true, ..none };
        assert_eq!(RoutingHeaders::read(&twice, &[]).unwrap().caching, both);
    }

    #[test]
    fn a_namespace_is_a_short_name() {
        assert_eq!(read(NAMESPACE, " tests/2:a-b_c.d ").unwrap().namespace.as_deref(), Some("tests/2:a-b_c.d"));
        assert_eq!(read("x-other", "a").unwrap().namespace, None);
        for value in
            ["", " ", "a b", "a,b", "\u{e9}", "0123456789012345678901234567890123456789012345678901234567890123x"]
        {
            let error = read(NAMESPACE, value).unwrap_err();
            assert_eq!((error.status, error.code.as_deref()), (400, Some("invalid_header")), "{value}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (name, value) in [(FALLBACK, "no"), (TIMEOUT, "30"), (TIMEOUT, "0s"), (TIMEOUT, "-1s")] {
            let error = read(name, value).unwrap_err();
            assert_eq!((error.status, error.code.as_deref()), (400, Some("invalid_header")));
            assert!(error.message.contains(name), "{}", error.message);
        }
    }

    #[test]
    fn what_a_key_may_not_is_refused_and_not_left_aside() {
        let routing_headers = read(FALLBACK, "off").unwrap();
        let error = routing_headers.allowed(&Caller::default()).unwrap_err();
        assert_eq!(error.status, 403);
        assert!(error.message.contains(FALLBACK));
        let caller = Caller { control: vec![Permission::Fallback], ..Caller::default() };
        assert!(routing_headers.allowed(&caller).is_ok());
        assert!(read(FALLBACK, "on").unwrap().allowed(&Caller::default()).is_ok());
        let named = read(NAMESPACE, "a").unwrap();
        assert!(named.allowed(&caller).unwrap_err().message.contains(NAMESPACE));
        let caller = Caller { control: vec![Permission::Cache], ..Caller::default() };
        assert!(named.allowed(&caller).is_ok());
    }
}
