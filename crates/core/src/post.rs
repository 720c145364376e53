//! Frames waiting to be sent, addressed by peer: the sub-protocols write, the node knows the links.

use std::collections::VecDeque;

use manyhands_wire::{Frame, PeerId};

/// To whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum To {
    One(PeerId),
    Many(Vec<PeerId>),
    All,
}

/// Frames in the order they were written. The node empties it after every input.
#[derive(Default)]
pub(crate) struct Post(pub(crate) VecDeque<(To, Frame)>);

impl Post {
    pub(crate) fn send(&mut self, peer: PeerId, frame: Frame) {
        self.0.push_back((To::One(peer), frame));
    }

    pub(crate) fn send_many(&mut self, peers: Vec<PeerId>, frame: Frame) {
        if !peers.is_empty() {
            self.0.push_back((To::Many(peers), frame));
        }
    }

    pub(crate) fn send_all(&mut self, frame: Frame) {
        self.0.push_back((To::All, frame));
    }
}
