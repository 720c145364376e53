//! Who puts which file at this moment. The same file may be in several requests at once, one of which is refused: what it
//! wrote is thrown away only if no other request counts on it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use manyhands_store::FileStore;
use manyhands_wire::FileId;
use tokio::sync::Mutex;

/// The files of all requests under way. No more than these requests may have.
#[derive(Default)]
pub(crate) struct Claims(Mutex<BTreeMap<FileId, Claim>>);

/// What is known of one of these files.
#[derive(Default)]
struct Claim {
    /// How many times it is in a request.
    count: usize,
    /// Whether one of them brought content that was not here before.
    is_new: bool,
    /// Whether the node was told of it, so that it stays whatever becomes of the others.
    is_put: bool,
}

impl Claims {
    /// A request has written a file. False if another request has thrown it away in this very moment.
    pub(super) async fn add(&self, store: &FileStore, id: FileId, is_new: bool) -> bool {
        let mut claims = self.0.lock().await;
        if !store.is_whole(&id) {
            return false;
        }
        let claim = claims.entry(id).or_default();
        claim.count += 1;
        claim.is_new |= is_new;
        true
    }

    /// A request is over, and the node has the file.
    pub(super) async fn keep(&self, id: FileId) {
        if let Entry::Occupied(mut claim) = self.0.lock().await.entry(id) {
            claim.get_mut().is_put = true;
            leave(claim);
        }
    }

    /// A request is over, and has come to nothing. Whoever was the last throws away what was not here before.
    pub(super) async fn give_up(&self, store: &FileStore, id: FileId) {
        let mut claims = self.0.lock().await;
        let Entry::Occupied(claim) = claims.entry(id) else { return };
        if let Some(Claim { is_new: true, is_put: false, .. }) = leave(claim) {
            // Still under the lock: whoever wrote the same meanwhile has to see that it is gone.
            store.discard(&id).await;
        }
    }
}

/// Counts one request less; gives the claim back if that was the last.
fn leave(mut claim: std::collections::btree_map::OccupiedEntry<'_, FileId, Claim>) -> Option<Claim> {
    claim.get_mut().count = claim.get().count.saturating_sub(1);
    (claim.get().count == 0).then(|| claim.remove())
}
