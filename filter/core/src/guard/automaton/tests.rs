//! Compares the automaton with the `regex` crate.
#![cfg(not(target_arch = "wasm32"))]

use proptest::prelude::*;
use regex_automata::util::syntax;

use super::*;
use crate::guard::matcher::{Matcher, Wanted};

const MOST: usize = 1 << 20;

/// All matches of an expression.
fn finds(expression: &str, text: &str) -> Vec<(usize, usize)> {
    let mut wanted = Wanted::default();
    wanted.pattern("p", expression).unwrap();
    let (matcher, steps) = (wanted.matcher().unwrap(), Matcher::steps());
    let finds: Vec<(usize, usize)> = matcher.all(text, 0, &steps).map(|find| (find.at.start, find.at.end)).collect();
    // Searches only the text itself, since its folded form may contain more matches.
    assert_eq!(matcher.first_in(text, &steps).is_some(), !finds.is_empty());
    finds
}

fn expected(expression: &str, text: &str) -> Vec<(usize, usize)> {
    let found = regex::Regex::new(expression).unwrap();
    found.find_iter(text).map(|found| (found.start(), found.end())).collect()
}

/// Related expressions and texts.
fn expressions() -> impl Strategy<Value = String> {
    // Empty matches do not count here.
    let full = |expression: String| match syntax::parse(&expression).unwrap().properties().minimum_len() {
        Some(0) => format!("(?:{expression})[abé]"),
        _ => expression,
    };
    parts().prop_map(full)
}

fn parts() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a",
        "b",
        "ab",
        "[ab]",
        "[^a]",
        ".",
        "(?s:.)",
        r"\b",
        r"\B",
        r"(?-u:\b)",
        r"(?-u:\B)",
        "^",
        "$",
        "(?m:^)",
        "(?m:$)",
        "(?mR:^)",
        "(?mR:$)",
        r"\A",
        r"\z",
        r"\w",
        r"\W",
        r"\s",
        r"\d",
        "é",
        "(?i:É)",
        "—",
        r"\b{start}",
        r"\b{end}",
        r"\b{start-half}",
        r"\b{end-half}",
        r"(?-u:\b{start})",
        r"(?-u:\b{end-half})",
        "\n",
        "\r",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            (inner, prop::sample::select(vec!["*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}?"]))
                .prop_map(|(part, times)| format!("(?:{part}){times}")),
        ]
    })
}

fn texts() -> impl Strategy<Value = String> {
    let letters = vec!["a", "b", " ", "é", "—", "\n", "\r", "\r\n", "1", "É", "z"];
    prop::collection::vec(prop::sample::select(letters), 0..24).prop_map(|letters| letters.concat())
}

/// Past failures: a position inside a letter, a look-around that leads nowhere, and one in an empty loop.
#[test]
fn looks_are_where_it_is_easy_to_go_wrong() {
    for (expression, text) in [
        (r"(?:(?-u:\B))[abé]", "1é1 1"),
        (r"(?:(?:b[^a]^|(?:[^a])*?))[abé]", "\nabbaa"),
        (r"(?:(?:(?:\B|b))*)[abé]", "1ba"),
        (r"\b\w+\b", "über — café a\u{301}b"),
    ] {
        assert_eq!(finds(expression, text), expected(expression, text), "{expression} in {text:?}");
    }
}

proptest! {
    #[test]
    fn it_finds_what_regex_finds(expression in expressions(), text in texts()) {
        prop_assert_eq!(finds(&expression, &text), expected(&expression, &text), "{} in {:?}", expression, text);
    }

    #[test]
    fn it_tells_which_are_there(several in prop::collection::vec(expressions(), 1..5), text in texts()) {
        let hirs: Vec<Hir> = several.iter().map(|expression| syntax::parse(expression).unwrap()).collect();
        let mut found = Which::of(&hirs, MOST).unwrap().all(&text, &Steps::at_most(u64::MAX)).unwrap();
        found.sort_unstable();
        let expected: Vec<usize> = regex::RegexSet::new(&several).unwrap().matches(&text).into_iter().collect();
        prop_assert_eq!(found, expected, "{:?} in {:?}", several, text);
    }
}
