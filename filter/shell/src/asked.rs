//! The calls of a filter that wait for their replies.

use sluice_core::callout::Call;

use crate::stream::{Failed, Stream};

/// Envoy's numbers of the calls in flight, each with core's own number.
#[derive(Debug, Default)]
pub struct Asked(Vec<(u64, usize)>);

impl Asked {
    /// Sends a call with core's number.
    pub fn send<S: Stream>(&mut self, stream: S, number: usize, call: &Call) -> Result<(), Failed> {
        let sent = stream.call(call);
        match sent {
            Ok(envoys) => self.0.push((envoys, number)),
            Err(Failed) => log::error!("Envoy rejected a call to the cluster {}", call.cluster),
        }
        sent.map(drop)
    }

    /// Core's number of the call that has a reply; `None` if no reply is expected any more.
    pub fn take(&mut self, envoys: u64) -> Option<usize> {
        let place = self.0.iter().position(|(known, _)| *known == envoys)?;
        Some(self.0.swap_remove(place).1)
    }

    /// Expects no more replies to the calls so far.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}
