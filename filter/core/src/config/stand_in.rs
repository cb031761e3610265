//! NOT FOR THE PRODUCT: stands in for the dialects until they are merged. Then delete this file and its `mod` line, and
//! let [`super::dialect`] answer `&dialect::openai_chat::OpenAiChat` and `&dialect::anthropic::Anthropic`.

use crate::conversation::{Request, Response, StreamEvent};
use crate::dialect::{Dialect, Fate, Glance, Opening, Seen, StreamPeeker, StreamReader, StreamWriter, Written};
use crate::error::ApiError;
use crate::framing::sse;

#[derive(Debug)]
pub(super) struct StandIn(pub(super) &'static str);

fn refuse() -> ApiError {
    ApiError::bad_answer("This dialect is not merged yet.")
}

impl Dialect for StandIn {
    fn name(&self) -> &'static str {
        self.0
    }
    fn fields(&self) -> &'static [(&'static str, Fate)] {
        &[]
    }
    fn path(&self, _: &str, _: bool) -> String {
        String::new()
    }
    fn read_request(&self, _: &[u8]) -> Result<Request, ApiError> {
        Err(refuse())
    }
    fn write_request(&self, _: &Request, _: &str) -> Result<Written, ApiError> {
        Err(refuse())
    }
    fn read_response(&self, _: &[u8]) -> Result<Response, ApiError> {
        Err(refuse())
    }
    fn write_response(&self, _: &Response, _: u64) -> Vec<u8> {
        Vec::new()
    }
    fn read_error(&self, _: u16, _: &[u8]) -> ApiError {
        refuse()
    }
    fn write_error(&self, _: &ApiError) -> Vec<u8> {
        Vec::new()
    }
    fn stream_reader(&self) -> Box<dyn StreamReader> {
        Box::new(Stream::default())
    }
    fn stream_writer(&self, _: Opening) -> Box<dyn StreamWriter> {
        Box::new(Stream::default())
    }
    fn stream_peeker(&self) -> Box<dyn StreamPeeker> {
        Box::new(Stream::default())
    }
    fn peek_response(&self, _: &[u8]) -> Result<Glance, ApiError> {
        Err(refuse())
    }
}

#[derive(Debug, Default)]
struct Stream(Glance);

impl StreamReader for Stream {
    fn read(&mut self, _: &[u8], _: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        Err(refuse())
    }
}

impl StreamWriter for Stream {
    fn write(&mut self, _: &StreamEvent, _: &mut Vec<u8>) {}
}

impl StreamPeeker for Stream {
    fn peek(&mut self, _: &sse::Event<'_>) -> Seen {
        Seen::Failed(refuse())
    }
    fn glance(&self) -> &Glance {
        &self.0
    }
}
