//! A counter's state in bytes of a fixed size: its id, kind, numbers, and pending sync.

use super::concurrency_slots::{BUCKETS, ConcurrencySlots};
use super::counter_state::{CounterState, Id};
use super::pending_sync::PendingSync;
use super::rate::Rate;
use super::window::Window;
use crate::bytes::{Reader, Writer};
use crate::store::LimitWindow;

/// Size of a record; concurrency slots need the most.
pub(super) const SIZE: usize = 8 + 4 + 4 + 8 + 4 * BUCKETS + 4 + 4;

pub(super) type Record = [u8; SIZE];

pub(super) fn id(record: &Record) -> Id {
    Id(Reader(record).u64().unwrap_or_default())
}

/// The counter state of a record; `None` when it is damaged.
pub(super) fn state(record: &Record) -> Option<CounterState> {
    let mut reader = Reader(record);
    reader.u64()?;
    let kind = reader.u32()?;
    let mut window = |kind| Some(CounterState::Window(Window { kind, number: reader.u64()?, used: reader.u64()? }));
    match kind {
        1 => window(LimitWindow::Day),
        2 => window(LimitWindow::Month),
        3 => window(LimitWindow::Total),
        4 => Some(CounterState::Rate(Rate {
            level: reader.u64()?,
            at: reader.u64()?,
            since: reader.u64()?,
            limit: reader.u64()?,
        })),
        5 => {
            let mut slots =
                ConcurrencySlots { width: reader.u32()?, first: reader.u64()?, ..ConcurrencySlots::default() };
            for count in &mut slots.counts {
                *count = reader.u32()?;
            }
            slots.others = reader.u32()?;
            Some(CounterState::Slots(slots))
        }
        _ => None,
    }
}

/// The pending sync of a record.
pub(super) fn pending(record: &Record) -> PendingSync {
    let read = || {
        let mut reader = Reader(record);
        reader.u64()?;
        let numbers = match reader.u32()? {
            1..=3 => 8 + 8,
            4 => 8 + 8 + 8 + 8,
            _ => {
                reader.bytes(4 + 8 + 4 * BUCKETS + 4)?;
                return Some(PendingSync { unsent: 0, sending: i64::from(reader.u32()?) });
            }
        };
        reader.bytes(numbers)?;
        Some(PendingSync { unsent: reader.u64()?.cast_signed(), sending: reader.u64()?.cast_signed() })
    };
    read().unwrap_or_default()
}

pub(super) fn record(id: Id, state: &CounterState, pending: PendingSync) -> Record {
    let mut record = [0; SIZE];
    let mut writer = Writer(&mut record);
    writer.u64(id.0);
    match state {
        CounterState::Window(Window { kind, number, used }) => {
            writer.u32(match kind {
                LimitWindow::Day => 1,
                LimitWindow::Month => 2,
                LimitWindow::Total | LimitWindow::Minute | LimitWindow::Concurrent => 3,
            });
            writer.u64(*number);
            writer.u64(*used);
        }
        CounterState::Rate(Rate { level, at, since, limit }) => {
            writer.u32(4);
            [*level, *at, *since, *limit].into_iter().for_each(|number| writer.u64(number));
        }
        CounterState::Slots(ConcurrencySlots { width, first, counts, others }) => {
            writer.u32(5);
            writer.u32(*width);
            writer.u64(*first);
            counts.iter().for_each(|count| writer.u32(*count));
            writer.u32(*others);
            writer.u32(u32::try_from(pending.sending).unwrap_or(u32::MAX));
            return record;
        }
    }
    writer.u64(pending.unsent.cast_unsigned());
    writer.u64(pending.sending.cast_unsigned());
    record
}
