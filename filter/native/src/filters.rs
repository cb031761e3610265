//! The filters of this worker's streams. Envoy stores a number for each filter, and every hook looks the filter up by it. The lookup of a
//! destroyed filter finds nothing.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;

use sluice_shell::Role;
use sluice_wire::headers::HeaderMap;

use crate::abi;
use crate::domain::Domain;
use crate::root::Root;

/// One filter of one stream.
pub struct Filter {
    /// Envoy's part of it; null once it is gone.
    pub envoy: Cell<*mut abi::Filter>,
    /// Borrowed during its callbacks.
    pub role: RefCell<Box<dyn Role>>,
    /// Actions that make Envoy call the filter again, delayed until the current callback has returned.
    pub later: RefCell<VecDeque<Later>>,
    /// Whether it has seen the request.
    pub begun: Cell<bool>,
    /// Whether it has seen the response's headers.
    pub has_answer: Cell<bool>,
    /// Whether it has replied. A second reply is rejected.
    pub answered: Cell<bool>,
    /// Whether one of its callbacks panicked. No further callback runs.
    pub failed: Cell<bool>,
    /// Whether Envoy wanted to write the access log during another callback: the role's log callback runs after that one.
    pub over: Cell<bool>,
    /// Its configuration in this worker.
    pub root: Rc<Root>,
}

/// An action that waits for the end of the current callback.
pub enum Later {
    /// A reply.
    Reply(u16, HeaderMap, Vec<u8>),
    /// A reply after a panic. Envoy writes its body in the client's format.
    Failed,
    /// Continue a waiting request.
    ResumeRequest,
    /// Continue a waiting response.
    ResumeResponse,
}

/// A filter's number in its worker. A later filter may reuse the index, with another generation.
#[derive(Clone, Copy)]
pub struct Handle {
    index: u32,
    generation: u32,
    /// Its gateway.
    pub domain: &'static Domain,
}

impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        (self.index, self.generation) == (other.index, other.generation)
    }
}

#[derive(Default)]
struct Filters {
    slots: Vec<Slot>,
    /// Slots without a filter.
    free: Vec<u32>,
    /// Slots with a filter, in no order.
    taken: Vec<u32>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    filter: Option<Rc<Filter>>,
    /// Its position in `taken`.
    rank: usize,
}

thread_local! {
    static FILTERS: RefCell<Filters> = RefCell::default();
    /// Filters whose request waits for another one.
    static WAITING: RefCell<Vec<*const c_void>> = RefCell::default();
}

impl Handle {
    /// Allocates a number for a filter of this gateway.
    pub fn take(domain: &'static Domain) -> Option<Self> {
        FILTERS.with_borrow_mut(|filters| {
            if let Some(index) = filters.free.pop() {
                let generation = filters.slots.get(index as usize)?.generation;
                return Some(Self { index, generation, domain });
            }
            let index = u32::try_from(filters.slots.len()).ok()?;
            filters.slots.push(Slot::default());
            Some(Self { index, generation: 0, domain })
        })
    }

    /// Registers the filter under its number.
    pub fn put(self, filter: Rc<Filter>) {
        FILTERS.with_borrow_mut(|filters| {
            let rank = filters.taken.len();
            if let Some(slot) = filters.slots.get_mut(self.index as usize) {
                (slot.filter, slot.rank) = (Some(filter), rank);
                filters.taken.push(self.index);
            }
        });
    }

    /// The filter, unless it is gone.
    pub fn filter(self) -> Option<Rc<Filter>> {
        FILTERS.with_borrow(|filters| {
            let slot = filters.slots.get(self.index as usize)?;
            if slot.generation == self.generation { slot.filter.clone() } else { None }
        })
    }

    /// Envoy's part of the filter, unless it is gone.
    pub fn envoy(self) -> Option<*mut abi::Filter> {
        FILTERS.with_borrow(|filters| {
            let slot = filters.slots.get(self.index as usize)?;
            let envoy = slot.filter.as_ref().filter(|_| slot.generation == self.generation)?.envoy.get();
            (!envoy.is_null()).then_some(envoy)
        })
    }

    /// The filter's index in this worker.
    pub fn index(self) -> u32 {
        self.index
    }

    /// The number as Envoy stores it: a non-null pointer that is never dereferenced.
    pub fn token(self) -> *const c_void {
        let number = (u64::from(self.generation) << 32 | u64::from(self.index)).wrapping_add(1);
        ptr::without_provenance(number as usize)
    }
}

/// The filter for a pointer from Envoy, unless it is gone.
pub fn by_token(token: *const c_void) -> Option<Rc<Filter>> {
    let (index, generation) = numbers(token);
    FILTERS.with_borrow(|filters| {
        let slot = filters.slots.get(index as usize)?;
        if slot.generation == generation { slot.filter.clone() } else { None }
    })
}

/// Registers a filter whose request waits for the next tick.
pub fn waits(token: *const c_void) {
    WAITING.with_borrow_mut(|waiting| waiting.push(token));
}

/// Takes the filters whose requests wait, oldest first. Some of them may be gone.
pub fn waiting() -> Vec<*const c_void> {
    /// The most requests that one tick wakes: each may get a response of its own.
    const MOST: usize = 256;
    WAITING.with_borrow_mut(|waiting| waiting.drain(..waiting.len().min(MOST)).collect())
}

/// Removes a filter. Its index may be reused from now on.
pub fn remove(token: *const c_void) -> Option<Rc<Filter>> {
    let (index, generation) = numbers(token);
    FILTERS.with_borrow_mut(|filters| {
        let slot = filters.slots.get_mut(index as usize).filter(|slot| slot.generation == generation)?;
        let filter = slot.filter.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        let rank = slot.rank;
        filters.taken.swap_remove(rank);
        let moved = filters.taken.get(rank).copied();
        if let Some(slot) = moved.and_then(|moved| filters.slots.get_mut(moved as usize)) {
            slot.rank = rank;
        }
        filters.free.push(index);
        Some(filter)
    })
}

/// A filter that can receive an event for this worker.
pub fn any() -> Option<*mut abi::Filter> {
    FILTERS.with_borrow(|filters| {
        let slot = filters.slots.get(*filters.taken.last()? as usize)?;
        Some(slot.filter.as_ref()?.envoy.get()).filter(|envoy| !envoy.is_null())
    })
}

/// The filter whose counters this one increments. Envoy stores a provider filter's counters under its cluster, where operators do not look,
/// so an attempt uses a filter of the listener. There is always one: the attempt's own request.
pub fn counting(handle: Handle) -> Option<*mut abi::Filter> {
    FILTERS.with_borrow(|filters| {
        let counts = |index: &u32| {
            let filter = filters.slots.get(*index as usize)?.filter.as_ref()?;
            let is_one = ptr::eq(filter.root.config.domain, handle.domain) && filter.root.counts();
            Some(filter.envoy.get()).filter(|envoy| is_one && !envoy.is_null())
        };
        counts(&handle.index).or_else(|| filters.taken.iter().find_map(counts))
    })
}

fn numbers(token: *const c_void) -> (u32, u32) {
    let number = (token.addr() as u64).wrapping_sub(1);
    (number as u32, (number >> 32) as u32)
}
