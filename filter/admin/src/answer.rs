//! The administration API's responses: JSON, and errors that say what to do. A virtual key appears only in the response that creates it.

use std::borrow::Cow;

use serde::Serialize;
use sluice_core::pipeline::Reply;
use sluice_wire::coding::Coding;

const JSON: &str = "application/json";

/// A response.
#[derive(Debug)]
pub struct AdminReply {
    status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl AdminReply {
    /// A 200.
    pub fn ok(body: &impl Serialize) -> Result<Self, AdminError> {
        Self::with_status(200, body)
    }

    /// A response with any other status.
    pub fn with_status(status: u16, body: &impl Serialize) -> Result<Self, AdminError> {
        let mut written = Vec::new();
        match sluice_wire::json::write(body, &mut written) {
            Ok(()) => Ok(Self { status, content_type: JSON, headers: Vec::new(), body: written }),
            Err(error) => {
                Err(AdminError::new(500, "internal", format!("The admin API could not encode its answer: {error}.")))
            }
        }
    }

    /// A JSON document that the module carries compressed with gzip.
    pub fn compressed(document: &[u8]) -> Result<Self, AdminError> {
        const LARGEST: usize = 1 << 20;
        let body = Coding::Gzip
            .decode(document, LARGEST, &|| true, |_| Ok::<(), ()>(()))
            .map_err(|_| AdminError::new(500, "internal", "The admin API could not decompress its document."))?;
        Ok(Self { status: 200, content_type: JSON, headers: Vec::new(), body })
    }

    /// A text of this type.
    pub fn text(content_type: &'static str, text: String) -> Self {
        Self { status: 200, content_type, headers: Vec::new(), body: text.into_bytes() }
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Converts it to the HTTP response.
    pub fn reply(mut self) -> Reply {
        self.headers.push(("cache-control", "no-store".to_owned()));
        Reply { content_type: self.content_type.into(), ..Reply::json(self.status, self.headers, self.body) }
    }
}

/// An error of the administration API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminError {
    /// HTTP status.
    pub status: u16,
    /// A stable code, for programs.
    pub code: &'static str,
    /// A message for people: what happened, and what to do.
    pub message: Cow<'static, str>,
    /// The field, parameter or place at fault.
    pub param: Option<String>,
    /// For a 405: the allowed methods.
    pub allow: Option<&'static str>,
}

impl AdminError {
    /// An error without a `param`.
    pub fn new(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), param: None, allow: None }
    }

    /// A 400 for the field or parameter `param`.
    pub fn invalid(param: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { param: Some(param.into()), ..Self::new(400, "invalid_request", message) }
    }

    /// A 404.
    pub fn not_found(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(404, code, message)
    }

    /// A 503: Redis is unavailable, or its reply is unusable.
    pub fn unavailable(why: &str) -> Self {
        Self::new(503, "store_unavailable", format!("Redis returned an error or did not answer: {why}. Try again."))
    }

    /// Converts it to the HTTP response.
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

/// An error body in the API's format.
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
    sluice_wire::json::written(&Body { error: Error { code, message, param } })
}
