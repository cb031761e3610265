//! The gate: how many bytes of requests and answers under way one worker holds, in all and for one key.
//!
//! It bounds memory and counts nothing: limits and budgets have their own stores. A [`Share`] stands for the bytes of one
//! message. It grows before the bytes are taken in, and gives them back when it is dropped, so a request that ends in any
//! way leaves nothing behind.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use sluice_wire::error::{ApiError, ErrorKind};

/// The largest request body, in bytes.
pub const LARGEST_BODY: usize = 32 << 20;

/// The largest body that the filter may put in another's place, in bytes. Envoy resets a stream whose body passes its own
/// buffer limit (66 MiB), and does so in the middle of the filter's call.
pub const LARGEST_REWRITTEN: usize = 56 << 20;

/// The code of the error that a client reads when it is refused here.
pub const OVERLOADED: &str = "gateway_overloaded";

/// When a client that was refused may try again: requests end in seconds.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Whose bytes they are before the key is known: all such requests together have the share of one key.
const UNKNOWN: &str = "";

/// How much memory the gateway uses for requests and answers, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// One request or one answer, as it is written for the other side.
    pub rewritten: usize,
    /// All that one worker holds.
    pub worker: usize,
    /// All that one worker holds for one key.
    pub key: usize,
}

/// One worker's gate.
#[derive(Debug)]
pub struct Gate {
    bounds: Cell<Bounds>,
    held: Cell<usize>,
    /// Keys that have a share.
    keys: RefCell<BTreeMap<Rc<str>, Rc<Account>>>,
    /// Of all requests whose key is not known yet.
    unknown: Rc<Account>,
}

/// What is held for one key.
#[derive(Debug)]
struct Account {
    key: Rc<str>,
    bytes: Cell<usize>,
}

/// The bytes of one message.
#[derive(Debug)]
pub struct Share {
    gate: Rc<Gate>,
    account: Rc<Account>,
    bytes: usize,
}

/// The request does not fit: this bound would be passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// One worker's.
    Worker(usize),
    /// One key's.
    Key(usize),
    /// Of keys that are being looked up.
    Keys,
}

impl Gate {
    /// A gate that holds nothing.
    pub fn new(bounds: Bounds) -> Self {
        let unknown = Rc::new(Account { key: UNKNOWN.into(), bytes: Cell::new(0) });
        Self { bounds: Cell::new(bounds), held: Cell::new(0), keys: RefCell::default(), unknown }
    }

    /// Other bounds hold from now on. What is held counts, and stays: only what comes is refused.
    pub fn set_bounds(&self, bounds: Bounds) {
        self.bounds.set(bounds);
    }

    /// A share without bytes, for the key with this id.
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

    /// A share without bytes, for a request whose key is not known yet.
    pub fn unknown(self: &Rc<Self>) -> Share {
        self.on(self.unknown.clone())
    }

    /// The bytes that are held.
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
    /// Another share without bytes, for the same key.
    pub fn sibling(&self) -> Self {
        self.gate.on(self.account.clone())
    }

    /// The message has this many bytes, or will have: the share grows to that, and never shrinks. An error leaves it as it was.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let more = bytes.saturating_sub(self.bytes);
        self.gate.take(&self.account, more)?;
        self.bytes = self.bytes.saturating_add(more);
        Ok(())
    }

    /// The message has exactly this many bytes now. An error leaves the share as it was.
    pub fn set(&mut self, bytes: usize) -> Result<(), Full> {
        let less = self.bytes.saturating_sub(bytes);
        self.gate.give_back(&self.account, less);
        self.bytes = self.bytes.saturating_sub(less);
        self.grow(bytes)
    }

    /// The message's bytes are held no longer.
    pub fn release(&mut self) {
        self.gate.give_back(&self.account, self.bytes);
        self.bytes = 0;
    }

    /// The key has become known. An error leaves the share without bytes.
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
        // The gate has it, and this share: nobody else.
        if Rc::strong_count(&self.account) == 2 {
            self.gate.keys.borrow_mut().remove(&self.account.key);
        }
    }
}

impl Full {
    /// What the client reads.
    pub fn error(self) -> ApiError {
        const MIB: usize = 1 << 20;
        let message = match self {
            Self::Worker(bound) => format!(
                "The gateway's memory for concurrent requests is full ({} MiB). Try again in a moment.",
                bound / MIB
            ),
            Self::Key(bound) => format!(
                "This key's concurrent requests use all the memory that one key may use ({} MiB). Try again when some \
                 of them have finished.",
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
