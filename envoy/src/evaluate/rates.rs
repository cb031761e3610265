//! Precision and recall of a threshold, and the choice of one.

use serde_json::{Value, json};

use super::pairs::Pair;

/// The precision that a threshold needs.
pub const PRECISE: f64 = 0.99;

/// The recall that makes a semantic cache worth its embeddings.
pub const ENOUGH: f64 = 0.2;

/// How much of the recall a stricter threshold must keep.
const KEPT: f64 = 0.95;

/// A measured pair.
#[derive(Debug, Clone, Copy)]
pub struct Scored<'a> {
    pub pair: &'a Pair,
    pub similarity: f32,
    /// Whether the comparison of words lets it pass.
    pub words: bool,
}

impl Scored<'_> {
    /// Whether one question would get the other's answer.
    pub fn hits(&self, threshold: f32, words: bool) -> bool {
        self.similarity >= threshold && (self.words || !words)
    }
}

/// The hits at a threshold.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    right: usize,
    /// Hits with another question's answer.
    pub wrong: usize,
    same: usize,
}

impl Rates {
    /// Counts the hits from this similarity on, with or without the comparison of words.
    pub fn of(pairs: &[Scored<'_>], threshold: f32, words: bool) -> Self {
        let hits = |same: bool| {
            pairs.iter().filter(|scored| scored.pair.same == same && scored.hits(threshold, words)).count()
        };
        Self { right: hits(true), wrong: hits(false), same: pairs.iter().filter(|scored| scored.pair.same).count() }
    }

    /// The number of hits.
    pub fn hits(&self) -> usize {
        self.right + self.wrong
    }

    fn part(of: usize, all: usize) -> Option<f64> {
        (all > 0).then(|| of as f64 / all as f64)
    }

    /// The part of the hits that are right.
    pub fn precision(&self) -> String {
        Self::part(self.right, self.hits()).map_or("-".to_owned(), |part| format!("{part:.3}"))
    }

    /// The part of the repeated questions that are hits.
    pub fn recall(&self) -> String {
        Self::part(self.right, self.same).map_or("-".to_owned(), |part| format!("{part:.3}"))
    }

    /// All of it.
    pub fn json(&self) -> Value {
        json!({
            "hits": self.hits(),
            "wrong": self.wrong,
            "precision": Self::part(self.right, self.hits()),
            "recall": Self::part(self.right, self.same),
        })
    }
}

/// The thresholds, from 0.50 to 0.99.
pub fn steps() -> impl DoubleEndedIterator<Item = f32> + ExactSizeIterator {
    (50_u8..100).map(|percent| f32::from(percent) / 100.0)
}

/// A threshold without the digits of its binary form.
pub fn shown(threshold: f32) -> f64 {
    (f64::from(threshold) * 100.0).round() / 100.0
}

/// Chooses a threshold for both checks together: the lowest from which on the precision is high enough, or a stricter one that keeps nearly
/// all of its hits. Words that the lists do not know well may need it. `None` if it would find too little.
pub fn threshold(pairs: &[Scored<'_>]) -> Option<f32> {
    let precise = |at: &f32| {
        let rates = Rates::of(pairs, *at, true);
        Rates::part(rates.right, rates.hits()).is_none_or(|precision| precision >= PRECISE)
    };
    let lowest = steps().rev().take_while(precise).last()?;
    let recall =
        |at: f32| Rates::part(Rates::of(pairs, at, true).right, pairs.iter().filter(|scored| scored.pair.same).count());
    let kept = recall(lowest)? * KEPT;
    let strictest = steps().rev().find(|at| *at >= lowest && recall(*at).is_some_and(|recall| recall >= kept))?;
    recall(strictest).is_some_and(|recall| recall >= ENOUGH).then_some(strictest)
}
