//! The transformation: fits every subschema to the rules.
//!
//! It walks a finite tree. A `$ref` is followed only to inline its definition, never inside that definition, and only while the schema
//! stays within [`MOST_NODES`].

use std::borrow::Cow;

use super::Rules;
use super::tree::{MOST_NODES, Node, text};

/// The changes made to a schema.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Whether there are any.
    pub(super) any: bool,
    /// Removed keywords, without duplicates.
    pub(super) gone: Vec<String>,
}

/// The most definitions that may be inlined into each other.
const DEEPEST: usize = 16;

type Entries<'a> = Vec<(Cow<'a, str>, Node<'a>)>;

struct Pass<'a, 'r> {
    rules: &'r Rules,
    /// The original targets of `$ref`, by name: `#/$defs/City`.
    definitions: Vec<(String, Node<'a>)>,
    /// The definitions that are being inlined.
    inside: Vec<String>,
    /// How many more values may be inlined.
    room: usize,
    changes: Changes,
}

pub(super) fn apply<'a>(schema: Node<'a>, rules: &Rules) -> (Node<'a>, Changes) {
    let room = MOST_NODES.saturating_sub(schema.size());
    let definitions = definitions(&schema);
    let mut pass = Pass { rules, definitions, inside: Vec::new(), room, changes: Changes::default() };
    let schema = pass.schema(schema);
    (schema, pass.changes)
}

fn definitions<'a>(schema: &Node<'a>) -> Vec<(String, Node<'a>)> {
    let Node::Object(entries) = schema else { return Vec::new() };
    let mut found = Vec::new();
    for (section, value) in entries {
        if let ("$defs" | "definitions", Node::Object(defined)) = (&**section, value) {
            found.extend(defined.iter().map(|(name, schema)| (format!("#/{section}/{name}"), schema.clone())));
        }
    }
    found
}

impl<'a> Pass<'a, '_> {
    fn schema(&mut self, schema: Node<'a>) -> Node<'a> {
        match schema {
            Node::Object(entries) => self.object(entries),
            // `true` and `false` are schemas too.
            other => other,
        }
    }

    fn object(&mut self, entries: Entries<'a>) -> Node<'a> {
        let (entries, pointed) = self.alone(entries);
        let mut entries: Entries<'a> = entries.into_iter().map(|(word, value)| self.word(word, value)).collect();
        if let Some(words) = self.rules.words {
            self.describe(&mut entries, words);
        }
        if self.rules.closed {
            self.close(&mut entries);
        }
        if pointed {
            self.inside.pop();
        }
        Node::Object(entries)
    }

    /// Makes a `$ref` stand alone: inlines its definition, or removes its siblings. Returns whether the definition was inlined, and is thus
    /// in `inside`.
    fn alone(&mut self, mut entries: Entries<'a>) -> (Entries<'a>, bool) {
        let reference = entries.iter().find(|(word, _)| word == "$ref").and_then(|(_, name)| name.as_text());
        let (Some(name), true) = (reference, entries.iter().any(|(word, _)| !word.starts_with('$'))) else {
            return (entries, false);
        };
        self.changes.any = true;
        let definition = match self.inside.contains(&name) || self.inside.len() >= DEEPEST {
            true => None,
            false => self.definitions.iter().find(|(known, _)| *known == name).map(|(_, schema)| schema),
        };
        let fits = |definition: &&Node<'a>| definition.size() <= self.room;
        if let Some(Node::Object(defined)) = definition.filter(fits) {
            self.room = self.room.saturating_sub(definition.map_or(0, Node::size));
            let beside = |word: &str| entries.iter().any(|(own, _)| own == word);
            let mut whole: Entries<'a> = defined.iter().filter(|(word, _)| !beside(word)).cloned().collect();
            entries.retain(|(word, _)| word != "$ref");
            whole.append(&mut entries);
            self.inside.push(name);
            return (whole, true);
        }
        for (word, _) in entries.iter().filter(|(word, _)| !word.starts_with('$')) {
            gone(&mut self.changes, word);
        }
        entries.retain(|(word, _)| word.starts_with('$'));
        (entries, false)
    }

    /// Transforms the schemas in a keyword's value.
    fn word(&mut self, word: Cow<'a, str>, value: Node<'a>) -> (Cow<'a, str>, Node<'a>) {
        let value = match (&*word, value) {
            (
                "properties" | "$defs" | "definitions" | "patternProperties" | "dependentSchemas",
                Node::Object(named),
            ) => Node::Object(named.into_iter().map(|(name, schema)| (name, self.schema(schema))).collect()),
            ("anyOf" | "oneOf" | "allOf" | "prefixItems" | "items", Node::Array(schemas)) => {
                Node::Array(schemas.into_iter().map(|schema| self.schema(schema)).collect())
            }
            (
                "items"
                | "additionalProperties"
                | "not"
                | "if"
                | "then"
                | "else"
                | "contains"
                | "propertyNames"
                | "unevaluatedItems"
                | "unevaluatedProperties",
                schema,
            ) => self.schema(schema),
            (_, value) => value,
        };
        (word, value)
    }

    /// Moves keywords that are not among `words` into the description, where the model may follow them.
    fn describe(&mut self, entries: &mut Entries<'a>, words: &[&str]) {
        let stays = |word: &str, value: &Node<'_>| match word {
            "format" => value.as_text().is_some_and(|format| FORMATS.contains(&&*format)),
            "minItems" => matches!(value, Node::Raw(raw) if matches!(&**raw, "0" | "1")),
            _ => words.contains(&word),
        };
        let mut told = String::new();
        for (word, value) in entries.iter().filter(|(word, value)| !stays(word, value)) {
            if !told.is_empty() {
                told.push_str(", ");
            }
            told.push_str(&format!("{word}: {}", value.written()));
            gone(&mut self.changes, word);
        }
        if told.is_empty() {
            return;
        }
        self.changes.any = true;
        entries.retain(|(word, value)| stays(word, value));
        // A `$ref` takes no description.
        if entries.iter().any(|(word, _)| word == "$ref") {
            return;
        }
        let known = entries.iter_mut().find(|(word, _)| word == "description");
        let before = known.as_ref().and_then(|(_, description)| description.as_text());
        let told = before.map_or_else(|| format!("{{{told}}}"), |before| format!("{before}\n\n{{{told}}}"));
        let told = Node::Raw(text(&told).into());
        match known {
            Some((_, description)) => *description = told,
            None => entries.push(("description".into(), told)),
        }
    }

    /// Forbids additional properties in objects, and replaces `oneOf` by `anyOf`.
    fn close(&mut self, entries: &mut Entries<'a>) {
        let any_of = entries.iter().any(|(word, _)| word == "anyOf");
        for (word, _) in entries.iter_mut().filter(|(word, _)| word == "oneOf" && !any_of) {
            *word = "anyOf".into();
            self.changes.any = true;
        }
        let is_object = |(word, value): &(Cow<'_, str>, Node<'_>)| match &**word {
            "properties" => true,
            "type" => {
                value.is_text("object")
                    || matches!(value, Node::Array(types) if types.iter().any(|of| of.is_text("object")))
            }
            _ => false,
        };
        let is_false = |value: &Node<'_>| matches!(value, Node::Raw(raw) if &**raw == "false");
        if let Some((_, value)) = entries.iter_mut().find(|(word, _)| word == "additionalProperties") {
            if !is_false(value) {
                *value = Node::Raw("false".into());
                self.changes.any = true;
                gone(&mut self.changes, "additionalProperties");
            }
        } else if entries.iter().any(is_object) {
            entries.push(("additionalProperties".into(), Node::Raw("false".into())));
            self.changes.any = true;
        }
    }
}

/// The string formats that Anthropic supports.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// Records a removed keyword. One with unusual characters may be any data and is recorded as `*`.
fn gone(changes: &mut Changes, word: &str) {
    let plain = word.len() <= 40
        && word.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '$' | '-' | '_'));
    let word = if plain { word } else { "*" };
    if !changes.gone.iter().any(|known| known == word) {
        changes.gone.push(word.to_owned());
    }
}
