//! Accounts: the usage of each team and its keys, apps and models, and of their combinations, by day.
//!
//! They limit nothing. The accounts of a shard's teams on one day are in one value, with all names, since shared data cannot be listed: a
//! row has a team, a grouping, a name and the sums. Each of the last [`ACCOUNT_DAYS`] days has a value; then the next day takes its place.
//! So a day costs memory only for the names that were used on it.

use std::collections::BTreeSet;

use crate::bytes::{Reader, Writer};
use crate::store::dimension::Grouping;
use crate::store::{ACCOUNT_DAYS, AccountEntry, SharedData, Sums, Unavailable};

use super::shard_id::{SET, ShardId};
use super::{ATTEMPTS, contended};

/// Magic bytes and format version.
const FORMAT: [u8; 4] = *b"SA\0\x04";

/// The longest team in a row, in bytes; longer ones are truncated.
const LONGEST_TEAM: usize = 255;

/// The longest name in a row, in bytes. A combination has four names, and quotes.
const LONGEST_NAME: usize = 4096;

/// Size of a row's numbers.
const NUMBERS: usize = Sums::NUMBERS * 8;

/// The most bytes of one shard's accounts of a day: thousands of rows.
const MOST_BYTES: usize = 512 << 10;

/// Version for writing accounts that do not exist yet. It never matches if another worker created them first.
const NOT_YET: u32 = u32::MAX;

/// Name of the first day that has accounts, and of the set of shards that have any.
const FIRST_DAY: &str = "sluice.accounts.4.first";

/// The usage of one name on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The kind of the name.
    pub grouping: Grouping,
    /// The key's id, or the name.
    pub name: String,
    /// Its usage.
    pub sums: Sums,
}

/// The accounts of a day since 1970, those of each shard oldest first. The total of an app or a model is the sum over the teams. A version
/// of the module that did not note the shards yet may have added accounts, so the shards of the present `teams` are read too.
pub fn accounts(shared: &dyn SharedData, teams: &BTreeSet<String>, day: u64) -> Result<Vec<Account>, Unavailable> {
    let (mut noted, _) = shared.read(FIRST_DAY).unwrap_or_default();
    noted.resize(DAY + SET, 0);
    let (_, set) = noted.split_at_mut(DAY);
    teams.iter().for_each(|team| ShardId::of(team).enter(set));
    let mut accounts = Vec::new();
    for shard in ShardId::all().filter(|shard| shard.is_in(set) == Some(true)) {
        let name = name(shard, day);
        let Some((bytes, _)) = shared.read(&name) else { continue };
        let (its_day, mut rows) = rows_of(&name, &bytes)?;
        while its_day == day && !rows.0.is_empty() {
            let account = Row::read(&mut rows).and_then(|row| row.account());
            accounts.push(account.ok_or_else(|| damaged(&name))?);
        }
    }
    Ok(accounts)
}

/// The first day since 1970 that may have accounts; `None` before the first account.
pub fn first_day(shared: &dyn SharedData, today: u64) -> Option<u64> {
    let (bytes, _) = shared.read(FIRST_DAY)?;
    // A clock may have been ahead.
    let first = Reader(&bytes).u64().filter(|first| *first <= today)?;
    Some(first.max(today.saturating_sub(ACCOUNT_DAYS - 1)))
}

/// Adds an entry to the accounts of a day since 1970.
pub(super) fn add(shared: &dyn SharedData, entry: &AccountEntry, day: u64) -> Result<(), Unavailable> {
    let shard = ShardId::of(&entry.team);
    let name = name(shard, day);
    let accounts: Vec<_> = entry.accounts().collect();
    for _ in 0..ATTEMPTS {
        let (mut bytes, version) = shared.read(&name).unwrap_or_else(|| (empty(day), NOT_YET));
        match rows_of(&name, &bytes)?.0 {
            // The value is of a day whose place this day takes.
            its_day if its_day < day => bytes = empty(day),
            // A clock that is more than a year behind.
            its_day if its_day > day => return Ok(()),
            _ => {}
        }
        let (is_first, mut is_full) = (bytes.len() == HEAD, false);
        for (grouping, whose) in &accounts {
            // A name without room costs the other names nothing.
            is_full |= !add_to_row(&name, &mut bytes, (&entry.team, *grouping, whose), &entry.sums)?;
        }
        if shared.write(&name, &bytes, version).is_ok() {
            if is_first {
                note(shared, shard, day);
            }
            return match is_full {
                true => Err(Unavailable(format!("{name} is full: more names and combinations than there is room for"))),
                false => Ok(()),
            };
        }
    }
    Err(contended(&name))
}

/// Notes that a shard has accounts of a day. Another worker may note the same.
fn note(shared: &dyn SharedData, shard: ShardId, day: u64) {
    for _ in 0..ATTEMPTS {
        let (before, version) = shared.read(FIRST_DAY).unwrap_or((Vec::new(), NOT_YET));
        let first = Reader(&before).u64().map_or(day, |first| first.min(day));
        let mut noted = before.clone();
        noted.resize(DAY + SET, 0);
        let (room, set) = noted.split_at_mut(DAY);
        room.copy_from_slice(&first.to_le_bytes());
        shard.enter(set);
        if noted == before || shared.write(FIRST_DAY, &noted, version).is_ok() {
            return;
        }
    }
}

/// Returns false if there is no room.
fn add_to_row(
    shard: &str,
    bytes: &mut Vec<u8>,
    (team, grouping, whose): (&str, Grouping, &str),
    sums: &Sums,
) -> Result<bool, Unavailable> {
    let (team, grouping) = (shortened(team, LONGEST_TEAM), code(grouping));
    let name = shortened(whose, LONGEST_NAME);
    let (_, mut rows) = rows_of(shard, bytes)?;
    while !rows.0.is_empty() {
        let row = Row::read(&mut rows).ok_or_else(|| damaged(shard))?;
        if row.grouping == grouping && row.team == team && row.name == name {
            let numbers = written(&row.sums().plus(sums));
            let end = bytes.len() - rows.0.len();
            if let Some(room) = bytes.get_mut(end - NUMBERS..end) {
                room.copy_from_slice(&numbers);
            }
            return Ok(true);
        }
    }
    let row = Row { team, grouping, name, numbers: &written(sums) };
    let fits = bytes.len() + row.size() <= MOST_BYTES;
    if fits {
        row.append_to(bytes);
    }
    Ok(fits)
}

/// One row: a byte for the grouping, the lengths of team and name (one byte, two bytes), both texts, the numbers.
#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    team: &'a [u8],
    grouping: u8,
    name: &'a [u8],
    numbers: &'a [u8; NUMBERS],
}

impl<'a> Row<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let grouping = reader.u8()?;
        let (team, name) = (reader.u8()?, u16::from_le_bytes(reader.array()?));
        let (team, name) = (reader.bytes(team.into())?, reader.bytes(name.into())?);
        let (numbers, rest) = reader.0.split_first_chunk()?;
        reader.0 = rest;
        Some(Self { team, grouping, name, numbers })
    }

    fn sums(&self) -> Sums {
        let mut reader = Reader(self.numbers);
        Sums::from(std::array::from_fn(|_| reader.u64().unwrap_or_default()))
    }

    fn size(&self) -> usize {
        4 + self.team.len() + self.name.len() + NUMBERS
    }

    fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.push(self.grouping);
        bytes.push(u8::try_from(self.team.len()).unwrap_or(u8::MAX));
        bytes.extend(u16::try_from(self.name.len()).unwrap_or(u16::MAX).to_le_bytes());
        bytes.extend_from_slice(self.team);
        bytes.extend_from_slice(self.name);
        bytes.extend_from_slice(self.numbers);
    }

    fn account(&self) -> Option<Account> {
        let grouping = Grouping::ALL.into_iter().find(|grouping| code(*grouping) == self.grouping)?;
        Some(Account { grouping, name: std::str::from_utf8(self.name).ok()?.to_owned(), sums: self.sums() })
    }
}

fn written(sums: &Sums) -> [u8; NUMBERS] {
    let mut bytes = [0; NUMBERS];
    let mut writer = Writer(&mut bytes);
    sums.numbers().into_iter().for_each(|number| writer.u64(number));
    bytes
}

/// The size of a day.
const DAY: usize = 8;

/// The size of accounts without a row.
const HEAD: usize = FORMAT.len() + DAY;

/// The accounts of a day without a row.
fn empty(day: u64) -> Vec<u8> {
    [&FORMAT[..], &day.to_le_bytes()].concat()
}

/// The day and the rows of a value.
fn rows_of<'a>(name: &str, bytes: &'a [u8]) -> Result<(u64, Reader<'a>), Unavailable> {
    let mut rows = Reader(bytes.strip_prefix(&FORMAT).ok_or_else(|| damaged(name))?);
    Ok((rows.u64().ok_or_else(|| damaged(name))?, rows))
}

/// The name of a shard's value for a day.
pub(super) fn name(shard: ShardId, day: u64) -> String {
    [&*shard.name("sluice.accounts.4."), ".", &(day % ACCOUNT_DAYS).to_string()].concat()
}

fn damaged(name: &str) -> Unavailable {
    Unavailable(format!(
        "{name} in the shared data is damaged. Only a restart of Envoy clears it, and the counts in it are lost"
    ))
}

fn shortened(name: &str, longest: usize) -> &[u8] {
    name.get(..name.floor_char_boundary(longest)).unwrap_or(name).as_bytes()
}

fn code(grouping: Grouping) -> u8 {
    match grouping {
        Grouping::Key => 1,
        Grouping::Team => 2,
        Grouping::App => 3,
        Grouping::Model => 4,
        Grouping::Combination => 5,
    }
}
