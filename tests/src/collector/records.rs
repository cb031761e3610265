//! Reads log records in OTLP's protobuf, as Envoy exports them.
//!
//! Source: `logs/v1/logs.proto` and `collector/*/v1/*_service.proto` of
//! <https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto>.

use std::collections::BTreeMap;

use super::LogRecord;

/// The texts and messages in a message, with the numbers of their fields.
struct Message<'a>(Vec<(u64, &'a [u8])>);

impl<'a> Message<'a> {
    fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let tag = varint(&mut bytes)?;
            let content = match tag & 7 {
                0 => varint(&mut bytes).map(|_| &[][..])?,
                1 => take(&mut bytes, 8)?,
                2 => {
                    let length = usize::try_from(varint(&mut bytes)?).ok()?;
                    take(&mut bytes, length)?
                }
                5 => take(&mut bytes, 4)?,
                _ => return None,
            };
            fields.push((tag >> 3, content));
        }
        Some(Self(fields))
    }

    fn all(&self, number: u64) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(known, _)| *known == number).map(|(_, bytes)| *bytes)
    }

    fn bytes(&self, number: u64) -> &'a [u8] {
        self.all(number).next().unwrap_or_default()
    }

    fn text(&self, number: u64) -> String {
        String::from_utf8_lossy(self.bytes(number)).into_owned()
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

/// The log records of an `ExportLogsServiceRequest`; `None` if the bytes are malformed.
pub fn records(request: &[u8]) -> Option<Vec<LogRecord>> {
    let mut items = Vec::new();
    for resource in Message::read(request)?.all(1) {
        for scope in Message::read(resource)?.all(2) {
            for item in Message::read(scope)?.all(2) {
                items.push(record(&Message::read(item)?)?);
            }
        }
    }
    Some(items)
}

fn record(record: &Message<'_>) -> Option<LogRecord> {
    Some(LogRecord { body: Message::read(record.bytes(5))?.text(1), attributes: attributes(record, 6)? })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
    }

    #[test]
    fn a_log_record_is_read_and_one_that_is_cut_short_is_refused() {
        let status = [field(1, b"http.response.status_code"), field(2, &field(1, b"200"))].concat();
        let record = [field(5, &field(1, b"{}")), field(6, &status)].concat();
        let request = field(1, &field(2, &field(2, &record)));
        let attributes = BTreeMap::from([("http.response.status_code".to_owned(), "200".to_owned())]);
        let expected = LogRecord { body: "{}".to_owned(), attributes };
        assert_eq!(records(&request).unwrap(), [expected]);
        assert!((1..request.len()).all(|end| records(&request[..end]).is_none()));
    }
}
