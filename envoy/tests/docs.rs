//! Compares the documentation with the gateway file's schema, and checks its examples and links.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "the helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sluice::check::schema::{follow, schema};
use sluice::check::{check_in, yaml_of};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const REFERENCE: &str = include_str!("../../docs/reference.md");

/// A row of the table of fields: the names in its first column, and the words in the backticks of the others.
struct Row {
    names: Vec<String>,
    words: BTreeSet<String>,
}

/// The texts in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn rows() -> Vec<Row> {
    let (_, section) = REFERENCE.split_once("\n## Gateway file\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let row = |line: &str| {
        let (first, rest) = line.strip_prefix("| `")?.split_once(" | ")?;
        let mut names: Vec<String> = Vec::new();
        for name in quoted(&format!("`{first}")) {
            // `.name` has the parent of the name before it.
            let parent = names.last().filter(|_| name.starts_with('.')).and_then(|last| last.rsplit_once('.'));
            names.push(parent.map_or_else(|| name.to_owned(), |(parent, _)| format!("{parent}{name}")));
        }
        let words = quoted(rest).flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
        Some(Row { names, words: words.map(str::to_owned).collect() })
    };
    section.lines().filter_map(row).collect()
}

/// Whether a field is below this name. `….limits` means every `limits`.
fn is_below(path: &str, name: &str) -> bool {
    match name.strip_prefix('…') {
        Some(end) => path.contains(&format!("{end}.")),
        None => path.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '['])),
    }
}

/// Whether a row names the field or fields of it, or names what it is a part of and quotes the field's own name.
fn is_documented(path: &str, rows: &[Row]) -> bool {
    let own = path.rsplit('.').next().unwrap();
    rows.iter().any(|row| {
        row.names.iter().any(|name| {
            let is_named = path == name || name.strip_prefix('…').is_some_and(|end| path.ends_with(end));
            is_named || is_below(name, path) || (is_below(path, name) && row.words.contains(own))
        })
    })
}

/// The places of each field in the file. A section that occurs at several places, such as `limits`, has each field once.
#[derive(Default)]
struct Fields(BTreeMap<(String, String), BTreeSet<String>>);

impl Fields {
    fn collect(&mut self, root: &Value, part: &Value, path: &str, section: &str) {
        if let Some(name) = part["$ref"].as_str() {
            self.collect(root, follow(root, part).unwrap(), path, name);
        }
        let alternatives = ["anyOf", "oneOf", "allOf"].iter().filter_map(|word| part[word].as_array()).flatten();
        for alternative in alternatives {
            self.collect(root, alternative, path, section);
        }
        for (name, field) in part["properties"].as_object().into_iter().flatten() {
            let place = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            self.0.entry((section.to_owned(), name.clone())).or_default().insert(place.clone());
            self.collect(root, field, &place, &format!("{section}.{name}"));
        }
        for (word, below) in [("additionalProperties", ".*"), ("items", "[]")] {
            if part[word].is_object() {
                self.collect(root, &part[word], &format!("{path}{below}"), section);
            }
        }
    }

    fn of_the_file() -> Self {
        let (root, mut fields) = (schema(), Self::default());
        fields.collect(&root, &root, "", "");
        fields
    }
}

#[test]
fn every_field_of_the_gateway_file_is_in_the_reference() {
    let (fields, rows) = (Fields::of_the_file(), rows());
    assert!(fields.0.len() > 200 && rows.len() > 50, "{} fields, {} rows", fields.0.len(), rows.len());
    let missing = fields.0.values().filter(|places| !places.iter().any(|place| is_documented(place, &rows)));
    let missing: Vec<_> = missing.filter_map(BTreeSet::first).collect();
    assert!(missing.is_empty(), "docs/reference.md has no row for {missing:#?}");
}

#[test]
fn the_reference_has_no_field_that_the_gateway_file_lacks() {
    let fields = Fields::of_the_file();
    let places: Vec<&String> = fields.0.values().flatten().collect();
    let exists = |name: &str| match name.strip_prefix('…') {
        Some(end) => places.iter().any(|place| place.ends_with(end)),
        None => places.iter().any(|place| *place == name || is_below(place, name)),
    };
    for name in rows().iter().flat_map(|row| &row.names) {
        assert!(exists(name), "{name}");
    }
}

/// The pages for operators.
fn pages() -> Vec<PathBuf> {
    let directory = fs::read_dir(Path::new(ROOT).join("docs")).unwrap();
    let pages =
        directory.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|is| is == "md"));
    pages.chain([Path::new(ROOT).join("README.md")]).collect()
}

/// The YAML blocks that have only sections of a gateway file, without the blocks of other tools' files.
fn examples(page: &str) -> Vec<String> {
    let sections = schema()["properties"].clone();
    let blocks = page.split("\n```yaml\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
    let is_gateway_file = |block: &&str| {
        let is_section = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
        let names: Vec<&str> = block.lines().filter(is_section).filter_map(|line| line.split(':').next()).collect();
        !names.is_empty() && names.iter().all(|name| sections.get(name).is_some())
    };
    blocks.filter(is_gateway_file).map(str::to_owned).collect()
}

/// All texts that stand below this name.
fn named(value: &Value, name: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(name).and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| named(field, name, found));
        }
        Value::Array(items) => items.iter().for_each(|item| named(item, name, found)),
        _ => {}
    }
}

/// The example with what it refers to and lacks: providers, teams and models. It gets no keys.
fn completed(mut file: Value) -> String {
    let all = |name: &str| {
        let mut found = BTreeSet::new();
        named(&file, name, &mut found);
        found
    };
    let priced = file["prices"]["models"].as_object().into_iter().flat_map(Map::keys);
    let priced = priced.filter_map(|name| name.split_once('/'));
    let served: Vec<_> = priced.chain([("openai", "gpt-5-mini")]).collect();
    let providers = all("provider").into_iter().chain(served.iter().map(|(provider, _)| (*provider).to_owned()));
    let providers: Map<_, _> = providers.map(|name| (name, json!({ "kind": "openai" }))).collect();
    let teams: Map<_, _> = all("team").into_iter().map(|name| (name, json!({}))).collect();
    let target = |(provider, model): &(&str, &str)| json!({ "provider": provider, "model": model });
    let models = json!({ "chat": { "targets": served.iter().map(target).collect::<Vec<_>>() } });
    let mut complete = json!({ "providers": providers, "teams": teams, "models": models, "keys": [] });
    for (section, value) in file.as_object_mut().unwrap() {
        match (complete[&**section].as_object_mut(), value.as_object_mut()) {
            (Some(added), Some(own)) if section != "models" => added.append(own),
            _ => complete[&**section] = value.take(),
        }
    }
    complete.to_string()
}

#[test]
fn every_example_of_a_gateway_file_is_valid() {
    let (mut mistakes, mut count) = (Vec::new(), 0);
    for page in pages() {
        for block in examples(&fs::read_to_string(&page).unwrap()) {
            count += 1;
            let file = yaml_of(&block.replace('…', &"0".repeat(64))).unwrap_or_else(|fault| panic!("{fault}\n{block}"));
            let checked = check_in(&completed(file), &Path::new(ROOT).join("examples"));
            let found = checked.err().into_iter().flatten();
            mistakes.extend(found.map(|located| format!("{}: {}\n{block}", page.display(), located.diagnostic)));
        }
    }
    assert!(count > 20, "{count} examples");
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n\n"));
}

/// The text without code blocks.
fn prose(page: &str) -> String {
    page.split("```").step_by(2).collect()
}

/// The anchor that a heading has on the web: its words in lower case, joined by hyphens.
fn anchor(heading: &str) -> String {
    let lower = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_between_pages_leads_to_a_heading() {
    let (mut broken, mut count) = (Vec::new(), 0);
    for page in pages() {
        let text = prose(&fs::read_to_string(&page).unwrap());
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        for link in links.filter(|link| !link.starts_with("http")) {
            count += 1;
            let (file, name) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let has_heading = |text: String| {
                name.is_empty() || prose(&text).lines().any(|line| line.starts_with('#') && anchor(line) == name)
            };
            if !target.is_dir() && !fs::read_to_string(&target).is_ok_and(has_heading) {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(count > 200, "{count} links");
    assert!(broken.is_empty(), "{broken:#?}");
}
