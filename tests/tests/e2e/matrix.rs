//! Every client format with every kind of provider: chat, streams, tools, images, structured output, thinking, errors and usage. Each cell
//! is as on the page, and never a silent loss.

mod cells;
mod chat;
mod client;
mod completions;
mod embeddings;
mod ledger;
mod messages;
mod page;
mod providers;
mod responses;

use std::collections::BTreeMap;

use sluice_tests::gateway::Gateway;
use sluice_tests::simulator::Simulator;

use cells::{Cell, Outcome};
use client::{Feature, Format};
use ledger::Ledger;
use page::Row;
use providers::Provider;

use crate::together;

const CLIENTS: [&dyn Format; 4] = [&chat::Chat, &responses::Responses, &messages::Messages, &completions::Completions];

/// The outcomes by client, provider and feature, or error messages.
type Cells = BTreeMap<(usize, usize, Feature), Result<Outcome, String>>;

#[tokio::test]
async fn each_format_of_clients_with_each_kind_of_provider() {
    let providers = providers::all();
    let simulator = Simulator::start().await;
    let gateway = providers::gateway(&providers, &simulator).await;
    let cells = chats(&providers, &gateway, &simulator).await;
    let (embedded, mut wrong) = embeddings::rows(&gateway, &simulator).await;
    for ((client, provider, feature), outcome) in &cells {
        if let Err(why) = outcome {
            let (client, provider) = (CLIENTS[*client].name(), providers[*provider].name);
            wrong.push(format!("{client}, {provider}, {}: {why}", feature.name()));
        }
    }
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    let row = |client: usize, place: usize| -> Row {
        let cell = |feature| cells[&(client, place, feature)].as_ref().map_or_else(Clone::clone, page::cell);
        (providers[place].name, Feature::ALL.into_iter().map(cell).collect())
    };
    let rows = |client: usize| (0..providers.len()).map(|place| row(client, place)).collect();
    let tables: Vec<_> = (0..).zip(CLIENTS).map(|(client, format)| (format.name(), rows(client))).collect();
    page::holds(&page::render(&tables, &embedded, &embeddings::COLUMNS));
}

/// All cells except embeddings: clients and providers concurrently, features in order.
async fn chats(providers: &[Provider], gateway: &Gateway, simulator: &Simulator) -> Cells {
    let ledger = Ledger::default();
    let place = |tag: &str| -> Option<(usize, usize)> {
        let mut numbers = tag.trim_start_matches('~').split('-').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    let pair = async |client: usize, number: usize| {
        let mut cells = Vec::new();
        for feature in Feature::ALL {
            let tag = format!("~{client}-{number}-{}", feature as u8);
            let (format, provider) = (CLIENTS[client], &providers[number]);
            let cell = Cell { gateway, simulator, ledger: &ledger, format, provider, feature, tag };
            cells.push(((client, number, feature), cell.outcome().await));
        }
        cells
    };
    let pairs = (0..CLIENTS.len()).flat_map(|client| (0..providers.len()).map(move |number| (client, number)));
    let mut cells: Cells =
        together(pairs.map(|(client, number)| pair(client, number))).await.into_iter().flatten().collect();
    let log = gateway.quiet().await;
    for (tag, why) in ledger.wrong(&simulator.settled(1).await, &log) {
        let (client, number) = place(&tag).expect("a tag of a cell");
        cells.insert((client, number, Feature::Usage), Err(format!("{tag}: {why}")));
    }
    cells
}
