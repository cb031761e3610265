//! Shares expensive fixtures between tests: a gateway takes seconds of CPU to start, a test some milliseconds.
//!
//! A [`Shared`] is a static. The first test that asks starts its fixture. A lease gives the fixture to one test at a
//! time, and [`Fixture::renew`] resets it. The fixture of a failed test is discarded. Each test's own runtime ends with
//! the test, so shared fixtures start on a permanent one.
//!
//! Rust never drops statics: [`crate::gateway`] ends the processes with the test process.

use std::ops::Deref;
use std::pin::Pin;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::gateway::Gateway;
use crate::simulator::Simulator;

/// The permanent runtime, for simulators that outlive a test, and for tasks that run while a test's thread blocks.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// A fixture that is starting.
pub type Starting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The pools with idle fixtures, the most recently used last.
static KEEPERS: Mutex<Vec<&'static dyn Keeper>> = Mutex::new(Vec::new());

/// A pool of fixtures for later tests.
trait Keeper: Sync {
    /// Drops an idle fixture; returns `false` if the pool has none.
    fn give_up_one(&self) -> bool;
}

/// Drops an idle fixture of the least recently used pool; returns `false` if no pool has one.
pub fn give_up_one() -> bool {
    let keepers = KEEPERS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    keepers.iter().any(|keeper| keeper.give_up_one())
}

/// A fixture that can be leased again.
pub trait Fixture: Send + 'static {
    /// Waits for the end of the previous lease's requests, and hides its logs and counters. Returns `false` if the
    /// fixture cannot be reused and must be replaced.
    fn renew(&mut self) -> impl Future<Output = bool> + Send;
}

/// Renews a gateway and its simulators: releases held answers, and clears faults and requests.
///
/// # Panics
/// If a request of the previous lease does not end.
pub async fn renew(gateway: &mut Gateway, simulators: &[&Simulator]) {
    simulators.iter().for_each(|simulator| simulator.release());
    gateway.renew().await;
    simulators.iter().for_each(|simulator| simulator.clear());
}

/// A pool of equal fixtures.
pub struct Shared<T> {
    start: fn() -> Starting<T>,
    seats: Semaphore,
    idle: Mutex<Vec<T>>,
}

impl<T: Fixture> Shared<T> {
    /// A pool with at most `most` leases at a time. Fixtures start on demand.
    pub const fn new(most: usize, start: fn() -> Starting<T>) -> Self {
        Self { start, seats: Semaphore::const_new(most), idle: Mutex::new(Vec::new()) }
    }

    /// Leases a fixture to this test until the lease is dropped.
    ///
    /// # Panics
    /// If the fixture cannot start.
    pub async fn lease(&'static self) -> Lease<T> {
        self.is_asked();
        let seat = self.seats.acquire().await.expect("seats for ever");
        let mut kept = self.idle().pop();
        let fits = match &mut kept {
            Some(fixture) => fixture.renew().await,
            None => false,
        };
        let fixture = match kept.filter(|_| fits) {
            Some(fixture) => fixture,
            None => RUNTIME.spawn((self.start)()).await.expect("a start without a panic"),
        };
        Lease { fixture: Some(fixture), shared: self, _seat: seat }
    }

    fn is_asked(&'static self) {
        let mut keepers = KEEPERS.lock().unwrap_or_else(PoisonError::into_inner);
        let this: &'static dyn Keeper = self;
        keepers.retain(|other| !std::ptr::addr_eq(*other, this));
        keepers.push(this);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<T>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Fixture> Keeper for Shared<T> {
    fn give_up_one(&self) -> bool {
        // The fixture is dropped after the lock: a process takes time to end.
        let one = self.idle().pop();
        one.is_some()
    }
}

/// A fixture leased to one test.
pub struct Lease<T: Fixture> {
    /// `None` only during the drop.
    fixture: Option<T>,
    shared: &'static Shared<T>,
    _seat: SemaphorePermit<'static>,
}

impl<T: Fixture> Deref for Lease<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.fixture.as_ref().expect("a fixture until the drop")
    }
}

impl<T: Fixture> Drop for Lease<T> {
    fn drop(&mut self) {
        let fixture = self.fixture.take();
        if !thread::panicking() {
            self.shared.idle().extend(fixture);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A fixture that can be renewed once.
    #[derive(Debug, PartialEq)]
    struct Counted {
        /// How many were started before it.
        number: usize,
        renewals: usize,
    }

    impl Fixture for Counted {
        async fn renew(&mut self) -> bool {
            self.renewals += 1;
            self.renewals < 2
        }
    }

    fn counted(started: &'static AtomicUsize) -> Starting<Counted> {
        Box::pin(async { Counted { number: started.fetch_add(1, Ordering::Relaxed), renewals: 0 } })
    }

    #[tokio::test]
    async fn one_is_started_and_leased_again_until_it_is_used_up() {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        static SHARED: Shared<Counted> = Shared::new(1, || counted(&STARTED));
        for expected in
            [Counted { number: 0, renewals: 0 }, Counted { number: 0, renewals: 1 }, Counted { number: 1, renewals: 0 }]
        {
            assert_eq!(*SHARED.lease().await, expected);
        }
    }

    #[tokio::test]
    async fn there_are_no_more_than_may_be_at_a_time() {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        static SHARED: Shared<Counted> = Shared::new(2, || counted(&STARTED));
        let (first, second) = (SHARED.lease().await, SHARED.lease().await);
        assert_eq!((&*first, &*second), (&Counted { number: 0, renewals: 0 }, &Counted { number: 1, renewals: 0 }));
        let third = tokio::spawn(SHARED.lease());
        tokio::task::yield_now().await;
        assert!(!third.is_finished());
        drop(first);
        assert_eq!(*third.await.unwrap(), Counted { number: 0, renewals: 1 });
    }

    #[tokio::test]
    async fn what_a_failed_test_had_is_thrown_away() {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        static SHARED: Shared<Counted> = Shared::new(1, || counted(&STARTED));
        let failing = tokio::spawn(async {
            let _lease = SHARED.lease().await;
            panic!("on purpose");
        });
        assert!(failing.await.is_err());
        assert_eq!(*SHARED.lease().await, Counted { number: 1, renewals: 0 });
    }
}
