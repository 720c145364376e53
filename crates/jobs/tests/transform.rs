//! Multiplication modulo 2^p - 1 by transforms, against plain integers, on every path of this processor.

use manyhands_jobs::transform::{EXPONENT_MAX, Field, Length, Number, Path, lengths};

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

            field.multiply_small(&mut a, 3_000_000_019);
            let times = product(&squared, &[3_000_000_019], p);
            assert_eq!(field.residue(&a), times, "{name}");

            field.square_minus_two(&mut a).expect("the length fits");
            field.square_minus_two(&mut a).expect("the length fits");
            let once = minus_two(&product(&times, &times, p), p);
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
}

#[test]
fn numbers_can_be_sent_to_another_thread() {
    fn is_send<T: Send + 'static>() {}
    is_send::<(Field, Number)>();
}
