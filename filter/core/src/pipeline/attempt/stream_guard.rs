//! Inspects a stream as it passes, and records it: for the schema check before the client sees it, or for the content of a span.
//!
//! Each event waits until all of its texts may leave, and the events before it have left: so the order stays. The texts of a choice are
//! those of the events in the dialect's model, and, in a stream that passes unchanged, all other strings of its events. When a choice goes
//! on with another kind of text, the one before has ended: reasoning does not wait for the whole answer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use serde_json::Value;
use sluice_wire::conversation::{Finish, StreamEvent};
use sluice_wire::dialect::{OutputSoFar, StreamReader, StreamWriter};
use sluice_wire::error::ApiError;
use sluice_wire::framing::sse;
use sluice_wire::json;
use sluice_wire::time::Time;

use crate::guard::answer::{Checks, GuardFailure, Inspection, Kind, Transcript};
use crate::guard::channel::Channel;
use crate::guard::early::EarlyCheck;
use crate::guard::matcher::Matcher;
use crate::guard::response_texts::{EventText, ResponseTexts};
use crate::guard::spec::{Action, Side};
use crate::guard::steps::Steps;
use crate::guard::{Finding, UNJUDGED};
use crate::routing::spec::Trigger;
use crate::trace::messages;

use super::super::Effect;
use super::super::failure::Failure;
use super::super::request_state::RequestState;
use super::judged_windows::JudgedWindows;
use super::waiting_event::{Key, WaitingEvent, channel, text_of};

/// The largest event buffer that is reused.
const FEW: usize = 1024;

/// The most bytes read at once: their events are recorded before the next piece.
const PIECE: usize = 64 << 10;

/// The most bytes that are recorded without a check.
const MOST_UNCHECKED: u64 = 64 << 10;

/// The most bytes of events that wait.
const MOST_WAITING: usize = 8 << 20;

/// The most texts of a stream.
const MOST_TEXTS: usize = 10_000;

/// In place of the choice of a text whose event has several choices. It may belong to any of them, so only the stream's end ends it.
const ANY: u32 = u32::MAX;

/// The longest text that may be a name that every event repeats, and the longest repetition of it that is inspected.
const LONGEST_NAME: usize = 256;
const MOST_REPEATED: usize = 4096;

/// The inspection and the record of a stream.
#[derive(Debug)]
pub(super) struct StreamGuard {
    checks: Rc<Checks>,
    early: Option<EarlyCheck>,
    steps: Steps,
    findings: Vec<Finding>,
    channels: BTreeMap<Key, Channel>,
    /// The texts with which each choice goes on.
    current: BTreeMap<u32, BTreeSet<Key>>,
    /// Texts that are known by their path only.
    paths: BTreeMap<u64, Path>,
    queue: VecDeque<WaitingEvent>,
    /// Bytes in the queue.
    waiting: usize,
    /// Whether the stream is held until it is complete.
    whole: bool,
    /// Why the held stream is rejected once it is complete: its provider counts its tokens at the end.
    rejected: Option<Failure>,
    /// Whether content has left the queue.
    pub(super) shows: bool,
    /// The choices that the client has seen begin, and not end.
    unfinished: Vec<u32>,
    /// The choice that contains the match.
    blocked: u32,
    transcript: Transcript,
    recorded: OutputSoFar,
    /// Parses a stream that passes unchanged. `None` after an event that it cannot parse, which only the client may understand.
    reader: Option<Box<dyn StreamReader>>,
    overheard: ResponseTexts,
    events: Vec<StreamEvent>,
    /// Events that wait for judges.
    windows: Option<JudgedWindows>,
}

/// A text that is known by its path only.
#[derive(Debug)]
struct Path {
    /// The choice of the event in which it began.
    choice: u32,
    first: String,
    /// How often its first piece has come again, and no other. From the second time on, it counts as a name that every event repeats, and
    /// is not inspected.
    again: usize,
}

impl Path {
    /// The repetitions that were not inspected. From now on, all pieces are.
    fn repeated(&mut self) -> String {
        let first = std::mem::take(&mut self.first);
        let most = MOST_REPEATED / first.len().max(1);
        first.repeat(std::mem::take(&mut self.again).saturating_sub(1).min(most))
    }
}

/// An event of a stream that passes unchanged.
pub(super) struct PassingEvent<'e> {
    pub(super) event: &'e sse::Event<'e>,
    /// Whether the client gets it.
    pub(super) stays: bool,
    pub(super) is_content: bool,
}

impl StreamGuard {
    /// `reader`: for a stream that passes unchanged; `whole`: it is held until it is complete.
    pub(super) fn new(checks: Rc<Checks>, reader: Option<Box<dyn StreamReader>>, whole: bool) -> Self {
        Self {
            early: EarlyCheck::of(&checks),
            windows: JudgedWindows::of(&checks, whole),
            checks,
            steps: Matcher::steps(),
            findings: Vec::new(),
            channels: BTreeMap::new(),
            current: BTreeMap::new(),
            paths: BTreeMap::new(),
            queue: VecDeque::new(),
            waiting: 0,
            whole,
            rejected: None,
            shows: false,
            unfinished: Vec::new(),
            blocked: 0,
            transcript: Transcript::default(),
            recorded: OutputSoFar::default(),
            reader,
            overheard: ResponseTexts::default(),
            events: Vec::new(),
        }
    }

    /// Whether its texts are inspected.
    pub(super) fn inspects(&self) -> bool {
        self.checks.inspects()
    }

    /// Whether the stream is held until it is complete.
    pub(super) fn holds_whole(&self) -> bool {
        self.checks.hold_whole()
    }

    /// Records a portion that passes unchanged and uninspected.
    pub(super) fn read(&mut self, portion: &[u8]) -> Result<(), Failure> {
        for piece in portion.chunks(PIECE) {
            let (events, read) = self.parsed(piece);
            let recorded = events.iter().try_for_each(|event| self.record(event));
            self.reuse(events);
            recorded?;
            if let (Err(error), false) = (read, self.checks.is_empty()) {
                return Err(Failure::in_answer(error));
            }
        }
        Ok(())
    }

    /// Parses a piece. After an event that cannot be parsed, the format remains unknown.
    fn parsed(&mut self, piece: &[u8]) -> (Vec<StreamEvent>, Result<(), ApiError>) {
        let mut events = std::mem::take(&mut self.events);
        let Some(reader) = &mut self.reader else { return (events, Ok(())) };
        let read = reader.read(piece, &mut events);
        let kept = reader.buffered().check();
        if read.is_err() || kept.is_err() {
            self.reader = None;
            // No more events are parsed. The same texts are known by their paths.
            self.channels.retain(|(_, kind), _| matches!(kind, Kind::Other(_)));
            self.transcript = std::mem::take(&mut self.transcript).unparsed();
        }
        (events, kept)
    }

    fn reuse(&mut self, mut events: Vec<StreamEvent>) {
        if events.capacity() <= FEW {
            events.clear();
            self.events = events;
        }
    }

    /// Inspects an event that passes unchanged, writes it once it may leave, and those before it. The writer also learns of these events, so
    /// that it can end the stream.
    pub(super) fn pass(
        &mut self,
        passing: &PassingEvent<'_>,
        writer: &mut dyn StreamWriter,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let inspected = if self.rejected.is_none() { self.inspect_passing(passing) } else { Ok(()) };
        self.leave(inspected, writer, out)
    }

    /// The same for an event of a translated stream.
    pub(super) fn speak(
        &mut self,
        event: StreamEvent,
        writer: &mut dyn StreamWriter,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let inspected = if self.rejected.is_none() { self.inspect_event(event) } else { Ok(()) };
        self.leave(inspected, writer, out)
    }

    /// The same for all events that wait: no text follows.
    pub(super) fn end(&mut self, writer: &mut dyn StreamWriter, out: &mut Vec<u8>) -> Result<(), Failure> {
        let inspected = self.inspect_rest();
        self.leave(inspected, writer, out)
    }

    /// Inspects the repetitions of names, and ends all texts.
    fn inspect_rest(&mut self) -> Result<(), Failure> {
        for (number, path) in &mut self.paths {
            let rest = path.repeated();
            if let Some(channel) =
                self.channels.get_mut(&(path.choice, Kind::Other(*number))).filter(|_| !rest.is_empty())
            {
                channel.push(&rest);
            }
        }
        let all: Vec<Key> = self.channels.keys().copied().collect();
        self.pause(&all)
    }

    /// Writes the events that may leave, unless the stream is rejected.
    fn leave(
        &mut self,
        inspected: Result<(), Failure>,
        writer: &mut dyn StreamWriter,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        match inspected {
            Err(failure) if self.whole && failure.trigger == Some(Trigger::Guardrail) => {
                self.rejected.get_or_insert(failure);
            }
            inspected => inspected?,
        }
        while self.is_free() && self.rejected.is_none() {
            self.leave_first(writer, out)?;
        }
        Ok(())
    }

    fn inspect_passing(&mut self, passing: &PassingEvent<'_>) -> Result<(), Failure> {
        let PassingEvent { event, stays, is_content } = *passing;
        let (events, read) = self.parsed(event.raw);
        read.map_err(Failure::in_answer)?;
        if self.reader.is_none() {
            self.stop_judging();
        }
        let (mut apart, mut pieces) = (Vec::new(), Vec::new());
        let each = &mut |text: EventText<'_>| match text {
            EventText::Piece(path, text) if !text.is_empty() => pieces.push((path, text.to_owned())),
            EventText::Piece(..) => {}
            EventText::Apart(text) => apart.push(text.to_owned()),
        };
        let lines = event.raw.split(|byte| matches!(byte, b'\n' | b'\r'));
        let beside = lines.filter(|line| !line.starts_with(b"data:") && *line != b"data");
        beside.for_each(|line| self.overheard.aside(line, each));
        if !event.data.is_empty() {
            self.overheard.event(&event.data, each).map_err(Failure::in_answer)?;
        }
        if let Err(failure) = apart.iter().try_for_each(|text| self.whole(text)) {
            self.blocked = choice_in(&event.data);
            return Err(failure);
        }
        let knows_all = pieces.iter().all(|(number, _)| self.paths.contains_key(number));
        let choice = if knows_all { 0 } else { choice_in(&event.data) };
        let mut others = Vec::new();
        for (number, piece) in &mut pieces {
            let new = || Path { choice, first: String::new(), again: 0 };
            let path = self.paths.entry(*number).or_insert_with(new);
            let key = (path.choice, Kind::Other(*number));
            if !self.channels.contains_key(&key) {
                if piece.len() <= LONGEST_NAME {
                    path.first.clone_from(piece);
                }
            } else if path.first != *piece {
                piece.insert_str(0, &path.repeated());
            } else {
                path.again = path.again.saturating_add(1);
                if path.again > 1 {
                    self.pause(&[key])?;
                    continue;
                }
            }
            others.push((key, piece.as_str()));
        }
        let spoken = events.iter().filter(|_| self.reader.is_some()).filter_map(text_of);
        let texts = spoken.chain(others).collect();
        let pieces = self.inspect(texts, &events)?;
        let raw = if stays { event.raw.to_vec() } else { Vec::new() };
        self.wait(WaitingEvent { events, raw: Some(raw), pieces, is_content })
    }

    /// Judges get no more of a stream that cannot be read. As it passes unchanged, all of them are in shadow mode.
    fn stop_judging(&mut self) {
        let Some(mut windows) = self.windows.take() else { return };
        self.findings.extend(windows.guards.iter().map(|guard| Finding {
            guard: guard.name.clone(),
            label: UNJUDGED.to_owned(),
            side: Side::Answers,
            action: Action::Log,
        }));
        self.waiting = self.waiting.saturating_add(windows.waiting);
        windows.queue.append(&mut self.queue);
        self.queue = windows.queue;
    }

    fn inspect_event(&mut self, event: StreamEvent) -> Result<(), Failure> {
        if let StreamEvent::ToolCall { choice, name, .. } = &event {
            self.blocked = *choice;
            self.whole(name)?;
        }
        let pieces = self.inspect(text_of(&event).into_iter().collect(), std::slice::from_ref(&event))?;
        let is_content = event.is_content();
        self.wait(WaitingEvent { events: vec![event], raw: None, pieces, is_content })
    }

    fn whole(&mut self, text: &str) -> Result<(), Failure> {
        self.inspection().0.whole(text).map_err(blocked)
    }

    fn inspection(&mut self) -> (Inspection<'_>, &mut BTreeMap<Key, Channel>) {
        let Self { checks, steps, findings, channels, .. } = self;
        (Inspection { checks, steps, findings }, channels)
    }

    /// Inspects the pieces of an event. Returns their ends.
    fn inspect(&mut self, texts: Vec<(Key, &str)>, events: &[StreamEvent]) -> Result<Vec<(Key, usize)>, Failure> {
        let mut begun = BTreeMap::<u32, BTreeSet<Key>>::new();
        for (key, _) in texts.iter().filter(|(key, _)| key.0 != ANY) {
            begun.entry(key.0).or_default().insert(*key);
        }
        for (choice, keys) in begun {
            let current = self.current.entry(choice).or_default();
            if !keys.iter().all(|key| current.contains(key)) {
                let ended: Vec<Key> = current.difference(&keys).copied().collect();
                *current = keys;
                self.pause(&ended)?;
            }
        }
        let mut ends = Vec::with_capacity(texts.len());
        for (key, text) in texts {
            self.blocked = key.0;
            let (mut inspection, channels) = self.inspection();
            if channels.len() >= MOST_TEXTS && !channels.contains_key(&key) {
                return Err(Failure::in_answer(ApiError::answer_too_large(
                    "The provider's answer has more than 10,000 separate texts, more than the gateway checks.",
                )));
            }
            let channel = channel(channels, key, inspection.checks, false);
            ends.push((key, channel.push(text)));
            channel.inspect(&mut inspection).map_err(blocked)?;
        }
        for event in events {
            if let StreamEvent::Finish { choice, .. } = event {
                // All others of this choice have ended before.
                let ended = self.current.remove(choice).into_iter().flatten().collect::<Vec<Key>>();
                self.pause(&ended)?;
            }
        }
        Ok(ends)
    }

    /// Ends these texts, as far as is known.
    fn pause(&mut self, ended: &[Key]) -> Result<(), Failure> {
        for key in ended {
            self.blocked = key.0;
            let (mut inspection, channels) = self.inspection();
            if let Some(channel) = channels.get_mut(key) {
                channel.pause(&mut inspection).map_err(blocked)?;
            }
        }
        Ok(())
    }

    fn wait(&mut self, event: WaitingEvent) -> Result<(), Failure> {
        self.waiting = self.waiting.saturating_add(event.size());
        self.queue.push_back(event);
        if self.waiting > MOST_WAITING && !self.is_free() {
            return Err(too_much());
        }
        Ok(())
    }

    /// Whether the first event may leave.
    fn is_free(&mut self) -> bool {
        let Some(WaitingEvent { pieces, .. }) = self.queue.front_mut() else { return false };
        let waits = |(key, end): &(Key, usize)| self.channels.get(key).is_some_and(|channel| channel.released() < *end);
        // A piece that may leave is not looked at again. The first remains, because a translated event is rewritten by it.
        while pieces.len() > 1 && !pieces.last().is_some_and(waits) {
            pieces.pop();
        }
        !pieces.last().is_some_and(waits)
    }

    fn leave_first(&mut self, writer: &mut dyn StreamWriter, out: &mut Vec<u8>) -> Result<(), Failure> {
        let Some(mut first) = self.queue.pop_front() else { return Ok(()) };
        self.waiting = self.waiting.saturating_sub(first.size());
        if first.raw.is_none() {
            first.rewrite(&mut self.channels);
        }
        let Some(windows) = &mut self.windows else { return self.write(first, writer, out) };
        let free = windows.push(first, &self.checks);
        if windows.held() > MOST_WAITING {
            return Err(too_much());
        }
        free.map_or(Ok(()), |first| self.write(first, writer, out))
    }

    /// Whether judges are judging a window of the stream.
    pub(super) fn is_asked(&self) -> bool {
        self.windows.as_ref().is_some_and(JudgedWindows::is_asked)
    }

    /// Whether text waits for judges.
    pub(super) fn gathers(&self) -> bool {
        self.windows.as_ref().is_some_and(JudgedWindows::gathers)
    }

    /// Has judges judge the window, if it is to be judged; `over`: nothing follows. Writes its events once they have decided. Returns whether
    /// they have not yet.
    pub(super) fn judge(
        &mut self,
        over: bool,
        state: &mut RequestState,
        now: Time,
        effects: &mut Vec<Effect>,
        (writer, out): (&mut dyn StreamWriter, &mut Vec<u8>),
    ) -> Result<bool, Failure> {
        let Some(windows) = self.windows.as_mut().filter(|_| self.rejected.is_none()) else { return Ok(false) };
        let changes = if windows.is_asked() || windows.is_due(over) {
            let guards = windows.guards.clone();
            match state.judge_response(&guards, || windows.ask(), now, effects) {
                None => return Ok(true),
                Some(decided) => decided?,
            }
        } else if over {
            Vec::new()
        } else {
            return Ok(false);
        };
        windows.take(changes, &self.checks).into_iter().try_for_each(|event| self.write(event, writer, out))?;
        Ok(false)
    }

    /// Writes an event that may leave.
    fn write(&mut self, first: WaitingEvent, writer: &mut dyn StreamWriter, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.shows |= first.is_content;
        let length = first.raw.as_ref().map(|raw| out.len().saturating_add(raw.len()));
        out.extend_from_slice(first.raw.as_deref().unwrap_or_default());
        // The writer may keep the text that it has written, if it is not too long.
        let is_heard = length.is_none() || writer.buffered().check().is_ok();
        for event in &first.events {
            match event {
                StreamEvent::Finish { choice, .. } => self.unfinished.retain(|known| known != choice),
                event => {
                    let begun = text_of(event).map(|((choice, _), _)| choice);
                    self.unfinished.extend(begun.filter(|choice| !self.unfinished.contains(choice)));
                }
            }
            self.record(event)?;
            if is_heard {
                writer.write(event, out);
            }
        }
        if let Some(length) = length {
            // In place of these bytes, the event's own have left.
            out.truncate(length);
            self.reuse(first.events);
        }
        Ok(())
    }

    /// Ends the stream in place of the events that wait: the first of them contains a match.
    pub(super) fn cut_off(&mut self, writer: &mut dyn StreamWriter, out: &mut Vec<u8>) {
        let unfinished = std::mem::take(&mut self.unfinished);
        let blocked = if self.blocked == ANY { 0 } else { self.blocked };
        let choices = if unfinished.is_empty() { vec![blocked] } else { unfinished };
        for choice in choices {
            writer.write(&StreamEvent::Finish { choice, finish: Finish::ContentFilter }, out);
        }
        writer.write(&StreamEvent::End, out);
    }

    /// Records an event. Fails if the stream cannot become the JSON that is asked for.
    pub(super) fn record(&mut self, event: &StreamEvent) -> Result<(), Failure> {
        let is_end = matches!(event, StreamEvent::Finish { .. });
        if !self.checks.formats.is_empty() || is_end || self.recorded.bytes < MOST_UNCHECKED {
            self.recorded += OutputSoFar::in_event(event);
            self.transcript.record(event);
        }
        self.early.as_mut().map_or(Ok(()), |early| early.read(event)).map_err(Failure::objection)
    }

    /// The recorded content for a span. What was masked in the prompt is restored for the client only.
    pub(super) fn content(&self) -> Option<String> {
        (!self.checks.restores()).then(|| messages::of_choices(&self.transcript.choices()))
    }

    /// The findings so far.
    pub(super) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Checks the complete record. Returns the findings.
    pub(super) fn judged(&self) -> Result<Vec<Finding>, Failure> {
        self.rejected.clone().map_or(Ok(()), Err)?;
        let unchecked = self.checks.check_format(&self.transcript).map_err(Failure::objection)?;
        Ok(self.findings.iter().cloned().chain(unchecked).collect())
    }

    /// Approximate memory in bytes.
    pub(super) fn held(&self) -> usize {
        let events = self.events.capacity().saturating_mul(size_of::<StreamEvent>());
        let texts = self.channels.values().map(|channel| channel.held().saturating_add(size_of::<Channel>()));
        let channels = texts.fold(events, usize::saturating_add);
        let record = usize::try_from(self.recorded.bytes).unwrap_or(usize::MAX);
        let reader = self.reader.as_ref().map_or(0, |reader| reader.buffered().held());
        let paths = self.paths.len().saturating_mul(size_of::<Path>() + LONGEST_NAME);
        let early = self.early.as_ref().map_or(0, EarlyCheck::held);
        let windows = self.windows.as_ref().map_or(0, JudgedWindows::held);
        let all = [windows, self.waiting, record, self.overheard.held(), paths, reader, early];
        all.into_iter().fold(channels, usize::saturating_add)
    }
}

/// The choice of an event's texts.
fn choice_in(data: &[u8]) -> u32 {
    let event: Option<Value> = json::from_slice(data).ok();
    match event.as_ref().and_then(|event| event.get("choices")?.as_array()).map(Vec::as_slice) {
        Some([choice]) => {
            choice.get("index").and_then(Value::as_u64).map_or(0, |index| u32::try_from(index).unwrap_or(ANY))
        }
        Some([_, _, ..]) => ANY,
        _ => 0,
    }
}

fn too_much() -> Failure {
    Failure::in_answer(ApiError::answer_too_large(
        "The provider's answer has more than 8 MiB that the gateway has to check at once. Ask for a shorter answer.",
    ))
}

fn blocked(finding: Finding) -> Failure {
    Failure::objection(GuardFailure::Blocked(finding))
}
