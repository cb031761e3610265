//! The store in Redis, over HTTP: builds commands and parses replies. It sends nothing itself.
//!
//! A [`wire::Command`] is one operation. [`wire::Wire`] writes it as an HTTP call to a server that fronts Redis, and reads the reply. Every
//! decision is one Lua script and so one atomic step: [`reserve`], [`settle`], [`read`], [`sync`]. Each module holds the command and the
//! parser of its reply. Time is Redis's own: the Envoys' clocks do not matter.
//!
//! A counter has one number for reserved and settled usage: a reservation counts as used until its settlement corrects it or its lease
//! ends. The reservation's record holds the reserved amounts. Settlement replaces the record with a tombstone, so neither a second
//! settlement nor a late reserve request changes anything. Open reservations are listed by the end of their lease; each script that decides
//! or reads releases the expired ones first.

use std::collections::BTreeMap;

use wire::RedisReply;

use super::{LimitWindow, Unavailable};

pub mod names;
pub mod read;
pub mod reserve;
pub mod settings;
pub mod settle;
pub mod sync;
pub mod wire;

/// Preludes shared by the scripts.
const COUNTERS: &str = include_str!("lua/counters.lua");
const LEASES: &str = include_str!("lua/leases.lua");

/// The largest integer that Lua counts exactly. Larger amounts are counted as this many.
const EXACT: u64 = 1 << 53;

fn exact(number: u64) -> String {
    number.min(EXACT).to_string()
}

/// The letter of a limit window in the scripts.
fn letter(kind: LimitWindow) -> &'static str {
    match kind {
        LimitWindow::Minute => "m",
        LimitWindow::Day => "D",
        LimitWindow::Month => "M",
        LimitWindow::Total => "T",
        LimitWindow::Concurrent => "C",
    }
}

/// A script's keys without duplicates, and the position of each.
#[derive(Default)]
struct Keys {
    names: Vec<String>,
    positions: BTreeMap<String, usize>,
}

impl Keys {
    /// The key's position, from 1 as in Lua.
    fn position(&mut self, name: String) -> String {
        let next = self.names.len() + 1;
        let position = *self.positions.entry(name.clone()).or_insert(next);
        if position == next {
            self.names.push(name);
        }
        position.to_string()
    }
}

/// The numbers in a script's reply.
struct Numbers<'a>(std::str::Split<'a, char>);

impl<'a> Numbers<'a> {
    fn of(text: &'a str) -> Self {
        Self(text.split(' '))
    }

    fn signed(&mut self) -> Option<i64> {
        self.0.next()?.parse().ok()
    }

    fn next(&mut self) -> Option<u64> {
        self.0.next()?.parse().ok()
    }

    fn index(&mut self) -> Option<usize> {
        self.0.next()?.parse().ok()
    }

    /// The value, if the whole reply was read.
    fn end<T>(mut self, value: T) -> Option<T> {
        self.0.next().is_none().then_some(value)
    }
}

/// A script's reply as text.
fn text(reply: &RedisReply) -> Result<&str, Unavailable> {
    match reply {
        RedisReply::Text(text) => Ok(text),
        other => Err(senseless(other)),
    }
}

fn senseless(reply: &RedisReply) -> Unavailable {
    match reply {
        RedisReply::Error(text) => Unavailable(text.clone()),
        other => {
            let shown: String = format!("{other:?}").chars().take(100).collect();
            Unavailable(format!("an unexpected reply to a script: {shown}"))
        }
    }
}

#[cfg(test)]
mod tests;
