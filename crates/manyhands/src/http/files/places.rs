//! Places for requests that put files: so many at a time, and of other machines a few each.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use manyhands_signaling::accounted;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::problem::Problem;

/// How many requests put files at a time; others wait before their files are read.
const UPLOADS_MAX: usize = 32;
/// The most of them from one other machine, so that a slow one cannot take all places.
const UPLOADS_PER_ADDRESS_MAX: usize = 8;
/// How long a request waits for a place.
const PLACE_WITHIN: Duration = Duration::from_secs(10);

/// Who has a place, and who waits for one.
pub(crate) struct Places {
    free: Arc<Semaphore>,
    /// How many requests of each other machine are here, those that wait included.
    callers: Mutex<BTreeMap<IpAddr, usize>>,
}

/// A place. Dropping it makes it free.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    _call: Option<Call>,
}

/// A request of another machine.
struct Call {
    places: Arc<Places>,
    caller: IpAddr,
}

impl Places {
    /// All places, free.
    pub(crate) fn new() -> Arc<Self> {
        let free = Arc::new(Semaphore::new(UPLOADS_MAX));
        Arc::new(Self { free, callers: Mutex::default() })
    }

    /// Whether none is free.
    pub(super) fn are_taken(&self) -> bool {
        self.free.available_permits() == 0
    }

    /// Takes a place, and waits a moment for it.
    ///
    /// # Errors
    /// 503 if there is none.
    pub(super) async fn take(self: Arc<Self>, caller: Option<IpAddr>) -> Result<Place, Problem> {
        self.take_within(caller, PLACE_WITHIN).await
    }

    async fn take_within(
        self: Arc<Self>,
        caller: Option<IpAddr>,
        patience: Duration,
    ) -> Result<Place, Problem> {
        let busy = || Problem::busy("too many others are putting files here: try again in a moment");
        let other = caller.filter(|caller| !caller.is_loopback()).map(accounted);
        let call = other.map(|caller| Call::new(&self, caller).ok_or_else(busy)).transpose()?;
        let permit = timeout(patience, Arc::clone(&self.free).acquire_owned()).await;
        let permit = permit.map_err(|_| busy())?.map_err(|_| busy())?;
        Ok(Place { _permit: permit, _call: call })
    }
}

impl Call {
    fn new(places: &Arc<Places>, caller: IpAddr) -> Option<Self> {
        let mut callers = places.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = callers.entry(caller).or_default();
        if *calls >= UPLOADS_PER_ADDRESS_MAX {
            return None;
        }
        *calls += 1;
        Some(Self { places: Arc::clone(places), caller })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut callers = self.places.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut calls) = callers.entry(self.caller) {
            *calls.get_mut() -= 1;
            if *calls.get() == 0 {
                calls.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_machine_does_not_take_all_places() {
        let places = Places::new();
        let take = |address: &str| {
            Arc::clone(&places).take_within(Some(address.parse().unwrap()), Duration::from_millis(1))
        };

        let mut taken = vec![];
        for _ in 0..UPLOADS_PER_ADDRESS_MAX {
            taken.push(take("192.168.1.9").await.ok().unwrap());
        }
        assert_eq!(take("192.168.1.9").await.err().unwrap().status, 503);
        while !places.are_taken() {
            taken.push(take("127.0.0.1").await.ok().unwrap());
        }

        assert_eq!(taken.len(), UPLOADS_MAX);
        assert_eq!(take("127.0.0.1").await.err().unwrap().status, 503, "after a moment");
        taken.clear();
        assert!(take("192.168.1.9").await.is_ok());
    }
}
