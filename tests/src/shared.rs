//! What several tests use in turn, because it is dear: a gateway takes seconds of a processor to start, a test some
//! milliseconds.
//!
//! A [`Shared`] is a static. What it keeps is started by the first test that asks, and leased to one test at a time, which
//! finds it as if it were new: see [`Fixture::renew`]. What a failed test had is thrown away. Each test has a runtime of its
//! own, which ends with it, so what is shared starts on one that stays.
//!
//! Statics are never dropped: that the processes end with the tests is for [`crate::gateway`] to see to.

use std::ops::Deref;
use std::pin::Pin;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::gateway::Gateway;
use crate::simulator::Simulator;

/// Where simulators live that outlive a test, and what goes on while its thread waits.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// Something that is about to be there.
pub type Starting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Those who keep what nobody has; the one that was asked last stands last.
static KEEPERS: Mutex<Vec<&'static dyn Keeper>> = Mutex::new(Vec::new());

/// Who keeps things for tests to come.
trait Keeper: Sync {
    /// Ends one of those that nobody has, if there is one.
    fn give_up_one(&self) -> bool;
}

/// Ends one of the things that nobody has, of the kind that was not asked for longest, if there is one.
pub fn give_up_one() -> bool {
    let keepers = KEEPERS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    keepers.iter().any(|keeper| keeper.give_up_one())
}

/// What can be leased again.
pub trait Fixture: Send + 'static {
    /// Waits until nothing of an earlier lease is under way, and hides all that it left. `false` when that cannot be done
    /// any more, and another one must be started.
    fn renew(&mut self) -> impl Future<Output = bool> + Send;
}

/// Renews a gateway and the simulators before it, which hold nothing any more, and have neither faults nor requests.
///
/// # Panics
/// When a request of the earlier lease does not end.
pub async fn renew(gateway: &mut Gateway, simulators: &[&Simulator]) {
    simulators.iter().for_each(|simulator| simulator.release());
    gateway.renew().await;
    simulators.iter().for_each(|simulator| simulator.clear());
}

/// Some of a kind, for many tests.
pub struct Shared<T> {
    start: fn() -> Starting<T>,
    seats: Semaphore,
    idle: Mutex<Vec<T>>,
}

impl<T: Fixture> Shared<T> {
    /// At most so many at a time; none is started before it is needed.
    pub const fn new(most: usize, start: fn() -> Starting<T>) -> Self {
        Self { start, seats: Semaphore::const_new(most), idle: Mutex::new(Vec::new()) }
    }

    /// One of them, for this test alone until the lease is dropped.
    ///
    /// # Panics
    /// When none can be started.
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
        // Not dropped while others wait for the list: a process takes its time to end.
        let one = self.idle().pop();
        one.is_some()
    }
}

/// What a test has until it ends.
pub struct Lease<T: Fixture> {
    /// Some until the drop.
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

    /// Knows how many were started before it, and how often it was leased again: once at most.
    #[derive(Debug, PartialEq)]
    struct Counted(usize, usize);

    impl Fixture for Counted {
        async fn renew(&mut self) -> bool {
            self.1 += 1;
            self.1 < 2
        }
    }

    fn counted(started: &'static AtomicUsize) -> Starting<Counted> {
        Box::pin(async { Counted(started.fetch_add(1, Ordering::Relaxed), 0) })
    }

    #[tokio::test]
    async fn one_is_started_and_leased_again_until_it_is_used_up() {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        static SHARED: Shared<Counted> = Shared::new(1, || counted(&STARTED));
        for expected in [Counted(0, 0), Counted(0, 1), Counted(1, 0)] {
            assert_eq!(*SHARED.lease().await, expected);
        }
    }

    #[tokio::test]
    async fn there_are_no_more_than_may_be_at_a_time() {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        static SHARED: Shared<Counted> = Shared::new(2, || counted(&STARTED));
        let (first, second) = (SHARED.lease().await, SHARED.lease().await);
        assert_eq!((&*first, &*second), (&Counted(0, 0), &Counted(1, 0)));
        let third = tokio::spawn(SHARED.lease());
        tokio::task::yield_now().await;
        assert!(!third.is_finished());
        drop(first);
        assert_eq!(*third.await.unwrap(), Counted(0, 1));
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
        assert_eq!(*SHARED.lease().await, Counted(1, 0));
    }
}
