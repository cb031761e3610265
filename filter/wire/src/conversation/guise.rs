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

impl Guise {
    /// A tool that a response calls in this form.
    pub fn called(namespace: Option<&str>, name: &str, form: Form) -> Self {
        // No function of OpenAI's has a dot in its name.
        let function = namespace.map_or_else(|| name.to_owned(), |namespace| [namespace, ".", name].concat());
        Self { function, name: name.to_owned(), namespace: namespace.map(str::to_owned), form }
    }

    /// Whether it is a function by the client's own name.
    pub fn is_plain(&self) -> bool {
        self.form == Form::Function && self.namespace.is_none()
    }

    /// Fails if calls of this tool cannot be written.
    pub fn check(&self) -> Result<(), ApiError> {
        if self.form != Form::Other {
            return Ok(());
        }
        let said = [
            "The answer has a '",
            &self.name,
            "', which the gateway cannot rewrite as a guardrail demands. Leave the tool out of the request.",
        ];
        Err(ApiError::unsupported("tools", said.concat()))
    }
}

/// All such tools of a request, indexed so that lookups stay fast with many tools.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guises {
    /// By function name.
    all: BTreeMap<String, Guise>,
    /// Function names by namespace and the client's own name.
    functions: BTreeMap<(Option<String>, String), String>,
    /// Approximate bytes of all names.
    held: usize,
}

impl Guises {
    /// An empty set.
    pub const fn none() -> Self {
        Self { all: BTreeMap::new(), functions: BTreeMap::new(), held: 0 }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Fails if a call cannot be written.
    pub fn check(&self) -> Result<(), ApiError> {
        self.all.values().try_for_each(Guise::check)
    }

    /// Approximate bytes held.
    pub fn held(&self) -> usize {
        self.held
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
