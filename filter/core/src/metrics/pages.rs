//! The sums of all workers, in a fixed number of pages of Envoy's shared data.
//!
//! A row's page follows from its key. Each worker adds its new counts with compare-and-swap. The first worker to store a row claims its
//! time series from the limit; once the limit is reached, counts of further rows go to the group's row `other`, which always has room.
//! Budgets have a limit of their own, as high. Further ones are dropped, because the sum of two gauges means nothing.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::Duration;

use sluice_wire::order;
use sluice_wire::time::Time;

use crate::mix;
use crate::store::SharedData;
use crate::store::value::{self, NOT_YET, Value};

use super::Labels;
use super::instruments::{BUDGET, GROUPS, Group, Kind, Merge, Slot, WORKER, budget};
use super::labels;
use super::recorder::{Admitted, Row};

const PAGES: u64 = 64;

/// How long a [`Merge::Current`] row counts after its last repetition.
const CURRENT: Duration = Duration::from_secs(10);

/// How long a [`Merge::Latest`] row counts after its last request: its budget may be gone.
const LATEST: Duration = Duration::from_secs(7 * 86_400);

/// All rows.
#[derive(Debug, Default)]
pub struct Snapshot {
    rows: Page,
    /// When the first count was stored.
    pub started: Time,
}

/// Rows in the order of their keys. A sorted list, since each type of map adds kilobytes to the module.
#[derive(Debug, Default, PartialEq)]
struct Page(Vec<(Vec<u8>, Vec<u64>)>);

/// The time series that rows have claimed, and since when there are any.
#[derive(Debug, Default, PartialEq)]
struct Claims {
    /// Those of counters, and those of budgets: neither displaces the other.
    series: [u64; 2],
    started: u64,
}

impl Claims {
    /// The time series of the rows that share this group's limit.
    fn series(&mut self, group: &Group) -> &mut u64 {
        let [counters, budgets] = &mut self.series;
        if group.id == BUDGET.id { budgets } else { counters }
    }
}

/// Adds the rows' new counts, and clears those that were stored. The others are stored by a later call.
pub(super) fn add(shared: &dyn SharedData, rows: &mut [Row], limit: usize, now: Time) {
    let claims = Claiming { shared, limit: room(limit), now };
    let mut beyond: Vec<Row> = Vec::new();
    store_all(rows, &claims, |row| {
        if row.admitted == Admitted::No && row.group.merge == Merge::Add {
            match beyond.iter_mut().find(|other| other.group.id == row.group.id) {
                Some(other) => merge(row.group, &mut other.values, &row.values),
                None => beyond.push(Row { key: labels::other(row.group), admitted: Admitted::Yes, ..row.clone() }),
            }
        }
        if row.group.merge == Merge::Latest {
            // It may become stale, and its room that of another.
            row.admitted = Admitted::Unknown;
        }
        row.values.fill(0);
        row.changed = false;
    });
    store_all(&mut beyond, &claims, |_| {});
}

/// Stores the changed rows, page by page. Calls `stored` for each row of a page that was written.
fn store_all(rows: &mut [Row], claims: &Claiming<'_>, mut stored: impl FnMut(&mut Row)) {
    let mut places: Vec<(u64, usize)> = Vec::new();
    places.extend(rows.iter().enumerate().filter(|(_, row)| row.changed).map(|(at, row)| (page_of(row), at)));
    order::by_numbers(&mut places, |(page, _)| (*page, 0));
    for places in places.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((page, _)) = places.first() else { continue };
        if !store(&name(*page), rows, places, claims) {
            continue;
        }
        for (_, at) in places {
            rows.get_mut(*at).into_iter().for_each(&mut stored);
        }
    }
}

/// Stores the rows at these places in their page; returns whether that succeeded. Rows beyond the limit are left out and marked.
fn store(name: &str, rows: &mut [Row], places: &[(u64, usize)], claims: &Claiming<'_>) -> bool {
    let mut attempt = || {
        let (mut page, version) = read(claims.shared, name);
        for (_, at) in places {
            let Some(row) = rows.get_mut(*at) else { continue };
            match page.find(&row.key) {
                Ok(at) => {
                    let values = page.0.get_mut(at).map(|(_, values)| values);
                    values.into_iter().for_each(|values| merge(row.group, values, &row.values));
                    if std::mem::replace(&mut row.admitted, Admitted::Yes) == Admitted::Claimed {
                        claims.release(row.group, 1);
                    }
                }
                // Only rejected requests concerned it: how much of it is used is unknown.
                Err(_) if row.group.id == BUDGET.id && row.values.get(budget::USED.at) == Some(&0) => {}
                Err(at) => {
                    if row.admitted == Admitted::Unknown {
                        row.admitted = claims.claim(row.group)?;
                    }
                    if row.admitted != Admitted::No {
                        page.0.insert(at, (row.key.clone(), row.values.clone()));
                    }
                }
            }
        }
        let mut stale = 0;
        page.0.retain(|(key, values)| {
            let is_stale = is_stale(key, values, claims.now);
            stale += u64::from(is_stale && key.first() == Some(&BUDGET.id));
            !is_stale
        });
        claims.shared.write(name, &page.bytes(), version).is_ok().then_some(stale)
    };
    let stored = (0..value::ATTEMPTS).find_map(|_| attempt());
    if let Some(stale) = stored {
        if stale > 0 {
            claims.release(&BUDGET, stale);
        }
        let claimed = |row: &&mut Row| row.admitted == Admitted::Claimed;
        for (_, at) in places {
            rows.get_mut(*at).filter(claimed).into_iter().for_each(|row| row.admitted = Admitted::Yes);
        }
    }
    stored.is_some()
}

/// Adds `more` to `values`, or replaces them if `more` is later.
fn merge(group: &Group, values: &mut Vec<u64>, more: &[u64]) {
    match group.merge {
        Merge::Add => merge_sums(values, more),
        Merge::Latest | Merge::Current => {
            let (before, later) = (values.clone(), values.last() <= more.last());
            if later {
                more.clone_into(values);
            }
            if group.id == BUDGET.id {
                keep_most_used(&before, more, values);
            }
        }
    }
}

/// Keeps the higher use of a budget: a request that began earlier may end later, with an older count.
pub(super) fn keep_most_used(one: &[u64], other: &[u64], values: &mut [u64]) {
    let value = |values: &[u64], slot: Slot| values.get(slot.at).copied().unwrap_or_default();
    let ends = |values: &[u64]| value(values, budget::RESETS_AT);
    // The end is computed from the time of a request, so it may differ by a second.
    let same_period = ends(one).abs_diff(ends(other)) < 60;
    let most = match same_period {
        true if value(one, budget::USED) > value(other, budget::USED) => one,
        false if ends(one) > ends(other) => one,
        _ => other,
    };
    for slot in [budget::USED, budget::RESETS_AT] {
        values.get_mut(slot.at).into_iter().for_each(|number| *number = value(most, slot));
    }
}

/// How many time series rows may claim: the limit without the rows `other`.
fn room(limit: usize) -> u64 {
    let others: usize = GROUPS.iter().map(|group| group.series()).sum();
    u64::try_from(limit.saturating_sub(others)).unwrap_or(u64::MAX)
}

struct Claiming<'a> {
    shared: &'a dyn SharedData,
    limit: u64,
    now: Time,
}

impl Claiming<'_> {
    /// Claims a row's time series; `None` if other workers changed the claims at each attempt.
    fn claim(&self, group: &Group) -> Option<Admitted> {
        let (series, is_full) = (series(group), Cell::new(false));
        let claimed = value::update(self.shared, CLAIMS, |mut claims: Claims| {
            let sum = claims.series(group);
            *sum = sum.saturating_add(series);
            is_full.set(*sum > self.limit && series > 0);
            if claims.started == 0 {
                claims.started = self.now.0;
            }
            (!is_full.get()).then_some(claims)
        });
        match (claimed, is_full.get()) {
            (true, _) => Some(Admitted::Claimed),
            (false, true) => Some(Admitted::No),
            (false, false) => None,
        }
    }

    /// Releases the time series of so many rows.
    fn release(&self, group: &Group, rows: u64) {
        let series = series(group).saturating_mul(rows);
        value::update(self.shared, CLAIMS, |mut claims: Claims| {
            let sum = claims.series(group);
            *sum = sum.saturating_sub(series);
            Some(claims)
        });
    }
}

/// The time series that a row claims. Rows that are removed again claim none: there are as many as workers and targets.
fn series(group: &Group) -> u64 {
    if group.merge == Merge::Current { 0 } else { u64::try_from(group.series()).unwrap_or(u64::MAX) }
}

impl Snapshot {
    /// Without rows; counted since `started`.
    pub fn since(started: Time) -> Self {
        Self { rows: Page::default(), started }
    }

    /// Reads the sums of all workers.
    pub fn read(shared: &dyn SharedData, now: Time) -> Self {
        let claims: Claims = value::read(shared, CLAIMS);
        let mut workers = vec![0; WORKER.width()];
        let mut rows: Vec<(Vec<u8>, Vec<u64>)> = Vec::new();
        for page in 0..PAGES {
            let (page, _) = read(shared, &name(page));
            rows.extend(page.0.into_iter().filter(|(key, values)| {
                let is_worker = key.first() == Some(&WORKER.id);
                let is_stale = is_stale(key, values, now);
                if is_worker && !is_stale {
                    merge_sums(&mut workers, values);
                }
                !is_worker && !is_stale
            }));
        }
        order::by(&mut rows, |(one, _), (other, _)| one.cmp(other));
        let mut snapshot = Self { rows: Page(rows), started: Time(claims.started) };
        snapshot.set(&WORKER, &[], &workers);
        snapshot.count_budgets(now);
        snapshot.start();
        snapshot
    }

    /// Sets budgets to unused whose period has ended since their last request, and computes the used part of each.
    fn count_budgets(&mut self, now: Time) {
        for (_, values) in self.rows.0.iter_mut().filter(|(key, _)| key.first() == Some(&BUDGET.id)) {
            let value = |slot: Slot| values.get(slot.at).copied().unwrap_or_default();
            let (used, limit, resets_at) = (value(budget::USED), value(budget::LIMIT), value(budget::RESETS_AT));
            let is_over = resets_at > 0 && resets_at <= now.seconds();
            let (used, resets_at) = if is_over { (0, 0) } else { (used, resets_at) };
            let millionths = u128::from(used) * 1_000_000 / u128::from(limit.max(1));
            let ratio = u64::try_from(millionths).unwrap_or(u64::MAX);
            for (slot, number) in [(budget::USED, used), (budget::RATIO, ratio), (budget::RESETS_AT, resets_at)] {
                values.get_mut(slot.at).into_iter().for_each(|value| *value = number);
            }
        }
    }

    /// Removes the budgets of keys, for readers who may not see their ids.
    pub fn hide_keys(&mut self) {
        let names_key =
            |key: &[u8]| Labels::of(key).is_some_and(|labels| labels.iter().any(|(_, value)| value.contains("key=")));
        self.rows.0.retain(|(key, _)| key.first() != Some(&BUDGET.id) || !names_key(key));
    }

    /// Sets a row that no worker counts.
    pub fn set(&mut self, group: &'static Group, labels: &[&str], values: &[u64]) {
        let mut row = values.to_vec();
        row.resize(group.width(), 0);
        let mut key = Vec::new();
        labels::write(group, labels, &mut key);
        if let Err(at) = self.rows.find(&key) {
            self.rows.0.insert(at, (key, row));
        }
    }

    /// Adds a row of zeros without labels to each group of counters that has no row: its counters exist before their first event.
    fn start(&mut self) {
        for group in GROUPS.iter().copied().filter(|group| group.merge == Merge::Add) {
            if self.rows(group).next().is_none() {
                self.set(group, &[], &[]);
            }
        }
    }

    /// The rows of one group.
    pub fn rows(&self, group: &'static Group) -> impl Iterator<Item = (Labels<'_>, &[u64])> {
        let rows = self.rows.0.iter().skip_while(|(key, _)| key.first() < Some(&group.id));
        let rows = rows.take_while(|(key, _)| key.first() == Some(&group.id));
        rows.filter_map(|(key, values)| Some((Labels::of(key)?, values.as_slice())))
    }
}

fn merge_sums(sums: &mut [u64], values: &[u64]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum = sum.saturating_add(*value));
}

/// Whether no worker repeats this row any more, or no request has concerned its budget for long.
fn is_stale(key: &[u8], values: &[u64], now: Time) -> bool {
    let Some(group) = key.first().and_then(|id| Group::by_id(*id)) else { return false };
    let lasts = match group.merge {
        Merge::Add => return false,
        Merge::Latest => LATEST,
        Merge::Current => CURRENT,
    };
    let at = values.get(Slot::time(group).at).copied().unwrap_or_default();
    now.since(Time(at.saturating_mul(1_000_000))) > lasts
}

impl Slot {
    /// The place of a [`Merge::Latest`] row's time.
    pub(super) fn time(group: &Group) -> Self {
        Self { at: group.width().saturating_sub(1), bounds: &[] }
    }
}

/// The claims' name in the shared data.
const CLAIMS: &str = "sluice.metrics.1.claims";

/// The claims' format.
const CLAIMS_FORMAT: &[u8; 8] = b"claims\0\x02";

impl Value for Claims {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let [of, counters, budgets, started] = value::parse(CLAIMS_FORMAT, bytes)?;
        (of == registry()).then_some(Self { series: [counters, budgets], started })
    }

    fn bytes(&self) -> Vec<u8> {
        let [counters, budgets] = self.series;
        value::bytes(CLAIMS_FORMAT, &[registry(), counters, budgets, self.started])
    }
}

fn name(page: u64) -> String {
    format!("sluice.metrics.1.{page}")
}

/// A row's page. All current rows share one, so each write removes those that are stale.
fn page_of(row: &Row) -> u64 {
    if row.group.merge == Merge::Current { 0 } else { mix::spread(mix::hash(&row.key)) % PAGES }
}

/// Reads a page, and the version to write it with.
fn read(shared: &dyn SharedData, name: &str) -> (Page, u32) {
    match shared.read(name) {
        Some((bytes, version)) => (Page::parse(&bytes).unwrap_or_default(), version),
        None => (Page::default(), NOT_YET),
    }
}

/// Identifies the registry: another version of the module may have other instruments. Pages and claims of another registry count as empty.
fn registry() -> u64 {
    static REGISTRY: OnceLock<u64> = OnceLock::new();
    *REGISTRY.get_or_init(|| {
        let mut all = Vec::new();
        for group in GROUPS {
            all.extend([group.id, u8::from(group.merge == Merge::Add)]);
            group.labels.iter().for_each(|label| all.extend(label.as_bytes()));
            for instrument in group.instruments {
                all.extend(instrument.name.as_bytes());
                if let Kind::Histogram(bounds) = instrument.kind {
                    bounds.iter().for_each(|bound| all.extend(bound.to_le_bytes()));
                }
            }
        }
        mix::hash(&all)
    })
}

impl Page {
    /// The place of a key, or where to insert it.
    fn find(&self, key: &[u8]) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_slice().cmp(key))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut bytes = bytes.strip_prefix(&registry().to_le_bytes())?;
        let mut rows = Vec::new();
        while !bytes.is_empty() {
            let length = number(&mut bytes).and_then(|length| usize::try_from(length).ok())?;
            let (key, rest) = bytes.split_at_checked(length)?;
            bytes = rest;
            let width = Labels::of(key)?.group.width();
            let values = (0..width).map(|_| number(&mut bytes)).collect::<Option<Vec<u64>>>()?;
            rows.push((key.to_vec(), values));
        }
        // Written in order; damaged bytes need not be.
        rows.is_sorted().then_some(Self(rows))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = registry().to_le_bytes().to_vec();
        for (key, values) in &self.0 {
            put(u64::try_from(key.len()).unwrap_or_default(), &mut bytes);
            bytes.extend_from_slice(key);
            values.iter().for_each(|value| put(*value, &mut bytes));
        }
        bytes
    }
}

/// Writes a number in LEB128: most are small or zero.
fn put(mut number: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests;
