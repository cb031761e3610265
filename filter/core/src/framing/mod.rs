//! How events are cut out of a stream of bytes, whatever the events mean.

pub mod eventstream;
pub mod sse;
