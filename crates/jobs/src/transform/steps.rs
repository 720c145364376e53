//! The steps of the transform as functions of their own for each kind of processor.
//!
//! A step is written once, for any vectors, and inlined into the function that says which processor it is for. Steps
//! are not inlined into each other: that would multiply the code, and a browser's compiler does better with functions
//! of a moderate size.

use super::plan::{Pass, Plan};
use super::vector::{Row, Vector};

/// What differs between the blocks to be multiplied within a strand and those between two.
pub(super) struct Strands<'a, const L: usize> {
    /// The strand and, if it is another, the one that mirrors it.
    pub(super) own: &'a mut [Row<L>],
    pub(super) mirror: Option<&'a mut [Row<L>]>,
    /// The same of the number to multiply by; none for a square.
    pub(super) by: Option<[&'a [Row<L>]; 2]>,
    /// Which strand it is.
    pub(super) index: usize,
    /// The blocks to multiply.
    pub(super) pairs: &'a [(u32, u32)],
}

impl<const L: usize> Strands<'_, L> {
    /// The same, for as long as it takes to use it.
    pub(super) fn again(&mut self) -> Strands<'_, L> {
        let Self { own, mirror, by, index, pairs } = self;
        Strands { own, mirror: mirror.as_deref_mut(), by: *by, index: *index, pairs }
    }
}

/// The steps, compiled for vectors of one kind.
pub(super) trait Steps<const L: usize>: Vector<L> {
    /// See [`outer::forward`](super::outer::forward).
    fn first(plan: &Plan, digits: &[f64], work: &mut [f64]);
    /// See [`outer::inverse`](super::outer::inverse).
    fn last(plan: &Plan, work: &mut [f64], digits: &mut [f64]) -> f64;
    /// See [`passes::forward_pass`](super::passes::forward_pass).
    fn pass(pass: &Pass, rows: &mut [Row<L>]);
    /// See [`passes::inverse_pass`](super::passes::inverse_pass).
    fn pass_back(pass: &Pass, rows: &mut [Row<L>]);
    /// See [`middle::forward_blocks`](super::middle::forward_blocks).
    fn forward_blocks(plan: &Plan, strand: &mut [Row<L>]);
    /// See [`middle::cyclic_block`](super::middle::cyclic_block).
    fn cyclic_block(plan: &Plan, strand: &mut [Row<L>], by: Option<&[Row<L>]>, scratch: &mut [f64]);
    /// See [`middle::pairs`](super::middle::pairs).
    fn pairs(plan: &Plan, strands: Strands<'_, L>);
}

/// Makes the steps for vectors of a type, with so many lanes, on processors that have a feature if one is given.
macro_rules! steps {
    ($vector:ty, $lanes:literal $(, $feature:literal)?) => {
        impl Steps<$lanes> for $vector {
            steps!(@ [$vector, $lanes $(, $feature)?] first = outer::forward(
                plan: &Plan, digits: &[f64], work: &mut [f64]));
            steps!(@ [$vector, $lanes $(, $feature)?] last = outer::inverse(
                plan: &Plan, work: &mut [f64], digits: &mut [f64]) -> f64);
            steps!(@ [$vector, $lanes $(, $feature)?] pass = passes::forward_pass(
                pass: &Pass, rows: &mut [Row<$lanes>]));
            steps!(@ [$vector, $lanes $(, $feature)?] pass_back = passes::inverse_pass(
                pass: &Pass, rows: &mut [Row<$lanes>]));
            steps!(@ [$vector, $lanes $(, $feature)?] forward_blocks = middle::forward_blocks(
                plan: &Plan, strand: &mut [Row<$lanes>]));
            steps!(@ [$vector, $lanes $(, $feature)?] cyclic_block = middle::cyclic_block(
                plan: &Plan, strand: &mut [Row<$lanes>], by: Option<&[Row<$lanes>]>, scratch: &mut [f64]));
            steps!(@ [$vector, $lanes $(, $feature)?] pairs = middle::pairs(
                plan: &Plan, strands: Strands<'_, $lanes>));
        }
    };
    (@ [$vector:ty, $lanes:literal] $name:ident = $module:ident::$body:ident(
        $($argument:ident: $type:ty),*) $(-> $result:ty)?) => {
        #[inline(never)]
        fn $name($($argument: $type),*) $(-> $result)? {
            $module::$body::<$vector, $lanes>($($argument),*)
        }
    };
    (@ [$vector:ty, $lanes:literal, $feature:literal] $name:ident = $module:ident::$body:ident(
        $($argument:ident: $type:ty),*) $(-> $result:ty)?) => {
        #[expect(unsafe_code, reason = "functions for certain processors are called where the processor was asked")]
        fn $name($($argument: $type),*) $(-> $result)? {
            #[target_feature(enable = $feature)]
            #[inline(never)]
            fn compiled($($argument: $type),*) $(-> $result)? {
                $module::$body::<$vector, $lanes>($($argument),*)
            }
            // SAFETY: a kernel with these vectors is only handed out where the processor has the instructions.
            unsafe { compiled($($argument),*) }
        }
    };
}

pub(super) use steps;
