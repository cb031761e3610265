//! Generated parts of the documents, between named markers.

use std::{env, fs};

const END: &str = "<!-- end -->";

/// Checks that the part `name` of a page is `text`. With `UPDATE_DOCS=1`, writes it.
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test")]
pub fn holds(page: &str, name: &str, text: &str) {
    let path = format!("{}/../../docs/{page}", env!("CARGO_MANIFEST_DIR"));
    let mut whole = fs::read_to_string(&path).unwrap();
    let begin = format!("<!-- {name} -->\n");
    let start = whole.find(&begin).unwrap_or_else(|| panic!("{page} has no marker {begin}")) + begin.len();
    let end = start + whole[start..].find(END).unwrap_or_else(|| panic!("{page}: no {END} after {begin}"));
    if env::var_os("UPDATE_DOCS").is_some() {
        whole.replace_range(start..end, text);
        fs::write(&path, whole).unwrap();
    } else {
        assert_eq!(&whole[start..end], text, "{page}, {name}: run the tests with UPDATE_DOCS=1");
    }
}
