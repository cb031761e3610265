//! "Did you mean": suggests valid names for an invalid one.

/// The most names in a message; the rest are only counted.
const LISTED: usize = 12;

/// The candidate closest to `name`, if one is close enough to be a likely typo.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(&name, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `one of: anthropic, openai (did you mean "openai"?)`.
pub fn one_of<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let mut text = match candidates.as_slice() {
        [only] => format!("{only:?}"),
        all => format!("one of: {}", all.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ")),
    };
    if candidates.len() > LISTED {
        text += &format!(", and {} more", candidates.len() - LISTED);
    }
    if let (Some(meant), true) = (closest(name, candidates.iter().copied()), candidates.len() > 1) {
        text += &format!(" (did you mean {meant:?}?)");
    }
    text
}

/// Levenshtein distance: the least number of characters to insert, delete or replace.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut left = i + 1;
        next.push(left);
        for (pair, to) in row.windows(2).zip(&b) {
            let &[diagonal, above] = pair else { continue };
            left = (diagonal + usize::from(from != *to)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn distances() {
        for (a, b, expected) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("opnai", "openai", 1)] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn only_close_names_are_suggested() {
        assert_eq!(closest("opnai", ["anthropic", "openai"]), Some("openai"));
        assert_eq!(closest("OpenAI", ["anthropic", "openai"]), Some("openai"));
        assert_eq!(closest("bedrock", ["anthropic", "openai"]), None);
    }

    #[test]
    fn long_lists_are_counted() {
        let names: Vec<String> = (0..40).map(|n| format!("model-{n}")).collect();
        let text = one_of("x", names.iter().map(String::as_str));
        assert!(text.ends_with("model-11, and 28 more"), "{text}");
    }
}
