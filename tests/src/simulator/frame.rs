//! Amazon's event stream: frames with a length, headers, a payload and two checksums.
//!
//! Source: <https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html>; all AWS services share this encoding.

use flate2::Crc;

/// Encodes a frame. The name of an exception ends in `Exception`, the name of an event does not.
pub fn encode(name: &str, payload: &[u8]) -> Vec<u8> {
    let exception = name.ends_with("Exception");
    let (kind, named) = if exception { ("exception", ":exception-type") } else { ("event", ":event-type") };
    let mut headers = Vec::new();
    for (name, value) in [(named, name), (":content-type", "application/json"), (":message-type", kind)] {
        headers.push(u8::try_from(name.len()).expect("a short name"));
        headers.extend_from_slice(name.as_bytes());
        // The header's type, a text, and its length.
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).expect("a short value").to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).expect("less than 4 GiB").to_be_bytes();
    let mut frame = [length(16 + headers.len() + payload.len()), length(headers.len())].concat();
    frame.extend_from_slice(&checksum(&frame));
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&checksum(&frame));
    frame
}

/// The start of a frame of this length without headers.
pub fn prelude(length: u32) -> Vec<u8> {
    let lengths = [length.to_be_bytes(), 0_u32.to_be_bytes()].concat();
    [&lengths[..], &checksum(&lengths)].concat()
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_be_bytes()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_frame_is_as_documented() {
        let frame = super::encode("messageStop", b"{}");
        let number = |at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().unwrap());
        assert_eq!(number(0) as usize, frame.len());
        assert_eq!(frame[12..].first(), Some(&11), "the first header's name has 11 bytes");
        assert_eq!(&frame[12 + number(4) as usize..frame.len() - 4], b"{}");
        assert_eq!(super::checksum(b"123456789"), 0xcbf4_3926_u32.to_be_bytes());
    }
}
