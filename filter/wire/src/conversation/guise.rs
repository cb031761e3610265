//! Tools that a client declared in a form other than a function of the same name: their function names, and how to convert calls back. A
//! provider of the client's own format may call them in that form: then the response names them.
//!
//! OpenAI's Responses API has three such forms: functions in a namespace, tools with a text input, and tool search executed by the client.
//! Every provider gets them as functions; the client gets each call in the form in which it declared the tool.

use std::collections::BTreeMap;

use crate::error::ApiError;

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
    /// In a form that the gateway cannot write.
    Other,
}

/// The function name for calls of a tool that only a response names. No function of OpenAI's has a dot in its name.
pub fn called(namespace: &str, name: &str) -> String {
    [namespace, if namespace.is_empty() { "" } else { "." }, name].concat()
}

/// Fails if there is a call in a form that the gateway cannot write.
pub fn writable(other: &str) -> Result<(), ApiError> {
    if other.is_empty() {
        return Ok(());
    }
    let said = [
        "The answer has a '",
        other,
        "', which the gateway cannot rewrite as a guardrail demands. Leave the tool out of the request.",
    ];
    Err(ApiError::unsupported("tools", said.concat()))
}

/// All such tools of a request, indexed so that lookups stay fast with many tools.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guises {
    /// By function name.
    all: BTreeMap<String, Guise>,
    /// Function names by namespace and the client's own name.
    functions: BTreeMap<(Option<String>, String), String>,
    /// The name of one with [`Form::Other`].
    other: String,
    /// Approximate bytes of all names.
    held: usize,
}

impl Guises {
    /// An empty set.
    pub const fn none() -> Self {
        Self { all: BTreeMap::new(), functions: BTreeMap::new(), other: String::new(), held: 0 }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Fails if a call cannot be written.
    pub fn check(&self) -> Result<(), ApiError> {
        writable(&self.other)
    }

    /// Approximate bytes held.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Adds a tool that a response calls in this form.
    pub fn add_called(&mut self, namespace: &str, name: &str, form: Form) {
        if form == Form::Other {
            name.clone_into(&mut self.other);
        }
        let function = called(namespace, name);
        let namespace = Some(namespace).filter(|namespace| !namespace.is_empty()).map(str::to_owned);
        self.add(Guise { function, name: name.to_owned(), namespace, form });
    }

    /// Adds a tool; replaces one with the same names.
    pub fn add(&mut self, guise: Guise) {
        // Each name is stored five times.
        self.held = self.held.saturating_add(guise.function.len().saturating_mul(5));
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
