//! A node's own key, and checking what others signed with theirs (Ed25519, RFC 8032).

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use manyhands_wire::{PeerId, Signature};

/// A node's own key pair.
pub(crate) struct Identity {
    key: SigningKey,
    id: PeerId,
}

impl Identity {
    /// The key pair with this secret half.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(secret);
        let id = PeerId(key.verifying_key().to_bytes());
        Self { key, id }
    }

    /// The public half.
    pub(crate) fn id(&self) -> PeerId {
        self.id
    }

    /// Signs `bytes`, which must begin with a text that tells what is signed, so that a signature means one thing only.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Signature {
        Signature(self.key.sign(bytes).to_bytes())
    }
}

/// Whether `peer` signed `bytes`. Weak keys and malleable signatures are refused.
pub(crate) fn is_signed_by(peer: &PeerId, bytes: &[u8], signature: &Signature) -> bool {
    VerifyingKey::from_bytes(&peer.0).is_ok_and(|key| {
        key.verify_strict(bytes, &ed25519_dalek::Signature::from_bytes(&signature.0)).is_ok()
    })
}
