//! Holds the events of a stream until judges have judged their texts, one window of text after the other.
//!
//! A judge also sees the end of the text before its window, so that it recognizes what the cut divides. In place of the prompt's masked texts
//! it sees their placeholders. Each is in one window, as its pieces are inspected together, and the text is restored after the verdict.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use sluice_wire::conversation::StreamEvent;

use crate::guard::answer::{Checks, Inspection, Kind};
use crate::guard::channel::Channel;
use crate::guard::judge::{JudgeGuard, JudgedText, Masking};
use crate::guard::matcher::Matcher;

use super::waiting_event::{Key, WaitingEvent, text_in, text_of};

/// The bytes of the text before a window that a judge sees again.
const CONTEXT: usize = 200;

/// The names of a choice's tool calls.
const NAMES: Kind = Kind::Other(u64::MAX);

/// The events that wait for judges.
#[derive(Debug)]
pub(super) struct JudgedWindows {
    pub(super) guards: Vec<Rc<JudgeGuard>>,
    /// The bytes of text in a window; `None`: all.
    size: Option<usize>,
    pub(super) queue: VecDeque<WaitingEvent>,
    /// The texts of the window, each with the end of the one before.
    texts: BTreeMap<Key, JudgedText>,
    /// Bytes of new text in the window.
    length: usize,
    /// Bytes in the queue.
    pub(super) waiting: usize,
    /// Whether judges judge the window.
    asked: bool,
    /// The texts of judged windows, in which the prompt's texts are restored.
    judged: BTreeMap<Key, Channel>,
}

impl JudgedWindows {
    /// For these checks; `None` without judges. `whole`: the stream is held until it is complete.
    pub(super) fn of(checks: &Checks, whole: bool) -> Option<Self> {
        let guards = checks.judges.clone();
        let size = guards.iter().filter_map(|guard| guard.window).min().filter(|_| !whole);
        (!guards.is_empty()).then(|| Self {
            guards,
            size,
            queue: VecDeque::new(),
            texts: BTreeMap::new(),
            length: 0,
            waiting: 0,
            asked: false,
            judged: BTreeMap::new(),
        })
    }

    /// Adds an event. Returns it if nothing has to be judged before it leaves.
    pub(super) fn push(&mut self, event: WaitingEvent, checks: &Checks) -> Option<WaitingEvent> {
        let mut is_text = false;
        for (key, text) in event.events.iter().filter_map(text_of).filter(|(_, text)| !text.is_empty()) {
            is_text = true;
            let masking = if checks.is_json(key.1) { Masking::Json } else { Masking::Free };
            let window = self.texts.entry(key).or_insert_with(|| JudgedText { masking, ..JudgedText::default() });
            window.text.push_str(text);
            self.length = self.length.saturating_add(text.len());
        }
        for event in &event.events {
            if let StreamEvent::ToolCall { choice, name, .. } = event
                && !name.is_empty()
            {
                is_text = true;
                let fixed = || JudgedText::fixed(String::new());
                self.texts.entry((*choice, NAMES)).or_insert_with(fixed).text.extend([name, "\n"]);
                self.length = self.length.saturating_add(name.len());
            }
        }
        if !is_text && self.queue.is_empty() {
            return Some(event);
        }
        self.waiting = self.waiting.saturating_add(event.size());
        self.queue.push_back(event);
        None
    }

    /// Whether events wait for judges.
    pub(super) fn gathers(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether judges are judging the window.
    pub(super) fn is_asked(&self) -> bool {
        self.asked
    }

    /// Whether the window is to be judged; `over`: nothing follows.
    pub(super) fn is_due(&self, over: bool) -> bool {
        self.size.is_some_and(|size| self.length >= size) || (over && self.length > 0)
    }

    /// The window's texts.
    pub(super) fn ask(&mut self) -> Vec<JudgedText> {
        self.asked = true;
        self.new_texts().map(|(_, text)| text.clone()).collect()
    }

    fn new_texts(&self) -> impl Iterator<Item = (Key, &JudgedText)> {
        self.texts.iter().filter(|(_, text)| text.text.len() > text.context).map(|(key, text)| (*key, text))
    }

    /// Ends the window: its events, with these changes of its texts.
    pub(super) fn take(&mut self, changes: Vec<(usize, String)>, checks: &Checks) -> VecDeque<WaitingEvent> {
        let keys: Vec<Key> = self.new_texts().map(|(key, _)| key).collect();
        let mut events = std::mem::take(&mut self.queue);
        for (index, new) in changes {
            let Some((key, text)) = keys.get(index).and_then(|key| Some((*key, self.texts.get_mut(key)?))) else {
                continue;
            };
            let mut new_part = new.get(text.context..).unwrap_or_default().to_owned();
            let pieces = events.iter_mut().flat_map(|event| &mut event.events);
            let pieces = pieces.filter(|event| text_of(event).is_some_and(|(its, _)| its == key));
            for piece in pieces.filter_map(text_in) {
                // All of it leaves with the first piece.
                *piece = std::mem::take(&mut new_part);
            }
            text.text = new;
        }
        for text in self.texts.values_mut() {
            let from = text.text.ceil_char_boundary(text.text.len().saturating_sub(CONTEXT));
            text.text.drain(..from);
            text.context = text.text.len();
        }
        (self.length, self.waiting, self.asked) = (0, 0, false);
        if checks.restores() {
            self.restore(&mut events, checks);
        }
        events
    }

    /// Restores the prompt's texts in the events of a window.
    fn restore(&mut self, events: &mut VecDeque<WaitingEvent>, checks: &Checks) {
        let (steps, mut findings) = (Matcher::steps(), Vec::new());
        let mut inspection = Inspection { checks, steps: &steps, findings: &mut findings };
        events.iter_mut().for_each(|event| event.push(&mut self.judged, checks));
        for channel in self.judged.values_mut() {
            // No guardrail inspects it.
            let _ = channel.pause(&mut inspection);
        }
        events.iter_mut().for_each(|event| event.rewrite(&mut self.judged));
    }

    /// Approximate memory in bytes.
    pub(super) fn held(&self) -> usize {
        let texts = self.texts.values().map(|text| text.text.capacity().saturating_add(size_of::<JudgedText>()));
        let judged = self.judged.values().map(|channel| channel.held().saturating_add(size_of::<Channel>()));
        texts.chain(judged).fold(self.waiting, usize::saturating_add)
    }
}
