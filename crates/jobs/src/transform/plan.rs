//! The tables of a transform: weights, roots of unity in the order they are used, and which block mirrors which.
//!
//! The shapes, for n digits and vectors of L lanes:
//!
//! | | | |
//! |---|---|---|
//! | N = n/2 | complex numbers | z_j = x_2j + i x_(2j+1), j = 0..N |
//! | L | strands | the frequencies k that leave the same remainder divided by L |
//! | R = N/L | numbers of a strand | over r = j mod R |
//! | Q = R/L | rows of a strand | r = L q + lane |
//! | B = Q/L | blocks of L rows | what the passes end with and the middle works on |
//!
//! So n is a multiple of 2 L^3, and B has the prime factors 2, 3, 5 and 7.

use std::f64::consts::FRAC_PI_4;

use super::aligned::Aligned;

/// Rows between the strands that are not used. Without them, equal rows of all strands would compete for the same few
/// places in the cache.
const GAP: usize = 2;

/// One pass over the rows of a strand: transforms of `radix` numbers which stand `part` rows apart.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    pub(super) radix: usize,
    pub(super) part: usize,
    /// For each of `part` rows radix - 1 factors.
    pub(super) twiddles: Vec<[f64; 2]>,
}

/// Two blocks of which each has the frequencies -k to the other's k.
pub(super) type Mirrors = Vec<(u32, u32)>;

/// All tables for one exponent, length and number of lanes.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) lanes: usize,
    /// Q
    pub(super) rows: usize,
    /// B
    pub(super) blocks: usize,
    /// How many numbers there are from one strand to the next.
    pub(super) pitch: usize,
    /// What makes of each fraction that a digit is stored as the weighted digit, in the order of digits.
    pub(super) weights: Aligned,
    /// What takes the weight back, divided by N.
    pub(super) unweights: Aligned,
    /// Digits with a greater `unweight` are the larger ones.
    pub(super) large_above: f64,
    /// 2 to the minus width of the smaller digits.
    pub(super) one_in_base: f64,
    /// e^(-2 pi i q L k/N) for each row q and each strand k but the first.
    pub(super) outer: Vec<[f64; 2]>,
    /// e^(-2 pi i lane k/N), a row for each strand k.
    pub(super) outer_lanes: Aligned,
    pub(super) passes: Vec<Pass>,
    /// e^(-2 pi i lane k/R), for each row of a strand, k being its frequency after the passes.
    pub(super) twist: Aligned,
    /// e^(-2 pi i k/N)/4 for each strand's each block, k being the frequency of its first number.
    pub(super) turns: Vec<[f64; 2]>,
    /// e^(-2 pi i (lane + L j)/L^2), a row for each j of L.
    pub(super) turn_lanes: Aligned,
    /// Within strand 0: without block 0, which mirrors itself in a way of its own.
    pub(super) cyclic: Mirrors,
    /// Within strand L/2.
    pub(super) middle: Mirrors,
    /// From a strand k to the strand L - k.
    pub(super) across: Mirrors,
}

impl Plan {
    /// The tables; `None` if the length is not one for so many lanes.
    pub(super) fn new(exponent: u32, length: u32, lanes: usize) -> Option<Self> {
        let n = length as usize;
        let blocks = n / (2 * lanes.pow(3));
        let rows = blocks * lanes;
        let radices = radices(blocks, lanes)?;
        if n == 0 || blocks * 2 * lanes.pow(3) != n {
            return None;
        }
        let half = n / 2;
        let strand = rows * lanes;
        let passes = passes(rows, &radices);
        // The frequency of each block's first row; the others follow at a distance of `blocks`.
        let frequencies: Vec<usize> = (0..blocks).map(|block| frequency(block, blocks, &radices)).collect();
        let mut blocks_of = vec![0; blocks];
        frequencies.iter().enumerate().for_each(|(block, &frequency)| blocks_of[frequency] = block);
        let mirrors = |mirror: &dyn Fn(usize) -> usize| -> Mirrors {
            (0..blocks).map(|block| (block as u32, blocks_of[mirror(frequencies[block])] as u32)).collect()
        };
        let across = mirrors(&|frequency| blocks - 1 - frequency);
        let cyclic = mirrors(&|frequency| (blocks - frequency) % blocks);
        let once = |pairs: &Mirrors| pairs.iter().copied().filter(|(a, b)| a <= b).collect::<Mirrors>();

        let (weights, unweights) = weights(exponent, n, lanes);
        let larger = f64::from(exponent % length);
        let large_below = ((larger - 0.5) / n as f64).exp2();
        let roots = |count: usize, of: &dyn Fn(usize) -> (usize, usize)| -> Vec<[f64; 2]> {
            (0..count).map(of).map(|(k, n)| root(k, n)).collect()
        };
        Some(Self {
            lanes,
            rows,
            blocks,
            pitch: (rows + GAP) * 2 * lanes,
            weights,
            unweights,
            large_above: 1.0 / (large_below * half as f64),
            one_in_base: (-f64::from(exponent / length)).exp2(),
            outer: roots(rows * (lanes - 1), &|i| (i / (lanes - 1) * lanes * (i % (lanes - 1) + 1), half)),
            outer_lanes: rows_of_roots(lanes, lanes, &|k, lane| (lane * k, half)),
            passes,
            twist: rows_of_roots(rows, lanes, &|row, lane| {
                (lane * (frequencies[row / lanes] + row % lanes * blocks), strand)
            }),
            turns: roots(lanes * blocks, &|i| (i / blocks + lanes * frequencies[i % blocks], half))
                .into_iter()
                .map(|[re, im]| [re / 4.0, im / 4.0])
                .collect(),
            turn_lanes: rows_of_roots(lanes, lanes, &|j, lane| (lane + lanes * j, lanes * lanes)),
            cyclic: once(&cyclic).into_iter().filter(|(a, _)| *a != 0).collect(),
            middle: once(&across),
            across,
        })
    }
}

/// The radices of the passes, in their order, for so many blocks; `None` if it has other prime factors.
fn radices(blocks: usize, lanes: usize) -> Option<Vec<usize>> {
    let mut radices = Vec::new();
    let mut rest = blocks.max(1);
    for radix in [7, 5, 3] {
        while rest.is_multiple_of(radix) {
            rest /= radix;
            radices.push(radix);
        }
    }
    if !rest.is_power_of_two() {
        return None;
    }
    // Eight complex vectors need the 32 registers of AVX-512; elsewhere there are 16.
    let best = if lanes == 8 { 3 } else { 2 };
    let mut bits = rest.trailing_zeros();
    while bits > 0 {
        let radix = match bits {
            4 => 2,
            1..=3 => bits,
            _ => best,
        };
        radices.push(1 << radix);
        bits -= radix;
    }
    Some(radices)
}

fn passes(rows: usize, radices: &[usize]) -> Vec<Pass> {
    let mut size = rows;
    radices
        .iter()
        .map(|&radix| {
            let whole = size;
            size /= radix;
            let twiddles = (0..size).flat_map(|row| (1..radix).map(move |k| root(row * k, whole))).collect();
            Pass { radix, part: size, twiddles }
        })
        .collect()
}

/// The frequency that passes of these radices leave at place `index` of `count`.
fn frequency(mut index: usize, count: usize, radices: &[usize]) -> usize {
    let (mut size, mut step, mut frequency) = (count, 1, 0);
    for radix in radices {
        size /= radix;
        frequency += step * (index / size);
        index %= size;
        step *= radix;
    }
    frequency
}

/// The weights 2^(ceil(pj/n) - pj/n) of the digits, times 2^width, and their inverses divided by n/2.
fn weights(exponent: u32, n: usize, lanes: usize) -> (Aligned, Aligned) {
    let (mut weights, mut unweights) = (Aligned::zeros(n), Aligned::zeros(n));
    let part = n / lanes;
    for j in 0..n {
        let missing = (n as u64 - u64::from(exponent) * j as u64 % n as u64) % n as u64;
        let place = j % part * lanes + j / part;
        let log = missing as f64 / n as f64;
        let width = u64::from(exponent) / n as u64 + u64::from(missing < u64::from(exponent) % n as u64);
        weights[place] = log.exp2() * (width as f64).exp2();
        unweights[place] = (-log).exp2() / (n / 2) as f64;
    }
    (weights, unweights)
}

/// Rows of roots of unity: of a (k, n) for each row and lane.
fn rows_of_roots(rows: usize, lanes: usize, of: &dyn Fn(usize, usize) -> (usize, usize)) -> Aligned {
    let mut roots = Aligned::zeros(rows * 2 * lanes);
    for row in 0..rows {
        for lane in 0..lanes {
            let (k, n) = of(row, lane);
            let [re, im] = root(k, n);
            roots[row * 2 * lanes + lane] = re;
            roots[(row * 2 + 1) * lanes + lane] = im;
        }
    }
    roots
}

/// e^(-2 pi i k/n), with an angle of at most an eighth of a turn to compute.
fn root(k: usize, n: usize) -> [f64; 2] {
    let (k, n) = (k as u64 % n as u64, n as u64);
    let (octant, rest) = (8 * k / n, 8 * k % n);
    let rest = if octant % 2 == 1 { n - rest } else { rest };
    let (sin, cos) = (FRAC_PI_4 * (rest as f64 / n as f64)).sin_cos();
    let (cos, sin) = match octant {
        0 => (cos, sin),
        1 => (sin, cos),
        2 => (-sin, cos),
        3 => (-cos, sin),
        4 => (-cos, -sin),
        5 => (-sin, -cos),
        6 => (sin, -cos),
        _ => (cos, -sin),
    };
    [cos, -sin]
}
