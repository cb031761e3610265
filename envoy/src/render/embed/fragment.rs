//! Parts of a configuration that an operator pastes into an Envoy's own bootstrap file.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::super::block;
use super::{Parts, Place};

/// A part of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fragment {
    /// HTTP filters and access loggers for an HTTP connection manager
    Listener,
    /// A virtual host; with --path-prefix, routes for an existing one
    Routes,
    /// The providers' clusters
    Clusters,
    /// What the bootstrap configuration needs besides
    Bootstrap,
}

pub fn text(fragment: Fragment, parts: &Parts, place: &Place) -> String {
    let (advice, value) = match fragment {
        Fragment::Listener => (
            "Add these to the HTTP connection manager: the filters before envoy.filters.http.router. They are disabled, except for Sluice's routes.",
            json!({ "http_filters": parts.filters, "access_log": parts.access_log }),
        ),
        Fragment::Routes if place.prefix.is_some() => {
            ("Put these before all other routes of the virtual host, in this order.", json!({ "routes": parts.routes }))
        }
        Fragment::Routes => {
            ("Add this to the route configuration.", json!({ "virtual_hosts": [parts.virtual_host(place)] }))
        }
        Fragment::Clusters => ("Add these to static_resources.", json!({ "clusters": parts.clusters })),
        Fragment::Bootstrap if parts.bootstrap.is_empty() => {
            return "# The bootstrap configuration needs nothing else for this gateway file.\n{}\n".to_owned();
        }
        Fragment::Bootstrap => ("Merge these into the top level.", Value::Object(parts.bootstrap.clone())),
    };
    format!("# {advice}\n{}", block::document(&value))
}
