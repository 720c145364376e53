//! A node's own key, and checking what others signed with theirs (Ed25519, RFC 8032).
//!
//! Simulations of thousands of nodes would spend nearly all their time on signatures. For them alone there is a scheme that
//! anybody can forge and that costs next to nothing; a node of one scheme does not believe one of the other.

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use manyhands_wire::{PeerId, Signature};

/// How a node signs, and checks what others signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signatures {
    /// Ed25519: what every real node uses.
    #[default]
    Ed25519,
    /// A hash that anybody can make: for simulations, where nobody forges or the forger is the scenario itself.
    #[cfg(feature = "simulation")]
    Simulated,
}

/// A node's own key pair.
pub(crate) struct Identity {
    scheme: Signatures,
    key: SigningKey,
    id: PeerId,
}

impl Identity {
    /// The key pair with this secret half.
    pub(crate) fn new(secret: &[u8; 32], scheme: Signatures) -> Self {
        let key = SigningKey::from_bytes(secret);
        let id = match scheme {
            Signatures::Ed25519 => PeerId(key.verifying_key().to_bytes()),
            #[cfg(feature = "simulation")]
            Signatures::Simulated => PeerId(*blake3::hash(secret).as_bytes()),
        };
        Self { scheme, key, id }
    }

    /// The public half.
    pub(crate) fn id(&self) -> PeerId {
        self.id
    }

    /// Signs `bytes`, which must begin with a text that tells what is signed, so that a signature means one thing only.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Signature {
        match self.scheme {
            Signatures::Ed25519 => Signature(self.key.sign(bytes).to_bytes()),
            #[cfg(feature = "simulation")]
            Signatures::Simulated => simulated(&self.id, bytes),
        }
    }

    /// Whether `peer` signed `bytes`. Weak keys and malleable signatures are refused.
    pub(crate) fn is_signed_by(&self, peer: &PeerId, bytes: &[u8], signature: &Signature) -> bool {
        match self.scheme {
            Signatures::Ed25519 => VerifyingKey::from_bytes(&peer.0).is_ok_and(|key| {
                key.verify_strict(bytes, &ed25519_dalek::Signature::from_bytes(&signature.0)).is_ok()
            }),
            #[cfg(feature = "simulation")]
            Signatures::Simulated => simulated(peer, bytes) == *signature,
        }
    }
}

#[cfg(feature = "simulation")]
fn simulated(peer: &PeerId, bytes: &[u8]) -> Signature {
    let mut signature = [0; 64];
    blake3::Hasher::new_keyed(&peer.0).update(bytes).finalize_xof().fill(&mut signature);
    Signature(signature)
}
