//! Reads a text into its signature.

use super::lexicon::{
    BE, DO, ENGLISH, FREE, FUTURE, Lexicon, MUST, Meaning, PAST, PORTUGUESE, PRESENT, UNKNOWN, WHY, is_in,
};
use super::pieces::{LONGEST, Part, Piece, pieces};
use super::stem::stem;
use super::{ANYWHERE, EXACT, Features, Form, Kind, MOST, Signature, Token};

/// The words that decide the language.
const VOTERS: usize = 40;

/// Verbs whose past is also their participle: "I paid", "I was paid".
const PAST_FORMS: &str = "paid sent sold told taught hit hurt beat left lost found held fed";

/// Words that are mostly dropped, or verbs, and count beside these words: "north of Korea", "a can", "type I"; "a few" is not "few".
const PAIRS: &str = "north-of south-of east-of west-of a-can the-can a-will the-will a-must the-might type-i class-i part-i stage-i \
                     phase-i a-few a-little a-and a-or a-in a-on a-by a-to a-is a-from a-with";

/// Words between clauses, by language.
const CONJUNCTIONS: [&str; 7] = [
    "and or but if whether",
    "und oder aber wenn ob als",
    "et ou mais si",
    "y o pero si",
    "e o ma se",
    "en of maar als",
    "e ou mas se",
];

impl Lexicon {
    /// The signature of a text; `None` if it is longer than 8 KiB.
    pub fn signature(&self, text: &str) -> Option<Signature> {
        if text.len() > LONGEST {
            return None;
        }
        let mut pieces = pieces(text, MOST);
        let (language, certain) = self.language(text, &pieces);
        in_front_to_the_end(&mut pieces);
        let small: Vec<String> = pieces.iter().map(|piece| piece.small(language)).collect();
        let words: Vec<&str> = small.iter().map(String::as_str).collect();
        let meanings: Vec<_> = words.iter().map(|word| self.meaning(language, self.hash(word))).collect();
        let is_raw = |meaning: &Option<Meaning>| matches!(meaning, Some(Meaning::Raw));
        let raw = meanings.iter().position(is_raw).unwrap_or(usize::MAX);
        let mut reading = Reading::new(self, language, raw != usize::MAX);
        reading.literal = meanings.iter().any(|meaning| matches!(meaning, Some(Meaning::Raw | Meaning::Literal)));
        reading.features.language = certain;
        let mut at = 0;
        while let (Some(piece), Some(word)) = (pieces.get(at), words.get(at)) {
            reading.clauses |= piece.first && reading.last != Last::Start;
            let rest = words.get(at..raw.min(words.len()).max(at)).unwrap_or_default();
            if let Some((length, replacement)) = self.phrase(rest, reading.last == Last::Start) {
                replacement.split_ascii_whitespace().for_each(|word| reading.word(word, word, false));
                // "Explain supervised learning" asks for nothing in the past.
                if reading.last == Last::Question {
                    reading.last = Last::Other;
                }
                reading.comma = false;
                at += length;
                continue;
            }
            let before = at.checked_sub(1).and_then(|at| words.get(at)).copied().unwrap_or_default();
            at += 1;
            if at > raw.saturating_add(1) && matches!(piece.part, Part::Word { .. }) {
                reading.add(Kind::Word, piece.text);
            } else {
                let next = pieces.get(at).map(|next| next.part);
                reading.piece(piece, word, &Around { before, next, behind: words.get(at..).unwrap_or_default() });
            }
            reading.comma = piece.comma && matches!(reading.last, Last::Content | Last::Month | Last::Number);
        }
        Some(reading.signature())
    }

    /// The language by most function words, or the script; and the same if no other language has as many.
    fn language(&self, text: &str, pieces: &[Piece<'_>]) -> (u8, u8) {
        let letters = || text.chars().filter(|c| c.is_alphabetic());
        let mut foreign = letters().filter(|c| u32::from(*c) >= 0x370);
        if foreign.clone().count() * 2 > letters().count() {
            // The ranges of scripts, coarsely.
            let block = foreign.next().map_or(0, |c| u32::from(c) >> 11);
            let script = u8::try_from(block).unwrap_or(u8::MAX).saturating_add(UNKNOWN + 1);
            return (script, script);
        }
        let mut votes = [0_u16; 7];
        let words = pieces.iter().filter(|piece| matches!(piece.part, Part::Word { joined: false, .. }));
        for word in words.take(VOTERS) {
            let word = word.small(UNKNOWN);
            let (hash, stem) = (self.hash(&word), self.hash(&stem(&word, ENGLISH, false)));
            for (language, votes) in (0..).zip(&mut votes) {
                // Other words that a list has decide only among texts without function words.
                *votes += match self.meaning(language, hash).or_else(|| self.meaning(language, stem)) {
                    None => 0,
                    Some(Meaning::Same(..)) => 1,
                    Some(_) => 64,
                };
            }
        }
        let most = votes.iter().max().copied().unwrap_or_default();
        let mut winners = (0..).zip(votes).filter(|(_, votes)| *votes == most && most > 0);
        let first = winners.next().map_or(UNKNOWN, |(language, _)| language);
        (first, if winners.next().is_some() { UNKNOWN } else { first })
    }
}

/// Moves a phrase such as "In Python," from the front to the end.
fn in_front_to_the_end(pieces: &mut [Piece<'_>]) {
    let begins = pieces.first().is_some_and(|first| ["In", "On", "With", "For", "Using"].contains(&first.text));
    let comma = pieces.iter().take(5).position(|piece| piece.comma);
    if let Some(comma) = comma.filter(|comma| begins && comma + 1 < pieces.len()) {
        pieces.rotate_left(comma + 1);
        let moved = pieces.len() - comma - 1;
        let begins = |(at, piece): (usize, &mut Piece<'_>)| piece.first = at == 0 || piece.first && at != moved;
        pieces.iter_mut().enumerate().for_each(begins);
    }
}

/// A number without separators of thousands, and with a decimal point.
fn digits(text: &str, language: u8) -> String {
    let (thousands, point) = if language == ENGLISH || language == UNKNOWN { (',', '.') } else { ('.', ',') };
    let (whole, fraction) = text.split_once(point).map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let mut groups = whole.split(thousands);
    let front = groups.next().unwrap_or_default();
    let grouped = front.len() <= 4 && groups.all(|group| group.len() == 3);
    if !grouped || fraction.is_some_and(|fraction| fraction.contains([thousands, point])) {
        return text.to_owned();
    }
    let whole = whole.replace(thousands, "");
    fraction.map_or_else(|| whole.clone(), |fraction| format!("{whole}.{fraction}"))
}

/// Whether small and capital letters of a unit differ: mW and MW, Mb and MB, m and M.
fn is_cased(text: &str) -> bool {
    matches!(text.as_bytes(), b"M" | [b'm', .., b'A'..=b'Z'] | [b'A'..=b'Z', b'b'])
}

/// Adds a number to a hash of numbers: a multiplication by the 64 bits of the golden ratio spreads each bit to those above it, and the
/// rotation back to those below.
fn mixed(hash: u64, number: u64) -> u64 {
    (hash.rotate_left(29) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The word before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Start,
    Question,
    /// A word that counts.
    Content,
    /// An auxiliary verb behind such a word: "the app is", before "crashing". Or "how", which stands for "tips for" too.
    Progressive,
    /// I, you or we.
    Subject,
    /// A word before the name of a month.
    Month,
    Number,
    Other,
}

/// The words and parts around a piece.
struct Around<'t> {
    before: &'t str,
    next: Option<Part>,
    behind: &'t [&'t str],
}

struct Reading<'l> {
    lexicon: &'l Lexicon,
    language: u8,
    /// Whether the request is about words: then their forms matter.
    exact: bool,
    /// Whether words of one meaning differ.
    literal: bool,
    features: Features,
    tokens: Vec<Token>,
    /// Whether there are several sentences or clauses.
    clauses: bool,
    /// A hash of the function words and their places.
    places: u64,
    last: Last,
    /// Whether a comma follows the last word, which counts.
    comma: bool,
    /// Whether the verb of "can't" is in front of its subject.
    inverted: bool,
    /// The multiple of ten that the last word was.
    tens: Option<u32>,
}

impl<'l> Reading<'l> {
    fn new(lexicon: &'l Lexicon, language: u8, exact: bool) -> Self {
        let (features, tokens) = (Features::default(), Vec::new());
        Self {
            lexicon,
            language,
            exact,
            literal: exact,
            features,
            tokens,
            clauses: false,
            places: 0,
            last: Last::Start,
            comma: false,
            inverted: false,
            tens: None,
        }
    }

    /// Adds a piece, and its word in small letters.
    fn piece(&mut self, piece: &Piece<'_>, word: &str, around: &Around<'_>) {
        let Around { next, behind, .. } = *around;
        match piece.part {
            // The second half of "it's", of "I'll" and of "don't", but not of "O'Neill".
            Part::Word { joined: true, name } if self.language == ENGLISH => match word {
                "ve" => self.word("have", "have", false),
                "ll" => self.features.auxiliaries |= FUTURE,
                "t" => self.negation(),
                // "Anna's" is no verb.
                "s" if !matches!(self.last, Last::Question | Last::Progressive) => {}
                "s" | "re" | "m" => self.features.auxiliaries |= PRESENT | BE,
                "d" => {}
                _ => self.word(word, piece.text, name),
            },
            Part::Word { .. }
                if matches!(next, Some(Part::Word { joined: true, .. })) && behind.first() == Some(&"t") =>
            {
                // "Can't log in" is no question, "can't I log in" is one.
                let subject =
                    behind.get(1).and_then(|word| self.lexicon.meaning(self.language, self.lexicon.hash(word)));
                self.contraction(word, matches!(subject, Some(Meaning::Pronoun(_))));
            }
            Part::Word { .. } if self.last == Last::Number && is_cased(piece.text) => self.add(Kind::Unit, piece.text),
            Part::Word { .. } if self.counts(word, piece, around) => self.add(Kind::Word, word),
            Part::Word { name, .. } => self.word(word, piece.text, name),
            Part::Number => self.number(&digits(piece.text, self.language)),
            Part::Identifier | Part::Symbol => self.add(Kind::Identifier, piece.text),
            Part::Quotation => self.add(Kind::Quotation, piece.text),
            Part::Url => self.add(Kind::Url, piece.text),
            Part::Currency => self.add(Kind::Currency, piece.text),
            Part::Unit => self.add(Kind::Unit, piece.text),
        }
    }

    /// Whether a word that is mostly dropped, or a verb, counts here.
    fn counts(&self, word: &str, piece: &Piece<'_>, around: &Around<'_>) -> bool {
        let Around { before, next, behind } = *around;
        let is_word = matches!(next, Some(Part::Word { .. }));
        let behind_word = matches!(self.last, Last::Content | Last::Month | Last::Number);
        let behind = behind.first().copied().unwrap_or_default();
        let is_pair = |(one, two): (&str, &str)| (one, two) == (before, word) || (one, two) == (word, behind);
        if PAIRS.split(' ').filter_map(|pair| pair.split_once('-')).any(is_pair) {
            return true;
        }
        let next_meaning = || self.lexicon.meaning(self.language, self.lexicon.hash(behind));
        match word {
            // "Flights to Oslo", but not "how to fly"; "only", but not "I just want".
            "to" | "just" => behind_word,
            // "Vitamin a".
            "a" => !is_word || piece.comma || self.language == PORTUGUESE,
            "may" => self.is_month(next),
            "am" => self.last == Last::Number,
            // "World War I".
            "i" => piece.text == "I" && self.tokens.last().is_some_and(|token| token.kind == Kind::Name) && behind_word,
            // "IT jobs".
            "it" => self.last == Last::Start && !matches!(next_meaning(), Some(Meaning::Auxiliary(_))),
            // "From where", "whose".
            "de" | "di" | "d'" | "von" | "van" => {
                self.last == Last::Start || matches!(next_meaning(), Some(Meaning::Question(_) | Meaning::What))
            }
            _ => false,
        }
    }

    fn add(&mut self, kind: Kind, text: &str) {
        self.push(kind, self.lexicon.hash(text), text);
    }

    /// Adds the verb of a contraction such as "don't", without its apostrophe.
    fn contraction(&mut self, verb: &str, asks: bool) {
        self.inverted = asks || matches!(self.last, Last::Question | Last::Progressive) && self.tokens.len() <= 1;
        if !asks && self.last == Last::Start {
            self.last = Last::Other;
        }
        let verb = match verb.trim_end_matches('n') {
            "ca" => "can",
            "wo" => "will",
            "sha" => "shall",
            verb => verb,
        };
        self.word(verb, verb, false);
    }

    fn push(&mut self, kind: Kind, meaning: u64, form: &str) {
        self.token(kind, meaning, self.lexicon.hash(form));
    }

    fn token(&mut self, kind: Kind, meaning: u64, form: u64) {
        // "Red, wine" is not "red wine".
        if self.comma {
            self.place(3);
        }
        let hash = meaning & !EXACT | form & EXACT;
        match self.tokens.get_mut(MOST - 1) {
            // The last token stands for all that follow.
            Some(rest) => rest.hash = mixed(rest.hash, meaning),
            None => self.tokens.push(Token { hash, kind }),
        }
        self.last = Last::Content;
        self.tens = None;
    }

    fn number(&mut self, digits: &str) {
        self.add(Kind::Number, &format!("#{digits}"));
        self.last = Last::Number;
    }

    /// Adds a number word: to the tens before it, as in "twenty-two".
    fn cardinal(&mut self, value: u32) {
        let tens = match self.tens {
            Some(tens) if (1..10).contains(&value) && !self.comma => self.tokens.pop().map(|_| tens),
            _ => None,
        };
        let value = value + tens.unwrap_or_default();
        self.number(&value.to_string());
        self.tens = (20..100).contains(&value).then_some(value).filter(|value| value % 10 == 0);
    }

    fn negation(&mut self) {
        let (count, before) = (self.features.negations & 7, self.features.negations >> 3);
        let place = self.tokens.len() as u64 % u64::from(ANYWHERE);
        let place = if self.inverted { ANYWHERE } else { (place as u8 + before * 2) % ANYWHERE };
        self.features.negations = place << 3 | (count + 1).min(7);
        self.inverted = false;
        self.place(0);
    }

    /// Notes the place of a function word.
    fn place(&mut self, which: u64) {
        let place = (self.tokens.len() as u64) << 16 | which;
        self.places = mixed(self.places, place);
    }

    fn is_month(&self, next: Option<Part>) -> bool {
        matches!(self.last, Last::Month | Last::Number) || next == Some(Part::Number)
    }

    /// Adds a word in small letters; `form` is as it is written.
    fn word(&mut self, word: &str, form: &str, name: bool) {
        let verb = matches!(self.last, Last::Start | Last::Progressive);
        let stem = if self.exact { word.to_owned() } else { stem(word, self.language, verb) };
        let meaning = self.lexicon.meaning(self.language, self.lexicon.hash(word));
        let hash = self.lexicon.hash(if meaning == Some(Meaning::Cased) { form } else { &stem });
        let by_stem = || self.lexicon.meaning(self.language, hash);
        // "Cans" and "needs" are no auxiliary verbs.
        let listed = |meaning: &Meaning| matches!(meaning, Meaning::Same(..) | Meaning::Number { .. });
        let meaning = meaning.or_else(|| by_stem().filter(listed));
        if name {
            return self.name(word, form, hash, meaning);
        }
        let conjunctions = CONJUNCTIONS.get(usize::from(self.language)).copied().unwrap_or_default();
        self.clauses |= is_in(conjunctions, word);
        let before = self.last;
        self.last = match meaning {
            Some(Meaning::Question(_) | Meaning::What) => Last::Question,
            Some(Meaning::Pronoun(_)) => Last::Subject,
            Some(Meaning::Auxiliary(_)) if before == Last::Content => Last::Progressive,
            Some(Meaning::How) => Last::Progressive,
            _ => Last::Other,
        };
        match meaning {
            Some(Meaning::Same(kind, class)) => {
                self.verb(word, before);
                self.push(kind, if self.literal { hash } else { class }, word);
                if matches!(word, "in" | "since" | "until" | "by" | "from" | "next" | "last" | "early" | "late") {
                    self.last = Last::Month;
                }
            }
            Some(Meaning::Raw | Meaning::Literal | Meaning::Cased) | None => {
                self.verb(word, before);
                // "Reading a file" asks how to read one.
                if before == Last::Start && stem != word && word.ends_with("ing") {
                    self.features.form = Form::How;
                }
                // "Who invented" is in the past as "who was" is.
                if before == Last::Question && self.language == ENGLISH && word.ends_with("ed") {
                    self.features.auxiliaries |= PAST;
                }
                let degree = self.language == ENGLISH && word.ends_with("est") && word.len() > 5;
                self.push(if degree { Kind::Degree } else { Kind::Word }, hash, word);
            }
            Some(meaning) => self.function_word(word, meaning, before == Last::Start),
        }
    }

    /// Notes a verb without auxiliary: "I paid", "who invented", "the app crashed".
    fn verb(&mut self, word: &str, before: Last) {
        let past = || word.ends_with("ed") || is_in(PAST_FORMS, word);
        let is_verb = before == Last::Subject
            || self.language == ENGLISH && matches!(before, Last::Content | Last::Question) && past();
        if is_verb && self.features.auxiliaries & !WHY == 0 {
            self.features.auxiliaries |= DO;
        }
    }

    fn name(&mut self, word: &str, form: &str, hash: u64, meaning: Option<Meaning>) {
        match meaning {
            Some(Meaning::Same(kind @ (Kind::Unit | Kind::Currency), class)) if !is_cased(form) => {
                self.push(kind, class, "");
            }
            _ => {
                let inside = form.chars().any(char::is_lowercase) && form.chars().skip(1).any(char::is_uppercase);
                // "CO" and "Co".
                let mixed = inside || form.len() <= 2;
                let (kind, form) = if mixed { (Kind::Mixed, form) } else { (Kind::Name, word) };
                self.push(kind, hash, form);
            }
        }
    }

    fn function_word(&mut self, word: &str, meaning: Meaning, start: bool) {
        let features = &mut self.features;
        match meaning {
            Meaning::Dropped => features.definite = features.definite.saturating_add(u8::from(word == "the")),
            Meaning::Negation => self.negation(),
            Meaning::Number { value, ordinal: false } => self.cardinal(value),
            Meaning::Number { value, .. } => {
                let ends = ["st", "nd", "rd"];
                let end = ends.get(value.saturating_sub(1) as usize).unwrap_or(&"th");
                self.number(&format!("{value}{end}"));
            }
            Meaning::Question(which) => {
                let of = ["who?", "when?", "where?"].get(usize::from(which & 3)).unwrap_or(&"why?");
                self.token(Kind::Question, self.lexicon.hash(of), u64::from(which >> 2));
                if which == 3 {
                    self.features.auxiliaries |= WHY;
                }
                self.last = Last::Question;
            }
            Meaning::What => {
                if features.form == Form::Open {
                    features.form = Form::What;
                }
                self.place(1);
            }
            Meaning::How => {
                if features.form != Form::YesNo {
                    features.form = Form::How;
                }
                // "What is the way to".
                if self.tokens.is_empty() {
                    features.auxiliaries &= !BE;
                }
                self.place(2);
            }
            Meaning::Auxiliary(bits) => {
                if start {
                    features.form = Form::YesNo;
                }
                // "Do I have to" and "what can I do" are one clause.
                self.clauses |= features.auxiliaries & !WHY != 0 && bits & (DO | MUST) == 0;
                if bits & MUST != 0 && features.negations > 0 {
                    features.auxiliaries |= FREE;
                }
                features.auxiliaries |= bits;
                // "What's" has no place for its verb.
                if bits & PRESENT == 0 {
                    self.place(0x1000 | u64::from(bits));
                }
            }
            Meaning::Pronoun(person) => {
                let place = self.tokens.len().min(15) as u32;
                features.pronouns = features.pronouns << 6 | place << 2 | u32::from(person);
                self.place(0x2000 | u64::from(person));
            }
            Meaning::Owner(person) => {
                features.owners = features.owners << 2 | u32::from(person);
                self.place(0x3000 | u64::from(person));
            }
            Meaning::Same(..) | Meaning::Raw | Meaning::Literal | Meaning::Cased => {}
        }
    }

    fn signature(mut self) -> Signature {
        let known = |word: &str| {
            let hash = self.lexicon.hash(&stem(word, ENGLISH, false));
            match self.lexicon.meaning(ENGLISH, hash) {
                Some(Meaning::Same(_, class)) => class & !EXACT,
                _ => hash & !EXACT,
            }
        };
        let (work, price, amount) = (known("work"), known("price"), known("amount"));
        let is = |meaning: u64| move |token: &Token| token.meaning() == meaning;
        // "How does it work" asks what it is, and "how much does it cost" for the price.
        if self.features.form == Form::How && self.features.pronouns == 0 && self.tokens.last().is_some_and(is(work)) {
            self.tokens.pop();
            self.features.form = Form::What;
            self.features.auxiliaries &= !DO;
        }
        if self.tokens.iter().any(is(price)) {
            self.tokens.retain(|token| token.meaning() != amount);
        }
        self.features.places = if self.clauses { self.places } else { 0 };
        Signature { features: self.features, tokens: self.tokens }
    }
}
