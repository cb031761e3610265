//! Endless streams, and streams that must be stored whole: how many of their bytes stay in the VM, counted by the allocator.

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use allocation_counter::measure;
use sluice_core::pipeline::attempt::stream::{DialectPair, Relay};
use sluice_core::pipeline::failure::Failure;
use sluice_core::pipeline::request_state::{RequestState, Stage, StreamTimeout};
use sluice_core::pipeline::{Effect, Flow, Unreadable, View};
use sluice_core::routing::conditional_timeout::ConditionalTimeout;
use sluice_wire::dialect::{Client, Provider, anthropic, bedrock, openai_chat};
use sluice_wire::framing::eventstream;
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::envoy::planned_for;
use crate::shared::Shared;

use super::{ANTHROPIC_STREAM, OPENAI_STREAM};

mod growth;

/// The memory that a stream may keep if none of it is needed.
const LITTLE: i64 = 8 << 10;

/// Envoy's buffer, which is outside of the VM's memory.
struct Buffer<'a>(&'a [u8]);

impl View for Buffer<'_> {
    fn now(&self) -> Time {
        Time(1_800_000_000_000_000_000)
    }
    fn headers(&self) -> Result<HeaderMap, Unreadable> {
        Ok(HeaderMap::default())
    }
    fn header(&self, _: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        Ok(None)
    }
    fn body(&self, range: Range<usize>) -> Result<Vec<u8>, Unreadable> {
        Ok(self.0[range].to_vec())
    }
    fn source(&self) -> Option<IpAddr> {
        None
    }
    fn provider_left(&self) -> bool {
        false
    }
}

/// A relay between Envoy and a client that counts its memory.
struct Watched {
    relay: Relay,
    journey: RequestState,
    envoy: Vec<u8>,
    client: Vec<u8>,
    failure: Option<Failure>,
    /// The bytes that the relay has stored since it began.
    kept: i64,
    /// The maximum at any time, within a callback too.
    most: i64,
}

impl Watched {
    /// A stream for the model `asked`, translated from the provider's dialect to the client's.
    fn new(asked: &str, client: &'static Client, provider: &'static Provider) -> Self {
        let mut journey = planned_for(asked);
        let _ = journey.begin(journey.request.started, &Shared::default());
        let target = journey.progress.current().unwrap().clone();
        let same = client.id() == provider.id;
        let speakers = DialectPair { client: client.chat().unwrap(), provider: provider.chat().unwrap(), same };
        let started = journey.request.started;
        let relay = Relay::new(&mut journey, &target, &speakers, started);
        Self { relay, journey, envoy: Vec::new(), client: Vec::new(), failure: None, kept: 0, most: 0 }
    }

    fn openai() -> Self {
        Self::new("gpt", &openai_chat::CLIENT, &openai_chat::PROVIDER)
    }

    fn translated() -> Self {
        Self::new("gpt", &openai_chat::CLIENT, &anthropic::PROVIDER)
    }

    fn callback(&mut self, portion: &[u8], end: bool) {
        if self.failure.is_some() {
            return;
        }
        self.envoy.extend_from_slice(portion);
        let (size, view) = (self.envoy.len(), Buffer(&self.envoy));
        let (mut effects, mut flow) = (Vec::with_capacity(8), Ok(Flow::Continue));
        let memory = measure(|| flow = self.relay.step(size, end, &mut self.journey, &view, &mut effects));
        self.most = self.most.max(self.kept + i64::try_from(memory.bytes_max).unwrap());
        self.kept += memory.bytes_current;
        for effect in effects {
            if let Effect::ReplaceBody { drain, with } = effect {
                self.kept -= i64::try_from(with.capacity()).unwrap();
                self.envoy.splice(..drain, with);
            }
        }
        match flow {
            Ok(Flow::Continue) => self.client.append(&mut self.envoy),
            Ok(Flow::Pause) => {}
            Ok(Flow::Reply(_)) => panic!("a relay answers no request"),
            Err(failure) => self.failure = Some(failure),
        }
    }

    fn portion(&mut self, portion: &[u8]) {
        self.callback(portion, false);
    }

    /// Sends `count` of these bytes in chunks of `size`.
    fn many(&mut self, byte: u8, count: usize, size: usize) {
        let portion = vec![byte; size];
        for _ in 0..count.div_ceil(size) {
            self.portion(&portion);
        }
    }

    fn read(&self) -> &str {
        str::from_utf8(&self.client).unwrap()
    }

    fn errors(&self) -> usize {
        let said = self.read();
        ["invalid_provider_response", "provider_answer_too_large"].map(|code| said.matches(code).count()).iter().sum()
    }
}

const MIB: usize = 1 << 20;

#[test]
fn an_event_without_an_end_is_told_of_once_and_nothing_of_it_is_kept() {
    for (mut stream, opening) in
        [(Watched::openai(), OPENAI_STREAM[..3].concat()), (Watched::translated(), ANTHROPIC_STREAM[..4].concat())]
    {
        stream.portion(opening.as_bytes());
        stream.portion(b"data: ");
        // Byte by byte, and in chunks of Envoy's read size.
        stream.many(b'x', 64 << 10, 1);
        stream.many(b'x', 40 * MIB, 64 << 10);
        assert_eq!((stream.errors(), stream.journey.progress.stage), (1, Stage::Broken));
        assert!(stream.kept < LITTLE, "{} bytes are kept", stream.kept);
        assert!(stream.most < 64 << 20, "{} bytes were kept at once", stream.most);
        let told = stream.client.len();
        stream.portion(b"\n\ndata: {}\n\ndata: [DONE]\n\n");
        stream.callback(b"", true);
        assert_eq!((stream.client.len(), stream.journey.progress.stage), (told, Stage::Broken));
    }
}

#[test]
fn behind_the_terminator_nothing_is_read_kept_or_told() {
    for (mut stream, all) in
        [(Watched::openai(), OPENAI_STREAM.concat()), (Watched::translated(), ANTHROPIC_STREAM.concat())]
    {
        stream.portion(all.as_bytes());
        let told = stream.client.len();
        for size in [1, 7, 64 << 10] {
            stream.portion(b"data: ");
            stream.many(b'x', size * 1024, size);
        }
        assert!(stream.kept < LITTLE, "{} bytes are kept", stream.kept);
        stream.portion(b"\n\n{\"error\":1}\n\ndata: {\"error\":{\"message\":\"late\"}}\n\n");
        stream.callback(b"", true);
        assert_eq!((stream.client.len(), stream.journey.progress.stage), (told, Stage::Complete));
        assert!(stream.read().ends_with("data: [DONE]\n\n") && stream.errors() == 0);
    }
}

/// The first bytes of a frame, with its stated length.
fn prelude(total: u32) -> Vec<u8> {
    let lengths = [total.to_be_bytes(), 0u32.to_be_bytes()].concat();
    let sum = crc32fast::hash(&lengths).to_be_bytes();
    [lengths, sum.to_vec()].concat()
}

#[test]
fn a_frame_of_an_event_stream_is_kept_up_to_its_bound_and_nothing_behind_the_end() {
    let event = |name: &str, payload: &[u8]| {
        let mut out = Vec::new();
        eventstream::encode(&[(":message-type", "event"), (":event-type", name)], payload, &mut out);
        out
    };
    let text = event("contentBlockDelta", br#"{"contentBlockIndex":0,"delta":{"text":"hi"}}"#);
    let ends = [event("messageStop", br#"{"stopReason":"end_turn"}"#), event("metadata", b"{}")].concat();
    for (beginning, rest, ending) in [
        // Longer than a frame may be: rejected before anything is stored.
        (prelude(u32::MAX), 24 * MIB, Stage::Broken),
        // As long as a frame may be, with a wrong checksum.
        (prelude(16 << 20), 24 * MIB, Stage::Broken),
        ([ends, prelude(16 << 20)].concat(), 24 * MIB, Stage::Complete),
    ] {
        let mut stream = Watched::new("gpt", &openai_chat::CLIENT, &bedrock::PROVIDER);
        stream.portion(&text);
        stream.portion(&beginning);
        stream.many(b'x', rest, 64 << 10);
        assert!(stream.kept < LITTLE, "{} bytes are kept", stream.kept);
        assert!(stream.most < 64 << 20, "{} bytes were kept at once", stream.most);
        assert_eq!((stream.journey.progress.stage, stream.errors()), (ending, usize::from(ending == Stage::Broken)));
    }
}

fn content(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

#[test]
fn of_a_stream_that_is_held_and_passes_as_it_is_nothing_is_copied() {
    let event = content("forty bytes of content, more or less, ok");
    for (usage, size) in [(false, 1460), (true, 1460), (true, 97)] {
        let mut stream = Watched::new("patient", &openai_chat::CLIENT, &openai_chat::PROVIDER);
        let all = event.repeat(7 * MIB / event.len() + 1);
        for portion in all.as_bytes().chunks(size) {
            stream.portion(portion);
            assert!(stream.kept < LITTLE, "{} bytes are kept", stream.kept);
        }
        assert!(stream.client.is_empty());
        let mut expected = all;
        // The gateway drops usage that the client did not request.
        for event in OPENAI_STREAM[3..].iter().filter(|event| usage || !event.contains("\"usage\"")) {
            stream.portion(event.as_bytes());
            if !event.contains("\"usage\"") {
                expected += event;
            }
        }
        stream.callback(b"", true);
        assert!(stream.read() == expected, "{usage}: {} bytes of {}", stream.client.len(), expected.len());
        assert_eq!(stream.journey.progress.stage, Stage::Complete);
    }
}

#[test]
fn a_provider_that_goes_on_behind_the_end_is_cut_and_has_not_failed() {
    let open = |rest: &[u8]| {
        let mut stream = Watched::openai();
        stream.portion(OPENAI_STREAM.concat().as_bytes());
        stream.portion(rest);
        stream
    };
    let ended = Buffer(b"").now();
    let after = |milliseconds| ended.after(Duration::from_millis(milliseconds));
    let mut silent = open(b"");
    assert_eq!(silent.journey.check_stream_timeout(after(1_999)), None);
    assert_eq!(silent.journey.check_stream_timeout(after(2_000)), Some(StreamTimeout::Over));
    assert_eq!(silent.journey.check_stream_timeout(after(20_000)), None, "once");
    let mut talks = open(&vec![b'x'; 64 << 10]);
    assert_eq!(talks.journey.check_stream_timeout(after(1)), None);
    talks.portion(b"x");
    assert_eq!(talks.journey.check_stream_timeout(after(1)), Some(StreamTimeout::Over));
    for journey in [&silent.journey, &talks.journey] {
        assert_eq!((journey.progress.stage, &journey.progress.attempts[0].failure), (Stage::Complete, &None));
    }
    // The idle timeout also bounds the silence after the end.
    let mut strict = open(b"");
    strict.journey.route.timeouts.idle = ConditionalTimeout::configured(Duration::from_millis(500));
    assert_eq!(strict.journey.check_stream_timeout(after(499)), None);
    assert_eq!(strict.journey.check_stream_timeout(after(500)), Some(StreamTimeout::Over));
    // A stream that ends in time is not cut. A stream whose end is still unknown is not cut either.
    let mut ends = open(b"");
    ends.callback(b"", true);
    assert_eq!(ends.journey.check_stream_timeout(after(100_000)), None);
    let mut fails = Watched::openai();
    fails.portion(OPENAI_STREAM[..3].concat().as_bytes());
    assert_eq!(fails.journey.check_stream_timeout(after(2_000)), None);
    fails.portion(b"data: {nonsense\n\n");
    assert_eq!(fails.journey.check_stream_timeout(after(2_000)), Some(StreamTimeout::Over));
    assert_eq!((fails.journey.progress.stage, fails.errors()), (Stage::Broken, 1));
}

#[test]
fn what_is_held_is_told() {
    let mut stream = Watched::new("patient", &openai_chat::CLIENT, &openai_chat::PROVIDER);
    let event = content("some content");
    stream.portion(&event.as_bytes().repeat(100));
    let held = 100 * event.len();
    assert!((held..held + 4096).contains(&stream.relay.held_bytes()), "{}", stream.relay.held_bytes());
    stream.portion(b"data: ");
    stream.many(b'x', MIB, 64 << 10);
    assert!(stream.relay.held_bytes() >= held + 2 * MIB, "in Envoy, and in the VM: {}", stream.relay.held_bytes());
    let mut translated = Watched::new("patient", &openai_chat::CLIENT, &anthropic::PROVIDER);
    translated.portion(ANTHROPIC_STREAM[..4].concat().as_bytes());
    let before = translated.relay.held_bytes();
    (0..1000).for_each(|_| translated.portion(ANTHROPIC_STREAM[3].as_bytes()));
    let grown = i64::try_from(translated.relay.held_bytes() - before).unwrap();
    assert!(grown >= i64::try_from(1000 * ANTHROPIC_STREAM[3].len()).unwrap() + translated.kept / 2, "{grown}");
    translated.portion(ANTHROPIC_STREAM[4..].concat().as_bytes());
    assert_eq!((translated.relay.held_bytes(), translated.journey.progress.stage), (0, Stage::Complete));
}

#[test]
fn a_portion_as_long_as_a_connections_buffer_is_read_bit_by_bit() {
    let event = content("forty bytes of content, more or less, ok");
    let all = event.repeat(32 * MIB / event.len());
    for (ends, rest) in [(true, ""), (false, "data: {\"choices\"")] {
        let mut stream = Watched::openai();
        // Complete events are forwarded without a copy. If an incomplete part remains, the whole chunk is copied once.
        stream.portion(format!("{all}{rest}").as_bytes());
        assert!(stream.read() == all, "{} bytes", stream.client.len());
        let most = (if ends { 2 * MIB } else { 34 * MIB }) + 4096;
        assert!(stream.most < i64::try_from(most).unwrap(), "{} bytes at once", stream.most);
        let end = "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
        stream.portion(format!("{}{end}", if ends { "" } else { ":[]}\n\n" }).as_bytes());
        assert!(stream.read().ends_with("data: [DONE]\n\n"));
        assert_eq!((stream.journey.progress.stage, stream.failure), (Stage::Complete, None));
    }
    let mut translated = Watched::translated();
    let event = ANTHROPIC_STREAM[3];
    translated.portion(event.repeat(8 * MIB / event.len()).as_bytes());
    let (written, most) = (translated.client.len(), translated.most);
    assert!(most < i64::try_from(3 * written).unwrap(), "{most} bytes at once for {written}");
}
