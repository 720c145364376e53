//! Numbers as people read them.
//!
//! Totals come from the core as decimal strings of up to 36 digits and are never turned into floating point. Only speeds
//! and times are rounded, and say so by their form.

use manyhands_wire::mersenne::SQUARED_BITS_PER_COST;

/// The digits of a number in groups of three: `5000000050000000` becomes `5,000,000,050,000,000`.
pub(crate) fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A whole number in groups of three.
pub(crate) fn whole(number: u64) -> String {
    grouped(&number.to_string())
}

/// A sentence with its long numbers in groups of three.
pub(crate) fn with_grouped_numbers(sentence: &str) -> String {
    let mut text = String::with_capacity(sentence.len() + 8);
    let mut digits = String::new();
    for c in sentence.chars().chain(std::iter::once('\n')) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if digits.len() > 4 {
            text.push_str(&grouped(&digits));
        } else {
            text.push_str(&digits);
        }
        digits.clear();
        text.push(c);
    }
    text.pop();
    text
}

/// An English sentence that begins with a capital letter.
pub(crate) fn capitalised(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars
        .next()
        .map_or_else(String::new, |first| std::iter::once(first.to_ascii_uppercase()).chain(chars).collect())
}

/// A large number in words: `12.3 billion`.
pub(crate) fn rounded(number: f64) -> String {
    const NAMES: [(f64, &str); 5] = [
        (1e18, " quintillion"),
        (1e15, " quadrillion"),
        (1e12, " trillion"),
        (1e9, " billion"),
        (1e6, " million"),
    ];
    match NAMES.into_iter().find(|(size, _)| number >= *size) {
        Some((size, name)) => [decimal(number / size), name.to_owned()].concat(),
        None if number >= 100.0 => whole(number as u64),
        None => decimal(number),
    }
}

/// Work of a search for primes, by its cost: `655 Mbit²`. Testing the exponent p squares p bits p times, so it is p² squared
/// bits, which are given by the average to all exponents of a size, tested or not.
pub(crate) fn squared_bits(cost: f64) -> String {
    let bits = cost * SQUARED_BITS_PER_COST as f64;
    let (size, name) = match bits {
        bits if bits >= 1e15 => (1e15, " Pbit²"),
        bits if bits >= 1e12 => (1e12, " Tbit²"),
        bits if bits >= 1e9 => (1e9, " Gbit²"),
        _ => (1e6, " Mbit²"),
    };
    [&decimal(bits / size), name].concat()
}

/// A number with one decimal place, or with none from 100 on.
pub(crate) fn decimal(number: f64) -> String {
    let tenths = (number.max(0.0) * 10.0).round() as u64;
    if tenths >= 1000 || tenths.is_multiple_of(10) {
        return whole((number.max(0.0)).round() as u64);
    }
    [whole(tenths / 10), (tenths % 10).to_string()].join(".")
}

/// What `part` is of `all`, in percent, never rounded up to 100: `42.3 %`.
pub(crate) fn percent(part: u64, all: u64) -> String {
    let per_mille = per_mille(part, all);
    let text = match per_mille {
        0 if part > 0 => "under 0.1".to_owned(),
        0 => "0".to_owned(),
        1000 => "100".to_owned(),
        _ => [(per_mille / 10).to_string(), (per_mille % 10).to_string()].join("."),
    };
    [text.as_str(), " %"].concat()
}

/// What `part` is of `all`, in thousandths, rounded down; all of nothing is everything.
pub(crate) fn per_mille(part: u64, all: u64) -> u64 {
    if all == 0 {
        return 1000;
    }
    (u128::from(part) * 1000 / u128::from(all)).min(1000) as u64
}

/// A share in whole percent: `97 %`.
pub(crate) fn share(of_one: f64) -> String {
    [((of_one.max(0.0) * 100.0).round() as u64).to_string().as_str(), " %"].concat()
}

/// An amount of bytes: `20.5 MB`, in thousands of thousands.
pub(crate) fn bytes(bytes: u64) -> String {
    const NAMES: [(u64, &str); 4] =
        [(1_000_000_000_000, " TB"), (1_000_000_000, " GB"), (1_000_000, " MB"), (1_000, " kB")];
    match NAMES.into_iter().find(|(size, _)| bytes >= *size) {
        Some((size, name)) => [&decimal(bytes as f64 / size as f64), name].concat(),
        None if bytes == 1 => "1 byte".to_owned(),
        None => [&whole(bytes), " bytes"].concat(),
    }
}

/// A span of time in at most two units: `2 min 5 s`.
pub(crate) fn span(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "unknown".to_owned();
    }
    let whole = seconds.max(0.0) as u64;
    let pair = |large: u64, large_name: &str, small: u64, small_name: &str| {
        [&self::whole(large), " ", large_name, " ", &small.to_string(), " ", small_name].concat()
    };
    match whole {
        0 if seconds < 0.1 => "under 0.1 s".to_owned(),
        0..10 => [decimal(seconds).as_str(), " s"].concat(),
        10..60 => [whole.to_string().as_str(), " s"].concat(),
        60..3600 => pair(whole / 60, "min", whole % 60, "s"),
        3600..86_400 => pair(whole / 3600, "h", whole / 60 % 60, "min"),
        _ => pair(whole / 86_400, "days", whole / 3600 % 24, "h"),
    }
}

/// How long ago something was, roughly: it changes seldom, so that a list of many stays quiet.
pub(crate) fn ago(milliseconds: u64) -> String {
    let minutes = milliseconds / 60_000;
    let (count, unit) = match minutes {
        0 => return if milliseconds < 10_000 { "just now" } else { "under a minute ago" }.to_owned(),
        1..60 => (minutes, " min ago"),
        60..1440 => (minutes / 60, " h ago"),
        _ => (minutes / 1440, " days ago"),
    };
    [&whole(count), unit].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_keep_every_digit() {
        assert_eq!(grouped("5000000050000000"), "5,000,000,050,000,000");
        assert_eq!(grouped("0"), "0");
        assert_eq!(grouped("123456"), "123,456");
        assert_eq!(whole(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn a_title_shows_its_numbers_in_groups() {
        assert_eq!(
            with_grouped_numbers("add the counting numbers 1 to 100000000"),
            "add the counting numbers 1 to 100,000,000"
        );
        assert_eq!(capitalised("add"), "Add");
    }

    #[test]
    fn progress_reaches_a_hundred_percent_only_at_the_end() {
        assert_eq!(percent(0, 7), "0 %");
        assert_eq!(percent(1, 1_000_000), "under 0.1 %");
        assert_eq!(percent(u64::MAX - 1, u64::MAX), "99.9 %");
        assert_eq!(percent(7, 7), "100 %");
        assert_eq!(percent(0, 0), "100 %");
    }

    #[test]
    fn spans_and_speeds_are_short() {
        assert_eq!(span(0.002), "under 0.1 s");
        assert_eq!(span(0.44), "0.4 s");
        assert_eq!(span(125.9), "2 min 5 s");
        assert_eq!(span(7265.0), "2 h 1 min");
        assert_eq!(rounded(12_345_000_000.0), "12.3 billion");
        assert_eq!(rounded(999.0), "999");
        assert_eq!(decimal(2.04), "2");
        assert_eq!(share(0.974), "97 %");
    }

    #[test]
    fn work_of_a_search_is_told_in_squared_bits() {
        assert_eq!(squared_bits(10_000.0), "30 Mbit²");
        assert_eq!(squared_bits(1_000_000.0), "3 Gbit²");
        assert_eq!(squared_bits(3e9), "9 Tbit²");
        assert_eq!(squared_bits(0.0), "0 Mbit²");
    }

    #[test]
    fn bytes_are_told_in_thousands() {
        assert_eq!(bytes(0), "0 bytes");
        assert_eq!(bytes(1), "1 byte");
        assert_eq!(bytes(65_536), "65.5 kB");
        assert_eq!(bytes(2_000_000_000), "2 GB");
    }

    #[test]
    fn the_past_is_rough() {
        assert_eq!(ago(9_999), "just now");
        assert_eq!(ago(59_999), "under a minute ago");
        assert_eq!(ago(150_000), "2 min ago");
        assert_eq!(ago(7_300_000), "2 h ago");
        assert_eq!(ago(200_000_000), "2 days ago");
    }
}
