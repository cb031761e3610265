//! What the administrator reads: JSON, and errors that say what to do. Nothing in it is ever a virtual key, save the one
//! answer that makes one.

use std::borrow::Cow;

use serde::Serialize;
use sluice_core::exchange::Reply;

/// A JSON document to answer with.
#[derive(Debug)]
pub struct AdminReply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl AdminReply {
    /// A 200.
    pub fn ok(body: &impl Serialize) -> Result<Self, AdminError> {
        Self::with_status(200, body)
    }

    /// Any other status.
    pub fn with_status(status: u16, body: &impl Serialize) -> Result<Self, AdminError> {
        match serde_json::to_vec(body) {
            Ok(body) => Ok(Self { status, headers: Vec::new(), body }),
            Err(error) => {
                Err(AdminError::new(500, "internal", format!("The admin API could not encode its answer: {error}.")))
            }
        }
    }

    /// A document that is JSON already.
    pub fn document(body: &str) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    /// The same with one more header.
    pub fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// As it leaves.
    pub fn reply(mut self) -> Reply {
        self.headers.push(("cache-control", "no-store".to_owned()));
        Reply::json(self.status, self.headers, self.body)
    }
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminError {
    /// HTTP status.
    pub status: u16,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people: what happened, and what to do.
    pub message: Cow<'static, str>,
    /// The field, parameter or place at fault.
    pub param: Option<String>,
    /// For a 405: the methods that there are.
    pub allow: Option<&'static str>,
}

impl AdminError {
    /// One that blames no field.
    pub fn new(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), param: None, allow: None }
    }

    /// A 400 that blames the field or parameter `param`.
    pub fn invalid(param: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { param: Some(param.into()), ..Self::new(400, "invalid_request", message) }
    }

    /// A 404.
    pub fn not_found(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(404, code, message)
    }

    /// A 503: what Redis should have said it did not.
    pub fn unavailable(why: &str) -> Self {
        Self::new(503, "store_unavailable", format!("Redis returned an error or did not answer: {why}. Try again."))
    }

    /// As it leaves.
    pub fn reply(&self) -> Reply {
        let mut headers = vec![("cache-control", "no-store".to_owned())];
        if self.status == 401 {
            headers.push(("www-authenticate", "Bearer".to_owned()));
        }
        if let Some(allow) = self.allow {
            headers.push(("allow", allow.to_owned()));
        }
        Reply::json(self.status, headers, write_error(self.code, &self.message, self.param.as_deref()))
    }
}

/// An error as the interface writes it.
pub fn write_error(code: &str, message: &str, param: Option<&str>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        error: Error<'a>,
    }
    #[derive(Serialize)]
    struct Error<'a> {
        code: &'a str,
        message: &'a str,
        param: Option<&'a str>,
    }
    serde_json::to_vec(&Body { error: Error { code, message, param } }).unwrap_or_default()
}
