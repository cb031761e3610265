//! Settlements, many in one script, and the accounts they are added to.

use crate::store::dimension::Dimension;
use crate::store::{NOTED, Settled, Settlement, Sums, Unavailable, day_and_month};

use super::wire::{Command, Reply, Script};
use super::{Keys, METERS, exact, letter, names, senseless};

pub(super) static SCRIPT: Script =
    Script { source: &[METERS, include_str!("lua/settle.lua")], sha1: "35789357cbedbbd2af4ad1b28148e820e88eeb9c" };

/// As many settlements as one call should carry: Redis does nothing else meanwhile.
pub const LARGEST_BATCH: usize = 64;

/// Closes reservations. Each counts once, in whichever batches it is sent again. What a settlement says was reserved is not
/// looked at: Redis knows, or was not asked when it could not answer, and then all that was used is charged.
pub fn command(prefix: &str, settlements: &[Settlement]) -> Command {
    let mut keys = Keys::default();
    keys.place(names::open_orders(prefix));
    let mut arguments = vec![settlements.len().to_string()];
    for settlement in settlements {
        arguments.push(keys.place(names::record(prefix, &settlement.id)));
        arguments.push(settlement.id.to_string());
        arguments.push(settlement.parts.len().to_string());
        for part in &settlement.parts {
            arguments.push(keys.place(names::meter(prefix, &part.meter)));
            arguments.push(letter(part.meter.gauge).to_owned());
            arguments.push(exact(part.window));
            arguments.push(used(part, settlement.corrects));
        }
        enter(prefix, settlement, &mut keys, &mut arguments);
        arguments.push(settlement.notes.len().to_string());
        for note in &settlement.notes {
            arguments.push(keys.place(names::note(prefix, &note.name)));
            arguments.push(note.text.clone());
            arguments.push(NOTED.as_secs().to_string());
        }
    }
    Command::script(&SCRIPT, keys.names, arguments)
}

/// What is added to a part's meter; less than nothing where a settlement gives back what an earlier one has charged.
fn used(part: &Settled, corrects: bool) -> String {
    match corrects && part.used < part.reserved {
        true => format!("-{}", exact(part.reserved - part.used)),
        false => exact(if corrects { part.used - part.reserved } else { part.used }),
    }
}

fn enter(prefix: &str, settlement: &Settlement, keys: &mut Keys, arguments: &mut Vec<String>) {
    let Some(entry) = &settlement.entry else {
        return arguments.extend(["0"; Sums::NUMBERS + 1].map(str::to_owned));
    };
    arguments.extend(entry.sums.numbers().map(exact));
    let (day, month) = day_and_month(settlement.at);
    let accounts = [
        (Dimension::Key, Some(&entry.key)),
        (Dimension::Team, Some(&entry.team)),
        (Dimension::App, entry.app.as_ref()),
        (Dimension::Model, Some(&entry.model)),
    ];
    arguments.push(accounts.iter().filter(|(_, name)| name.is_some()).count().to_string());
    for (dimension, name) in accounts {
        let Some(name) = name else { continue };
        arguments.push(keys.place(names::account(prefix, dimension, name, day)));
        arguments.push(keys.place(names::spenders_of_day(prefix, dimension, day)));
        arguments.push(keys.place(names::spenders_of_month(prefix, dimension, month)));
        arguments.push(name.to_string());
    }
}

/// How many of the batch had not been settled before.
pub fn settled(reply: &Reply) -> Result<usize, Unavailable> {
    match reply {
        Reply::Int(number) => usize::try_from(*number).map_err(|_| senseless(reply)),
        other => Err(senseless(other)),
    }
}

/// The sums of an account, as `HGETALL` of [`names::account`] answers.
pub fn sums(reply: &Reply) -> Result<Sums, Unavailable> {
    let Reply::List(list) = reply else { return Err(senseless(reply)) };
    let mut sums = Sums::default();
    for pair in list.chunks(2) {
        let [Reply::Text(field), Reply::Text(number)] = pair else { return Err(senseless(reply)) };
        let number = number.parse().map_err(|_| senseless(reply))?;
        match field.as_str() {
            "requests" => sums.requests = number,
            "input" => sums.input_tokens = number,
            "output" => sums.output_tokens = number,
            "cost" => sums.cost = number,
            "estimated_tokens" => sums.estimated_tokens = number,
            "estimated_cost" => sums.estimated_cost = number,
            _ => {}
        }
    }
    Ok(sums)
}
