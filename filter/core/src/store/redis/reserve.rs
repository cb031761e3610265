//! An order, decided in one script.

use std::time::Duration;

use super::wire::{Command, Reply, Script};
use super::{Keys, LEASES, METERS, Numbers, exact, letter, names, senseless, text};
use crate::store::{Obstacle, Order, Reading, Take, Unavailable, Verdict};

pub(super) static SCRIPT: Script = Script {
    source: &[METERS, LEASES, include_str!("lua/reserve.lua")],
    sha1: "5dfc84d285f6f2f7474387b0d5a07085ff4d24ed",
};

/// Asks for the first alternative that fits. Asked again under the same id, a granted order has the same answer and takes
/// nothing more.
pub fn command(prefix: &str, order: &Order) -> Command {
    let mut keys = Keys::default();
    keys.place(names::record(prefix, &order.id));
    keys.place(names::open_orders(prefix));
    let lease = u64::try_from(order.lease.as_micros()).unwrap_or(u64::MAX);
    let mut arguments = vec![order.id.to_string(), exact(lease), order.alternatives.len().to_string()];
    for takes in &order.alternatives {
        arguments.push(takes.len().to_string());
        for take in takes {
            arguments.push(keys.place(names::meter(prefix, &take.meter)));
            arguments.push(letter(take.meter.gauge).to_owned());
            arguments.push(exact(take.amount));
            arguments.push(exact(take.limit));
            arguments.push(if take.hard { "1" } else { "0" }.to_owned());
        }
    }
    Command::script(&SCRIPT, keys.names, arguments)
}

/// What was decided.
pub fn verdict(order: &Order, reply: &Reply) -> Result<Verdict, Unavailable> {
    let answer = text(reply)?;
    let verdict = match answer.split_once(' ') {
        _ if answer == "S" => return Err(Unavailable("the order came after its own settlement".to_owned())),
        Some(("G", rest)) => granted(order, Numbers::of(rest)),
        Some(("R", rest)) => refused(order, Numbers::of(rest)),
        _ => None,
    };
    verdict.ok_or_else(|| senseless(reply))
}

fn granted(order: &Order, mut numbers: Numbers<'_>) -> Option<Verdict> {
    let chosen = numbers.index()?;
    let takes = order.alternatives.get(chosen)?;
    let mut reading = |_: &Take| {
        let reading = reading(&mut numbers)?;
        Some(Reading { reserved: numbers.next()?, ..reading })
    };
    let readings = takes.iter().map(&mut reading).collect::<Option<_>>()?;
    numbers.end(Verdict::Granted { chosen, readings })
}

fn refused(order: &Order, mut numbers: Numbers<'_>) -> Option<Verdict> {
    let mut obstacles = Vec::with_capacity(order.alternatives.len());
    for takes in &order.alternatives {
        let take = numbers.index().filter(|take| *take < takes.len())?;
        let reading = reading(&mut numbers)?;
        let retry_after = u64::try_from(numbers.signed()?).ok().map(Duration::from_micros);
        obstacles.push(Obstacle { take, reading, retry_after });
    }
    numbers.end(Verdict::Refused(obstacles))
}

pub(super) fn reading(numbers: &mut Numbers<'_>) -> Option<Reading> {
    let (used, window, reset) = (numbers.next()?, numbers.next()?, numbers.next()?);
    // Redis knows by itself what it holds for whom.
    Some(Reading { used, reserved: 0, window, until: 0, reset: Duration::from_micros(reset) })
}
