//! Tools that clients know in another form than a function of their own name: what they are called as functions, and how their
//! calls come back.
//!
//! OpenAI's Responses has three such forms: functions in a namespace, tools whose input is a text, and the search for tools that
//! the client itself carries out. To every provider they are functions; the client gets the call in the form that it gave the
//! tool in.

use std::collections::BTreeMap;

/// One such tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guise {
    /// The name of the function that stands for it.
    pub function: String,
    /// The client's own name for it.
    pub name: String,
    /// The namespace that it stands in.
    pub namespace: Option<String>,
    /// How it is called.
    pub form: Form,
}

/// How a client wants a tool called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With arguments.
    Function,
    /// With a text.
    Text,
    /// To search for tools.
    Search,
}

/// All such tools of a request. Each is found at once, however many a client sends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guises {
    /// By the function's name.
    all: BTreeMap<String, Guise>,
    /// The function's name, by the namespace and the client's own.
    functions: BTreeMap<(Option<String>, String), String>,
}

impl Guises {
    /// None.
    pub const fn none() -> Self {
        Self { all: BTreeMap::new(), functions: BTreeMap::new() }
    }

    /// Adds one, in the place of one with the same names.
    pub fn add(&mut self, guise: Guise) {
        let names = (guise.namespace.clone(), guise.name.clone());
        if let Some(before) = self.functions.insert(names, guise.function.clone()) {
            self.all.remove(&before);
        }
        self.all.insert(guise.function.clone(), guise);
    }

    /// The tool that this function stands for.
    pub fn of(&self, function: &str) -> Option<&Guise> {
        self.all.get(function)
    }

    /// The tool of this name.
    pub fn named(&self, namespace: Option<&str>, name: &str) -> Option<&Guise> {
        self.of(self.functions.get(&(namespace.map(str::to_owned), name.to_owned()))?)
    }

    /// How the function is called by its client.
    pub fn form(&self, function: &str) -> Form {
        self.of(function).map_or(Form::Function, |guise| guise.form)
    }
}
