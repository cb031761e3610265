//! Tools that clients know in another form than a function of their own name: what they are called as functions, and how their
//! calls come back.
//!
//! OpenAI's Responses has three such forms: functions in a namespace, tools whose input is a text, and the search for tools that
//! the client itself carries out. To every provider they are functions; the client gets the call in the form that it gave the
//! tool in.

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

/// All such tools of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guises(Vec<Guise>);

impl Guises {
    /// None.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds one, in the place of one with the same names.
    pub fn add(&mut self, guise: Guise) {
        match self.0.iter_mut().find(|known| known.name == guise.name && known.namespace == guise.namespace) {
            Some(known) => *known = guise,
            None => self.0.push(guise),
        }
    }

    /// The tool that this function stands for.
    pub fn of(&self, function: &str) -> Option<&Guise> {
        self.0.iter().find(|guise| guise.function == function)
    }

    /// The tool of this name.
    pub fn named(&self, namespace: Option<&str>, name: &str) -> Option<&Guise> {
        self.0.iter().find(|guise| guise.name == name && guise.namespace.as_deref() == namespace)
    }

    /// How the function is called by its client.
    pub fn form(&self, function: &str) -> Form {
        self.of(function).map_or(Form::Function, |guise| guise.form)
    }
}
