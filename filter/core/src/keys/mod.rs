//! Virtual keys: how one is written, and whom it admits where.
//!
//! A key is looked up by its SHA-256 and compared with nothing else, so that no comparison tells anything of it by the time
//! it takes. Why one is refused is told apart for the log; the caller learns no more than OpenAI's callers do.

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

/// Why a key does not admit a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// It looks like one of ours, and was typed or cut wrong: its checksum does not hold.
    Malformed,
    /// Nobody has it.
    Unknown,
    /// Its time is over, or that of the secret before its rotation.
    Expired,
    /// It was withdrawn.
    Revoked,
    /// It may not be used from this address.
    Source,
    /// It may not call this path.
    Endpoint,
}

impl Denied {
    /// For the log: a stable word that tells all of them apart.
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

    /// For the caller: of a key that is not valid only that, whatever the reason.
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

/// Whether the holder of a key may call `endpoint` (a path without its query) now, and who that is. `credential` is what was
/// found under the hash of `presented`; `source` is the client's address, and only asked for when the key is bound to some.
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
        // An address that Envoy does not tell is none of those allowed.
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

/// Whether the caller may have what a provider keeps at this path: only by `endpoints` that name it, for it is shared by all who
/// may.
pub fn may_have(caller: &Caller, path: &str) -> bool {
    caller.endpoints.as_ref().is_some_and(|endpoints| endpoints.iter().any(|glob| glob.matches(path)))
}

#[cfg(test)]
mod tests;
