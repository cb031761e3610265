//! The limiter: bounds the bytes of requests and responses in flight that one worker holds, in total and per key.
//!
//! It only bounds memory; limits and budgets have their own stores. A [`Permit`] is the bytes of one message. It grows before the bytes are
//! buffered and releases them on drop, so a request leaves nothing behind however it ends.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use sluice_wire::error::{ApiError, ErrorKind};

/// The largest request body, in bytes.
pub const LARGEST_BODY: usize = 32 << 20;

/// The largest body with which the filter may replace another, in bytes. Envoy resets a stream whose body exceeds its buffer limit (66
/// MiB), in the middle of the filter's call.
pub const LARGEST_REWRITTEN: usize = 56 << 20;

/// The error code for requests that the limiter rejects.
pub const OVERLOADED: &str = "gateway_overloaded";

/// Retry delay for a rejected client: requests end in seconds.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The account of requests whose key is not known yet: together they have the permit of one key.
const UNKNOWN: &str = "";

/// Memory bounds for requests and responses, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// One request or response, after translation.
    pub rewritten: usize,
    /// All messages of one worker.
    pub worker: usize,
    /// All messages of one key in one worker.
    pub key: usize,
}

/// One worker's memory accounting.
#[derive(Debug)]
pub struct MemoryLimiter {
    bounds: Cell<Bounds>,
    held: Cell<usize>,
    /// Keys with a permit.
    keys: RefCell<BTreeMap<Rc<str>, Rc<Account>>>,
    /// The account of all requests whose key is not known yet.
    unknown: Rc<Account>,
}

/// The bytes held for one key.
#[derive(Debug)]
struct Account {
    key: Rc<str>,
    bytes: Cell<usize>,
}

/// The bytes of one message; released on drop.
#[derive(Debug)]
pub struct Permit {
    limiter: Rc<MemoryLimiter>,
    account: Rc<Account>,
    bytes: usize,
}

/// The bound that a message would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// The worker's bound, in bytes.
    Worker(usize),
    /// The key's bound, in bytes.
    Key(usize),
    /// The bound on concurrent key lookups.
    Keys,
}

impl MemoryLimiter {
    /// Creates an empty limiter.
    pub fn new(bounds: Bounds) -> Self {
        let unknown = Rc::new(Account { key: UNKNOWN.into(), bytes: Cell::new(0) });
        Self { bounds: Cell::new(bounds), held: Cell::new(0), keys: RefCell::default(), unknown }
    }

    /// Replaces the bounds. Messages that are already held stay and count; only new bytes are rejected.
    pub fn set_bounds(&self, bounds: Bounds) {
        self.bounds.set(bounds);
    }

    /// An empty permit for the key with this id.
    pub fn permit(self: &Rc<Self>, key: Rc<str>) -> Permit {
        let mut keys = self.keys.borrow_mut();
        let account = match keys.get(&key) {
            Some(account) => account.clone(),
            None => {
                let account = Rc::new(Account { key: key.clone(), bytes: Cell::new(0) });
                keys.insert(key, account.clone());
                account
            }
        };
        drop(keys);
        self.on(account)
    }

    fn on(self: &Rc<Self>, account: Rc<Account>) -> Permit {
        Permit { limiter: self.clone(), account, bytes: 0 }
    }

    /// An empty permit for a request whose key is not known yet.
    pub fn unknown(self: &Rc<Self>) -> Permit {
        self.on(self.unknown.clone())
    }

    /// Bytes held by all permits.
    pub fn held(&self) -> usize {
        self.held.get()
    }

    #[cfg(test)]
    fn of_key(&self, key: &str) -> usize {
        let keys = self.keys.borrow();
        let account = if key == UNKNOWN { Some(&self.unknown) } else { keys.get(key) };
        account.map_or(0, |account| account.bytes.get())
    }

    fn reserve(&self, account: &Account, bytes: usize) -> Result<(), Exhausted> {
        if bytes == 0 {
            return Ok(());
        }
        let (held, of_key) = (self.held.get().saturating_add(bytes), account.bytes.get().saturating_add(bytes));
        let bounds = self.bounds.get();
        if of_key > bounds.key {
            return Err(Exhausted::Key(bounds.key));
        }
        if held > bounds.worker {
            return Err(Exhausted::Worker(bounds.worker));
        }
        self.held.set(held);
        account.bytes.set(of_key);
        Ok(())
    }

    fn release_bytes(&self, account: &Account, bytes: usize) {
        self.held.set(self.held.get().saturating_sub(bytes));
        account.bytes.set(account.bytes.get().saturating_sub(bytes));
    }
}

impl Permit {
    /// Another empty permit for the same key.
    pub fn sibling(&self) -> Self {
        self.limiter.on(self.account.clone())
    }

    /// Grows the permit to this many bytes; it never shrinks. An error leaves it unchanged.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let more = bytes.saturating_sub(self.bytes);
        self.limiter.reserve(&self.account, more)?;
        self.bytes = self.bytes.saturating_add(more);
        Ok(())
    }

    /// Sets the permit to exactly this many bytes. If it cannot grow, it is unchanged.
    pub fn set(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let less = self.bytes.saturating_sub(bytes);
        self.limiter.release_bytes(&self.account, less);
        self.bytes = self.bytes.saturating_sub(less);
        self.grow(bytes)
    }

    /// Releases all bytes of the permit.
    pub fn release(&mut self) {
        self.limiter.release_bytes(&self.account, self.bytes);
        self.bytes = 0;
    }

    /// Moves the permit to a key, once that is known. An error leaves the permit empty.
    pub fn belongs_to(&mut self, key: Rc<str>) -> Result<(), Exhausted> {
        let bytes = self.bytes;
        self.release();
        *self = self.limiter.permit(key);
        self.grow(bytes)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.release();
        // Only the limiter and this permit still hold the account.
        if Rc::strong_count(&self.account) == 2 {
            self.limiter.keys.borrow_mut().remove(&self.account.key);
        }
    }
}

impl Exhausted {
    /// The client's error.
    pub fn error(self) -> ApiError {
        const MIB: usize = 1 << 20;
        let message = match self {
            Self::Worker(bound) => format!(
                "The gateway's memory for concurrent requests is full ({} MiB). Try again in a moment.",
                bound / MIB
            ),
            Self::Key(bound) => format!(
                "Concurrent requests use all the memory that the gateway allows for one key ({} MiB). Try again when \
                 some of them have finished.",
                bound / MIB
            ),
            Self::Keys => "The gateway is looking up too many API keys at once. Try again in a moment.".to_owned(),
        };
        let error = ApiError::new(503, ErrorKind::Overloaded, message).with_code(OVERLOADED);
        ApiError { retry_after: Some(RETRY_AFTER), ..error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn limiter() -> Rc<MemoryLimiter> {
        Rc::new(MemoryLimiter::new(Bounds { rewritten: 100, worker: 100, key: 60 }))
    }

    #[test]
    fn a_key_has_no_more_than_its_share_and_a_worker_no_more_than_its_own() {
        let limiter = limiter();
        let (mut one, mut two, mut other) =
            (limiter.permit("a".into()), limiter.permit("a".into()), limiter.permit("b".into()));
        assert_eq!(one.grow(40), Ok(()));
        assert_eq!(two.grow(21), Err(Exhausted::Key(60)));
        assert_eq!(two.grow(20), Ok(()));
        assert_eq!(other.grow(41), Err(Exhausted::Worker(100)));
        assert_eq!(other.grow(40), Ok(()));
        assert_eq!(limiter.held(), 100);
        drop(one);
        assert_eq!((limiter.held(), two.grow(60)), (60, Ok(())));
        drop((two, other));
        assert_eq!((limiter.held(), limiter.keys.borrow().len()), (0, 0), "nothing is left behind");
    }

    #[test]
    fn a_share_takes_only_what_it_grows_by_and_gives_back_all() {
        let limiter = limiter();
        let mut permit = limiter.permit("a".into());
        for bytes in [10, 30, 20, 60] {
            assert_eq!(permit.grow(bytes), Ok(()));
        }
        assert_eq!((permit.grow(61), limiter.held()), (Err(Exhausted::Key(60)), 60));
        assert_eq!((permit.set(20), limiter.held()), (Ok(()), 20));
        assert_eq!((permit.set(61), permit.set(30), limiter.held()), (Err(Exhausted::Key(60)), Ok(()), 30));
        permit.release();
        assert_eq!((limiter.held(), permit.grow(usize::MAX)), (0, Err(Exhausted::Key(60))));
    }

    #[test]
    fn other_bounds_hold_for_what_comes_and_nothing_that_is_held_is_lost() {
        let limiter = limiter();
        let mut permit = limiter.permit("a".into());
        assert_eq!(permit.grow(50), Ok(()));
        limiter.set_bounds(Bounds { rewritten: 100, worker: 40, key: 30 });
        assert_eq!((permit.grow(51), limiter.held()), (Err(Exhausted::Key(30)), 50));
        assert_eq!(limiter.permit("b".into()).grow(1), Err(Exhausted::Worker(40)));
        limiter.set_bounds(Bounds { rewritten: 100, worker: 200, key: 200 });
        assert_eq!((permit.grow(200), limiter.held()), (Ok(()), 200));
        drop(permit);
        assert_eq!(limiter.held(), 0);
    }

    #[test]
    fn callers_that_are_not_known_yet_have_one_share_together() {
        let limiter = limiter();
        let (mut one, mut two) = (limiter.unknown(), limiter.unknown());
        assert_eq!((one.grow(50), two.grow(11)), (Ok(()), Err(Exhausted::Key(60))));
        assert_eq!(one.belongs_to("a".into()), Ok(()));
        assert_eq!((two.grow(11), limiter.of_key("a"), limiter.of_key(UNKNOWN)), (Ok(()), 50, 11));
        let mut full = limiter.permit("a".into());
        full.grow(10).unwrap();
        assert_eq!((two.belongs_to("a".into()), limiter.held()), (Err(Exhausted::Key(60)), 60));
    }
}
