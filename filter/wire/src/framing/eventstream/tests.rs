//! Tests of the framing.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The headers that AWS sends, and the payload.
type Received = (Option<String>, Option<String>, Vec<u8>);

fn seen(frame: Frame<'_>) -> Received {
    let header = |name| frame.header(name).map(str::to_owned);
    (header(":message-type"), header(":event-type"), frame.payload.to_vec())
}

fn read(portions: &[&[u8]]) -> Result<Vec<Received>, Broken> {
    let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
    for portion in portions {
        decoder.feed(portion, |frame| {
            frames.push(seen(frame));
            Ok::<(), Broken>(())
        })?;
    }
    Ok(frames)
}

fn frame(event: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&[(":message-type", "event"), (":event-type", event)], payload, &mut out);
    out
}

/// Recomputes both checksums.
fn set_checksums(frame: &mut [u8]) {
    let prelude = crc32fast::hash(&frame[..8]).to_be_bytes();
    frame[8..12].copy_from_slice(&prelude);
    let end = frame.len() - 4;
    let all = crc32fast::hash(&frame[..end]).to_be_bytes();
    frame[end..].copy_from_slice(&all);
}

#[test]
fn an_empty_frame_is_the_one_of_awss_test_vectors() {
    let mut out = Vec::new();
    encode(&[], b"", &mut out);
    assert_eq!(out, [0, 0, 0, 16, 0, 0, 0, 0, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff]);
    assert_eq!(read(&[&out]), Ok(vec![(None, None, Vec::new())]));
}

#[test]
fn a_stream_cut_anywhere_gives_the_same_frames() {
    let stream = [frame("a", b"one"), frame("", b""), frame("b", "één".as_bytes())].concat();
    let whole = read(&[&stream]).unwrap();
    assert_eq!(whole.len(), 3);
    for first in 0..=stream.len() {
        for second in (first..=stream.len()).step_by(7) {
            let portions = [&stream[..first], &stream[first..second], &stream[second..]];
            assert_eq!(read(&portions).unwrap(), whole, "cut at {first} and {second}");
        }
    }
}

#[test]
fn headers_that_are_not_text_are_passed_over() {
    let values: [&[u8]; 9] = [
        &[0],
        &[1],
        &[2, 9],
        &[3, 9, 9],
        &[4, 9, 9, 9, 9],
        &[5, 9, 9, 9, 9, 9, 9, 9, 9],
        &[6, 0, 2, 9, 9],
        &[8, 9, 9, 9, 9, 9, 9, 9, 9],
        &[9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    ];
    let mut headers: Vec<u8> = values.iter().flat_map(|value| [&[1, b'x'][..], value].concat()).collect();
    headers.extend_from_slice(b"\x01y\x07\x00\x02ok");
    let bytes = with_headers(&headers);
    let mut found = Vec::new();
    Decoder::default()
        .feed(&bytes, |frame| {
            found.push((frame.header("x"), frame.header("y").map(str::to_owned), frame.header("z")).1);
            assert_eq!((frame.header("x"), frame.header("z")), (None, None));
            Ok::<(), Broken>(())
        })
        .unwrap();
    assert_eq!(found, [Some("ok".to_owned())]);
}

/// A frame with these header bytes, valid or not.
fn with_headers(headers: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    let mut bytes = [length(headers.len() + FRAME), length(headers.len()), [0; 4]].concat();
    bytes.extend_from_slice(headers);
    bytes.extend_from_slice(&[0; 4]);
    set_checksums(&mut bytes);
    bytes
}

#[test]
fn headers_that_do_not_end_break_the_stream() {
    for headers in [&b"\x05a"[..], b"\x01a", b"\x01a\x07\x00", b"\x01a\x07\x00\x05ab", b"\x01a\x63", b"\x01a\x05\x00"] {
        assert_eq!(read(&[&with_headers(headers)]), Err(Broken::Headers), "{headers:?}");
    }
}

#[test]
fn a_flipped_bit_breaks_the_stream() {
    let good = frame("a", b"payload");
    for index in 0..good.len() {
        let mut bad = good.clone();
        bad[index] ^= 1;
        assert_eq!(read(&[&bad]), Err(Broken::Checksum), "byte {index}");
    }
}

#[test]
fn lengths_that_no_frame_can_have_break_the_stream_before_anything_is_kept() {
    for (total, headers, broken) in [
        (0, 0, Broken::Length),
        (15, 0, Broken::Length),
        (16, 1, Broken::Length),
        (20, 5, Broken::Length),
        (u32::MAX, 0, Broken::TooLong),
        (17 << 20, 0, Broken::TooLong),
    ] {
        let mut bytes = [u32::to_be_bytes(total), u32::to_be_bytes(headers), [0; 4], [0; 4]].concat();
        set_checksums(&mut bytes);
        assert_eq!(read(&[&bytes]), Err(broken), "{total} {headers}");
        assert_eq!(read(&[&bytes[..5], &bytes[5..12]]), Err(broken), "{total} {headers}, cut");
    }
}

#[test]
fn a_frame_without_its_end_gives_nothing() {
    let whole = frame("a", b"one");
    assert_eq!(read(&[&whole[..whole.len() - 1]]), Ok(Vec::new()));
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_written_stream_is_read_back_however_it_is_cut(
            frames in vec((".{0,8}", vec(any::<u8>(), 0..40)), 0..6),
            sizes in vec(1..40usize, 1..8),
        ) {
            let stream: Vec<u8> = frames.iter().flat_map(|(event, payload)| frame(event, payload)).collect();
            let (mut portions, mut rest) = (Vec::new(), &stream[..]);
            for size in sizes.iter().cycle() {
                let (portion, next) = rest.split_at(rest.len().min(*size));
                portions.push(portion);
                rest = next;
                if rest.is_empty() {
                    break;
                }
            }
            let expected: Vec<Received> = frames
                .into_iter()
                .map(|(event, payload)| (Some("event".to_owned()), Some(event), payload))
                .collect();
            prop_assert_eq!(read(&portions), Ok(expected));
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in vec(any::<u8>(), 0..200), with_checksums in any::<bool>()) {
            let mut bytes = bytes;
            if with_checksums && bytes.len() >= FRAME {
                let total = u32::try_from(bytes.len()).unwrap().to_be_bytes();
                bytes[..6].copy_from_slice(&[total[0], total[1], total[2], total[3], 0, 0]);
                set_checksums(&mut bytes);
            }
            let _ = read(&[&bytes]);
            let one_by_one: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(read(&one_by_one).ok(), read(&[&bytes]).ok());
        }
    }
}
