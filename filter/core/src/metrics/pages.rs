//! The sums of all workers, in a fixed number of pages of Envoy's shared data.
//!
//! A row's page follows from its key. Each worker adds its new counts with compare-and-swap. The first worker to store a row claims its
//! time series from the limit; once the limit is reached, counts of further rows go to the group's row `other`, which always has room.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;
use std::time::Duration;

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

/// All rows, by key.
#[derive(Debug, Default)]
pub struct Snapshot {
    rows: BTreeMap<Vec<u8>, Vec<u64>>,
    /// When the first count was stored.
    pub started: Time,
}

/// One page's rows, by key.
#[derive(Debug, Default, PartialEq)]
struct Page(BTreeMap<Vec<u8>, Vec<u64>>);

/// The time series that rows have claimed, and since when there are any.
#[derive(Debug, Default, PartialEq)]
struct Claims {
    series: u64,
    started: u64,
}

/// Adds the rows' new counts, and clears those that were stored. The others are stored by a later call.
pub(super) fn add(shared: &dyn SharedData, rows: &mut HashMap<Box<[u8]>, Row>, limit: usize, now: Time) {
    let mut by_page: BTreeMap<u64, Vec<(&[u8], &mut Row)>> = BTreeMap::new();
    for (key, row) in rows.iter_mut().filter(|(_, row)| row.changed) {
        by_page.entry(page_of(row.group, key)).or_default().push((key, row));
    }
    let claims = Claiming { shared, limit: room(limit), now };
    let mut beyond: BTreeMap<Vec<u8>, (&'static Group, Vec<u64>)> = BTreeMap::new();
    for (page, mut rows) in by_page {
        if !store(shared, page, &mut rows, &claims) {
            continue;
        }
        for (_, row) in rows {
            if row.admitted == Admitted::No {
                let empty = || (row.group, vec![0; row.group.width()]);
                let (_, sums) = beyond.entry(labels::other(row.group)).or_insert_with(empty);
                merge(row.group, sums, &row.values);
            }
            row.values.fill(0);
            row.changed = false;
        }
    }
    for (key, (group, values)) in beyond {
        let row = &mut Row { group, values, changed: true, admitted: Admitted::Yes };
        store(shared, page_of(group, &key), &mut [(&key, row)], &claims);
    }
}

/// Stores these rows in their page; returns whether that succeeded. Rows beyond the limit are left out and marked.
fn store(shared: &dyn SharedData, page: u64, rows: &mut [(&[u8], &mut Row)], claims: &Claiming<'_>) -> bool {
    let name = name(page);
    // Rows that this call has claimed and not stored yet.
    let mut claimed: Vec<bool> = vec![false; rows.len()];
    let mut attempt = || {
        let (mut stored, version) = read(shared, &name);
        for ((key, row), claimed) in rows.iter_mut().zip(&mut claimed) {
            let known = stored.0.get_mut(*key);
            if let Some(values) = known {
                merge(row.group, values, &row.values);
                if std::mem::take(claimed) {
                    claims.release(row.group);
                }
                row.admitted = Admitted::Yes;
                continue;
            }
            if row.admitted == Admitted::Unknown {
                row.admitted = claims.claim(row.group)?;
                *claimed = row.admitted == Admitted::Yes;
            }
            if row.admitted == Admitted::Yes {
                stored.0.insert(key.to_vec(), row.values.clone());
            }
        }
        stored.0.retain(|key, values| !is_stale(key, values, claims.now));
        shared.write(&name, &stored.bytes(), version).is_ok().then_some(true)
    };
    (0..value::ATTEMPTS).find_map(|_| attempt()).unwrap_or(false)
}

/// Adds `more` to `values`, or replaces them if `more` is later.
fn merge(group: &Group, values: &mut Vec<u64>, more: &[u64]) {
    match group.merge {
        Merge::Add => values.iter_mut().zip(more).for_each(|(value, more)| *value = value.saturating_add(*more)),
        Merge::Latest | Merge::Current if values.last() <= more.last() => more.clone_into(values),
        Merge::Latest | Merge::Current => {}
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
        let claimed = value::update(self.shared, CLAIMS, |claims: Claims| {
            let sum = claims.series.saturating_add(series);
            is_full.set(sum > self.limit && series > 0);
            let started = if claims.started == 0 { self.now.0 } else { claims.started };
            (!is_full.get()).then_some(Claims { series: sum, started })
        });
        match (claimed, is_full.get()) {
            (true, _) => Some(Admitted::Yes),
            (false, true) => Some(Admitted::No),
            (false, false) => None,
        }
    }

    fn release(&self, group: &Group) {
        let series = series(group);
        value::update(self.shared, CLAIMS, |claims: Claims| {
            Some(Claims { series: claims.series.saturating_sub(series), ..claims })
        });
    }
}

/// The time series that a row claims. Rows that are removed again claim none: there are as many as workers and targets.
fn series(group: &Group) -> u64 {
    if group.merge == Merge::Current { 0 } else { u64::try_from(group.series()).unwrap_or(u64::MAX) }
}

impl Snapshot {
    /// Reads the sums of all workers.
    pub fn read(shared: &dyn SharedData, now: Time) -> Self {
        let claims: Claims = value::read(shared, CLAIMS);
        let mut snapshot = Self { rows: BTreeMap::new(), started: Time(claims.started) };
        let mut workers: Option<Vec<u64>> = None;
        for page in 0..PAGES {
            for (key, values) in read(shared, &name(page)).0.0 {
                if is_stale(&key, &values, now) {
                    continue;
                }
                if key.first() != Some(&WORKER.id) {
                    snapshot.rows.insert(key, values);
                } else {
                    let sums = workers.get_or_insert_with(|| vec![0; WORKER.width()]);
                    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum = sum.saturating_add(value));
                }
            }
        }
        snapshot.set(&WORKER, &[], &workers.unwrap_or_default());
        snapshot.reset_budgets(now);
        snapshot.start();
        snapshot
    }

    /// Sets budgets to unused whose period has ended since their last request.
    fn reset_budgets(&mut self, now: Time) {
        for (_, values) in self.rows.range_mut(vec![BUDGET.id]..vec![BUDGET.id.saturating_add(1)]) {
            let resets_at = values.get(budget::RESETS_AT.at).copied().unwrap_or_default();
            if resets_at > 0 && resets_at <= now.seconds() {
                for slot in [budget::USED, budget::RATIO, budget::RESETS_AT] {
                    values.get_mut(slot.at).into_iter().for_each(|value| *value = 0);
                }
            }
        }
    }

    /// Sets a row that no worker counts.
    pub fn set(&mut self, group: &'static Group, labels: &[&str], values: &[u64]) {
        let mut row = values.to_vec();
        row.resize(group.width(), 0);
        let mut key = Vec::new();
        labels::write(group, labels, &mut key);
        self.rows.insert(key, row);
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
        let rows = self.rows.range(vec![group.id]..vec![group.id.saturating_add(1)]);
        rows.filter_map(|(key, values)| Some((Labels::of(key)?, values.as_slice())))
    }
}

/// Whether no worker repeats this row any more.
fn is_stale(key: &[u8], values: &[u64], now: Time) -> bool {
    let Some(group) = key.first().and_then(|id| Group::by_id(*id)).filter(|group| group.merge == Merge::Current) else {
        return false;
    };
    let at = values.get(Slot::time(group).at).copied().unwrap_or_default();
    now.since(Time(at.saturating_mul(1_000_000))) > CURRENT
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
const CLAIMS_FORMAT: &[u8; 8] = b"claims\0\x01";

impl Value for Claims {
    fn parse(bytes: &[u8]) -> Option<Self> {
        value::parse(CLAIMS_FORMAT, bytes).map(|[series, started]| Self { series, started })
    }

    fn bytes(&self) -> Vec<u8> {
        value::bytes(CLAIMS_FORMAT, &[self.series, self.started])
    }
}

fn name(page: u64) -> String {
    format!("sluice.metrics.1.{page}")
}

/// A row's page. All current rows share one, so each write removes those that are stale.
fn page_of(group: &Group, key: &[u8]) -> u64 {
    if group.merge == Merge::Current { 0 } else { mix::spread(mix::hash(key)) % PAGES }
}

/// Reads a page, and the version to write it with.
fn read(shared: &dyn SharedData, name: &str) -> (Page, u32) {
    match shared.read(name) {
        Some((bytes, version)) => (Page::parse(&bytes).unwrap_or_default(), version),
        None => (Page::default(), NOT_YET),
    }
}

/// Identifies the registry: another version of the module may have other instruments. A page of another registry counts as empty.
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
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut bytes = bytes.strip_prefix(&registry().to_le_bytes())?;
        let mut rows = BTreeMap::new();
        while !bytes.is_empty() {
            let length = number(&mut bytes).and_then(|length| usize::try_from(length).ok())?;
            let (key, rest) = bytes.split_at_checked(length)?;
            bytes = rest;
            let width = Labels::of(key)?.group.width();
            let values = (0..width).map(|_| number(&mut bytes)).collect::<Option<Vec<u64>>>()?;
            rows.insert(key.to_vec(), values);
        }
        Some(Self(rows))
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
