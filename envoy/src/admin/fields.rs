//! The fields of a key as command line options, for the administration API.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::Failure;
use crate::keys::Control;

/// The fields of a key that `create` and `update` set.
#[derive(Debug, Args)]
pub struct Fields {
    /// The application that uses the key
    #[arg(long)]
    app: Option<String>,
    /// The holder of the key, for information only
    #[arg(long)]
    owner: Option<String>,
    /// A label for information and reports; repeatable
    #[arg(long = "label", value_name = "NAME=TEXT", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// The models that the key may request, comma-separated; `*` matches any text
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    models: Vec<String>,
    /// The paths that the key may call, comma-separated; `*` matches any text
    #[arg(long, value_name = "PATHS", value_delimiter = ',')]
    endpoints: Vec<String>,
    /// Fields or tools that requests may not use, such as service_tier or tools.web_search, comma-separated
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    forbid: Vec<String>,
    /// The client addresses and networks that may use the key, comma-separated
    #[arg(long, value_name = "CIDRS", value_delimiter = ',')]
    sources: Vec<String>,
    /// The overrides that the holder may set for a request, comma-separated
    #[arg(long, value_enum, value_name = "CONTROLS", value_delimiter = ',')]
    control: Vec<Control>,
    /// When the key expires (RFC 3339)
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// A rate limit, such as requests_per_minute=60; repeatable
    #[arg(long = "limit", value_name = "NAME=NUMBER", value_parser = pair)]
    limits: Vec<(String, String)>,
    /// A budget in US dollars, such as monthly=20; repeatable
    #[arg(long = "budget", value_name = "PERIOD=DOLLARS", value_parser = pair)]
    budgets: Vec<(String, String)>,
    /// Only warn when a budget is used up
    #[arg(long)]
    soft: bool,
    /// The model to serve when a budget is used up
    #[arg(long, value_name = "MODEL")]
    then_model: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Fields {
    /// The members of a JSON object, without options that were not given.
    pub fn members(&self) -> Result<Map<String, Value>, Failure> {
        let mut members = Map::new();
        for (name, text) in [("app", &self.app), ("owner", &self.owner), ("expires", &self.expires)] {
            if let Some(text) = text {
                members.insert(name.to_owned(), json!(text));
            }
        }
        for (name, list) in [
            ("models", &self.models),
            ("endpoints", &self.endpoints),
            ("forbid", &self.forbid),
            ("sources", &self.sources),
        ] {
            if !list.is_empty() {
                members.insert(name.to_owned(), json!(list));
            }
        }
        if !self.control.is_empty() {
            members.insert("control".to_owned(), self.control.iter().map(|control| control.word()).collect());
        }
        let labels: Map<String, Value> = self.labels.iter().map(|(name, text)| (name.clone(), json!(text))).collect();
        let mut budget = numbers("--budget", &self.budgets)?;
        if self.soft {
            budget.insert("soft".to_owned(), json!(true));
        }
        if let Some(model) = &self.then_model {
            budget.insert("then_model".to_owned(), json!(model));
        }
        for (name, object) in [("labels", labels), ("limits", numbers("--limit", &self.limits)?), ("budget", budget)] {
            if !object.is_empty() {
                members.insert(name.to_owned(), Value::Object(object));
            }
        }
        Ok(members)
    }
}

fn numbers(option: &str, pairs: &[(String, String)]) -> Result<Map<String, Value>, Failure> {
    let number = |(name, text): &(String, String)| {
        let whole = text.parse::<u64>().map(Value::from);
        let value = whole.or_else(|_| text.parse::<f64>().map(Value::from)).ok().filter(Value::is_number);
        let value = value.ok_or_else(|| Failure::new(format!("{option} {name}={text}: expected a number")))?;
        Ok((name.clone(), value))
    };
    pairs.iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_becomes_members_and_nothing_else() {
        let fields = Fields {
            app: None,
            owner: Some("Ä".into()),
            labels: vec![pair("room=1=2").unwrap()],
            models: vec!["chat".into()],
            endpoints: Vec::new(),
            forbid: vec!["service_tier".into(), "tools.web_search".into()],
            sources: Vec::new(),
            control: vec![Control::Route, Control::Targets],
            expires: None,
            limits: vec![pair("requests_per_minute=60").unwrap()],
            budgets: vec![pair("daily=0.5").unwrap()],
            soft: true,
            then_model: None,
        };
        let expected = json!({ "owner": "Ä", "labels": { "room": "1=2" }, "models": ["chat"],
            "forbid": ["service_tier", "tools.web_search"], "control": ["route", "targets"],
            "limits": { "requests_per_minute": 60 }, "budget": { "daily": 0.5, "soft": true } });
        assert_eq!(Value::Object(fields.members().unwrap()), expected);
        assert!(numbers("--limit", &[pair("a=NaN").unwrap()]).is_err());
        assert!(pair("a").is_err());
    }
}
