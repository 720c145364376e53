//! Whispers: letters sealed with the room's key, so that signaling carries what it cannot read.
//!
//! XChaCha20-Poly1305 with a random 24-byte nonce in front. Who speaks, to whom and in which call stands inside the
//! seal (see [`Letter`]); the room's id is authenticated beside it. The text form is base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use manyhands_wire::sealed::{CANDIDATE_BYTES_MAX, Letter, SDP_BYTES_MAX, Whisper};
use manyhands_wire::signaling::SIGNALING_BYTES_MAX;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;

use crate::invite::RoomKeys;

const NONCE_BYTES: usize = 24;

/// Seals a letter.
pub(crate) fn seal(keys: &RoomKeys, rng: &mut ChaCha8Rng, letter: &Letter) -> String {
    let mut nonce = [0; NONCE_BYTES];
    rng.fill_bytes(&mut nonce);
    let plain = postcard::to_stdvec(letter).expect("letters are plain data, which postcard always encodes");
    let sealed = XChaCha20Poly1305::new(&keys.seal.into())
        .encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &keys.id.0 })
        .expect("a letter is far below the cipher's limit");
    STANDARD_NO_PAD.encode([nonce.as_slice(), &sealed].concat())
}

/// Opens a letter; `None` if it was not sealed with this room's key, or is over a limit.
pub(crate) fn open(keys: &RoomKeys, body: &str) -> Option<Letter> {
    if body.len() > SIGNALING_BYTES_MAX {
        return None;
    }
    let bytes = STANDARD_NO_PAD.decode(body).ok()?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
    let plain = XChaCha20Poly1305::new(&keys.seal.into())
        .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &keys.id.0 })
        .ok()?;
    let letter: Letter = postcard::from_bytes(&plain).ok()?;
    let within_limits = match &letter.whisper {
        Whisper::Offer(sdp) | Whisper::Answer(sdp) => sdp.len() <= SDP_BYTES_MAX,
        Whisper::Candidate(candidate) => candidate.len() <= CANDIDATE_BYTES_MAX,
        Whisper::Call { .. } | Whisper::Accept | Whisper::Decline(_) => true,
    };
    within_limits.then_some(letter)
}

#[cfg(test)]
mod tests {
    use manyhands_wire::PeerId;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;
    use crate::invite::RoomKey;

    #[test]
    fn only_the_room_reads_a_letter_and_no_byte_can_be_changed() {
        let room = RoomKey { host: [1; 16], key: [2; 16] };
        let stranger = RoomKey { key: [3; 16], ..room };
        let mut rng = ChaCha8Rng::from_seed([0; 32]);
        let letter =
            Letter { from: PeerId([4; 32]), to: None, session: 5, whisper: Whisper::Offer("v=0".into()) };

        let sealed = seal(&room.derive(), &mut rng, &letter);

        assert_eq!(open(&room.derive(), &sealed), Some(letter));
        assert_eq!(open(&stranger.derive(), &sealed), None);
        for at in [0, 30, sealed.len() - 1] {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(open(&room.derive(), &String::from_utf8(changed).unwrap()), None);
        }
        assert_eq!(open(&room.derive(), "not base64 at all!"), None);
    }
}
