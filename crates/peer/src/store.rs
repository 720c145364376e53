//! The seam to a store of files, which lives outside: what it is told, and what it answers.
//!
//! The node never waits for a store, and keeps itself to what it lets be under way. So a queue that is full, or a store that is
//! gone, is a failure, which the node hears in the store's own words. What has no answer, though, would be lost unheard: it waits
//! until the queue has room, and what comes after it waits behind it or is refused.

use std::collections::VecDeque;

use manyhands_core::files::{StoreEvent, StoreOrder};
use tokio::sync::mpsc;

/// How many orders without an answer wait for room in the queue: what a person does at most while a disk stands still. A guess.
const WAITING_MAX: usize = 8192;

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

const TOO_SLOW: &str = "the store of files is too slow";

/// Where the loop puts its orders.
#[derive(Debug)]
pub(crate) struct Orders {
    to: Option<mpsc::Sender<StoreOrder>>,
    /// Orders without an answer that found no room.
    waiting: VecDeque<StoreOrder>,
}

impl Orders {
    /// The end of the store's queue; none without a store.
    pub(crate) fn new(to: Option<mpsc::Sender<StoreOrder>>) -> Self {
        Self { to, waiting: VecDeque::new() }
    }

    /// Tries again what found no room. To be called now and then.
    pub(crate) fn retry(&mut self) {
        let Some(to) = &self.to else { return };
        while !self.waiting.is_empty() {
            match to.try_reserve() {
                Ok(room) => {
                    if let Some(order) = self.waiting.pop_front() {
                        room.send(order);
                    }
                }
                Err(mpsc::error::TrySendError::Full(())) => return,
                Err(mpsc::error::TrySendError::Closed(())) => {
                    tracing::error!(
                        orders = self.waiting.len(),
                        "the store of files has ended before its orders"
                    );
                    self.waiting.clear();
                }
            }
        }
    }

    /// Waits until the store has taken all orders. There will be no more.
    pub(crate) async fn finish(self) {
        let Some(to) = self.to else { return };
        for order in self.waiting {
            if to.send(order).await.is_err() {
                tracing::error!("the store of files has ended before its orders");
                return;
            }
        }
    }

    /// Gives an order to the store, or answers it in the store's place.
    pub(crate) fn give(&mut self, order: StoreOrder) -> Option<StoreEvent> {
        self.retry();
        let (order, why) = match &self.to {
            // Orders of a file are carried out as they were given.
            Some(_) if !self.waiting.is_empty() => (order, TOO_SLOW),
            Some(to) => match to.try_send(order) {
                Ok(()) => return None,
                Err(mpsc::error::TrySendError::Full(order)) => (order, TOO_SLOW),
                Err(mpsc::error::TrySendError::Closed(order)) => (order, "the store of files has ended"),
            },
            None => (order, "there is no store of files"),
        };
        let has_answer = match &order {
            StoreOrder::Begin { .. }
            | StoreOrder::Write { .. }
            | StoreOrder::Read { .. }
            | StoreOrder::ReadHashes(_) => true,
            StoreOrder::Keep(_) | StoreOrder::Forget(_) | StoreOrder::Recall(_) => false,
        };
        if why == TOO_SLOW && !has_answer && self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(order);
            return None;
        }
        tracing::error!(why, "an order for the store of files is lost");
        match order {
            StoreOrder::Begin { file, .. } | StoreOrder::Write { file, .. } => {
                Some(StoreEvent::Refused { file, why: why.to_owned() })
            }
            StoreOrder::Read { file, chunk } => Some(StoreEvent::Read { file, chunk, bytes: None }),
            StoreOrder::ReadHashes(file) => Some(StoreEvent::Hashes { file, hashes: None }),
            // Nobody waits for an answer.
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
        let mut orders = Orders::new(Some(orders));

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

    #[tokio::test]
    async fn what_has_no_answer_waits_for_room_in_its_order() {
        let (orders, mut taken) = mpsc::channel(1);
        let mut orders = Orders::new(Some(orders));
        let other = FileId([2; 32]);

        for order in [StoreOrder::Forget(FILE), StoreOrder::Recall(FILE), StoreOrder::Forget(other)] {
            assert_eq!(orders.give(order), None);
        }
        // It must not overtake what waits, and somebody waits for its answer.
        let refused = orders.give(StoreOrder::Begin { file: FILE, hashes: vec![] });
        assert!(matches!(refused, Some(StoreEvent::Refused { file: FILE, .. })), "{refused:?}");

        assert_eq!(taken.try_recv(), Ok(StoreOrder::Forget(FILE)));
        orders.retry();
        assert_eq!(taken.try_recv(), Ok(StoreOrder::Recall(FILE)));
        let ((), last) = tokio::join!(orders.finish(), taken.recv());
        assert_eq!(last, Some(StoreOrder::Forget(other)));
    }

    #[test]
    fn no_more_waits_than_there_is_room_for() {
        let (orders, taken) = mpsc::channel(1);
        let mut orders = Orders::new(Some(orders));

        for _ in 0..WAITING_MAX + 10 {
            assert_eq!(orders.give(StoreOrder::Forget(FILE)), None);
        }

        assert_eq!(orders.waiting.len(), WAITING_MAX);
        drop(taken);
        orders.retry();
        assert!(orders.waiting.is_empty());
    }
}
