//! The results of a hostile soak: the runs and outcomes of each row, and the results of good streams.

use std::collections::BTreeMap;
use std::time::Duration;

use super::attack::Seen;
use super::good::Read;

/// The maximum number of stored violations per row.
const SHOWN: usize = 2;

/// All results.
#[derive(Debug, Default)]
pub struct Report {
    rows: BTreeMap<&'static str, Row>,
    streams: u64,
    /// The longest silence of a good stream, which is the delay that a busy worker causes.
    silence: Duration,
    /// Good streams whose connection was reset after their last event.
    reset_after_end: u64,
    wrong: Vec<String>,
}

#[derive(Debug, Default)]
struct Row {
    times: u64,
    took: Duration,
    seen: BTreeMap<String, u64>,
    wrong: Vec<String>,
}

impl Report {
    /// Adds a run of a row.
    pub fn row(&mut self, name: &'static str, took: Duration, seen: Vec<Seen>) {
        let row = self.rows.entry(name).or_default();
        row.times += 1;
        row.took = row.took.max(took);
        for seen in seen {
            let label = seen.unwrap_or_else(|why| {
                row.wrong.push(why);
                "WRONG".to_owned()
            });
            *row.seen.entry(label).or_default() += 1;
        }
    }

    /// Adds the end of a good stream.
    pub fn stream(&mut self, read: Read) {
        self.streams += 1;
        match read {
            Ok(good) => {
                self.silence = self.silence.max(good.silence);
                self.reset_after_end += u64::from(good.reset_after_end);
            }
            Err(why) => self.wrong.push(why),
        }
    }

    /// Adds a violation that is visible from outside.
    pub fn wrong(&mut self, why: String) {
        self.wrong.push(why);
    }

    /// The violations.
    pub fn complaints(&self) -> Vec<String> {
        let of_rows = self.rows.iter().flat_map(|(name, row)| {
            row.wrong.iter().take(SHOWN).map(move |why| format!("{name} ({} times): {why}", row.wrong.len()))
        });
        let none = (self.streams == 0).then(|| "no good stream was read".to_owned());
        let resets = (self.reset_after_end > 1 + self.streams / 100)
            .then(|| format!("{} good streams were reset after their last event", self.reset_after_end));
        self.wrong.iter().take(10 * SHOWN).cloned().chain(of_rows).chain(none).chain(resets).collect()
    }

    pub fn print(&self) {
        println!("{:<56}{:>6}{:>9}  seen", "shape", "times", "longest");
        for (name, Row { times, took, seen, .. }) in &self.rows {
            let seen: Vec<String> = seen.iter().map(|(label, count)| format!("{count} {label}")).collect();
            println!("{name:<56}{times:>6}{:>8.1}s  {}", took.as_secs_f64(), seen.join(", "));
        }
        let (streams, silence) = (self.streams, self.silence.as_secs_f64());
        println!(
            "{streams} good streams, {} of them wrong, {} reset after their last event; the longest silence in one was {silence:.1} s",
            self.wrong.len(),
            self.reset_after_end
        );
    }
}
