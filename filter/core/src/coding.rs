//! The content codings in which clients compress request bodies (RFC 9110, 8.4.1), as coding agents do with long ones.
//!
//! A few hundred bytes may stand for a gigabyte, so a body is decompressed piece by piece, and whoever holds it is asked before each
//! piece. Envoy's own decompressors cannot do that: what inflates more than a hundredfold they cut, and pass on as if it were whole.

use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

/// The codings that are decompressed, as `accept-encoding` lists them.
pub const ACCEPTED: &str = "gzip, zstd, br";

/// So much is decompressed before the next question whether there is room for more.
const PIECE: usize = 64 << 10;

/// The window that zstd may ask for: what it reserves before the first byte. RFC 9659 has 8 MiB for HTTP; a frame whose length is
/// declared has that for its window.
const LARGEST_WINDOW: u64 = 32 << 20;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// RFC 7932.
    Brotli,
}

/// A body that could not be decompressed.
#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable<E> {
    /// It is not of this coding, or it is damaged or cut short.
    Damaged,
    /// It would be larger than it may be.
    TooLarge,
    /// Its holder has no room for it.
    NoRoom(E),
}

impl Coding {
    /// The coding with this name.
    pub fn named(name: &str) -> Option<Self> {
        const NAMES: [(&str, Coding); 4] =
            [("gzip", Coding::Gzip), ("x-gzip", Coding::Gzip), ("zstd", Coding::Zstd), ("br", Coding::Brotli)];
        NAMES.into_iter().find_map(|(known, coding)| name.eq_ignore_ascii_case(known).then_some(coding))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Brotli => "br",
        }
    }

    /// The body as it was before it was compressed: at most `most` bytes. `admit` is asked before it grows, with the size that it
    /// would have.
    pub fn decode<E>(
        self,
        body: &[u8],
        most: usize,
        admit: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Vec<u8>, Unreadable<E>> {
        let mut plain = Plain { bytes: Vec::new(), most, admit };
        match self {
            Self::Gzip => plain.fill(&mut MultiGzDecoder::new(body))?,
            Self::Brotli => plain.fill(&mut brotli_decompressor::Decompressor::new(body, PIECE))?,
            Self::Zstd => plain.fill_from_frames(body)?,
        }
        Ok(plain.bytes)
    }
}

/// What has been decompressed so far.
struct Plain<F> {
    bytes: Vec<u8>,
    most: usize,
    admit: F,
}

impl<E, F: FnMut(usize) -> Result<(), E>> Plain<F> {
    /// Adds all that a decoder yields.
    fn fill(&mut self, decoder: &mut dyn Read) -> Result<(), Unreadable<E>> {
        let mut piece = vec![0; PIECE];
        loop {
            let read = match decoder.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(Unreadable::Damaged),
            };
            let size = self.bytes.len().saturating_add(read);
            if size > self.most {
                return Err(Unreadable::TooLarge);
            }
            (self.admit)(size).map_err(Unreadable::NoRoom)?;
            if size > self.bytes.capacity() {
                let wanted = self.bytes.capacity().saturating_mul(2).clamp(size, self.most);
                self.bytes.reserve_exact(wanted.saturating_sub(self.bytes.len()));
            }
            self.bytes.extend_from_slice(piece.get(..read).unwrap_or_default());
        }
    }

    /// Adds what zstd's frames hold, one after another.
    fn fill_from_frames(&mut self, mut body: &[u8]) -> Result<(), Unreadable<E>> {
        while !body.is_empty() {
            match StreamingDecoder::new_with_max_window_size(&mut body, LARGEST_WINDOW) {
                Ok(mut frame) => {
                    self.fill(&mut frame)?;
                    let decoder = frame.into_frame_decoder();
                    let declared = decoder.get_checksum_from_data();
                    if declared.is_some() && declared != decoder.get_calculated_checksum() {
                        return Err(Unreadable::Damaged);
                    }
                }
                // Frames that are to be skipped.
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    body = body.get(length..).ok_or(Unreadable::Damaged)?;
                }
                Err(_) => return Err(Unreadable::Damaged),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const TEXT: &[u8] = br#"{"model":"gpt","messages":[{"role":"user","content":"hi"}]}"#;

    /// `TEXT`, compressed by `gzip -n`, `zstd` and `brotli`.
    const SAMPLES: [(Coding, &[u8]); 3] = [
        (Coding::Gzip, include_bytes!("coding/hi.json.gz")),
        (Coding::Zstd, include_bytes!("coding/hi.json.zst")),
        (Coding::Brotli, include_bytes!("coding/hi.json.br")),
    ];

    /// A mebibyte of zeros, compressed by the same: 1,051, 54 and 14 bytes.
    const ZEROS: [(Coding, &[u8]); 3] = [
        (Coding::Gzip, include_bytes!("coding/zeros.gz")),
        (Coding::Zstd, include_bytes!("coding/zeros.zst")),
        (Coding::Brotli, include_bytes!("coding/zeros.br")),
    ];

    fn decode(coding: Coding, body: &[u8]) -> Result<Vec<u8>, Unreadable<()>> {
        coding.decode(body, 2 << 20, |_| Ok(()))
    }

    #[test]
    fn a_body_is_what_it_was_before_it_was_compressed() {
        for (coding, body) in SAMPLES {
            assert_eq!(decode(coding, body).as_deref(), Ok(TEXT), "{coding:?}");
            assert_eq!(Coding::named(coding.name()), Some(coding));
            assert!(ACCEPTED.split(", ").any(|name| name == coding.name()));
        }
        for (coding, body) in ZEROS {
            assert_eq!(decode(coding, body).map(|zeros| zeros.len()), Ok(1 << 20), "{coding:?}");
        }
        assert_eq!((Coding::named("X-GZip"), Coding::named("compress")), (Some(Coding::Gzip), None));
    }

    #[test]
    fn parts_that_were_compressed_one_by_one_are_read_as_one() {
        for (coding, body) in SAMPLES.into_iter().filter(|(coding, _)| *coding != Coding::Brotli) {
            assert_eq!(decode(coding, &[body, body].concat()), Ok([TEXT, TEXT].concat()), "{coding:?}");
        }
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, b'a', b'b', b'c'], SAMPLES[1].1].concat();
        assert_eq!(decode(Coding::Zstd, &skipped).as_deref(), Ok(TEXT));
        assert_eq!(decode(Coding::Zstd, &[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, b'a']), Err(Unreadable::Damaged));
    }

    #[test]
    fn a_body_that_is_cut_short_or_damaged_is_never_taken_for_a_whole_one() {
        for (coding, body) in SAMPLES.into_iter().chain(ZEROS) {
            for end in (1..body.len()).step_by(1 + body.len() / 80) {
                assert_eq!(decode(coding, &body[..end]), Err(Unreadable::Damaged), "{coding:?} {end}");
            }
            assert_eq!(decode(coding, TEXT), Err(Unreadable::Damaged), "{coding:?}");
        }
        for (coding, body) in SAMPLES.into_iter().filter(|(coding, _)| *coding != Coding::Brotli) {
            // What guards the content: gzip's CRC and length, zstd's checksum.
            let guarded = if coding == Coding::Gzip { 8 } else { 4 };
            for at in body.len() - guarded..body.len() {
                let mut body = body.to_vec();
                body[at] ^= 1;
                assert_eq!(decode(coding, &body), Err(Unreadable::Damaged), "{coding:?} {at}");
            }
        }
    }

    #[test]
    fn a_body_stops_growing_where_it_may_not_grow() {
        for (coding, body) in ZEROS {
            let mut asked = Vec::new();
            let most = 600_000;
            let decoded = coding.decode::<()>(body, most, |size| {
                asked.push(size);
                Ok(())
            });
            assert_eq!(decoded, Err(Unreadable::TooLarge), "{coding:?}");
            assert!(asked.iter().all(|size| *size <= most) && asked.len() >= most / PIECE - 1, "{asked:?}");
            assert_eq!(
                coding.decode(body, most, |size| if size > 200_000 { Err("full") } else { Ok(()) }),
                Err(Unreadable::NoRoom("full"))
            );
        }
    }

    /// A window of 2 GiB, and a frame that declares 4 GiB of content.
    #[test]
    fn zstd_reserves_no_more_than_a_body_may_have() {
        let magic = [0x28, 0xb5, 0x2f, 0xfd];
        for header in [&[0x00, 0xa8][..], &[0xe0, 0, 0, 0, 0, 1, 0, 0, 0]] {
            let body = [&magic, header, &[1, 0, 0]].concat();
            assert_eq!(decode(Coding::Zstd, &body), Err(Unreadable::Damaged), "{header:?}");
        }
    }
}
