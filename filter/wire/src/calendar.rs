//! Reads and writes durations, dates and times: those of the gateway file, of HTTP, and of OpenAI's headers.

use std::time::Duration;

/// Reads `500ms`, `30s`, `5m` or `1h`: a whole number and its unit.
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// Reads an RFC 3339 time such as `2027-01-31T00:00:00Z` as Unix seconds, without fractions. `None` if the text is malformed, the date does
/// not exist, or it is before 1970.
pub fn rfc3339(text: &str) -> Option<u64> {
    let mut rest = Reader(text.as_bytes());
    let year = rest.number(4)?;
    rest.one_of(b"-")?;
    let month = rest.number(2)?;
    rest.one_of(b"-")?;
    let day = rest.number(2)?;
    rest.one_of(b"Tt ")?;
    let hour = rest.number(2)?;
    rest.one_of(b":")?;
    let minute = rest.number(2)?;
    rest.one_of(b":")?;
    let second = rest.number(2)?;
    if rest.one_of(b".").is_some() {
        rest.number(1)?;
        while rest.number(1).is_some() {}
    }
    let offset = match rest.one_of(b"Zz+-")? {
        sign @ (b'+' | b'-') => {
            let hours = rest.number(2)?;
            rest.one_of(b":")?;
            let minutes = rest.number(2)?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if sign == b'+' { 60 } else { -60 }
        }
        _ => 0,
    };
    if !rest.0.is_empty() {
        return None;
    }
    u64::try_from(moment_of([year, month, day], [hour, minute, second])? - offset).ok()
}

/// Reads an HTTP date (RFC 9110, 5.6.7) as Unix seconds: `Sun, 06 Nov 1994 08:49:37 GMT`, or one of the two older forms, `Sunday, 06-Nov-94
/// 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`. Ignores the day of the week.
pub fn http_date(text: &str) -> Option<u64> {
    let (day, month, year, clock) = match text.trim().split_once(", ") {
        Some((_, rest)) => {
            let (date, clock) = rest.strip_suffix(" GMT")?.rsplit_once(' ')?;
            let mut words = date.split(['-', ' ']);
            let all = (words.next()?, words.next()?, words.next()?, clock);
            words.next().is_none().then_some(all)?
        }
        None => {
            let mut words = text.split_ascii_whitespace().skip(1);
            let (month, day, clock, year) = (words.next()?, words.next()?, words.next()?, words.next()?);
            words.next().is_none().then_some((day, month, year, clock))?
        }
    };
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = (1..).zip(MONTHS).find(|(_, name)| *name == month).map(|(month, _)| month)?;
    let year = match (year.len(), whole(year)?) {
        (4, year) => year,
        (2, year @ 70..) => 1900 + year,
        (2, year) => 2000 + year,
        _ => return None,
    };
    let mut clock = clock.split(':');
    let time = [whole(clock.next()?)?, whole(clock.next()?)?, whole(clock.next()?)?];
    clock.next().is_none().then_some(())?;
    u64::try_from(moment_of([year, month, whole(day)?], time)?).ok()
}

/// Parses one to four digits.
fn whole(digits: &str) -> Option<i64> {
    let mut rest = Reader(digits.as_bytes());
    (1..=4).contains(&digits.len()).then(|| rest.number(digits.len()))?
}

/// Seconds since 1970 of a date (year, month, day) and a time (hour, minute, second); `None` if either does not exist.
fn moment_of([year, month, day]: [i64; 3], [hour, minute, second]: [i64; 3]) -> Option<i64> {
    let in_calendar = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    // Second 60 exists in leap seconds; this does not check whether the day had one.
    if !in_calendar || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Converts days since 1970-01-01 to months since January 1970.
pub fn months_since_1970(days: u64) -> u64 {
    let (year, month, _) = from_march(days);
    year * 12 + month + 2 - 1970 * 12
}

/// Formats days since 1970-01-01 as a date: `2027-01-31`.
pub fn date(days: u64) -> String {
    let (year, month, day) = from_march(days);
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    format!("{year:04}-{month:02}-{:02}", day + 1)
}

/// Reads a date such as `2027-01-31` as days since 1970-01-01.
pub fn day(date: &str) -> Option<u64> {
    rfc3339(&format!("{date}T00:00:00Z")).map(|seconds| seconds / 86_400)
}

/// Formats Unix seconds in RFC 3339: `2027-01-31T00:00:00Z`.
pub fn moment(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    format!("{}T{:02}:{:02}:{:02}Z", date(days), second / 3600, second / 60 % 60, second % 60)
}

/// Year, month and day, the last two from zero, in years that begin in March: 400 such years have 146,097 days.
fn from_march(days: u64) -> (u64, u64, u64) {
    let days = days.saturating_add(719_468);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    (era * 400 + year, month, day_of_year - (153 * month + 2) / 5)
}

/// Converts months since January 1970 to the days from 1970-01-01 to the first day of that month.
pub fn first_day_of(months: u64) -> u64 {
    // Larger months are clamped: their day number would overflow.
    let months = i64::try_from(months).unwrap_or(i64::MAX).min(i64::from(u32::MAX));
    days_since_1970(1970 + months / 12, months % 12 + 1, 1).unsigned_abs()
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days in the Gregorian calendar, with years that begin in March so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// The unread rest of a text.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn one_of(&mut self, wanted: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        wanted.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    /// Reads exactly `digits` digits, or nothing.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        if !number.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.0 = rest;
        Some(number.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
    }
}

/// Formats a duration like OpenAI, which does so like Go: `0s`, `120ms`, `1s`, `7.66s`, `6m0s`, `1h0m0s`. Rounded up to whole milliseconds.
pub fn written_as_openai(duration: Duration) -> String {
    let milliseconds = duration.as_nanos().div_ceil(1_000_000);
    if (1..1_000).contains(&milliseconds) {
        return format!("{milliseconds}ms");
    }
    let (minutes, rest) = (milliseconds / 60_000, milliseconds % 60_000);
    let seconds = format!("{}.{:03}", rest / 1_000, rest % 1_000);
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration("5m"), Some(Duration::from_secs(300)));
        assert_eq!(duration("1h"), Some(Duration::from_secs(3600)));
        for wrong in
            ["", "5", "s", "1.5s", "-1s", " 1s", "1 s", "1d", "1S", "99999999999999999999s", "99999999999999999h"]
        {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_are_written_as_openai_writes_them() {
        for (microseconds, text) in [
            (0, "0s"),
            (1, "1ms"),
            (120_000, "120ms"),
            (999_001, "1s"),
            (1_000_000, "1s"),
            (7_660_000, "7.66s"),
            (10_000_000, "10s"),
            (360_000_000, "6m0s"),
            (86_400_000, "1m26.4s"),
            (3_600_000_000, "1h0m0s"),
            (3_661_000_000, "1h1m1s"),
            (86_399_000_000, "23h59m59s"),
        ] {
            assert_eq!(written_as_openai(Duration::from_micros(microseconds)), text);
        }
    }

    #[test]
    fn months_follow_the_calendar() {
        for (text, months) in [
            ("1970-01-31T00:00:00Z", 0),
            ("1970-02-01T00:00:00Z", 1),
            ("2000-02-29T12:00:00Z", 361),
            ("2000-03-01T00:00:00Z", 362),
            ("2026-12-31T23:59:59Z", 683),
            ("2027-01-01T00:00:00Z", 684),
        ] {
            assert_eq!(months_since_1970(rfc3339(text).unwrap() / 86_400), months, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for seconds in [0, 951_782_400, 951_825_600, 951_868_799, 1_801_353_600, 4_107_542_399, 253_402_300_799] {
            assert_eq!(rfc3339(&moment(seconds)), Some(seconds), "{}", moment(seconds));
        }
        for days in 0..80_000 {
            assert_eq!(day(&date(days)), Some(days), "{}", date(days));
        }
        assert_eq!(day("2027-01-31T00:00:00Z"), None);
    }

    #[test]
    fn a_month_begins_on_its_first_day() {
        for months in 1..12_000 {
            let day = first_day_of(months);
            assert_eq!(months_since_1970(day), months);
            assert_eq!(months_since_1970(day - 1), months - 1, "the day before {day}");
        }
    }

    #[test]
    fn dates() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2027-01-31T00:00:00Z", 1_801_353_600),
            ("2027-01-31T01:30:00.123456789+01:30", 1_801_353_600),
            ("2027-01-30 19:00:00-05:00", 1_801_353_600),
            ("2016-12-31t23:59:60z", 1_483_228_800),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(rfc3339(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn https_dates_are_read_in_all_three_forms() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            " Sun, 06 Nov 1994 08:49:37 GMT ",
        ] {
            assert_eq!(http_date(text), Some(784_111_777), "{text}");
        }
        assert_eq!(http_date("Sat, 28 Nov 2026 07:43:45 GMT"), rfc3339("2026-11-28T07:43:45Z"));
        assert_eq!(http_date("Saturday, 28-Nov-26 07:43:45 GMT"), rfc3339("2026-11-28T07:43:45Z"));
        for text in [
            "",
            "60",
            "Sat, 28 Nov 2026 07:43:45",
            "Sat, 28 Nov 2026 07:43:45 +0100",
            "Sat, 31 Nov 2026 07:43:45 GMT",
            "Sat, 28 Nov 2026 24:43:45 GMT",
            "Sat, 28 Nov 2026 07:43 GMT",
            "Sat, 28 Nov 2026 07:43:45:00 GMT",
            "Sat, 28 Now 2026 07:43:45 GMT",
            "Sat, 28 Nov 126 07:43:45 GMT",
            "Sat, 28 Nov 99999999999999999999 07:43:45 GMT",
            "Sat, 28 Nov 2026 x 07:43:45 GMT",
            "Sat, -1 Nov 2026 07:43:45 GMT",
            "Sun Nov  6 08:49:37 1969",
            "Sun Nov  6 08:49:37 1994 GMT",
            "2026-11-28T07:43:45Z",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "2027-01-31",
            "2027-01-31T00:00:00",
            "2027-1-31T00:00:00Z",
            "2027-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-00-01T00:00:00Z",
            "2027-01-00T00:00:00Z",
            "2027-01-31T24:00:00Z",
            "2027-01-31T00:60:00Z",
            "2027-01-31T00:00:61Z",
            "2027-01-31T00:00:00.Z",
            "2027-01-31T00:00:00+24:00",
            "2027-01-31T00:00:00Zx",
            "1969-12-31T23:59:59Z",
            "+027-01-31T00:00:00Z",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }
}
