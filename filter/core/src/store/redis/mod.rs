//! The store in Redis, over HTTP: what is asked of it and how its answers are read. Nothing is sent from here.
//!
//! A [`wire::Command`] says what to do, [`wire::Wire`] writes it as a call to a server that speaks HTTP for Redis and reads
//! the answer.

pub mod wire;
