//! Measures the latency of events in paced streams, and whether they arrive separately. The simulator writes the send
//! time into each event's text (`@` and 19 digits, nanoseconds since 1970); both processes use the same clock.
//!
//! An event counts as merged if an earlier event arrived in the same read: the simulator sent them separately.

use std::time::{Duration, SystemTime};

const DIGITS: usize = 19;

/// The events of one connection's streams.
#[derive(Default)]
pub struct Arrivals {
    /// The latency of each event, from the simulator to the client.
    pub delays: Vec<Duration>,
    /// The time from each request to its first event.
    pub firsts: Vec<Duration>,
    /// The number of merged events.
    pub merged: u64,
    last: Option<u64>,
    asked: Option<SystemTime>,
}

impl Arrivals {
    /// A request leaves at this time.
    pub fn ask(&mut self, at: SystemTime) {
        self.asked = Some(at);
    }

    /// Records the events in `piece`. The read with this number completed the piece at this time.
    pub fn note(&mut self, piece: &[u8], read: u64, at: SystemTime) {
        for left in piece.split(|byte| *byte == b'@').skip(1).filter_map(moment) {
            self.delays.push(at.duration_since(left).unwrap_or_default());
            self.firsts.extend(self.asked.take().map(|asked| at.duration_since(asked).unwrap_or_default()));
            self.merged += u64::from(self.last == Some(read));
            self.last = Some(read);
        }
    }
}

fn moment(text: &[u8]) -> Option<SystemTime> {
    let digits = text.get(..DIGITS).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let nanos = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::Arrivals;

    #[test]
    fn events_of_one_read_are_merged_and_each_has_its_delay() {
        let event = |nanos: u64| format!("data: {{\"a\":\"@{nanos:019}xxx\"}}\n\n");
        let at = |nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
        let mut arrivals = Arrivals::default();
        arrivals.ask(at(90));
        arrivals.note(event(100).as_bytes(), 1, at(150));
        arrivals.note(b"data: me@example.org @12\n\n", 2, at(160));
        arrivals.note((event(200) + &event(300)).as_bytes(), 3, at(310));
        arrivals.note(event(305).as_bytes(), 3, at(310));
        arrivals.ask(at(350));
        arrivals.note(event(400).as_bytes(), 4, at(399));
        let nanos = |times: &[Duration]| times.iter().map(Duration::as_nanos).collect::<Vec<_>>();
        assert_eq!((nanos(&arrivals.delays), arrivals.merged), (vec![50, 110, 10, 5, 0], 2));
        assert_eq!(nanos(&arrivals.firsts), [60, 49]);
    }
}
