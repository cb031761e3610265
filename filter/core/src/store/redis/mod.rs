//! The store in Redis, over HTTP: what is asked of it and how its answers are read. Nothing is sent from here.
//!
//! A [`wire::Command`] says what to do, [`wire::Wire`] writes it as a call to a server that speaks HTTP for Redis and reads
//! the answer. Every decision is one Lua script and so one atomic step: [`reserve`], [`settle`], [`read`], [`sync`]; each
//! has the command it sends and the reading of its answer. Time is Redis' own: the clocks of Envoys do not matter.
//!
//! A meter has one number for what is reserved and what is settled: a reservation counts as spent until its settlement
//! corrects it, or its lease ends. What was reserved is in the order's record, which is what is corrected; after the
//! settlement a tombstone stands in its place, so that neither a second settlement nor a late order changes anything.
//! Orders that hold something are listed by the end of their lease, and each script that decides or reads gives back first
//! what lost ones hold.

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

/// The common beginnings of the scripts.
const METERS: &str = include_str!("lua/meters.lua");
const LEASES: &str = include_str!("lua/leases.lua");

/// The largest number that Lua counts exactly. More of anything is counted as this many.
const EXACT: u64 = 1 << 53;

fn exact(number: u64) -> String {
    number.min(EXACT).to_string()
}

/// A gauge's letter in the scripts.
fn letter(kind: LimitWindow) -> &'static str {
    match kind {
        LimitWindow::Minute => "m",
        LimitWindow::Day => "D",
        LimitWindow::Month => "M",
        LimitWindow::Total => "T",
        LimitWindow::Concurrent => "C",
    }
}

/// A script's keys, none twice, and where each stands.
#[derive(Default)]
struct Keys {
    names: Vec<String>,
    places: BTreeMap<String, usize>,
}

impl Keys {
    /// Its place, from 1, as Lua counts.
    fn place(&mut self, name: String) -> String {
        let next = self.names.len() + 1;
        let place = *self.places.entry(name.clone()).or_insert(next);
        if place == next {
            self.names.push(name);
        }
        place.to_string()
    }
}

/// The numbers of a script's answer.
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

    /// The value, when all of the answer was read.
    fn end<T>(mut self, value: T) -> Option<T> {
        self.0.next().is_none().then_some(value)
    }
}

/// A reply as a script's text.
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
