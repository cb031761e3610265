//! Accounts: the usage of each team and its keys, apps and models, for today, yesterday and the month.
//!
//! They limit nothing. The accounts of a shard's teams are in one value, with all names, since shared data cannot be listed. A row has a
//! team, a dimension, a name and the sums. Rows of past months are dropped when a row is added, and so are those of deleted teams, keys and
//! models in time.

use sluice_wire::time::Time;

use crate::bytes::{Reader, Writer};
use crate::store::dimension::Dimension;
use crate::store::{AccountEntry, SharedData, Sums, Unavailable};

use super::counter_state::CounterTime;
use super::shard_id::ShardId;
use super::{ATTEMPTS, contended};

/// Magic bytes and format version.
const FORMAT: [u8; 4] = *b"SA\0\x03";

/// The longest name, in bytes; longer names are truncated.
const LONGEST_NAME: usize = 255;

/// Size of a row's numbers: two periods and three sums.
const NUMBERS: usize = (2 + 3 * Sums::NUMBERS) * 8;

/// The most bytes of one shard's accounts: thousands of rows.
const MOST_BYTES: usize = 512 << 10;

/// Version for writing accounts that do not exist yet. It never matches if another worker created them first.
const NOT_YET: u32 = u32::MAX;

/// The usage of one key, team, app or model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whether it is a key, team, app or model.
    pub dimension: Dimension,
    /// The key's id, or the name.
    pub name: String,
    /// Usage on the requested day.
    pub day: Sums,
    /// Usage on the day before.
    pub day_before: Sums,
    /// Usage in the requested day's month.
    pub month: Sums,
}

/// A team's accounts at `now`, oldest first: of the team, its keys, apps and models. The total of an app or a model is the sum over the
/// teams.
pub fn accounts(shared: &dyn SharedData, team: &str, now: Time) -> Result<Vec<Account>, Unavailable> {
    let (name, now) = (name(team), CounterTime::of(now));
    let team = shortened(team).as_bytes();
    let Some((bytes, _)) = shared.read(&name) else { return Ok(Vec::new()) };
    let mut rows = rows_of(&name, &bytes)?;
    let mut accounts = Vec::new();
    while !rows.0.is_empty() {
        let row = Row::read(&mut rows).ok_or_else(|| damaged(&name))?;
        if row.team == team {
            accounts.push(row.account(&now).ok_or_else(|| damaged(&name))?);
        }
    }
    Ok(accounts)
}

/// Adds an entry to the sums of its key, team, app and model.
pub(super) fn add(shared: &dyn SharedData, entry: &AccountEntry, now: &CounterTime) -> Result<(), Unavailable> {
    let name = name(&entry.team);
    for _ in 0..ATTEMPTS {
        let (mut bytes, version) = shared.read(&name).unwrap_or_else(|| (FORMAT.to_vec(), NOT_YET));
        rows_of(&name, &bytes)?;
        for (dimension, whose) in [
            (Dimension::Key, Some(&entry.key)),
            (Dimension::Team, Some(&entry.team)),
            (Dimension::App, entry.app.as_ref()),
            (Dimension::Model, Some(&entry.model)),
        ] {
            if let Some(whose) = whose {
                add_to_row(&name, &mut bytes, (&entry.team, dimension, whose), &entry.sums, now)?;
            }
        }
        if shared.write(&name, &bytes, version).is_ok() {
            return Ok(());
        }
    }
    Err(contended(&name))
}

fn add_to_row(
    shard: &str,
    bytes: &mut Vec<u8>,
    (team, dimension, whose): (&str, Dimension, &str),
    sums: &Sums,
    now: &CounterTime,
) -> Result<(), Unavailable> {
    let (team, dimension, whose) = (shortened(team).as_bytes(), code(dimension), shortened(whose).as_bytes());
    let mut rows = rows_of(shard, bytes)?;
    while !rows.0.is_empty() {
        let row = Row::read(&mut rows).ok_or_else(|| damaged(shard))?;
        if row.dimension == dimension && row.team == team && row.name == whose {
            let numbers = row.numbers().with(sums, now).bytes();
            let end = bytes.len() - rows.0.len();
            if let Some(room) = bytes.get_mut(end - NUMBERS..end) {
                room.copy_from_slice(&numbers);
            }
            return Ok(());
        }
    }
    let numbers = Numbers { day: now.day, month: now.month, ..Numbers::default() }.with(sums, now).bytes();
    append(shard, bytes, &Row { team, dimension, name: whose, numbers: &numbers }, now)
}

fn append(shard: &str, bytes: &mut Vec<u8>, row: &Row<'_>, now: &CounterTime) -> Result<(), Unavailable> {
    forget_passed(shard, bytes, now)?;
    if bytes.len() + row.size() > MOST_BYTES {
        return Err(Unavailable(format!("{shard} is full: more keys, apps and models than there is room for")));
    }
    row.append_to(bytes);
    Ok(())
}

fn forget_passed(shard: &str, bytes: &mut Vec<u8>, now: &CounterTime) -> Result<(), Unavailable> {
    let mut kept = FORMAT.to_vec();
    let mut rows = rows_of(shard, bytes)?;
    while !rows.0.is_empty() {
        let row = Row::read(&mut rows).ok_or_else(|| damaged(shard))?;
        let numbers = row.numbers();
        if numbers.month >= now.month || numbers.day.saturating_add(1) >= now.day {
            row.append_to(&mut kept);
        }
    }
    *bytes = kept;
    Ok(())
}

/// One row: a byte for the dimension, a byte each for the lengths of team and name, both texts, the numbers.
#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    team: &'a [u8],
    dimension: u8,
    name: &'a [u8],
    numbers: &'a [u8; NUMBERS],
}

impl<'a> Row<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let dimension = reader.u8()?;
        let lengths = [reader.u8()?, reader.u8()?];
        let [team, name] = lengths.map(|length| reader.bytes(usize::from(length)));
        let (team, name) = (team?, name?);
        let (numbers, rest) = reader.0.split_first_chunk()?;
        reader.0 = rest;
        Some(Self { team, dimension, name, numbers })
    }

    fn numbers(&self) -> Numbers {
        Numbers::read(&mut Reader(self.numbers)).unwrap_or_default()
    }

    fn size(&self) -> usize {
        3 + self.team.len() + self.name.len() + NUMBERS
    }

    fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.push(self.dimension);
        for text in [self.team, self.name] {
            bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        }
        bytes.extend_from_slice(self.team);
        bytes.extend_from_slice(self.name);
        bytes.extend_from_slice(self.numbers);
    }

    fn account(&self, now: &CounterTime) -> Option<Account> {
        let numbers = self.numbers();
        let of_day = |day: u64| match numbers.day.checked_sub(day) {
            Some(0) => numbers.today,
            Some(1) => numbers.yesterday,
            _ => Sums::default(),
        };
        Some(Account {
            dimension: dimension(self.dimension)?,
            name: std::str::from_utf8(self.name).ok()?.to_owned(),
            day: of_day(now.day),
            day_before: now.day.checked_sub(1).map(of_day).unwrap_or_default(),
            month: if numbers.month == now.month { numbers.in_month } else { Sums::default() },
        })
    }
}

/// A row's periods and sums.
#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    /// The latest day, since 1970, and its month.
    day: u64,
    month: u64,
    today: Sums,
    yesterday: Sums,
    in_month: Sums,
}

impl Numbers {
    /// Adds `sums` at `now`. Day sums from a clock more than a day behind are dropped.
    fn with(mut self, sums: &Sums, now: &CounterTime) -> Self {
        if now.day > self.day {
            self.yesterday = if now.day - self.day == 1 { self.today } else { Sums::default() };
            (self.day, self.today) = (now.day, Sums::default());
        }
        if now.month > self.month {
            (self.month, self.in_month) = (now.month, Sums::default());
        }
        match self.day - now.day {
            0 => self.today = self.today.plus(sums),
            1 => self.yesterday = self.yesterday.plus(sums),
            _ => {}
        }
        if self.month == now.month {
            self.in_month = self.in_month.plus(sums);
        }
        self
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut sums = || {
            let mut numbers = [0; Sums::NUMBERS];
            for number in &mut numbers {
                *number = reader.u64()?;
            }
            Some(Sums::from(numbers))
        };
        let [today, yesterday, in_month] = [sums()?, sums()?, sums()?];
        Some(Self { day: reader.u64()?, month: reader.u64()?, today, yesterday, in_month })
    }

    fn bytes(&self) -> [u8; NUMBERS] {
        let mut bytes = [0; NUMBERS];
        let mut writer = Writer(&mut bytes);
        for sums in [self.today, self.yesterday, self.in_month] {
            sums.numbers().into_iter().for_each(|number| writer.u64(number));
        }
        writer.u64(self.day);
        writer.u64(self.month);
        bytes
    }
}

fn name(team: &str) -> String {
    ShardId::of(team).name("sluice.accounts.3.")
}

fn rows_of<'a>(shard: &str, bytes: &'a [u8]) -> Result<Reader<'a>, Unavailable> {
    bytes.strip_prefix(&FORMAT).map(Reader).ok_or_else(|| damaged(shard))
}

fn damaged(shard: &str) -> Unavailable {
    Unavailable(format!(
        "{shard} in the shared data is damaged. Only a restart of Envoy clears it, and the counts in it are lost"
    ))
}

fn shortened(name: &str) -> &str {
    name.get(..name.floor_char_boundary(LONGEST_NAME)).unwrap_or(name)
}

fn code(dimension: Dimension) -> u8 {
    match dimension {
        Dimension::Key => 1,
        Dimension::Team => 2,
        Dimension::App => 3,
        Dimension::Model => 4,
        Dimension::Provider => 5,
    }
}

fn dimension(code: u8) -> Option<Dimension> {
    [Dimension::Key, Dimension::Team, Dimension::App, Dimension::Model, Dimension::Provider]
        .into_iter()
        .find(|dimension| self::code(*dimension) == code)
}
