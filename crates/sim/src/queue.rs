//! What is to happen, by time: a calendar queue.
//!
//! Nearly everything in a simulation happens within two seconds. So the near future is a ring of [`DAYS`] short lists, one a
//! day of about a quarter of a millisecond, to which adding costs next to nothing; only the list of the present day is kept in
//! order. What lies beyond the ring waits in a heap. Things of one moment come in the order in which they were put in.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use manyhands_core::Time;

/// A day lasts two to the power of this microseconds.
const DAY_BITS: u32 = 8;
/// How many days lie in the ring.
const DAYS: u64 = 8192;

struct Entry<T> {
    at: Time,
    order: u64,
    what: T,
}

/// Things by the time they are due.
pub(crate) struct Queue<T> {
    /// The day whose things are in `today`.
    day: u64,
    today: BinaryHeap<Entry<T>>,
    ring: Vec<Vec<Entry<T>>>,
    /// How many things are in the ring.
    in_ring: usize,
    later: BinaryHeap<Entry<T>>,
    order: u64,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        let ring = (0..DAYS).map(|_| Vec::new()).collect();
        Self { day: 0, today: BinaryHeap::new(), ring, in_ring: 0, later: BinaryHeap::new(), order: 0 }
    }

    /// Puts something in. What is due before the present day comes next.
    pub(crate) fn push(&mut self, at: Time, what: T) {
        self.order += 1;
        self.place(Entry { at, order: self.order, what });
    }

    fn place(&mut self, entry: Entry<T>) {
        let day = entry.at.as_micros() >> DAY_BITS;
        if day <= self.day {
            self.today.push(entry);
        } else if day - self.day < DAYS {
            self.ring[(day % DAYS) as usize].push(entry);
            self.in_ring += 1;
        } else {
            self.later.push(entry);
        }
    }

    /// When the next thing is due.
    pub(crate) fn next_at(&mut self) -> Option<Time> {
        while self.today.is_empty() {
            if self.in_ring == 0 {
                // Nothing for two seconds: go to the day of what comes later.
                self.day = self.later.peek()?.at.as_micros() >> DAY_BITS;
            } else {
                self.day += 1;
            }
            let list = &mut self.ring[(self.day % DAYS) as usize];
            self.in_ring -= list.len();
            self.today.extend(list.drain(..));
            while self.later.peek().is_some_and(|entry| (entry.at.as_micros() >> DAY_BITS) < self.day + DAYS)
            {
                if let Some(entry) = self.later.pop() {
                    self.place(entry);
                }
            }
        }
        self.today.peek().map(|entry| entry.at)
    }

    /// Takes out the next thing.
    pub(crate) fn pop(&mut self) -> Option<(Time, T)> {
        self.next_at()?;
        self.today.pop().map(|entry| (entry.at, entry.what))
    }
}

impl<T> Ord for Entry<T> {
    /// The earliest is the greatest, as a heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_by_time_and_those_of_one_moment_in_order() {
        let mut queue = Queue::new();
        let times = [5, 5_000_000, 300, 70, 5, 2_100_000, 90_000_000, 300, 2_097_151, 0];
        for (name, us) in times.into_iter().enumerate() {
            queue.push(Time::from_micros(us), name);
        }

        let mut came = Vec::new();
        while let Some((at, name)) = queue.pop() {
            came.push((at.as_micros(), name));
            if name == 3 {
                queue.push(Time::from_micros(70), 10);
                queue.push(Time::from_micros(4_000_000), 11);
            }
        }

        let mut expected: Vec<(u64, usize)> = times.into_iter().zip(0..).collect();
        expected.extend([(70, 10), (4_000_000, 11)]);
        expected.sort_unstable();
        assert_eq!(came, expected);
    }
}
