//! Virtual keys: their format, and the requests that they admit.
//!
//! A key is looked up by its SHA-256 and never compared, so no comparison leaks anything through timing. The log distinguishes why a key
//! was rejected; the client learns no more than OpenAI's clients do.

use std::net::IpAddr;
use std::rc::Rc;

use sluice_wire::error::{ApiError, ErrorKind};

use crate::keys::caller::{Caller, Credential};

pub mod caller;
mod cidr;
mod forbidden;
mod glob;
pub mod secret;
pub mod spec;

pub use cidr::Cidr;
pub use forbidden::Forbidden;
pub use glob::Glob;

/// Why a key is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// It has the gateway's prefix but is not well-formed: mistyped or truncated.
    Malformed,
    /// No such key exists.
    Unknown,
    /// The key has expired, or its previous secret has after a rotation.
    Expired,
    /// It was revoked.
    Revoked,
    /// The client's address is not allowed.
    Source,
    /// The path is not allowed.
    Endpoint,
}

impl Denied {
    /// Stable code for the log, different for each reason.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed_api_key",
            Self::Unknown => "unknown_api_key",
            Self::Expired => "expired_api_key",
            Self::Revoked => "revoked_api_key",
            Self::Source => "ip_not_authorized",
            Self::Endpoint => "endpoint_not_allowed",
        }
    }

    /// The client's error, the same for every invalid key.
    pub fn error(self) -> ApiError {
        match self {
            Self::Malformed | Self::Unknown | Self::Expired | Self::Revoked => ApiError::new(
                401,
                ErrorKind::Authentication,
                "Incorrect API key provided: the key is unknown or no longer valid. Check the key, or ask the \
                 gateway's operator for a new one.",
            )
            .with_code("invalid_api_key"),
            Self::Source => ApiError::new(
                401,
                ErrorKind::Authentication,
                "This API key may not be used from your IP address. Ask the gateway's operator to allow the address.",
            )
            .with_code("ip_not_authorized"),
            Self::Endpoint => ApiError::new(
                403,
                ErrorKind::Permission,
                "This API key may not call this path. Ask the gateway's operator to add the path to the key's \
                 `endpoints`.",
            )
            .with_code("endpoint_not_allowed"),
        }
    }
}

/// Admits the holder of a key to `endpoint` (a path without its query), or returns why not. `credential` is the entry under the hash of
/// `presented`. `source` returns the client's address; it is only called if the key restricts addresses.
pub fn admit(
    credential: Option<&Credential>,
    presented: &[u8],
    now_seconds: u64,
    endpoint: &str,
    source: impl FnOnce() -> Option<IpAddr>,
) -> Result<Rc<Caller>, Denied> {
    let Some(Credential { caller, until }) = credential else {
        let ours = presented.starts_with(secret::PREFIX.as_bytes());
        return Err(if ours && !secret::is_well_formed(presented) { Denied::Malformed } else { Denied::Unknown });
    };
    if caller.revoked {
        return Err(Denied::Revoked);
    }
    if [*until, caller.expires].into_iter().flatten().any(|end| end <= now_seconds) {
        return Err(Denied::Expired);
    }
    if let Some(sources) = &caller.sources {
        // An address that Envoy does not report is not allowed.
        let allowed = source().is_some_and(|address| sources.iter().any(|cidr| cidr.contains(address)));
        if !allowed {
            return Err(Denied::Source);
        }
    }
    match &caller.endpoints {
        Some(endpoints) if !endpoints.iter().any(|glob| glob.matches(endpoint)) => Err(Denied::Endpoint),
        _ => Ok(caller.clone()),
    }
}

/// Whether the caller may access data that a provider stores at this path. The key must list the path in `endpoints`, since the data is
/// shared by all keys that do.
pub fn may_have(caller: &Caller, path: &str) -> bool {
    caller.endpoints.as_ref().is_some_and(|endpoints| endpoints.iter().any(|glob| glob.matches(path)))
}

#[cfg(test)]
mod tests;
