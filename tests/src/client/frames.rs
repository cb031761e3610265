//! Reads Amazon's event stream: all complete frames, with every checksum verified.

use super::Event;

/// The frames of a body, each with its name and payload. The first header of a frame holds the name.
///
/// # Panics
/// If a checksum is wrong.
pub fn read(body: &[u8]) -> Vec<Event> {
    let mut left = body;
    let mut frames = Vec::new();
    while let Some(length) = number(left, 0).filter(|length| *length <= left.len()) {
        let (frame, rest) = left.split_at(length);
        let checksum = |upto: usize| number(frame, upto) == Some(crc(&frame[..upto]) as usize);
        assert!(checksum(8) && checksum(length - 4), "a wrong checksum");
        let headers = 12 + number(frame, 4).expect("a length of headers");
        // A header: the name's length, the name, a type byte, two bytes for the value's length, the value.
        let from = 12 + 1 + usize::from(frame[12]) + 1;
        let to = from + 2 + usize::from(u16::from_be_bytes([frame[from], frame[from + 1]]));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        frames.push(Event { name: Some(text(&frame[from + 2..to])), data: text(&frame[headers..length - 4]) });
        left = rest;
    }
    frames
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_be_bytes(bytes) as usize)
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
