//! Decompresses request bodies in the content codings that clients use (RFC 9110, 8.4.1). Coding agents compress long bodies.
//!
//! A few hundred bytes may decompress to a gigabyte, so the decoder asks the caller before each piece of output. A few bytes may also
//! encode tables that are slow to build and yield nothing, so it also asks before each piece of input whether to go on. Envoy's own
//! decompressors do neither: they cut a body that inflates more than a hundredfold, and pass on the part as if it were the whole.

use std::io::{self, BufRead, Read};

use brotli_decompressor::BrotliDecoderParameter::BROTLI_DECODER_PARAM_LARGE_WINDOW;
use brotli_decompressor::Decompressor;
use flate2::bufread::GzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The codings that are decompressed, as `accept-encoding` lists them.
pub const ACCEPTED: &str = "gzip, zstd, br";

/// The decoder yields at most this much before `admit` is asked for more room.
const PIECE: usize = 64 << 10;

/// The decoder reads at most this much of the compressed body before `goes_on` is asked. A block with tables of its own may have 90 bits.
const SIP: usize = 8 << 10;

/// The largest window of a zstd frame: the decoder reserves it before the first byte. RFC 9659 sets 8 MiB for HTTP. A frame with a declared
/// length may use that length as its window.
const LARGEST_WINDOW: u64 = 32 << 20;

/// The maximum number of gzip members or zstd frames in a body. Each costs its tables, even an empty one. Compressors that write several
/// make them 64 KiB or larger.
const MOST_PARTS: usize = 4096;

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

/// Why a body could not be decompressed.
#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable<E> {
    /// It is not of this coding, damaged, or truncated.
    Damaged,
    /// It exceeds the maximum size.
    TooLarge,
    /// The caller's `admit` denied memory.
    NoRoom(E),
    /// The caller's `goes_on` stopped it.
    TooSlow,
}

impl Coding {
    /// The coding with this name.
    pub fn named(name: &str) -> Option<Self> {
        const NAMES: [(&str, Coding); 4] =
            [("gzip", Coding::Gzip), ("x-gzip", Coding::Gzip), ("zstd", Coding::Zstd), ("br", Coding::Brotli)];
        NAMES.into_iter().find_map(|(known, coding)| name.eq_ignore_ascii_case(known).then_some(coding))
    }

    /// The name in `content-encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Brotli => "br",
        }
    }

    /// Decompresses a body to at most `most` bytes. Calls `admit` with the new size before the result grows, and `goes_on` before each 8
    /// KiB of the compressed body.
    pub fn decode<E>(
        self,
        body: &[u8],
        most: usize,
        goes_on: &dyn Fn() -> bool,
        mut admit: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Vec<u8>, Unreadable<E>> {
        let mut denied = None;
        let mut admits = |size| admit(size).map_err(|why| denied = Some(why)).is_ok();
        let decoded = self.decode_within(body, most, goes_on, &mut admits);
        decoded.map_err(|unreadable| match unreadable {
            Unreadable::Damaged => Unreadable::Damaged,
            Unreadable::TooLarge => Unreadable::TooLarge,
            Unreadable::NoRoom(()) => denied.map_or(Unreadable::TooLarge, Unreadable::NoRoom),
            Unreadable::TooSlow => Unreadable::TooSlow,
        })
    }

    /// [`Self::decode`] without types of the caller, so that the module carries the decoders once.
    fn decode_within(
        self,
        body: &[u8],
        most: usize,
        goes_on: &dyn Fn() -> bool,
        admits: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<u8>, Unreadable<()>> {
        let mut plain = Plain { bytes: Vec::new(), piece: vec![0; PIECE], most, goes_on, admits };
        let mut source = Source { rest: body, sip: 0, goes_on };
        for _ in 0..MOST_PARTS {
            match self {
                Self::Gzip => plain.fill(&mut GzDecoder::new(&mut source))?,
                Self::Zstd => plain.fill_from_frame(&mut source)?,
                Self::Brotli => plain.fill_from_brotli(&mut source)?,
            }
            if source.rest.is_empty() {
                return Ok(plain.bytes);
            }
        }
        Err(Unreadable::Damaged)
    }
}

/// The unread rest of the compressed body. A decoder reads at most [`SIP`] bytes at a time.
struct Source<'a> {
    rest: &'a [u8],
    /// The bytes that remain of this sip.
    sip: usize,
    goes_on: &'a dyn Fn() -> bool,
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.sip == 0 {
            if !(self.goes_on)() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.sip = SIP;
        }
        Ok(self.rest.get(..self.sip).unwrap_or(self.rest))
    }

    fn consume(&mut self, amount: usize) {
        self.sip = self.sip.saturating_sub(amount);
        self.rest = self.rest.get(amount..).unwrap_or_default();
    }
}

impl Read for Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

/// The content of a zstd frame. `ruzstd` has a reader too, which keeps its errors as trait objects: their texts would add 20 KB to the module.
struct Frame<'a, 'b> {
    decoder: &'a mut FrameDecoder,
    source: &'a mut Source<'b>,
}

impl Read for Frame<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
            let block = self.decoder.decode_blocks(&mut *self.source, BlockDecodingStrategy::UptoBlocks(1));
            block.map_err(|_| io::ErrorKind::InvalidData)?;
        }
        self.decoder.read(into)
    }
}

/// The decompressed bytes so far.
struct Plain<'a> {
    bytes: Vec<u8>,
    piece: Vec<u8>,
    most: usize,
    goes_on: &'a dyn Fn() -> bool,
    admits: &'a mut dyn FnMut(usize) -> bool,
}

impl Plain<'_> {
    /// Adds every byte that a decoder yields.
    fn fill(&mut self, decoder: &mut dyn Read) -> Result<(), Unreadable<()>> {
        loop {
            let read = match decoder.read(&mut self.piece) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) if !(self.goes_on)() => return Err(Unreadable::TooSlow),
                Err(_) => return Err(Unreadable::Damaged),
            };
            let size = self.bytes.len().saturating_add(read);
            if size > self.most {
                return Err(Unreadable::TooLarge);
            }
            if !(self.admits)(size) {
                return Err(Unreadable::NoRoom(()));
            }
            if size > self.bytes.capacity() {
                let wanted = self.bytes.capacity().saturating_mul(2).clamp(size, self.most);
                self.bytes.reserve_exact(wanted.saturating_sub(self.bytes.len()));
            }
            self.bytes.extend_from_slice(self.piece.get(..read).unwrap_or_default());
        }
    }

    /// Adds the content of one zstd frame. A skippable frame adds nothing.
    fn fill_from_frame(&mut self, source: &mut Source<'_>) -> Result<(), Unreadable<()>> {
        let declares_length = source.rest.get(4).is_some_and(|descriptor| descriptor & 0b1110_0000 != 0);
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(LARGEST_WINDOW);
        match frame.init(&mut *source) {
            Ok(()) => {}
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                source.rest = source.rest.get(length..).ok_or(Unreadable::Damaged)?;
                return Ok(());
            }
            Err(_) => return Err(Unreadable::Damaged),
        }
        let before = self.bytes.len();
        self.fill(&mut Frame { decoder: &mut frame, source })?;
        // The decoder checks neither by itself.
        let length = self.bytes.len().saturating_sub(before);
        let is_of_length = !declares_length || usize::try_from(frame.content_size()) == Ok(length);
        let checksum = frame.get_checksum_from_data();
        if is_of_length && (checksum.is_none() || checksum == frame.get_calculated_checksum()) {
            return Ok(());
        }
        Err(Unreadable::Damaged)
    }

    /// Adds the content of the one Brotli stream. Its window may be as large as RFC 7932 allows, and no larger.
    fn fill_from_brotli(&mut self, source: &mut Source<'_>) -> Result<(), Unreadable<()>> {
        let mut stream = Decompressor::new(&mut *source, PIECE);
        stream.set_parameter(BROTLI_DECODER_PARAM_LARGE_WINDOW, 0);
        self.fill(&mut stream)?;
        // The stream has ended. A second read fails if the decoder buffered bytes after the stream.
        self.fill(&mut stream)?;
        if source.rest.is_empty() { Ok(()) } else { Err(Unreadable::Damaged) }
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
        coding.decode(body, 2 << 20, &|| true, |_| Ok(()))
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
            // The checks on the content: gzip's CRC and length, zstd's checksum.
            let guarded = if coding == Coding::Gzip { 8 } else { 4 };
            for at in body.len() - guarded..body.len() {
                let mut body = body.to_vec();
                body[at] ^= 1;
                assert_eq!(decode(coding, &body), Err(Unreadable::Damaged), "{coding:?} {at}");
            }
        }
    }

    #[test]
    fn what_stands_behind_a_stream_is_no_part_of_a_whole_body() {
        for (coding, body) in SAMPLES.into_iter().chain(ZEROS) {
            for tail in [&b"\0"[..], b"x", b"\x0b\x02\x80", &[7; 200_000]] {
                assert_eq!(
                    decode(coding, &[body, tail].concat()),
                    Err(Unreadable::Damaged),
                    "{coding:?} {}",
                    tail.len()
                );
            }
            assert_eq!(decode(coding, b""), Err(Unreadable::Damaged), "{coding:?}");
        }
    }

    /// Frames of one block of three bytes, with correct and wrong lengths.
    #[test]
    fn a_frame_is_as_long_as_it_declares() {
        let frame = |header: &[u8]| [&[0x28, 0xb5, 0x2f, 0xfd], header, &[0x19, 0, 0], b"abc"].concat();
        for header in [&[0x20, 3][..], &[0x00, 0x00], &[0x80, 0x00, 3, 0, 0, 0]] {
            assert_eq!(decode(Coding::Zstd, &frame(header)).as_deref(), Ok(&b"abc"[..]), "{header:?}");
        }
        for header in [&[0x20, 0][..], &[0x20, 2], &[0x20, 4], &[0x80, 0x00, 4, 0, 0, 0]] {
            assert_eq!(decode(Coding::Zstd, &frame(header)), Err(Unreadable::Damaged), "{header:?}");
        }
    }

    #[test]
    fn a_body_of_countless_parts_that_hold_nothing_is_refused() {
        let member = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x00, 1, 0, 0];
        let skipped = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];
        for (coding, part) in [(Coding::Gzip, &member[..]), (Coding::Zstd, &frame), (Coding::Zstd, &skipped)] {
            assert_eq!(decode(coding, &part.repeat(MOST_PARTS)), Ok(Vec::new()), "{coding:?}");
            assert_eq!(decode(coding, &part.repeat(MOST_PARTS + 1)), Err(Unreadable::Damaged), "{coding:?}");
        }
    }

    /// Empty blocks: the decoder never yields a piece.
    #[test]
    fn a_body_that_yields_nothing_goes_on_only_as_long_as_it_may() {
        let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0, 0, 0, 0xff, 0xff].repeat(100_000)].concat();
        let zstd = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0][..], &[0, 0, 0].repeat(100_000)].concat();
        // Metadata of no bytes.
        let brotli = [&[0x0c][..], &[0x06].repeat(300_000)].concat();
        for (coding, body) in [(Coding::Gzip, gzip), (Coding::Zstd, zstd), (Coding::Brotli, brotli)] {
            let asked = std::cell::Cell::new(0);
            let goes_on = || {
                asked.set(asked.get() + 1);
                asked.get() <= 20
            };
            let decoded = coding.decode::<()>(&body, 2 << 20, &goes_on, |_| Ok(()));
            assert_eq!(decoded, Err(Unreadable::TooSlow), "{coding:?} {}", asked.get());
        }
    }

    /// A window of 1 GiB, which RFC 7932 does not allow.
    #[test]
    fn brotlis_window_is_no_larger_than_its_specification_has_it() {
        assert_eq!(decode(Coding::Brotli, &[0x11, 0xde]), Err(Unreadable::Damaged));
    }

    #[test]
    fn a_body_stops_growing_where_it_may_not_grow() {
        for (coding, body) in ZEROS {
            let mut asked = Vec::new();
            let most = 600_000;
            let decoded = coding.decode::<()>(body, most, &|| true, |size| {
                asked.push(size);
                Ok(())
            });
            assert_eq!(decoded, Err(Unreadable::TooLarge), "{coding:?}");
            assert!(asked.iter().all(|size| *size <= most) && asked.len() >= most / PIECE - 1, "{asked:?}");
            assert_eq!(
                coding.decode(body, most, &|| true, |size| if size > 200_000 { Err("full") } else { Ok(()) }),
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
