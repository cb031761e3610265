//! Tools that a client declared in a form other than a function of the same name: their function names, and how to convert calls back.
//!
//! OpenAI's Responses API has three such forms: functions in a namespace, tools with a text input, and tool search executed by the client.
//! Every provider gets them as functions; the client gets each call in the form in which it declared the tool.

use std::collections::BTreeMap;

/// One such tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guise {
    /// The name of the function that represents it.
    pub function: String,
    /// The client's name for the tool.
    pub name: String,
    /// The tool's namespace.
    pub namespace: Option<String>,
    /// The form of its calls.
    pub form: Form,
}

/// The form in which a client expects a tool's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With JSON arguments.
    Function,
    /// With a text input.
    Text,
    /// As a tool search.
    Search,
}

/// All such tools of a request, indexed so that lookups stay fast with many tools.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guises {
    /// By function name.
    all: BTreeMap<String, Guise>,
    /// Function names by namespace and the client's own name.
    functions: BTreeMap<(Option<String>, String), String>,
}

impl Guises {
    /// An empty set.
    pub const fn none() -> Self {
        Self { all: BTreeMap::new(), functions: BTreeMap::new() }
    }

    /// Adds a tool; replaces one with the same names.
    pub fn add(&mut self, guise: Guise) {
        let names = (guise.namespace.clone(), guise.name.clone());
        if let Some(before) = self.functions.insert(names, guise.function.clone()) {
            self.all.remove(&before);
        }
        self.all.insert(guise.function.clone(), guise);
    }

    /// The tool that this function represents.
    pub fn of(&self, function: &str) -> Option<&Guise> {
        self.all.get(function)
    }

    /// The tool with this namespace and name.
    pub fn named(&self, namespace: Option<&str>, name: &str) -> Option<&Guise> {
        self.of(self.functions.get(&(namespace.map(str::to_owned), name.to_owned()))?)
    }

    /// The form in which the client expects calls of this function.
    pub fn form(&self, function: &str) -> Form {
        self.of(function).map_or(Form::Function, |guise| guise.form)
    }
}
