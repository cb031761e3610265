//! Reads the parts of OTLP's protobuf that tests assert on.
//!
//! Source: `trace/v1/trace.proto`, `logs/v1/logs.proto` and `collector/*/v1/*_service.proto` of
//! <https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto>.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{LogRecord, Span};

/// A field's value: a number, or the bytes of a text or a message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, with their numbers.
struct Message<'a>(Vec<(u64, Field<'a>)>);

impl<'a> Message<'a> {
    fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let tag = varint(&mut bytes)?;
            let field = match tag & 7 {
                0 => Field::Number(varint(&mut bytes)?),
                1 => Field::Bytes(take(&mut bytes, 8)?),
                2 => {
                    let length = usize::try_from(varint(&mut bytes)?).ok()?;
                    Field::Bytes(take(&mut bytes, length)?)
                }
                5 => Field::Bytes(take(&mut bytes, 4)?),
                _ => return None,
            };
            fields.push((tag >> 3, field));
        }
        Some(Self(fields))
    }

    fn all(&self, number: u64) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter_map(move |(known, field)| match field {
            Field::Bytes(bytes) if *known == number => Some(*bytes),
            _ => None,
        })
    }

    fn bytes(&self, number: u64) -> &'a [u8] {
        self.all(number).next().unwrap_or_default()
    }

    fn text(&self, number: u64) -> String {
        String::from_utf8_lossy(self.bytes(number)).into_owned()
    }

    fn number(&self, number: u64) -> u64 {
        let found = self.0.iter().find_map(|(known, field)| match field {
            Field::Number(value) if *known == number => Some(*value),
            _ => None,
        });
        found.unwrap_or_default()
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// The spans of an `ExportTraceServiceRequest`; `None` if the bytes are malformed.
pub fn spans(request: &[u8]) -> Option<Vec<Span>> {
    each(request, span)
}

/// The log records of an `ExportLogsServiceRequest`; `None` if the bytes are malformed.
pub fn records(request: &[u8]) -> Option<Vec<LogRecord>> {
    each(request, record)
}

/// The items in the scopes of the resources of an export.
fn each<T>(request: &[u8], read: fn(&Message<'_>) -> Option<T>) -> Option<Vec<T>> {
    let mut items = Vec::new();
    for resource in Message::read(request)?.all(1) {
        for scope in Message::read(resource)?.all(2) {
            for item in Message::read(scope)?.all(2) {
                items.push(read(&Message::read(item)?)?);
            }
        }
    }
    Some(items)
}

fn record(record: &Message<'_>) -> Option<LogRecord> {
    Some(LogRecord {
        body: Message::read(record.bytes(5))?.text(1),
        attributes: attributes(record, 6)?,
        trace: hex(record.bytes(9)),
        span: hex(record.bytes(10)),
    })
}

/// The text attributes in the field of this number.
fn attributes(message: &Message<'_>, number: u64) -> Option<BTreeMap<String, String>> {
    let mut attributes = BTreeMap::new();
    for attribute in message.all(number) {
        let attribute = Message::read(attribute)?;
        attributes.insert(attribute.text(1), Message::read(attribute.bytes(2))?.text(1));
    }
    Some(attributes)
}

fn span(span: &Message<'_>) -> Option<Span> {
    const ERROR: u64 = 2;
    let tags = attributes(span, 9)?;
    let failed = Message::read(span.bytes(15))?.number(3) == ERROR;
    Some(Span {
        trace: hex(span.bytes(1)),
        id: hex(span.bytes(2)),
        parent: hex(span.bytes(4)),
        name: span.text(5),
        tags,
        failed,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
    }

    #[test]
    fn a_span_is_read_and_what_is_cut_short_is_refused() {
        let tag = [field(1, b"error.type"), field(2, &field(1, b"status_503"))].concat();
        let started = [&[7 << 3 | 1][..], &[9; 8]].concat();
        let parts = [field(1, &[0xab; 2]), field(2, &[1]), field(5, b"ingress"), started, field(9, &tag)];
        let span = [parts.concat(), field(15, &[3 << 3, 2])].concat();
        let request = field(1, &field(2, &field(2, &span)));
        let tags = BTreeMap::from([("error.type".to_owned(), "status_503".to_owned())]);
        let (trace, id, name) = ("abab".to_owned(), "01".to_owned(), "ingress".to_owned());
        let expected = Span { trace, id, parent: String::new(), name, tags, failed: true };
        assert_eq!(spans(&request).unwrap(), [expected]);
        assert!((1..request.len()).all(|end| spans(&request[..end]).is_none()));
    }

    #[test]
    fn a_log_record_is_read() {
        let status = [field(1, b"http.response.status_code"), field(2, &field(1, b"200"))].concat();
        let record = [field(5, &field(1, b"{}")), field(6, &status), field(9, &[0xab; 2]), field(10, &[1])].concat();
        let request = field(1, &field(2, &field(2, &record)));
        let attributes = BTreeMap::from([("http.response.status_code".to_owned(), "200".to_owned())]);
        let expected = LogRecord { body: "{}".to_owned(), attributes, trace: "abab".to_owned(), span: "01".to_owned() };
        assert_eq!(records(&request).unwrap(), [expected]);
    }
}
