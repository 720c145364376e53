//! The node's part in the search for primes: news of them, tests that move from peer to peer, proofs.

use std::time::Duration;

use manyhands_jobs as jobs;
use manyhands_jobs::worker::Claim;
use manyhands_wire::flood::{Body, FloodId};
use manyhands_wire::frame::{Progress, Record};
use manyhands_wire::mersenne::{Finding, Verdict};
use manyhands_wire::parcel::{Label, ParcelKind};
use manyhands_wire::{Block, Frame, JobKind, Outcome, PeerId, UnitRange};

use super::Node;
use crate::gossip::Room;
use crate::io::{Event, Output, Slot};
use crate::parcels::KEEPERS;
use crate::time::Time;
use crate::work::{seconds, unspared};

/// How long a check waits for the proof of a result: at first for its label, then for its bytes.
const PROOF_LABEL_MAX: Duration = Duration::from_secs(3);
const PROOF_MAX: Duration = Duration::from_secs(60);
/// How long a node that leaves waits until another has taken what its tests stand at.
const HANDOVER_MAX: Duration = Duration::from_secs(10);
/// How many steps a test has at most, for each step of Lucas and Lehmer's: Fermat's, and theirs after it.
const STEPS_MAX: u32 = 3;
/// How many checks wait for proofs; further ones compute.
const WAITING_MAX: usize = 32;

/// A result that is to be checked, once its proofs are here.
pub(crate) struct Waiting {
    range: UnitRange,
    since: Time,
    /// Units and residues that have proofs.
    wanted: Vec<(u64, u64)>,
}

impl Node {
    /// What a worker tells beside the end of its slice. `false` if it is something else.
    pub(super) fn takes_as_search(&mut self, now: Time, slot: Slot, report: &jobs::Report) -> bool {
        let is_checking = self.is_checking(slot);
        let Some(job) = &mut self.job else { return false };
        match report {
            // What is computed anew is told by its end only.
            jobs::Report::Progress { .. } | jobs::Report::Saved { .. } | jobs::Report::Proved { .. }
                if is_checking => {}
            jobs::Report::Progress { unit, iteration, iterations } => {
                let (unit, iteration, iterations) = (*unit, *iteration, *iterations);
                job.work.on_progress(slot, Progress { unit, iteration, iterations });
            }
            jobs::Report::Saved { unit, iteration, state, .. } => {
                let kind = ParcelKind::Saved { iteration: *iteration };
                job.parcels.make(now, *unit, kind, state.clone(), &mut self.post);
            }
            jobs::Report::Proved { unit, proof } => {
                job.parcels.make(now, *unit, ParcelKind::Proof, proof.clone(), &mut self.post);
            }
            jobs::Report::Confirmed { exponent, is_prime } => {
                self.on_confirmed(now, slot, *exponent, *is_prime)
            }
            jobs::Report::Calibrated { .. } | jobs::Report::Shortened { .. } | jobs::Report::Done { .. } => {
                return false;
            }
        }
        true
    }

    /// This node's worker finished blocks: a prime among them is told to everybody.
    pub(super) fn tell_of_primes(&mut self, now: Time, blocks: &[(Block, Outcome)]) {
        let me = self.me.id();
        let found: Vec<u32> = blocks.iter().flat_map(|(_, outcome)| primes_of(outcome)).collect();
        for exponent in found {
            let Some(job) = &mut self.job else { return };
            job.primes.learn(now, exponent, Some(me));
            if job.primes.has_told(&me, exponent) {
                continue;
            }
            job.primes.on_told(now, me, exponent, vec![me], job.open()).ok();
            self.hear_of_checks(exponent);
            self.say(now, Body::Prime { exponent });
            self.out.push_back(Output::Event(Event::PrimeFound { exponent }));
        }
    }

    /// Says something to everybody.
    pub(super) fn say(&mut self, now: Time, body: Body) {
        let room = Room { up: &self.up, size: self.room_size };
        self.gossip.say(now, &self.me, &room, body, &mut self.post);
    }

    /// Others' results came: primes among them are known, if nobody told of them, and who signed the result found them.
    pub(super) fn learn_primes(&mut self, now: Time, found: Vec<(u32, Option<PeerId>)>) {
        for (exponent, by) in found {
            let Some(job) = &mut self.job else { return };
            job.primes.learn(now, exponent, by);
            self.hear_of_checks(exponent);
        }
    }

    /// What was said of tests of a prime before it was known itself.
    fn hear_of_checks(&mut self, exponent: u32) {
        let Some(job) = &mut self.job else { return };
        for kept in self.gossip.kept() {
            match kept.flood.body {
                Body::Checked { exponent: of, is_prime } if of == exponent => {
                    job.primes.on_checked(kept.flood.id.originator, exponent, is_prime);
                }
                _ => {}
            }
        }
    }

    /// Somebody told of a prime, or of a test of one; `path` is whom it went through, its originator not among them.
    pub(super) fn on_prime_news(&mut self, now: Time, id: FloodId, path: &[PeerId], body: &Body) {
        let Some(job) = &mut self.job else { return };
        let by = id.originator;
        match *body {
            Body::Prime { exponent } => {
                let me = (by != self.me.id()).then(|| self.me.id());
                let path = std::iter::once(by).chain(path.iter().copied()).chain(me).collect();
                match job.primes.on_told(now, by, exponent, path, job.open()) {
                    Ok(()) => self.hear_of_checks(exponent),
                    Err(why) => {
                        self.gossip.disown(exponent);
                        let what = why.to_owned();
                        self.out.push_back(Output::Event(Event::Misbehaved { peer: by, what }));
                    }
                }
            }
            Body::Checked { exponent, is_prime } => job.primes.on_checked(by, exponent, is_prime),
            Body::Message(_) | Body::News { .. } => {}
        }
    }

    /// The job has just become known: what was told of its primes before counts.
    pub(super) fn recall_prime_news(&mut self, now: Time) {
        let told: Vec<(FloodId, Vec<PeerId>, Body)> = self
            .gossip
            .kept()
            .filter(|kept| matches!(kept.flood.body, Body::Prime { .. } | Body::Checked { .. }))
            .map(|kept| {
                let path = kept.flood.path.iter().map(|hop| hop.peer).collect();
                (kept.flood.id, path, kept.flood.body.clone())
            })
            .collect();
        for (id, path, body) in told {
            self.on_prime_news(now, id, &path, &body);
        }
    }

    /// What is due of all that.
    pub(super) fn look_after_search(&mut self, now: Time) {
        let (me, can_test) = (self.me.id(), self.can_check());
        let Some(job) = &mut self.job else { return };
        if !matches!(job.signed.spec.kind, JobKind::Mersenne { .. }) {
            return;
        }
        job.parcels.on_tick(now, &mut self.post);
        let able: Vec<PeerId> = job.sharing.workers().collect();
        if can_test {
            let (work, kind) = (&job.work, &job.signed.spec.kind);
            let is_idle = work.is_idle() && work.mine.is_empty();
            let needs =
                |unit: UnitRange| seconds(kind.cost(unit).saturating_mul(unspared(kind)), work.capacity(now));
            for exponent in job.primes.due(now, me, &able, is_idle, &job.replica.ledger, needs) {
                job.work.confirm(exponent, salt(me));
            }
        }
        let refused =
            job.primes.believe_others(can_test, |peer| job.checks.is_liar(peer), &job.replica.ledger);
        self.get_proofs(now);
        for (exponent, told) in refused {
            self.gossip.disown(exponent);
            told.into_iter().for_each(|peer| self.blame(peer, exponent));
        }
    }

    /// This node tested a prime that somebody told of.
    fn on_confirmed(&mut self, now: Time, slot: Slot, exponent: u32, is_prime: Option<bool>) {
        let me = self.me.id();
        let Some(job) = &mut self.job else { return };
        if job.work.confirmed_by(slot) != Some(exponent) {
            return;
        }
        job.work.on_check_done(slot);
        let able: Vec<PeerId> = job.sharing.workers().collect();
        let is_to_tell = job.primes.is_to_tell(me, &able, &job.replica.ledger, exponent);
        let liars = job.primes.on_tested(now, exponent, is_prime);
        if let Some(is_prime) = is_prime.filter(|is_prime| is_to_tell || !is_prime) {
            self.say(now, Body::Checked { exponent, is_prime });
        }
        if is_prime == Some(false) {
            self.gossip.disown(exponent);
            self.suspect(exponent);
            for peer in liars {
                self.blame(peer, exponent);
            }
        }
    }

    /// A prime proved false: the result that says so is computed anew, so that everybody sees who signed it.
    fn suspect(&mut self, exponent: u32) {
        let Some(job) = &mut self.job else { return };
        let Some(unit) = job.signed.spec.kind.unit_of(exponent) else { return };
        for range in job.checks.suspect(unit) {
            job.work.check(range, Vec::new());
        }
    }

    fn blame(&mut self, peer: PeerId, exponent: u32) {
        if peer != self.me.id() {
            let what = format!("it told of a prime that is none: 2^{exponent} - 1");
            self.out.push_back(Output::Event(Event::Misbehaved { peer, what }));
            self.doubt(&peer);
        }
    }

    /// A result was drawn for a check here: where it is proven, the proof is fetched first.
    pub(super) fn check_soon(&mut self, now: Time, range: UnitRange, record: &Record) {
        let Some(job) = &mut self.job else { return };
        let mut wanted = proven(&job.signed.spec.kind, record);
        wanted.retain(|(unit, _)| range.contains(*unit));
        if wanted.is_empty() || self.waiting.len() >= WAITING_MAX {
            return job.work.check(range, Vec::new());
        }
        self.waiting.push(Waiting { range, since: now, wanted });
        self.get_proofs(now);
    }

    /// Begins the checks whose proofs are here, or do not come.
    fn get_proofs(&mut self, now: Time) {
        let Some(job) = &mut self.job else { return };
        for waiting in std::mem::take(&mut self.waiting) {
            let (mut claims, mut is_hoped_for) = (Vec::new(), false);
            let waits = now.since(waiting.since);
            for (unit, residue) in &waiting.wanted {
                match job.parcels.proof(now, *unit, &mut self.post) {
                    Ok(proof) => claims.push(Claim { unit: *unit, residue: *residue, proof }),
                    Err(is_coming) => {
                        is_hoped_for |= waits < if is_coming { PROOF_MAX } else { PROOF_LABEL_MAX };
                    }
                }
            }
            if is_hoped_for {
                self.waiting.push(waiting);
            } else {
                job.work.check(waiting.range, claims);
            }
        }
    }

    /// A peer tells which parcels it has.
    pub(super) fn on_labels(&mut self, now: Time, peer: PeerId, labels: Vec<Label>) {
        let me = self.me.id();
        let near = self.calls.directory.links_of(&peer);
        let Some(job) = &mut self.job else { return };
        let (ledger, open, kind) = (&job.replica.ledger, job.open(), &job.signed.spec.kind);
        // Only long tests are saved and proven, and none has more steps than two tests of its exponent.
        let is_plausible = |label: &Label| {
            let exponent = kind.exponent_of(label.unit).filter(|exponent| kind.is_proven(*exponent));
            let steps = exponent.map_or(0, |exponent| exponent.saturating_mul(STEPS_MAX));
            match label.kind {
                ParcelKind::Saved { iteration } => {
                    iteration <= steps
                        && label.unit < 2 * open.end
                        && !ledger.is_done(UnitRange::new(label.unit, label.unit + 1))
                }
                ParcelKind::Proof => steps > 0,
            }
        };
        let is_keeper = |label: &Label| {
            let ours = keeper_lot(label, &me);
            near.iter().filter(|other| **other != me && keeper_lot(label, other) > ours).count() < KEEPERS
        };
        let labels = labels.into_iter().filter(is_plausible);
        job.parcels.on_labels(now, peer, labels, is_keeper, &mut self.post);
        self.get_proofs(now);
    }

    /// What is said about parcels, but for labels.
    pub(super) fn on_parcel_frame(&mut self, now: Time, peer: PeerId, frame: Frame) {
        let Some(job) = &mut self.job else { return };
        match frame {
            Frame::AskPart { hash, from } => job.parcels.on_ask(now, peer, hash, from, &mut self.post),
            Frame::Piece { hash, from, bytes } => {
                job.parcels.on_piece(now, peer, hash, from, &bytes, &mut self.post);
                self.get_proofs(now);
            }
            _ => {}
        }
    }

    /// Whether a node that wants to leave, and whose workers have stopped, still waits until others have taken where its tests
    /// stand. Before it waits it hands over its units, so that they know what to take.
    pub(super) fn hands_over(&mut self, now: Time) -> bool {
        let is_alone = self.up.is_empty();
        let Some(job) = self.job.as_mut().filter(|job| job.parcels.has_ungiven() && !is_alone) else {
            return false;
        };
        if self.handing_over.is_none() {
            job.sharing.give_away(now, &mut job.work, &mut self.post);
        }
        now.since(*self.handing_over.get_or_insert(now)) < HANDOVER_MAX
    }
}

/// The prime exponents of an outcome that give primes.
pub(super) fn primes_of(outcome: &Outcome) -> impl Iterator<Item = u32> + '_ {
    let findings: &[Finding] = match outcome {
        Outcome::Mersenne(findings) => findings,
        Outcome::Sum(_) | Outcome::Delay(_) => &[],
    };
    findings.iter().filter(|finding| finding.verdict == Verdict::Prime).map(|finding| finding.exponent)
}

/// The units of a result that have a proof, and their residues.
pub(super) fn proven(kind: &JobKind, record: &Record) -> Vec<(u64, u64)> {
    let Outcome::Mersenne(findings) = &record.outcome else { return Vec::new() };
    let claim = |finding: &Finding| match finding.verdict {
        Verdict::Composite { residue } if kind.is_proven(finding.exponent) => {
            Some((kind.unit_of(finding.exponent)?, residue))
        }
        Verdict::Composite { .. } | Verdict::Prime | Verdict::Factor(_) => None,
    };
    findings.iter().filter_map(claim).collect()
}

/// What chooses the shift of this node's tests.
fn salt(me: PeerId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = me.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// What decides who keeps a saved test: the highest.
fn keeper_lot(label: &Label, peer: &PeerId) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("manyhands keeper v1");
    *hasher.update(&label.unit.to_le_bytes()).update(&peer.0).finalize().as_bytes()
}
