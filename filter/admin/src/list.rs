//! Lists all keys of the file and of Redis, in pages ordered by id.

use serde::Serialize;
use sluice_config::file::Key;
use sluice_config::is_public_name;
use sluice_wire::order;

use super::answer::{AdminError, AdminReply};
use super::key::{Shown, Source, State};
use super::records::{self, Names};
use super::route::Query;
use super::{AdminContext, Next, Step};

const DEFAULT_LIMIT: usize = 100;
const MOST: usize = 1000;
/// Keys per Redis call.
const PORTION: usize = 100;
/// Redis calls per page, for filters that match few keys. After them the page is returned shorter, and the next page continues.
const MOST_CALLS: u8 = 50;

/// A page under construction.
#[derive(Debug)]
struct Page {
    team: Option<String>,
    state: Option<State>,
    limit: usize,
    /// The last id that was read.
    after: Option<String>,
    found: Vec<(Key, Source)>,
    calls: u8,
}

#[derive(Serialize)]
struct Listed<'a> {
    keys: Vec<Shown<'a>>,
    next: Option<&'a str>,
}

/// `GET /keys`
pub fn list(mut query: Query, context: &mut AdminContext) -> Step {
    let page = Page {
        team: query.take("team"),
        state: query.choice("state", &State::WORDS)?,
        limit: query.count("limit", DEFAULT_LIMIT, MOST)?,
        after: query.take("cursor"),
        found: Vec::new(),
        calls: 0,
    };
    query.finish()?;
    for (param, name) in [("cursor", &page.after), ("team", &page.team)] {
        if name.as_deref().is_some_and(|name| !is_public_name(name)) {
            return Err(AdminError::invalid(param, "A name must have 1 to 64 letters, digits, and any of . _ - @."));
        }
    }
    match Names::of(context) {
        Some(names) => Ok(page.ask(names)),
        None => page.add(Vec::new(), true, context).answer(false, context),
    }
}

impl Page {
    fn ask(self, names: Names) -> Next {
        Next::ask(names.list(self.after.as_deref(), PORTION), move |reply, context| {
            let portion = records::listed(reply)?;
            let last = portion.len() < PORTION;
            let page = Self { calls: self.calls + 1, ..self }.add(portion, last, context);
            match (page.is_full(), last) {
                (false, false) if page.calls < MOST_CALLS => Ok(page.ask(names)),
                (full, last) => page.answer(full || !last, context),
            }
        })
    }

    fn is_full(&self) -> bool {
        self.found.len() > self.limit
    }

    /// Adds a batch of Redis' keys, and the file's keys up to the end of the batch. One key beyond the limit is added, to know whether
    /// there is a next page.
    fn add(mut self, portion: Vec<(String, Option<Key>)>, last: bool, context: &AdminContext) -> Self {
        let end = portion.last().map(|(id, _)| id.clone());
        let wanted = |id: &str| {
            self.after.as_deref().is_none_or(|after| id > after)
                && (last || end.as_deref().is_some_and(|end| id <= end))
        };
        let file = context.service.keys.iter().filter(|key| wanted(&key.id)).map(|key| (key.clone(), Source::File));
        let mut candidates: Vec<(Key, Source)> = file.collect();
        // The file's key hides one of the same id in Redis.
        let is_hidden = |id: &str| context.service.keys.iter().any(|key| key.id == id);
        let stored = portion.into_iter().filter(|(id, _)| !is_hidden(id));
        candidates.extend(stored.filter_map(|(_, key)| Some((key?, Source::Redis))));
        order::by(&mut candidates, |(a, _), (b, _)| a.id.cmp(&b.id));
        for (key, source) in candidates {
            let fits = self.team.as_ref().is_none_or(|team| *team == key.team)
                && self.state.is_none_or(|state| state == State::of(&key, context.now));
            if self.is_full() {
                return self;
            }
            if fits {
                self.found.push((key, source));
            }
        }
        if !last {
            self.after = end;
        }
        self
    }

    fn answer(mut self, more: bool, context: &mut AdminContext) -> Step {
        let full = self.is_full();
        self.found.truncate(self.limit);
        let next = match (full, more) {
            (true, _) => self.found.last().map(|(key, _)| key.id.as_str()),
            (false, true) => self.after.as_deref(),
            (false, false) => None,
        };
        let keys = self.found.iter().map(|(key, source)| Shown::new(key, *source, context.now)).collect();
        Ok(Next::Answer(AdminReply::ok(&Listed { keys, next })?))
    }
}
