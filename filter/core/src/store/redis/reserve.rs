//! A reserve request, decided in one script.

use std::time::Duration;

use super::wire::{Command, RedisReply, Script};
use super::{COUNTERS, Keys, LEASES, Numbers, exact, letter, names, senseless, text};
use crate::store::{CounterSnapshot, Debit, LimitExceeded, ReserveRequest, ReserveResult, Unavailable};

pub(super) static SCRIPT: Script = Script {
    source: &[COUNTERS, LEASES, include_str!("lua/reserve.lua")],
    sha1: "06da60c84d1a01cda58dc6df938ab257f6c95bfb",
};

/// Reserves the first alternative that fits. Sent again under the same id, a granted request returns the same reply and reserves nothing
/// more.
pub fn command(prefix: &str, request: &ReserveRequest) -> Command {
    let mut keys = Keys::default();
    keys.position(names::record(prefix, &request.id));
    keys.position(names::open_reservations(prefix));
    let lease = u64::try_from(request.lease.as_micros()).unwrap_or(u64::MAX);
    let mut arguments = vec![request.id.to_string(), exact(lease), request.alternatives.len().to_string()];
    for debits in &request.alternatives {
        arguments.push(debits.len().to_string());
        for debit in debits {
            arguments.push(keys.position(names::counter(prefix, &debit.counter)));
            arguments.push(letter(debit.counter.kind).to_owned());
            arguments.push(exact(debit.amount));
            arguments.push(exact(debit.limit));
            arguments.push(if debit.hard { "1" } else { "0" }.to_owned());
        }
    }
    Command::script(&SCRIPT, keys.names, arguments)
}

/// Reads the script's reply.
pub fn reserve_result(request: &ReserveRequest, reply: &RedisReply) -> Result<ReserveResult, Unavailable> {
    let answer = text(reply)?;
    let reserve_result = match answer.split_once(' ') {
        _ if answer == "S" => return Err(Unavailable("the reservation arrived after its own settlement".to_owned())),
        Some(("G", rest)) => granted(request, Numbers::of(rest)),
        Some(("R", rest)) => refused(request, Numbers::of(rest)),
        _ => None,
    };
    reserve_result.ok_or_else(|| senseless(reply))
}

fn granted(request: &ReserveRequest, mut numbers: Numbers<'_>) -> Option<ReserveResult> {
    let chosen = numbers.index()?;
    let debits = request.alternatives.get(chosen)?;
    let mut snapshot = |_: &Debit| {
        let snapshot = snapshot(&mut numbers)?;
        Some(CounterSnapshot { reserved: numbers.next()?, ..snapshot })
    };
    let snapshots = debits.iter().map(&mut snapshot).collect::<Option<_>>()?;
    numbers.end(ReserveResult::Granted { chosen, snapshots })
}

fn refused(request: &ReserveRequest, mut numbers: Numbers<'_>) -> Option<ReserveResult> {
    let mut all_exceeded = Vec::with_capacity(request.alternatives.len());
    for debits in &request.alternatives {
        let debit = numbers.index().filter(|debit| *debit < debits.len())?;
        let snapshot = snapshot(&mut numbers)?;
        let retry_after = u64::try_from(numbers.signed()?).ok().map(Duration::from_micros);
        all_exceeded.push(LimitExceeded { debit, snapshot, retry_after });
    }
    numbers.end(ReserveResult::Refused(all_exceeded))
}

pub(super) fn snapshot(numbers: &mut Numbers<'_>) -> Option<CounterSnapshot> {
    let (used, window, reset) = (numbers.next()?, numbers.next()?, numbers.next()?);
    // Redis itself tracks the reservations.
    Some(CounterSnapshot { used, reserved: 0, period: window, until: 0, reset: Duration::from_micros(reset) })
}
