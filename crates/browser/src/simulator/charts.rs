//! What the simulator's drawings have in common: the colours of servers and policies, in the theme of the moment.

use crate::page::dom::style_value;

/// The colours of a theme.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Paints {
    pub(super) ink: String,
    pub(super) soft: String,
    pub(super) line: String,
    pub(super) todo: String,
    pub(super) accent: String,
    light: String,
}

impl Paints {
    /// Those of the style sheet now.
    pub(super) fn now() -> Self {
        Self {
            ink: style_value("--ink"),
            soft: style_value("--soft"),
            line: style_value("--line"),
            todo: style_value("--todo"),
            accent: style_value("--accent"),
            light: style_value("--peer-light"),
        }
    }

    /// The colour of a server: the accent for the one that has everything at first, hues as far apart as can be for the others.
    pub(super) fn server(&self, number: u32) -> String {
        if number == 0 { self.accent.clone() } else { self.hue(hue_of(number)) }
    }

    /// The colour of a policy, by its place.
    pub(super) fn policy(&self, at: usize) -> String {
        if at == 0 { self.accent.clone() } else { self.hue(160 + 75 * (at as u32 - 1)) }
    }

    fn hue(&self, hue: u32) -> String {
        ["oklch(", &self.light, " .14 ", &hue.to_string(), ")"].concat()
    }
}

/// Hues by the golden angle: whatever numbers are near, their hues are not.
pub(super) fn hue_of(number: u32) -> u32 {
    (f64::from(number) * 137.508) as u32 % 360
}

/// A number with two decimal places.
pub(super) fn hundredths(number: f64) -> String {
    let hundredths = (number.max(0.0) * 100.0).round() as u64;
    let rest = hundredths % 100;
    [(hundredths / 100).to_string().as_str(), if rest < 10 { ".0" } else { "." }, &rest.to_string()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_two_places() {
        assert_eq!([0.0, 12.5, 7.996].map(hundredths), ["0.00", "12.50", "8.00"]);
        assert_eq!(hundredths(3.07), "3.07");
    }

    #[test]
    fn neighbours_have_hues_far_apart() {
        for number in 1..100 {
            let apart = hue_of(number).abs_diff(hue_of(number + 1));
            assert!(apart.min(360 - apart) > 90);
        }
    }
}
