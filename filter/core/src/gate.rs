//! The gate: bounds the bytes of requests and responses in flight that one worker holds, in total and per key.
//!
//! It only bounds memory; limits and budgets have their own stores. A [`Share`] is the bytes of one message. It grows before the bytes are
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

/// The error code for requests that the gate rejects.
pub const OVERLOADED: &str = "gateway_overloaded";

/// Retry delay for a rejected client: requests end in seconds.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The account of requests whose key is not known yet: together they have the share of one key.
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
pub struct Gate {
    bounds: Cell<Bounds>,
    held: Cell<usize>,
    /// Keys with a share.
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
pub struct Share {
    gate: Rc<Gate>,
    account: Rc<Account>,
    bytes: usize,
}

/// The bound that a message would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The worker's bound, in bytes.
    Worker(usize),
    /// The key's bound, in bytes.
    Key(usize),
    /// The bound on concurrent key lookups.
    Keys,
}

impl Gate {
    /// Creates an empty gate.
    pub fn new(bounds: Bounds) -> Self {
        let unknown = Rc::new(Account { key: UNKNOWN.into(), bytes: Cell::new(0) });
        Self { bounds: Cell::new(bounds), held: Cell::new(0), keys: RefCell::default(), unknown }
    }

    /// Replaces the bounds. Messages that are already held stay and count; only new bytes are rejected.
    pub fn set_bounds(&self, bounds: Bounds) {
        self.bounds.set(bounds);
    }

    /// An empty share for the key with this id.
    pub fn share(self: &Rc<Self>, key: Rc<str>) -> Share {
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

    fn on(self: &Rc<Self>, account: Rc<Account>) -> Share {
        Share { gate: self.clone(), account, bytes: 0 }
    }

    /// An empty share for a request whose key is not known yet.
    pub fn unknown(self: &Rc<Self>) -> Share {
        self.on(self.unknown.clone())
    }

    /// Bytes held by all shares.
    pub fn held(&self) -> usize {
        self.held.get()
    }

    #[cfg(test)]
    fn of_key(&self, key: &str) -> usize {
        let keys = self.keys.borrow();
        let account = if key == UNKNOWN { Some(&self.unknown) } else { keys.get(key) };
        account.map_or(0, |account| account.bytes.get())
    }

    fn take(&self, account: &Account, bytes: usize) -> Result<(), Full> {
        if bytes == 0 {
            return Ok(());
        }
        let (held, of_key) = (self.held.get().saturating_add(bytes), account.bytes.get().saturating_add(bytes));
        let bounds = self.bounds.get();
        if of_key > bounds.key {
            return Err(Full::Key(bounds.key));
        }
        if held > bounds.worker {
            return Err(Full::Worker(bounds.worker));
        }
        self.held.set(held);
        account.bytes.set(of_key);
        Ok(())
    }

    fn give_back(&self, account: &Account, bytes: usize) {
        self.held.set(self.held.get().saturating_sub(bytes));
        account.bytes.set(account.bytes.get().saturating_sub(bytes));
    }
}

impl Share {
    /// Another empty share for the same key.
    pub fn sibling(&self) -> Self {
        self.gate.on(self.account.clone())
    }

    /// Grows the share to this many bytes; it never shrinks. An error leaves it unchanged.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let more = bytes.saturating_sub(self.bytes);
        self.gate.take(&self.account, more)?;
        self.bytes = self.bytes.saturating_add(more);
        Ok(())
    }

    /// Sets the share to exactly this many bytes. If it cannot grow, it is unchanged.
    pub fn set(&mut self, bytes: usize) -> Result<(), Full> {
        let less = self.bytes.saturating_sub(bytes);
        self.gate.give_back(&self.account, less);
        self.bytes = self.bytes.saturating_sub(less);
        self.grow(bytes)
    }

    /// Releases all bytes of the share.
    pub fn release(&mut self) {
        self.gate.give_back(&self.account, self.bytes);
        self.bytes = 0;
    }

    /// Moves the share to a key, once that is known. An error leaves the share empty.
    pub fn belongs_to(&mut self, key: Rc<str>) -> Result<(), Full> {
        let bytes = self.bytes;
        self.release();
        *self = self.gate.share(key);
        self.grow(bytes)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.release();
        // Only the gate and this share still hold the account.
        if Rc::strong_count(&self.account) == 2 {
            self.gate.keys.borrow_mut().remove(&self.account.key);
        }
    }
}

impl Full {
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

    fn gate() -> Rc<Gate> {
        Rc::new(Gate::new(Bounds { rewritten: 100, worker: 100, key: 60 }))
    }

    #[test]
    fn a_key_has_no_more_than_its_share_and_a_worker_no_more_than_its_own() {
        let gate = gate();
        let (mut one, mut two, mut other) = (gate.share("a".into()), gate.share("a".into()), gate.share("b".into()));
        assert_eq!(one.grow(40), Ok(()));
        assert_eq!(two.grow(21), Err(Full::Key(60)));
        assert_eq!(two.grow(20), Ok(()));
        assert_eq!(other.grow(41), Err(Full::Worker(100)));
        assert_eq!(other.grow(40), Ok(()));
        assert_eq!(gate.held(), 100);
        drop(one);
        assert_eq!((gate.held(), two.grow(60)), (60, Ok(())));
        drop((two, other));
        assert_eq!((gate.held(), gate.keys.borrow().len()), (0, 0), "nothing is left behind");
    }

    #[test]
    fn a_share_takes_only_what_it_grows_by_and_gives_back_all() {
        let gate = gate();
        let mut share = gate.share("a".into());
        for bytes in [10, 30, 20, 60] {
            assert_eq!(share.grow(bytes), Ok(()));
        }
        assert_eq!((share.grow(61), gate.held()), (Err(Full::Key(60)), 60));
        assert_eq!((share.set(20), gate.held()), (Ok(()), 20));
        assert_eq!((share.set(61), share.set(30), gate.held()), (Err(Full::Key(60)), Ok(()), 30));
        share.release();
        assert_eq!((gate.held(), share.grow(usize::MAX)), (0, Err(Full::Key(60))));
    }

    #[test]
    fn other_bounds_hold_for_what_comes_and_nothing_that_is_held_is_lost() {
        let gate = gate();
        let mut share = gate.share("a".into());
        assert_eq!(share.grow(50), Ok(()));
        gate.set_bounds(Bounds { rewritten: 100, worker: 40, key: 30 });
        assert_eq!((share.grow(51), gate.held()), (Err(Full::Key(30)), 50));
        assert_eq!(gate.share("b".into()).grow(1), Err(Full::Worker(40)));
        gate.set_bounds(Bounds { rewritten: 100, worker: 200, key: 200 });
        assert_eq!((share.grow(200), gate.held()), (Ok(()), 200));
        drop(share);
        assert_eq!(gate.held(), 0);
    }

    #[test]
    fn callers_that_are_not_known_yet_have_one_share_together() {
        let gate = gate();
        let (mut one, mut two) = (gate.unknown(), gate.unknown());
        assert_eq!((one.grow(50), two.grow(11)), (Ok(()), Err(Full::Key(60))));
        assert_eq!(one.belongs_to("a".into()), Ok(()));
        assert_eq!((two.grow(11), gate.of_key("a"), gate.of_key(UNKNOWN)), (Ok(()), 50, 11));
        let mut full = gate.share("a".into());
        full.grow(10).unwrap();
        assert_eq!((two.belongs_to("a".into()), gate.held()), (Err(Full::Key(60)), 60));
    }
}
