//! An order, decided in one script.

use std::time::Duration;

use super::wire::{Command, RedisReply, Script};
use super::{Keys, LEASES, METERS, Numbers, exact, letter, names, senseless, text};
use crate::store::{CounterSnapshot, Debit, LimitExceeded, ReserveRequest, ReserveResult, Unavailable};

pub(super) static SCRIPT: Script = Script {
    source: &[METERS, LEASES, include_str!("lua/reserve.lua")],
    sha1: "5dfc84d285f6f2f7474387b0d5a07085ff4d24ed",
};

/// Asks for the first alternative that fits. Asked again under the same id, a granted order has the same answer and takes
/// nothing more.
pub fn command(prefix: &str, order: &ReserveRequest) -> Command {
    let mut keys = Keys::default();
    keys.place(names::record(prefix, &order.id));
    keys.place(names::open_orders(prefix));
    let lease = u64::try_from(order.lease.as_micros()).unwrap_or(u64::MAX);
    let mut arguments = vec![order.id.to_string(), exact(lease), order.alternatives.len().to_string()];
    for takes in &order.alternatives {
        arguments.push(takes.len().to_string());
        for take in takes {
            arguments.push(keys.place(names::meter(prefix, &take.meter)));
            arguments.push(letter(take.meter.kind).to_owned());
            arguments.push(exact(take.amount));
            arguments.push(exact(take.limit));
            arguments.push(if take.hard { "1" } else { "0" }.to_owned());
        }
    }
    Command::script(&SCRIPT, keys.names, arguments)
}

/// What was decided.
pub fn verdict(order: &ReserveRequest, reply: &RedisReply) -> Result<ReserveResult, Unavailable> {
    let answer = text(reply)?;
    let verdict = match answer.split_once(' ') {
        _ if answer == "S" => return Err(Unavailable("the order came after its own settlement".to_owned())),
        Some(("G", rest)) => granted(order, Numbers::of(rest)),
        Some(("R", rest)) => refused(order, Numbers::of(rest)),
        _ => None,
    };
    verdict.ok_or_else(|| senseless(reply))
}

fn granted(order: &ReserveRequest, mut numbers: Numbers<'_>) -> Option<ReserveResult> {
    let chosen = numbers.index()?;
    let takes = order.alternatives.get(chosen)?;
    let mut reading = |_: &Debit| {
        let reading = reading(&mut numbers)?;
        Some(CounterSnapshot { reserved: numbers.next()?, ..reading })
    };
    let readings = takes.iter().map(&mut reading).collect::<Option<_>>()?;
    numbers.end(ReserveResult::Granted { chosen, readings })
}

fn refused(order: &ReserveRequest, mut numbers: Numbers<'_>) -> Option<ReserveResult> {
    let mut obstacles = Vec::with_capacity(order.alternatives.len());
    for takes in &order.alternatives {
        let take = numbers.index().filter(|take| *take < takes.len())?;
        let reading = reading(&mut numbers)?;
        let retry_after = u64::try_from(numbers.signed()?).ok().map(Duration::from_micros);
        obstacles.push(LimitExceeded { take, reading, retry_after });
    }
    numbers.end(ReserveResult::Refused(obstacles))
}

pub(super) fn reading(numbers: &mut Numbers<'_>) -> Option<CounterSnapshot> {
    let (used, window, reset) = (numbers.next()?, numbers.next()?, numbers.next()?);
    // Redis knows by itself what it holds for whom.
    Some(CounterSnapshot { used, reserved: 0, period: window, until: 0, reset: Duration::from_micros(reset) })
}
