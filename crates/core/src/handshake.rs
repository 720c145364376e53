//! The handshake on a new link: both sides prove the room's key and their own.
//!
//! 1. Each sends a [`Hello`]: its public key and a fresh nonce.
//! 2. The transcript is the hash of, caller first, both public keys, both nonces, and the DTLS fingerprints of both session
//!    descriptions. Each sends a [`Proof`]: the transcript and its own name under the room's link key (keyed BLAKE3),
//!    and the same under its identity key (Ed25519).
//! 3. Each checks the other's. A signaling server that put itself between the two would have to show a fingerprint of
//!    its own, and the transcripts would differ.

use manyhands_wire::PeerId;
use manyhands_wire::frame::{Hello, Proof};

use crate::calls::Negotiated;
use crate::identity::Identity;
use crate::table::Set;

/// One side of a handshake under way.
pub(crate) struct Handshake {
    negotiated: Negotiated,
    ours: Hello,
    theirs: Option<Hello>,
}

/// Why a handshake fails, for people.
pub(crate) type Refusal = &'static str;

impl Handshake {
    /// Begins: `ours` is to be sent at once.
    pub(crate) fn new(negotiated: Negotiated, ours: Hello) -> Self {
        Self { negotiated, ours, theirs: None }
    }

    /// Whom this node believes to be on the other side, and whether this node called.
    pub(crate) fn counterpart(&self) -> (PeerId, bool) {
        (self.negotiated.peer, self.negotiated.caller)
    }

    /// Takes in the other's hello, and gives the proof to send.
    pub(crate) fn on_hello(
        &mut self,
        me: &Identity,
        link_key: &[u8; 32],
        hello: Hello,
    ) -> Result<Proof, Refusal> {
        if self.theirs.is_some() {
            return Err("it said hello twice");
        }
        if hello.peer != self.negotiated.peer {
            return Err("it is not the peer that was called");
        }
        if hello.peer == self.ours.peer || hello.nonce == self.ours.nonce {
            return Err("it echoes this node's own hello");
        }
        let transcript = self.transcript(&hello).ok_or("its session description has no fingerprint")?;
        self.theirs = Some(hello);
        let statement = statement(&transcript, &self.ours.peer);
        Ok(Proof { room: room_proof(link_key, &statement), identity: me.sign(&statement) })
    }

    /// Takes in the other's proof. The link counts if it is good.
    pub(crate) fn on_proof(
        &self,
        me: &Identity,
        link_key: &[u8; 32],
        proof: &Proof,
    ) -> Result<Hello, Refusal> {
        let theirs = self.theirs.as_ref().ok_or("its proof came before its hello")?;
        let transcript = self.transcript(theirs).ok_or("its session description has no fingerprint")?;
        let statement = statement(&transcript, &theirs.peer);
        // Hash comparison takes the same time wherever the difference lies.
        if blake3::Hash::from(room_proof(link_key, &statement)) != blake3::Hash::from(proof.room) {
            return Err("it does not know the room's key");
        }
        if !me.is_signed_by(&theirs.peer, &statement, &proof.identity) {
            return Err("it does not hold the key it names");
        }
        Ok(theirs.clone())
    }

    fn transcript(&self, theirs: &Hello) -> Option<[u8; 32]> {
        let (caller, called) =
            if self.negotiated.caller { (&self.ours, theirs) } else { (theirs, &self.ours) };
        let mut hasher = blake3::Hasher::new_derive_key("manyhands link transcript v1");
        for (hello, sdp) in [(caller, &self.negotiated.offer), (called, &self.negotiated.answer)] {
            hasher.update(&hello.peer.0);
            hasher.update(&hello.nonce);
            let fingerprints = fingerprints(sdp)?;
            hasher.update(&(fingerprints.len() as u64).to_le_bytes());
            hasher.update(fingerprints.as_bytes());
        }
        Some(*hasher.finalize().as_bytes())
    }
}

/// What a side proves: the transcript, said by itself.
fn statement(transcript: &[u8; 32], speaker: &PeerId) -> Vec<u8> {
    [b"manyhands link proof v1".as_slice(), transcript, &speaker.0].concat()
}

fn room_proof(link_key: &[u8; 32], statement: &[u8]) -> [u8; 32] {
    *blake3::keyed_hash(link_key, statement).as_bytes()
}

/// The DTLS fingerprints that a session description names (RFC 8122), in one form; `None` if there are none.
fn fingerprints(sdp: &str) -> Option<String> {
    let mut lines = Set::new();
    let named = sdp
        .lines()
        .filter_map(|line| line.trim().strip_prefix("a=fingerprint:"))
        .map(|fingerprint| fingerprint.trim().to_ascii_lowercase());
    lines.extend(named);
    (!lines.is_empty()).then(|| lines.into_iter().map(|line| line + "\n").collect())
}

/// A signature that signs nothing, for tests of refusal.
#[cfg(test)]
const NO_SIGNATURE: manyhands_wire::Signature = manyhands_wire::Signature([0; 64]);

#[cfg(test)]
mod tests {
    use manyhands_wire::frame::PeerKind;

    use super::*;
    use crate::identity::Signatures;

    const KEY: [u8; 32] = [9; 32];
    const OFFER: &str = "v=0\r\na=fingerprint:sha-256 AA:01\r\n";
    const ANSWER: &str = "v=0\r\na=fingerprint:sha-256 BB:02\r\n";

    struct Side {
        me: Identity,
        handshake: Handshake,
    }

    fn hello(me: &Identity) -> Hello {
        Hello {
            peer: me.id(),
            nonce: me.id().0,
            kind: PeerKind::Native,
            name: String::new(),
            address: String::new(),
        }
    }

    fn pair(offer_seen_by_called: &str) -> (Side, Side) {
        let (a, b) =
            (Identity::new(&[1; 32], Signatures::Ed25519), Identity::new(&[2; 32], Signatures::Ed25519));
        let side = |me: Identity, peer, caller, offer: &str| {
            let negotiated = Negotiated { peer, caller, offer: offer.into(), answer: ANSWER.into() };
            Side { handshake: Handshake::new(negotiated, hello(&me)), me }
        };
        let (ia, ib) = (a.id(), b.id());
        (side(a, ib, true, OFFER), side(b, ia, false, offer_seen_by_called))
    }

    fn run(a: &mut Side, b: &mut Side, key_a: &[u8; 32]) -> Result<Hello, Refusal> {
        let proof = a.handshake.on_hello(&a.me, key_a, hello(&b.me))?;
        b.handshake.on_hello(&b.me, &KEY, hello(&a.me))?;
        b.handshake.on_proof(&b.me, &KEY, &proof)
    }

    #[test]
    fn two_who_hold_the_key_believe_each_other() {
        let (mut a, mut b) = pair(OFFER);

        assert_eq!(run(&mut a, &mut b, &KEY).map(|hello| hello.peer), Ok(a.me.id()));
    }

    #[test]
    fn a_wrong_room_key_is_refused() {
        let (mut a, mut b) = pair(OFFER);

        assert_eq!(run(&mut a, &mut b, &[8; 32]), Err("it does not know the room's key"));
    }

    #[test]
    fn somebody_in_between_shows_another_fingerprint_and_is_refused() {
        let (mut a, mut b) = pair("v=0\r\na=fingerprint:sha-256 CC:03\r\n");

        assert!(run(&mut a, &mut b, &KEY).is_err());
    }

    #[test]
    fn a_stolen_name_is_refused() {
        let (mut a, mut b) = pair(OFFER);
        let mut proof = a.handshake.on_hello(&a.me, &KEY, hello(&b.me)).unwrap();
        b.handshake.on_hello(&b.me, &KEY, hello(&a.me)).unwrap();
        proof.identity = NO_SIGNATURE;

        assert_eq!(b.handshake.on_proof(&b.me, &KEY, &proof), Err("it does not hold the key it names"));
    }

    #[test]
    fn an_echo_is_refused() {
        let (mut a, mut b) = pair(OFFER);
        let proof = b.handshake.on_hello(&b.me, &KEY, hello(&a.me)).unwrap();
        a.handshake.on_hello(&a.me, &KEY, hello(&b.me)).unwrap();

        // b's own proof sent back to it.
        assert_eq!(b.handshake.on_proof(&b.me, &KEY, &proof), Err("it does not know the room's key"));
    }
}
