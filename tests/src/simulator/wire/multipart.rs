//! Reads multipart forms strictly: a part without a name, or a form without its end, is an error.

use super::openai;
use crate::simulator::call::Call;
use crate::simulator::reply::Refusal;

#[derive(Debug)]
pub struct Form(Vec<Part>);

#[derive(Debug)]
pub struct Part {
    name: String,
    /// The file name, if the part is a file.
    pub filename: Option<String>,
    pub content: Vec<u8>,
}

impl Form {
    /// Reads a request's body.
    pub fn read(call: &Call<'_>) -> Result<Self, Refusal> {
        let kind = call.header("content-type");
        let boundary = kind.strip_prefix("multipart/form-data").and_then(|rest| rest.split_once("boundary="));
        let boundary = boundary.map(|(_, boundary)| boundary.split(';').next().unwrap_or("").trim_matches('"'));
        let boundary = boundary.filter(|boundary| !boundary.is_empty());
        let wrong = || Refusal::invalid("Could not parse multipart form.");
        let delimiter = format!("\r\n--{}", boundary.ok_or_else(wrong)?);
        let whole = [b"\r\n", &call.body[..]].concat();
        let mut pieces = split(&whole, delimiter.as_bytes()).into_iter().skip(1);
        let mut parts = Vec::new();
        loop {
            let piece = pieces.next().ok_or_else(wrong)?;
            if piece.starts_with(b"--") {
                return Ok(Self(parts));
            }
            let piece = piece.strip_prefix(b"\r\n").ok_or_else(wrong)?;
            parts.push(Part::read(piece).ok_or_else(wrong)?);
        }
    }

    /// The first part with this name.
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.0.iter().find(|part| part.name == name)
    }

    /// The text of a part.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(&self.part(name)?.content).ok()
    }

    /// A required file part.
    pub fn file(&self, name: &str) -> Result<&Part, Refusal> {
        let part = self.part(name).filter(|part| part.filename.is_some() && !part.content.is_empty());
        part.ok_or_else(|| Refusal::invalid(format!("Missing required parameter: '{name}'.")))
    }

    /// A required text part.
    pub fn required(&self, name: &str) -> Result<&str, Refusal> {
        openai::required(self.text(name), name)
    }
}

impl Part {
    fn read(piece: &[u8]) -> Option<Self> {
        let end = piece.windows(4).position(|window| window == b"\r\n\r\n")?;
        let (head, content) = (std::str::from_utf8(&piece[..end]).ok()?, piece[end + 4..].to_vec());
        let disposition =
            head.split("\r\n").find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
        let parameter = |name: &str| {
            let mut fields = disposition.split(';').map(str::trim);
            let value = fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))?;
            Some(value.trim_matches('"').to_owned())
        };
        Some(Self { name: parameter("name")?, filename: parameter("filename"), content })
    }
}

fn split<'a>(bytes: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut left = bytes;
    while let Some(at) = left.windows(delimiter.len()).position(|window| window == delimiter) {
        pieces.push(&left[..at]);
        left = &left[at + delimiter.len()..];
    }
    pieces.push(left);
    pieces
}
