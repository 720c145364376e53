//! What can be computed, as it is asked for: words on the command line, and the plan they make.

use clap::{Args, ValueEnum};
use manyhands_wire::mersenne::{EXPONENT_MAX, EXPONENT_MIN};

use crate::exit::{Failure, Reason};

/// The kinds of jobs that a person can ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum JobChoice {
    /// Add the counting numbers that task.json asks for
    #[default]
    Sum,
    /// Search for Mersenne primes
    Mersenne,
    /// Wait until the job is chosen on the page
    Choose,
}

/// Which exponents to search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct SearchArgs {
    /// The first exponent to search [default: 2, or that of the search under way]
    #[arg(long, value_name = "EXPONENT", value_parser = exponent, allow_negative_numbers = true)]
    pub(crate) from: Option<u32>,
    /// The last exponent to search, or none for a search that goes on upwards [default: that of the search under way, or none]
    #[arg(long, value_name = "EXPONENT", value_parser = last_exponent, allow_negative_numbers = true)]
    pub(crate) to: Option<u32>,
    /// From which exponent on a composite is told with a proof, which others check in a hundredth of the time [default: 65536]
    #[arg(long, value_name = "EXPONENT", value_parser = proofs_from, allow_negative_numbers = true)]
    pub(crate) proofs_from: Option<u32>,
}

impl SearchArgs {
    /// Whether the first exponent comes before the last.
    ///
    /// # Errors
    /// If it does not, with what to do.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        check_order(self.from, self.to).map_err(|why| Failure::new(Reason::Usage, why))
    }

    /// The first of these options that was given.
    pub(crate) fn first_given(&self) -> Option<&'static str> {
        let given = [("--from", self.from), ("--to", self.to), ("--proofs-from", self.proofs_from)];
        given.into_iter().find(|(_, value)| value.is_some()).map(|(name, _)| name)
    }
}

/// Whether a search from one exponent to another has any exponents.
pub(crate) fn check_order(from: Option<u32>, to: Option<u32>) -> Result<(), String> {
    match (from.unwrap_or(EXPONENT_MIN), to) {
        (from, Some(to)) if from > to => Err(format!(
            "a search from {from} to {to} has no exponents: the first must not be beyond the last"
        )),
        (_, Some(_) | None) => Ok(()),
    }
}

/// Whether a number is an exponent that can be searched.
pub(crate) fn check_exponent(number: u64) -> Result<u32, String> {
    match u32::try_from(number) {
        Ok(0 | 1) => {
            Err(format!("the smallest exponent is {EXPONENT_MIN}: 2^2 - 1 = 3 is the first Mersenne prime"))
        }
        Ok(exponent @ EXPONENT_MIN..=EXPONENT_MAX) => Ok(exponent),
        Ok(_) | Err(_) => Err(format!("the largest exponent that can be searched is {EXPONENT_MAX}")),
    }
}

fn exponent(text: &str) -> Result<u32, String> {
    check_exponent(whole(text)?)
}

/// The largest there is stands for a search without an end.
fn last_exponent(text: &str) -> Result<u32, String> {
    if text.trim().eq_ignore_ascii_case("none") { Ok(EXPONENT_MAX) } else { exponent(text) }
}

/// Any number from 0 on will do: beyond the last exponent it means that nothing is proven.
fn proofs_from(text: &str) -> Result<u32, String> {
    Ok(u32::try_from(whole(text)?).unwrap_or(u32::MAX))
}

fn whole(text: &str) -> Result<u64, String> {
    let digits = text.trim();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("an exponent is a whole number from {EXPONENT_MIN} to {EXPONENT_MAX}"));
    }
    // More digits than fit are beyond any exponent.
    Ok(digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_whole_numbers_within_the_limits() {
        assert_eq!((exponent("2"), exponent(" 4194304 ")), (Ok(2), Ok(EXPONENT_MAX)));
        for (bad, why) in [
            ("0", "smallest exponent is 2"),
            ("1", "smallest exponent is 2"),
            ("-5", "whole number from 2 to 4194304"),
            ("2.5", "whole number from 2 to 4194304"),
            ("many", "whole number from 2 to 4194304"),
            ("", "whole number from 2 to 4194304"),
            ("4194305", "largest exponent that can be searched is 4194304"),
            (&"9".repeat(500), "largest exponent that can be searched is 4194304"),
        ] {
            let told = exponent(bad).unwrap_err();
            assert!(told.contains(why), "{bad:.20}: {told}");
        }
        assert_eq!((last_exponent("none"), last_exponent("500")), (Ok(EXPONENT_MAX), Ok(500)));
        assert_eq!(proofs_from(&"9".repeat(30)), Ok(u32::MAX));
    }

    #[test]
    fn a_search_that_ends_before_it_begins_is_told_so() {
        assert!(check_order(Some(10), Some(5)).is_err() && check_order(None, Some(2)).is_ok());
        assert!(check_order(Some(7), Some(7)).is_ok() && check_order(Some(7), None).is_ok());
    }
}
