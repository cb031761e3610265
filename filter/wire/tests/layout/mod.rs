//! Readable JSON that keeps field order and spelling: a value that fits is on one line.

const WIDTH: usize = 120;

enum Node<'a> {
    Leaf(&'a str),
    Nest { ends: [char; 2], entries: Vec<(Option<&'a str>, Node<'a>)> },
}

pub fn laid_out(json: &str) -> String {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(json) {
        panic!("{error}: {json}");
    }
    let mut out = String::new();
    write(&node(&mut json.trim_start()), 0, 0, &mut out);
    out.push('\n');
    out
}

/// Takes a value from the start of `rest`, which is JSON.
fn node<'a>(rest: &mut &'a str) -> Node<'a> {
    let ends = match rest.chars().next() {
        Some('{') => ['{', '}'],
        Some('[') => ['[', ']'],
        _ => return Node::Leaf(leaf(rest)),
    };
    *rest = rest[1..].trim_start();
    let mut entries = Vec::new();
    while !rest.starts_with(ends[1]) {
        let name = (ends[0] == '{').then(|| leaf(rest));
        *rest = rest.trim_start().trim_start_matches(':').trim_start();
        entries.push((name, node(rest)));
        *rest = rest.trim_start().trim_start_matches(',').trim_start();
    }
    *rest = &rest[1..];
    Node::Nest { ends, entries }
}

/// Takes a text, a number or a literal.
fn leaf<'a>(rest: &mut &'a str) -> &'a str {
    let mut escaped = false;
    let is_end = |(at, letter): &(usize, char)| {
        if rest.starts_with('"') {
            let end = *at > 0 && *letter == '"' && !escaped;
            escaped = *letter == '\\' && !escaped;
            return end;
        }
        matches!(letter, ',' | '}' | ']') || letter.is_whitespace()
    };
    let end = rest.char_indices().find(is_end).map_or(rest.len(), |(at, _)| at);
    let (leaf, others) = rest.split_at(if rest.starts_with('"') { end + 1 } else { end });
    *rest = others;
    leaf
}

fn flat(node: &Node<'_>) -> String {
    match node {
        Node::Leaf(text) => (*text).to_owned(),
        Node::Nest { ends: [open, close], entries } => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(name, node)| name.map_or_else(|| flat(node), |name| format!("{name}: {}", flat(node))))
                .collect();
            format!("{open}{}{close}", entries.join(", "))
        }
    }
}

/// Writes a value at `column` of a line indented by `indent`.
fn write(node: &Node<'_>, indent: usize, column: usize, out: &mut String) {
    let line = flat(node);
    match node {
        Node::Nest { ends: [open, close], entries } if column + line.chars().count() > WIDTH => {
            out.push(*open);
            for (index, (name, node)) in entries.iter().enumerate() {
                let head = name.map_or_else(String::new, |name| format!("{name}: "));
                out.push_str(&format!("{}\n{:2$}{head}", if index > 0 { "," } else { "" }, "", indent + 2));
                write(node, indent + 2, indent + 2 + head.chars().count(), out);
            }
            out.push_str(&format!("\n{:1$}{close}", "", indent));
        }
        _ => out.push_str(&line),
    }
}
