//! Multiplication modulo 2^p - 1 by transforms, against plain integers, on every path of this processor.

use manyhands_jobs::transform::speed::measure;
use manyhands_jobs::transform::{EXPONENT_MAX, Field, Length, Number, Path, ROUND_OFF_MAX, lengths};

/// The largest exponent with which multiplying as at school is quick enough for a test.
const SCHOOL_MAX: u32 = 50_000;
/// What a few squares of random numbers stay below at any length: well below the limit. About one in 10^6 does not.
const ROUND_OFF_USUAL: f64 = 0.32;

/// A generator of numbers that look random (xorshift64*).
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A residue modulo 2^p - 1.
    fn residue(&mut self, p: u32) -> Vec<u64> {
        let mut words: Vec<u64> = (0..p.div_ceil(64)).map(|_| self.word()).collect();
        cut(&mut words, p);
        canonical(words, p)
    }
}

/// Clears the bits from p on.
fn cut(words: &mut Vec<u64>, p: u32) {
    words.resize(p.div_ceil(64) as usize, 0);
    if !p.is_multiple_of(64) {
        *words.last_mut().expect("p is not 0") &= (1 << (p % 64)) - 1;
    }
}

/// 0 for 2^p - 1, everything else as it is.
fn canonical(words: Vec<u64>, p: u32) -> Vec<u64> {
    let ones: u32 = words.iter().map(|word| word.count_ones()).sum();
    if ones == p { vec![0; words.len()] } else { words }
}

/// 2^bit.
fn power_of_two(bit: u32, p: u32) -> Vec<u64> {
    let mut words = vec![0; p.div_ceil(64) as usize];
    words[(bit / 64) as usize] = 1 << (bit % 64);
    words
}

/// The residue modulo 2^p - 1 of a number of any length.
fn reduce(mut words: Vec<u64>, p: u32) -> Vec<u64> {
    loop {
        let mut high: Vec<u64> = (0..)
            .map(|i| (i * 64 + p) as usize)
            .take_while(|from| from / 64 < words.len())
            .map(|from| {
                let next = words.get(from / 64 + 1).copied().unwrap_or(0);
                (u128::from(words[from / 64]) >> (from % 64) | u128::from(next) << 64 >> (from % 64)) as u64
            })
            .collect();
        cut(&mut words, p);
        while high.last() == Some(&0) {
            high.pop();
        }
        if high.is_empty() {
            return canonical(words, p);
        }
        words = add(&words, &high);
    }
}

fn add(x: &[u64], y: &[u64]) -> Vec<u64> {
    let mut carry = 0;
    let mut sum: Vec<u64> = (0..x.len().max(y.len()))
        .map(|i| {
            let word = |words: &[u64]| u128::from(words.get(i).copied().unwrap_or(0));
            let both = word(x) + word(y) + carry;
            carry = both >> 64;
            both as u64
        })
        .collect();
    sum.push(carry as u64);
    sum
}

/// x y modulo 2^p - 1, as at school.
fn product(x: &[u64], y: &[u64], p: u32) -> Vec<u64> {
    let mut words = vec![0_u64; x.len() + y.len()];
    for (i, &a) in x.iter().enumerate() {
        let mut carry = 0;
        for (j, &b) in y.iter().enumerate() {
            let sum = u128::from(a) * u128::from(b) + u128::from(words[i + j]) + carry;
            words[i + j] = sum as u64;
            carry = sum >> 64;
        }
        words[i + y.len()] = carry as u64;
    }
    reduce(words, p)
}

/// x - 2 modulo 2^p - 1.
fn minus_two(x: &[u64], p: u32) -> Vec<u64> {
    let mut minus_two = vec![u64::MAX; p.div_ceil(64) as usize];
    minus_two[0] -= 2;
    cut(&mut minus_two, p);
    reduce(add(x, &minus_two), p)
}

/// The paths of this processor.
fn paths() -> impl Iterator<Item = Path> {
    Path::ALL.into_iter().filter(|path| path.is_available())
}

/// The field of the best length for every path there is.
fn fields(p: u32) -> impl Iterator<Item = Field> {
    let length = lengths(p).next().expect("the exponent is supported");
    paths().map(move |path| Field::new(p, length, path).expect("the path is available"))
}

/// x times 2^bit modulo 2^p - 1.
fn rotated(x: &[u64], bit: u32, p: u32) -> Vec<u64> {
    let mut words = vec![0; (bit / 64) as usize];
    words.extend(x.iter().map(|word| word << (bit % 64)));
    words.push(0);
    if !bit.is_multiple_of(64) {
        for (i, word) in x.iter().enumerate() {
            words[(bit / 64) as usize + i + 1] |= word >> (64 - bit % 64);
        }
    }
    reduce(words, p)
}

/// Some exponents from the smallest on, primes or not.
fn exponents() -> impl Iterator<Item = u32> {
    (2..140).chain([521, 607, 1279, 2203, 3217, 4253, 9689, 9941, 11213, 19937, 21701, 44497])
}

#[test]
fn squares_and_products_are_those_of_integers() {
    let mut random = Random(1);
    for p in exponents() {
        for mut field in fields(p) {
            let (x, y) = (random.residue(p), random.residue(p));
            let (s, t) = (random.word() as u32 % p, random.word() as u32 % p);
            let (mut a, b) = (field.number(&x, s), field.number(&y, t));
            let name = format!("p = {p}, {}", field.path());

            assert_eq!(field.residue(&a), x, "{name}");
            field.multiply(&mut a, &b).expect("the length fits");
            let xy = product(&x, &y, p);
            assert_eq!(field.residue(&a), xy, "{name}");
            assert_eq!(a.shift(), (s + t) % p, "{name}");

            field.square(&mut a).expect("the length fits");
            let squared = product(&xy, &xy, p);
            assert_eq!(field.residue(&a), squared, "{name}");

            field.square_minus_two(&mut a).expect("the length fits");
            field.square_minus_two(&mut a).expect("the length fits");
            let once = minus_two(&product(&squared, &squared, p), p);
            assert_eq!(field.residue(&a), minus_two(&product(&once, &once, p), p), "{name}");
        }
    }
}

#[test]
fn special_numbers_are_no_special_case() {
    for p in exponents().filter(|p| *p > 2) {
        let bits = [0, 1, p / 2, p - 1];
        let mut minus_one = vec![u64::MAX; p.div_ceil(64) as usize];
        cut(&mut minus_one, p);
        let zero = vec![0; minus_one.len()];
        for mut field in fields(p) {
            // All ones are 0 modulo 2^p - 1.
            for words in [&zero, &minus_one] {
                let mut x = field.number(words, 1);
                assert_eq!(field.residue(&x), zero);
                field.square(&mut x).expect("the length fits");
                assert_eq!(field.residue(&x), zero);
                field.square_minus_two(&mut x).expect("the length fits");
                assert_eq!(field.residue(&x), minus_two(&zero, p));
                field.square_minus_two(&mut x).expect("the length fits");
                assert_eq!(field.residue(&x), reduce(vec![2], p));
            }
            for bit in bits {
                for shift in bits {
                    let mut x = field.number(&power_of_two(bit, p), shift);
                    let y = x.clone();
                    field.square(&mut x).expect("the length fits");
                    field.multiply(&mut x, &y).expect("the length fits");
                    let thrice = (3 * u64::from(bit) % u64::from(p)) as u32;
                    assert_eq!(field.residue(&x), power_of_two(thrice, p), "p = {p}: 2^{bit} << {shift}");
                }
            }
        }
    }
}

#[test]
fn every_length_is_right_up_to_its_largest_exponent() {
    let mut random = Random(2);
    // Of those that are longer than any exponent needs, some will do.
    let is_needed =
        |length: &Length| length.exponent_max() < EXPONENT_MAX || length.digits().is_power_of_two();
    for length in Length::all().filter(is_needed) {
        let p = length.exponent_max().min(EXPONENT_MAX);
        let x = random.residue(p);
        let bits = [random.word() as u32 % p, random.word() as u32 % p];
        // A number with two bits: the product is a sum of two rotations.
        let y = reduce(add(&power_of_two(bits[0], p), &power_of_two(bits[1], p)), p);
        let xy = reduce(add(&rotated(&x, bits[0], p), &rotated(&x, bits[1], p)), p);
        let mut squared = (p <= SCHOOL_MAX).then(|| product(&x, &x, p));

        for path in paths() {
            let name = format!("p = {p}, {path}, length {}", length.digits());
            let mut field = Field::new(p, length, path).expect("the path is available");
            let y = field.number(&y, p / 5);
            let mut a = field.number(&x, p / 3);
            field.multiply(&mut a, &y).expect(&name);
            assert!(field.residue(&a) == xy, "{name}");

            let mut a = field.number(&x, p - 1);
            field.square(&mut a).expect(&name);
            // Beyond what the school can do, the paths have to agree.
            let residue = field.residue(&a);
            assert!(residue == *squared.get_or_insert_with(|| residue.clone()), "{name}");

            for _ in 0..8 {
                field.square_minus_two(&mut a).expect(&name);
                assert!(field.round_off() < ROUND_OFF_USUAL, "{name}: {}", field.round_off());
            }
        }
    }
}

#[test]
fn other_lengths_and_shifts_leave_the_same_residue() {
    for p in [4253, 86_243, 216_091] {
        let x = Random(3).residue(p);
        let mut expected = None;
        for (i, length) in lengths(p).take(4).enumerate() {
            for path in paths() {
                let mut field = Field::new(p, length, path).expect("the path is available");
                let mut a = field.number(&x, i as u32 * p / 4);
                for _ in 0..5 {
                    field.square_minus_two(&mut a).expect("the length fits");
                }
                let residue = field.residue(&a);
                assert!(residue == *expected.get_or_insert_with(|| residue.clone()), "p = {p}, {path}");
            }
        }
    }
}

#[test]
fn a_transform_too_short_is_reported_and_never_wrong() {
    let mut random = Random(4);
    let length = Length::new(512).expect("it is one of the lengths");
    for path in paths() {
        for tenths in 0..30 {
            let p = length.exponent_max() + length.digits() * tenths / 10;
            let mut field = Field::new(p, length, path).expect("it may be tried");
            let x = random.residue(p);
            let mut a = field.number(&x, 0);
            match field.square(&mut a) {
                Ok(()) => {
                    assert_eq!(field.residue(&a), product(&x, &x, p), "p = {p}, {path}");
                    assert!(tenths < 15, "p = {p}, {path}: {}", field.round_off());
                }
                Err(round_off) => {
                    assert!(round_off.error > ROUND_OFF_MAX || round_off.error.is_nan());
                    assert!(tenths > 2, "p = {p}, {path}: {}", round_off.error);
                }
            }
        }
    }
}

#[test]
fn numbers_made_to_overtax_the_transform_are_reported_or_right() {
    let lengths = [128, 384, 512, 1024, 2048, 16_384, 131_072];
    // With the longest transform, the sums stay small.
    let longest = Length::all().last();
    for length in lengths.map(|digits| Length::new(digits).expect("it is one of the lengths")) {
        let p = length.exponent_max();
        let mut long =
            longest.filter(|_| p > SCHOOL_MAX).and_then(|longest| Field::new(p, longest, Path::best()));
        let mut product = |x: &[u64], y: &[u64]| {
            let Some(field) = &mut long else { return product(x, y, p) };
            let (mut a, b) = (field.number(x, 0), field.number(y, 0));
            field.multiply(&mut a, &b).expect("the digits are small");
            field.residue(&a)
        };
        // Digits that are all alike add up to sums far larger than those of a number that looks random.
        let mut largest_digits = vec![u64::MAX; p.div_ceil(64) as usize];
        for j in 1..=u64::from(length.digits()) {
            let top = (u64::from(p) * j).div_ceil(length.digits().into()) - 1;
            largest_digits[(top / 64) as usize] &= !(1 << (top % 64));
        }
        let alike = |word| vec![word; largest_digits.len()];
        for mut x in [alike(u64::MAX / 3), alike(u64::MAX / 5), largest_digits.clone()] {
            cut(&mut x, p);
            let mut minus_x = x.iter().map(|word| !word).collect();
            cut(&mut minus_x, p);
            let products = [product(&x, &x), product(&x, &minus_x)];
            for path in paths() {
                let name = format!("p = {p}, {path}, {:x}", x[0]);
                let mut field = Field::new(p, length, path).expect("the path is available");
                let (mut a, b) = (field.number(&x, 0), field.number(&minus_x, 0));
                if field.square(&mut a).is_ok() {
                    assert!(field.residue(&a) == products[0], "{name}");
                }
                let mut a = field.number(&x, 0);
                if field.multiply(&mut a, &b).is_ok() {
                    assert!(field.residue(&a) == products[1], "{name}");
                }
            }
        }
    }
}

#[test]
fn a_longer_transform_takes_over_where_one_was_too_short() {
    let mut random = Random(5);
    let p = 20_011;
    let x = random.residue(p);
    for path in paths() {
        let short = Length::new(768).expect("it is one of the lengths");
        let mut field = Field::new(p, short, path).expect("it may be tried");
        let mut a = field.number(&x, 77);
        while field.square(&mut a).is_err() {
            field = field.longer().expect("there are longer ones");
            a = field.number(&x, 77);
        }
        assert_eq!(field.residue(&a), product(&x, &x, p), "{path}");
        assert!(field.length() > short);
    }
}

#[test]
fn words_beyond_the_exponent_are_not_looked_at() {
    let field = Field::best(127).expect("the exponent is supported");

    assert_eq!(field.residue(&field.number(&[5, 1 << 63, 7], 0)), [5, 0]);
    assert_eq!(field.residue(&field.number(&[], 0)), [0, 0]);
}

#[test]
fn speed_is_measured_on_every_path() {
    let mut now_us = 0;
    for path in paths() {
        let mut clock_us = || {
            now_us += 25_000;
            now_us
        };
        let speed = measure(2203, path, &mut clock_us).expect("the path is available");

        assert_eq!((speed.exponent, speed.path), (2203, path));
        assert_eq!(speed.step_ns, 25_000_000.0);
        assert!(speed.round_off < ROUND_OFF_USUAL);
    }
    assert!(measure(0, Path::Portable, &mut || 0).is_none());
}

#[test]
fn lengths_are_found_by_their_digits() {
    let all: Vec<u32> = Length::all().map(Length::digits).collect();

    assert_eq!(all[..12], [128, 256, 384, 512, 640, 768, 896, 1024, 1152, 1280, 1536, 1792]);
    assert!(all.is_sorted());
    for digits in all {
        assert_eq!(Length::new(digits).map(Length::digits), Some(digits));
    }
    for digits in [0, 1, 64, 127, 129, 192, 11 * 128, 1 << 20, u32::MAX] {
        assert_eq!(Length::new(digits), None);
    }
    for p in [2, 44_497, EXPONENT_MAX] {
        assert!(lengths(p).count() > 3);
        assert!(lengths(p).all(|length| p <= length.exponent_max()));
    }
}

#[test]
fn lucas_and_lehmer_find_the_mersenne_primes() {
    let is_prime = |p: u32| {
        let mut field = Field::best(p).expect("the exponent is supported");
        let mut x = field.number(&[4], p / 3);
        (2..p).for_each(|_| field.square_minus_two(&mut x).expect("the length fits"));
        field.residue(&x).iter().all(|word| *word == 0)
    };

    let found: Vec<u32> = (3..700).filter(|p| (2..*p).all(|d| p % d != 0)).filter(|p| is_prime(*p)).collect();

    assert_eq!(found, [3, 5, 7, 13, 17, 19, 31, 61, 89, 107, 127, 521, 607]);
}

#[test]
fn exponents_out_of_range_have_no_field() {
    for p in [0, 1, EXPONENT_MAX + 1, u32::MAX] {
        assert!(Field::best(p).is_none());
        assert_eq!(lengths(p).count(), 0);
    }
    let length: Length = lengths(EXPONENT_MAX).next().expect("it is supported");
    assert!(Field::new(EXPONENT_MAX, length, Path::best()).is_some());
    let shortest = Length::new(128).expect("it is one of the lengths");
    assert!(Field::new(EXPONENT_MAX, shortest, Path::best()).is_none());
}

#[test]
fn numbers_can_be_sent_to_another_thread() {
    fn is_send<T: Send + 'static>() {}
    is_send::<(Field, Number)>();
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_number_with_any_shift_is_squared_and_multiplied(
            p in 2..3000_u32,
            seed in 1..u64::MAX,
            shifts in any::<[u32; 2]>(),
        ) {
            let mut random = Random(seed);
            let (x, y) = (random.residue(p), random.residue(p));
            for mut field in fields(p) {
                let mut a = field.number(&x, shifts[0]);
                let b = field.number(&y, shifts[1]);
                prop_assert_eq!(&field.residue(&b), &y);
                field.square_minus_two(&mut a)?;
                field.multiply(&mut a, &b)?;

                let squared = minus_two(&product(&x, &x, p), p);
                let expected = product(&squared, &y, p);
                prop_assert_eq!(field.residue(&a), expected, "p = {}, {}", p, field.path());
            }
        }
    }
}
