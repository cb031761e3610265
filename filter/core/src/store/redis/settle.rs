//! Settlements, many in one script, and the daily accounts they are added to.

use crate::store::{NOTED, Settled, Settlement, Sums, Unavailable, day_and_month};

use super::wire::{Command, RedisReply, Script};
use super::{COUNTERS, Keys, exact, letter, names, senseless};

pub(super) static SCRIPT: Script =
    Script { source: &[COUNTERS, include_str!("lua/settle.lua")], sha1: "4585cbeaa935089188546eaa34e1897be6f0fe66" };

/// The most settlements in one call: Redis serves nothing else while the script runs.
pub const LARGEST_BATCH: usize = 64;

/// A settlement as the script reads it. Serialized once, however often it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleCommand {
    text: String,
    words: Vec<WordEnd>,
}

/// The end of a word in the text; it begins where the previous word ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WordEnd {
    end: u32,
    is_key: bool,
}

impl SettleCommand {
    /// Serializes a settlement for the Redis with this prefix.
    pub fn new(prefix: &str, settlement: &Settlement) -> Self {
        let mut written = Self { text: String::new(), words: Vec::new() };
        written.key(&names::record(prefix, &settlement.id));
        written.argument(&settlement.id);
        written.argument(&settlement.parts.len().to_string());
        for part in &settlement.parts {
            written.key(&names::counter(prefix, &part.counter));
            written.argument(letter(part.counter.kind));
            written.argument(&exact(part.window));
            written.argument(&used(part, settlement.corrects));
        }
        written.enter(prefix, settlement);
        written.argument(&settlement.notes.len().to_string());
        for note in &settlement.notes {
            written.key(&names::note(prefix, &note.name));
            written.argument(&note.text);
            written.argument(&NOTED.as_secs().to_string());
        }
        // The command may wait for long, among many others.
        written.text.shrink_to_fit();
        written.words.shrink_to_fit();
        written
    }

    fn key(&mut self, name: &str) {
        self.word(name, true);
    }

    fn argument(&mut self, text: &str) {
        self.word(text, false);
    }

    fn word(&mut self, text: &str, is_key: bool) {
        self.text.push_str(text);
        self.words.push(WordEnd { end: u32::try_from(self.text.len()).unwrap_or(u32::MAX), is_key });
    }

    fn words(&self) -> impl Iterator<Item = (&str, bool)> {
        let mut start = 0;
        self.words.iter().map(move |word| {
            let end = usize::try_from(word.end).unwrap_or(usize::MAX);
            let text = self.text.get(start..end).unwrap_or_default();
            start = end;
            (text, word.is_key)
        })
    }

    fn enter(&mut self, prefix: &str, settlement: &Settlement) {
        let Some(entry) = &settlement.entry else {
            return ["0"; Sums::NUMBERS + 1].into_iter().for_each(|number| self.argument(number));
        };
        entry.sums.numbers().into_iter().for_each(|number| self.argument(&exact(number)));
        let (day, month) = day_and_month(settlement.at);
        let accounts: Vec<_> = entry.accounts().collect();
        self.argument(&accounts.len().to_string());
        for (grouping, name) in accounts {
            self.key(&names::account(prefix, grouping, &name, day));
            self.key(&names::spenders_of_day(prefix, grouping, day));
            self.key(&names::spenders_of_month(prefix, grouping, month));
            self.argument(&name);
        }
    }
}

/// Closes reservations. Each settlement counts once, even if it is sent again in another batch. The script ignores the settlement's own
/// `reserved`: either Redis has the reservation, or Redis was down when it was made and all usage is charged.
pub fn command(prefix: &str, settlements: &[SettleCommand]) -> Command {
    let mut keys = Keys::default();
    keys.position(names::open_reservations(prefix));
    let words = settlements.iter().flat_map(SettleCommand::words).map(|(text, is_key)| match is_key {
        true => keys.position(text.to_owned()),
        false => text.to_owned(),
    });
    let arguments = std::iter::once(settlements.len().to_string()).chain(words).collect();
    Command::script(&SCRIPT, keys.names, arguments)
}

/// The amount to add to a part's counter; negative when a correction returns some of what an earlier settlement charged.
fn used(part: &Settled, corrects: bool) -> String {
    match corrects && part.used < part.reserved {
        true => format!("-{}", exact(part.reserved - part.used)),
        false => exact(if corrects { part.used - part.reserved } else { part.used }),
    }
}

/// How many settlements of the batch were new.
pub fn settled(reply: &RedisReply) -> Result<usize, Unavailable> {
    match reply {
        RedisReply::Int(number) => usize::try_from(*number).map_err(|_| senseless(reply)),
        other => Err(senseless(other)),
    }
}

/// The sums of an account, from the `HGETALL` reply for [`names::account`].
pub fn sums(reply: &RedisReply) -> Result<Sums, Unavailable> {
    let RedisReply::List(list) = reply else { return Err(senseless(reply)) };
    let mut sums = Sums::default();
    for pair in list.chunks(2) {
        let [RedisReply::Text(field), RedisReply::Text(number)] = pair else { return Err(senseless(reply)) };
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
