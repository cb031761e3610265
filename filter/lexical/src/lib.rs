//! Whether two texts may share an answer, by their words.
//!
//! Similarity of embeddings does not tell "Oslo to Paris" from "Paris to Oslo", or "ascending" from "descending". This comparison does: two
//! texts pass only if the same words that matter are in the same order. Function words, politeness, inflections and words of one meaning
//! may differ; a word that no list has must be in both texts. Numbers, negations, questions, tenses and persons are compared by
//! their meaning. It may reject texts of one meaning. A similarity decides about those that pass, for two texts of the same words
//! may still ask different things.
//!
//! A text becomes a [`Signature`] once. It holds keyed hashes of words, so that the cache does not keep the text.

use sluice_wire::order;

mod lexicon;
mod pieces;
mod reading;
mod stem;
mod words;

pub use lexicon::Lexicon;

use lexicon::{BE, CAN, DO, ENGLISH, FREE, FUTURE, MAY, MUST, PAST, PRESENT, SHOULD, UNKNOWN, WHY, WOULD};

/// The most words of a signature. Those behind them are one hash.
const MOST: usize = 96;

/// The bytes of a signature's stored form besides its words.
const FIXED: usize = 22;

/// The kind of a word, in the order in which differences are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Kind {
    Word,
    /// A capitalised word, folded.
    Name,
    /// A word with capitals inside, as it is written.
    Mixed,
    /// Who, when, where or why.
    Question,
    Person,
    Degree,
    Opposite,
    Unit,
    Currency,
    Number,
    Identifier,
    Quotation,
    Url,
}

impl Kind {
    const ALL: [Self; 13] = [
        Self::Word,
        Self::Name,
        Self::Mixed,
        Self::Question,
        Self::Person,
        Self::Degree,
        Self::Opposite,
        Self::Unit,
        Self::Currency,
        Self::Number,
        Self::Identifier,
        Self::Quotation,
        Self::Url,
    ];
}

/// A word: the hash of its meaning, and in the low 16 bits that of its exact form. For a question word, these are 0, or say that it asks
/// for the time or the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    hash: u64,
    kind: Kind,
}

const EXACT: u64 = 0xffff;

impl Token {
    fn meaning(self) -> u64 {
        self.hash & !EXACT
    }

    /// Whether both mean the same. A name has the same letters, too, and "when" may stand for "what year".
    fn matches(self, other: Self) -> bool {
        let exact = match (self.kind, other.kind) {
            (Kind::Name, Kind::Name | Kind::Word) | (Kind::Word, Kind::Name) | (Kind::Mixed, Kind::Mixed) => true,
            (Kind::Question, Kind::Question) => self.hash & EXACT != 0 && other.hash & EXACT != 0,
            _ => false,
        };
        if exact { self.hash == other.hash } else { self.meaning() == other.meaning() }
    }
}

/// How a question begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
enum Form {
    /// A statement, or a request to do something.
    #[default]
    Open,
    /// Or a request to explain something.
    What,
    /// Or a wish to do something.
    How,
    YesNo,
}

/// Features that function words give a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Features {
    language: u8,
    form: Form,
    /// Tenses and moods: bits of the lexicon.
    auxiliaries: u16,
    /// The number of negations in three bits, and above them where they are: the number of words before, or `ANYWHERE`.
    negations: u8,
    /// I, you and we in their order: four bits for the number of words before, and two for the person.
    pronouns: u32,
    /// My, your and our in their order, two bits each.
    owners: u32,
    /// How often it has the definite article.
    definite: u8,
    /// In a text of several clauses: a hash of its function words and their places.
    places: u64,
}

/// The place of a negation in front of the subject, as in "why isn't the printer working".
const ANYWHERE: u8 = 31;

/// The words of a text that decide which answer fits it, without the text. At most 1 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    features: Features,
    tokens: Vec<Token>,
}

/// Why two texts must not share an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// A text has no words that decide anything.
    Empty,
    /// The languages differ.
    Language,
    /// One text denies something that the other one does not.
    Negation,
    /// The questions differ: who, when, where, why, how, whether.
    Question,
    /// The tenses differ, or what may, can or must be done.
    Tense,
    /// The persons differ: I or you, my or your, he or she.
    Person,
    /// A number differs.
    Number,
    /// A unit differs.
    Unit,
    /// A currency differs.
    Currency,
    /// A name differs.
    Name,
    /// An identifier, a path, an operator or an e-mail address differs.
    Identifier,
    /// A quotation, or text behind a colon, differs.
    Quotation,
    /// A URL differs.
    Url,
    /// Opposites: before and after, enable and disable.
    Opposite,
    /// A comparison differs: more, best, largest.
    Degree,
    /// The same words in another order.
    Order,
    /// Another word differs.
    Word,
}

impl Signature {
    /// Compares two signatures of lexicons with the same key.
    pub fn compare(&self, other: &Self) -> Result<(), Difference> {
        if self.tokens.is_empty() || other.tokens.is_empty() {
            return Err(Difference::Empty);
        }
        let (one, two) = (&self.features, &other.features);
        if one.language != two.language && one.language != UNKNOWN && two.language != UNKNOWN {
            return Err(Difference::Language);
        }
        if !one.same_negations(two) {
            return Err(Difference::Negation);
        }
        self.tokens(other)?;
        let asks_more = self.tokens.first().is_some_and(|token| token.kind == Kind::Question);
        if one.form != two.form && !asks_more {
            return Err(Difference::Question);
        }
        if !one.same_tense(two) {
            return Err(Difference::Tense);
        }
        if !one.same_persons(two, self.tokens.len()) {
            return Err(Difference::Person);
        }
        if one.places != two.places {
            return Err(Difference::Order);
        }
        Ok(())
    }

    fn tokens(&self, other: &Self) -> Result<(), Difference> {
        let same = |(one, two): (&Token, &Token)| one.matches(*two);
        if self.tokens.len() == other.tokens.len() && self.tokens.iter().zip(&other.tokens).all(same) {
            return Ok(());
        }
        let sorted = |tokens: &[Token]| {
            let mut tokens = tokens.to_vec();
            order::by_numbers(&mut tokens, |token| (token.meaning(), token.hash));
            tokens
        };
        let (one, two) = (sorted(&self.tokens), sorted(&other.tokens));
        let (mut ours, mut theirs) = (one.iter().peekable(), two.iter().peekable());
        let mut worst = None;
        loop {
            let only = match (ours.peek(), theirs.peek()) {
                (Some(one), Some(two)) if one.matches(**two) => {
                    ours.next();
                    theirs.next();
                    continue;
                }
                (Some(one), Some(two)) if (one.meaning(), one.hash) > (two.meaning(), two.hash) => theirs.next(),
                (Some(_), _) => ours.next(),
                (None, _) => theirs.next(),
            };
            let Some(only) = only else { break };
            worst = worst.max(Some(only.kind));
        }
        Err(match worst {
            None => Difference::Order,
            Some(Kind::Word) => Difference::Word,
            Some(Kind::Name | Kind::Mixed) => Difference::Name,
            Some(Kind::Question) => Difference::Question,
            Some(Kind::Person) => Difference::Person,
            Some(Kind::Degree) => Difference::Degree,
            Some(Kind::Opposite) => Difference::Opposite,
            Some(Kind::Unit) => Difference::Unit,
            Some(Kind::Currency) => Difference::Currency,
            Some(Kind::Number) => Difference::Number,
            Some(Kind::Identifier) => Difference::Identifier,
            Some(Kind::Quotation) => Difference::Quotation,
            Some(Kind::Url) => Difference::Url,
        })
    }

    /// The length of the stored form.
    pub fn size(&self) -> usize {
        FIXED + 9 * self.tokens.len()
    }

    /// The stored form.
    pub fn bytes(&self) -> Vec<u8> {
        let Features { language, form, auxiliaries, negations, pronouns, owners, definite, places } = self.features;
        let mut bytes = Vec::with_capacity(self.size());
        bytes.extend([language, form as u8, negations, definite]);
        bytes.extend(auxiliaries.to_le_bytes());
        bytes.extend(pronouns.to_le_bytes());
        bytes.extend(owners.to_le_bytes());
        bytes.extend(places.to_le_bytes());
        for Token { hash, kind } in &self.tokens {
            bytes.push(*kind as u8);
            bytes.extend(hash.to_le_bytes());
        }
        bytes
    }

    /// Reads the stored form; `None` for anything else.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let ([language, form, negations, definite], rest) = bytes.split_first_chunk()?;
        let (auxiliaries, rest) = rest.split_first_chunk()?;
        let (pronouns, rest) = rest.split_first_chunk()?;
        let (owners, rest) = rest.split_first_chunk()?;
        let (places, rest) = rest.split_first_chunk()?;
        let (tokens, []) = rest.as_chunks::<9>() else { return None };
        let features = Features {
            language: *language,
            form: *[Form::Open, Form::What, Form::How, Form::YesNo].get(usize::from(*form))?,
            auxiliaries: u16::from_le_bytes(*auxiliaries),
            negations: *negations,
            definite: *definite,
            pronouns: u32::from_le_bytes(*pronouns),
            owners: u32::from_le_bytes(*owners),
            places: u64::from_le_bytes(*places),
        };
        let token = |[kind, hash @ ..]: &[u8; 9]| {
            Some(Token { hash: u64::from_le_bytes(*hash), kind: *Kind::ALL.get(usize::from(*kind))? })
        };
        let tokens = tokens.iter().map(token).collect::<Option<Vec<_>>>()?;
        (tokens.len() <= MOST).then_some(Self { features, tokens })
    }
}

impl Features {
    fn same_negations(&self, other: &Self) -> bool {
        let (one, two) = (self.negations, other.negations);
        one == two || one & 7 == two & 7 && (one >> 3 == ANYWHERE || two >> 3 == ANYWHERE)
    }

    fn same_tense(&self, other: &Self) -> bool {
        let (one, two) = (self.auxiliaries, other.auxiliaries);
        let differ = |bits: u16, among: u16| one & among != 0 && two & among != 0 && one & bits != two & bits;
        let mut strict = FUTURE | FREE;
        if self.form == Form::YesNo || other.form == Form::YesNo || self.negations > 0 || one & WHY != 0 {
            strict |= CAN | MUST | WOULD | SHOULD;
        }
        if self.negations > 0 {
            strict |= MAY;
        }
        // Other languages have no form of "do", so that one without auxiliary is in the present tense.
        if self.language.min(other.language) != ENGLISH {
            strict |= PAST;
        }
        // "Where is the park" and "where do I park": a noun and a verb.
        let noun = |bits: u16| bits & BE != 0 && bits & (DO | CAN | MUST | FUTURE) == 0;
        let verb = |bits: u16| bits & BE == 0 && bits & (DO | CAN | MUST | FUTURE) != 0;
        (one ^ two) & strict == 0
            && !differ(PAST, PRESENT | PAST | FUTURE)
            && !differ(MUST, CAN | MUST)
            && !differ(SHOULD, MUST)
            && !(noun(one) && verb(two) || verb(one) && noun(two))
    }

    /// Compares the persons of two texts with this number of words.
    fn same_persons(&self, other: &Self, words: usize) -> bool {
        let (one, two) = (self.pronouns, other.pronouns);
        // "How do I" and "how do you" ask the same.
        let anyone = self.form == Form::How && other.form == Form::How && one < 64 && two < 64 && one >> 2 == two >> 2;
        // "Where can I park", but not "who can sue you", asks the same without the pronoun.
        let subject = |pronouns: u32| (pronouns >> 2 & 15) as usize != words.min(15);
        let without = one == 0 && subject(two) || two == 0 && subject(one);
        let pronouns = one == two || without || anyone;
        // "The password" may be "my password"; "a password" is not, and "your purpose" may be the model's.
        let asked = |owners: u32| owners & 3 == 2;
        let implied = |with: &Self, without: &Self| {
            let owners = with.owners.checked_ilog2().map_or(0, |bits| bits / 2 + 1);
            without.owners == 0
                && u32::from(without.definite) >= u32::from(with.definite) + owners
                && !asked(with.owners)
        };
        pronouns && (self.owners == other.owners || implied(self, other) || implied(other, self))
    }
}

#[cfg(test)]
mod tests;
