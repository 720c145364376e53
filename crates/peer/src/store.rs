//! The seam to a store of files, which lives outside: what it is told, and what it answers.
//!
//! The node never waits for a store, and keeps itself to what it lets be under way. So a queue that is full, or a store that is
//! gone, is a failure, which the node hears in the store's own words.

use manyhands_core::files::{StoreEvent, StoreOrder};
use tokio::sync::mpsc;

/// What a peer needs of a store of files: its two ends of two bounded queues.
///
/// The store carries out the orders of each file in the order they came, and answers as [`StoreOrder`] says. It reads its queue
/// until that is closed: then the peer is gone. Its queue should take some thousand orders.
#[derive(Debug)]
pub struct Store {
    /// What the store is to do.
    pub orders: mpsc::Sender<StoreOrder>,
    /// What it answers.
    pub events: mpsc::Receiver<StoreEvent>,
}

/// Where the loop puts its orders.
#[derive(Debug)]
pub(crate) struct Orders(pub(crate) Option<mpsc::Sender<StoreOrder>>);

impl Orders {
    /// Gives an order to the store, or answers it in the store's place.
    pub(crate) fn give(&self, order: StoreOrder) -> Option<StoreEvent> {
        let (order, why) = match &self.0 {
            Some(orders) => match orders.try_send(order) {
                Ok(()) => return None,
                Err(mpsc::error::TrySendError::Full(order)) => (order, "the store of files is too slow"),
                Err(mpsc::error::TrySendError::Closed(order)) => (order, "the store of files has ended"),
            },
            None => (order, "there is no store of files"),
        };
        tracing::error!(why, "an order for the store of files is lost");
        match order {
            StoreOrder::Begin { file, .. } | StoreOrder::Write { file, .. } => {
                Some(StoreEvent::Refused { file, why: why.to_owned() })
            }
            StoreOrder::Read { file, chunk } => Some(StoreEvent::Read { file, chunk, bytes: None }),
            StoreOrder::ReadHashes(file) => Some(StoreEvent::Hashes { file, hashes: None }),
            // These have no answer.
            StoreOrder::Keep(_) | StoreOrder::Forget(_) | StoreOrder::Recall(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use manyhands_wire::FileId;

    use super::*;

    const FILE: FileId = FileId([1; 32]);

    #[test]
    fn what_a_full_store_does_not_take_is_answered_in_its_place() {
        let (orders, mut taken) = mpsc::channel(1);
        let orders = Orders(Some(orders));

        assert_eq!(orders.give(StoreOrder::Forget(FILE)), None);
        let refusal = orders.give(StoreOrder::Write { file: FILE, chunk: 3, bytes: vec![0] });
        assert!(matches!(refusal, Some(StoreEvent::Refused { file: FILE, .. })), "{refusal:?}");
        let read = orders.give(StoreOrder::Read { file: FILE, chunk: 3 });
        assert_eq!(read, Some(StoreEvent::Read { file: FILE, chunk: 3, bytes: None }));

        assert_eq!(taken.try_recv(), Ok(StoreOrder::Forget(FILE)));
        drop(taken);
        let hashes = orders.give(StoreOrder::ReadHashes(FILE));
        assert_eq!(hashes, Some(StoreEvent::Hashes { file: FILE, hashes: None }));
    }
}
