//! An operator's own price table: read once, and accepted or rejected as a whole.
//!
//! It has the format of Sluice's own table, whose header names the columns, or it is LiteLLM's list; the first character tells which. The
//! file is untrusted: its size is limited, and each mistake has its line.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use sluice_core::suggest::one_of;
use sluice_wire::calendar;

use super::row::{Columns, Wrong};
use super::{Listed, litellm};

/// LiteLLM's list has 3.5 MB.
const LARGEST: u64 = 16 << 20;
/// Maximum number of reported mistakes.
const MOST_DIAGNOSTICS: usize = 20;
/// Maximum length of the description that is shown.
const LONGEST_WORDS: usize = 100;

/// The content of an operator's table.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Own {
    pub rows: Vec<Listed>,
    /// Missing columns, whose values come from Sluice's own table.
    pub silent: Vec<&'static str>,
    /// Its description and modification date.
    pub words: String,
}

/// What was found, and what is expected.
pub(super) type Fault = (String, String);

/// The columns that a table may omit.
const MAY_BE_SILENT: [&str; 3] = ["max_input", "max_output", "capabilities"];

/// Reads the table at a path. `providers` are those that a gateway file can mean.
pub(super) fn read(path: &Path, providers: &[&str]) -> Result<Own, Vec<Fault>> {
    let (text, changed) = load(path).map_err(|found| vec![(found, "a table of prices".to_owned())])?;
    let text = text.trim_start_matches('\u{feff}');
    let own = if text.trim_start().starts_with('{') { list(text, providers) } else { table(text, providers) };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let fault = |(line, wrong): (usize, Wrong)| {
        let column = if wrong.column.is_empty() { String::new() } else { format!(", {}", wrong.column) };
        (format!("{} ({name}, line {line}{column})", wrong.found), wrong.expected)
    };
    let own = own.map_err(|wrong| wrong.into_iter().map(fault).collect::<Vec<_>>())?;
    Ok(Own { words: format!("{}; changed {changed}", own.words), ..own })
}

/// Returns its text and modification day, or the reason why it cannot be read.
fn load(path: &Path) -> Result<(String, String), String> {
    let cannot = |error: std::io::Error| format!("no readable file {}: {error}", path.display());
    let about = std::fs::metadata(path).map_err(cannot)?;
    // Other file types may never end, or block.
    if !about.is_file() {
        return Err(format!("{}, which is not a file", path.display()));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("{}, which is larger than {} MiB", path.display(), LARGEST >> 20));
    }
    let changed = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("{}, which is not UTF-8 in line {line}", path.display())
    })?;
    Ok((text, calendar::date(changed.as_secs() / 86_400)))
}

fn list(text: &str, providers: &[&str]) -> Result<Own, Vec<(usize, Wrong)>> {
    let rows = litellm::read(text, |provider| providers.contains(&provider)).map_err(|wrong| vec![wrong])?;
    Ok(Own { rows, silent: Vec::new(), words: "litellm's list".to_owned() })
}

fn table(text: &str, providers: &[&str]) -> Result<Own, Vec<(usize, Wrong)>> {
    let mut own = Own { words: words(text), ..Own::default() };
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty());
    let Some((line, head)) = lines.next() else {
        return Err(vec![(1, Wrong::new("", "", "a header line with the names of the columns"))]);
    };
    let columns = Columns::read(head).map_err(|wrong| vec![(line, wrong)])?;
    own.silent = MAY_BE_SILENT.into_iter().filter(|name| !columns.has(name)).collect();
    let (mut wrong, mut first) = (Vec::new(), HashMap::new());
    for (number, line) in lines {
        let read = columns.row(line).and_then(|(provider, model, known)| {
            if !providers.contains(&provider) {
                return Err(Wrong::new("provider", provider, &one_of(provider, providers.iter().copied())));
            }
            match first.insert((provider, model), number) {
                Some(before) => Err(Wrong::new("model", model, &format!("each model once: line {before} also has it"))),
                None => Ok((provider.to_owned(), model.to_owned(), known)),
            }
        });
        match read {
            Ok(row) => own.rows.push(row),
            Err(more) => wrong.push((number, more)),
        }
        if wrong.len() == MOST_DIAGNOSTICS {
            break;
        }
    }
    if wrong.is_empty() { Ok(own) } else { Err(wrong) }
}

/// The printable part of the first comment.
fn words(text: &str) -> String {
    let comment = text.lines().next().and_then(|line| line.strip_prefix('#')).unwrap_or_default().trim();
    let shown: String = comment.chars().filter(|letter| !letter.is_control()).take(LONGEST_WORDS).collect();
    if shown.is_empty() { "without a comment".to_owned() } else { format!("{shown:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROVIDERS: [&str; 2] = ["openai", "mine"];
    const TABLE: &str = "# Ours, of November\nprovider\tmodel\tinput\toutput\n\nopenai\tgpt-9\t1\t2\r\nmine\tm\t0\t0\n";

    fn read_text(text: impl AsRef<[u8]>) -> Result<Own, Vec<String>> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("prices.tsv");
        std::fs::write(&path, text).unwrap();
        let said = |(found, expected): Fault| format!("{found}: {expected}");
        read(&path, &PROVIDERS).map_err(|faults| faults.into_iter().map(said).collect())
    }

    #[test]
    fn a_table_is_read_and_says_what_it_is() {
        let own = read_text(TABLE).unwrap();
        let names: Vec<_> = own.rows.iter().map(|(provider, model, _)| format!("{provider} {model}")).collect();
        assert_eq!(names, ["openai gpt-9", "mine m"]);
        assert_eq!((own.rows[0].2.price.input, own.rows[0].2.price.output), (1.0, 2.0));
        assert_eq!(own.silent, ["max_input", "max_output", "capabilities"]);
        assert!(own.words.starts_with("\"Ours, of November\"; changed 20"), "{}", own.words);
        let odd = format!("# \u{1b}[2J{}\n{}", "x".repeat(1000), TABLE);
        assert!(read_text(odd).unwrap().words.starts_with(&format!("\"[2J{}\"", "x".repeat(97))));
        assert_eq!(read_text(format!("\u{feff}{TABLE}")).unwrap().rows.len(), 2);
    }

    #[test]
    fn litellms_list_is_told_by_its_first_letter() {
        let list = "\n {\"gpt-9\": {\"litellm_provider\": \"openai\", \"mode\": \"chat\", \
                    \"input_cost_per_token\": 1e-6, \"output_cost_per_token\": 2e-6}, \
                    \"no/m\": {\"litellm_provider\": \"no\"}}";
        let own = read_text(list).unwrap();
        assert_eq!((own.rows.len(), own.rows[0].2.price.output, own.silent.len()), (1, 2.0, 0));
        assert!(own.words.starts_with("litellm's list; changed 20"), "{}", own.words);
        let wrong = read_text(list.replace("1e-6", "-1")).unwrap_err();
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].starts_with("\"-1000000\" (prices.tsv, line 2, gpt-9, input): US dollars"), "{wrong:?}");
    }

    #[test]
    fn every_line_that_is_wrong_is_named_with_its_column() {
        let text = TABLE.replace("openai\tgpt-9\t1\t2", "opnai\tgpt-9\t1\t2\nopenai\tgpt-9\t-1\t2\nmine\tm\t1\t2");
        assert_eq!(
            read_text(text).unwrap_err(),
            [
                "\"opnai\" (prices.tsv, line 4, provider): one of: openai, mine (did you mean \"openai\"?)",
                "\"-1\" (prices.tsv, line 5, input): US dollars per million tokens: 0, or from 0.000001 to 1000000",
                "\"m\" (prices.tsv, line 7, model): each model once: line 6 also has it",
            ]
        );
        let unknown = read_text(TABLE.replace("output", "outputs")).unwrap_err();
        assert!(unknown[0].starts_with("\"outputs\" (prices.tsv, line 2, outputs): one of: provider, "), "{unknown:?}");
        let many = format!("provider\tmodel\tinput\toutput\n{}", "x\n".repeat(1000));
        assert_eq!(read_text(many).unwrap_err().len(), MOST_DIAGNOSTICS);
        for nothing in ["", "\n\n", "# only words\n"] {
            assert!(read_text(nothing).unwrap_err()[0].contains("a head"), "{nothing:?}");
        }
    }

    #[test]
    fn what_is_no_table_is_not_read_and_never_waited_for() {
        let of = |path: &Path| read(path, &PROVIDERS).unwrap_err().remove(0).0;
        let directory = tempfile::tempdir().unwrap();
        assert!(of(&directory.path().join("none")).contains("no readable file"));
        assert!(of(directory.path()).ends_with("which is not a file"));
        assert!(of(Path::new("/dev/zero")).ends_with("which is not a file"));
        let large = directory.path().join("large");
        File::create(&large).unwrap().set_len(LARGEST + 1).unwrap();
        assert!(of(&large).ends_with("which is larger than 16 MiB"));
        assert!(read_text(b"a\n\xff").unwrap_err()[0].contains("which is not UTF-8 in line 2"));
    }
}
