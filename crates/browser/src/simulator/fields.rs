//! The settings, as a person types them: a field each, and their form in a link.

use std::rc::Rc;

use crate::page::dom::{El, el, told};

/// The fields with a number: name in a link, label, least, most.
const NUMBERS: [(&str, &str, &str, &str); 8] = [
    ("servers", "Servers", "2", "100"),
    ("chunks", "Chunks", "1", "256"),
    ("chunk", "Chunk size, KiB", "1", "1024"),
    ("bandwidth", "Upload of each, KiB/s", "16", "1048576"),
    ("latency", "Latency, ms", "0", "2000"),
    ("loss", "Lost messages, %", "0", "50"),
    ("degree", "Links of each (0: to all)", "0", "99"),
    ("seed", "Seed", "0", "4294967295"),
];

/// The policies: name in a link, and for people.
const POLICIES: [(&str, &str); 4] = [
    ("most-missing", "Most missing, rarest first"),
    ("random", "Anybody, any chunk"),
    ("sequential", "Anybody, in order"),
    ("seeder-only", "Only the first server gives"),
];

/// The fields.
pub(super) struct Fields {
    el: El,
    numbers: [El; NUMBERS.len()],
    policy: El,
}

impl Fields {
    /// Made once, with a button beside them; `changed` is called when something was typed or chosen.
    pub(super) fn new(changed: impl Fn() + 'static, button: &El) -> Self {
        let changed = Rc::new(changed);
        let numbers = NUMBERS.map(|(name, _, least, most)| {
            let changed = Rc::clone(&changed);
            el("input")
                .id(&["sim-", name].concat())
                .attr("type", "number")
                .attr("inputmode", "numeric")
                .attr("min", least)
                .attr("max", most)
                .attr("step", "1")
                .on("change", move |_| changed())
        });
        let options = POLICIES.map(|(name, text)| told("option", "", text).attr("value", name));
        let policy = el("select").id("sim-policy").with(&options.each_ref()).on("change", move |_| changed());
        let mut rows: Vec<El> =
            NUMBERS.iter().zip(&numbers).map(|((name, label, ..), input)| row(name, label, input)).collect();
        rows.insert(NUMBERS.len() - 1, row("policy", "Who is given what", &policy).class("sim-wide"));
        rows.push(el("div").with(&[button]));
        let el = el("div").class("sim-fields");
        el.hold(rows.iter());
        Self { el, numbers, policy }
    }

    /// Its element.
    pub(super) fn el(&self) -> &El {
        &self.el
    }

    /// What is typed and chosen, as a link has it.
    pub(super) fn settings(&self) -> String {
        let mut text = String::new();
        for ((name, ..), input) in NUMBERS.iter().zip(&self.numbers) {
            text.extend([name, "=", input.value().trim(), "&"]);
        }
        text.extend(["policy=", &self.policy.value()]);
        text
    }

    /// Shows these settings.
    pub(super) fn show(&self, settings: &str) {
        for (name, value) in settings.split('&').filter_map(|part| part.split_once('=')) {
            let number = NUMBERS.iter().position(|(field, ..)| *field == name);
            let field = number.map_or(&self.policy, |at| &self.numbers[at]);
            if field.value() != value {
                drop(field.clone().with_value(value));
            }
        }
    }

    /// Takes another seed.
    pub(super) fn reseed(&self, seed: u32) {
        let [.., field] = &self.numbers;
        drop(field.clone().with_value(&seed.to_string()));
    }
}

fn row(name: &str, label: &str, field: &El) -> El {
    let label = el("label").attr("for", &["sim-", name].concat()).text(label);
    el("div").with(&[&label, field])
}

/// What a policy is called for people.
pub(super) fn policy_name(policy: &str) -> &str {
    POLICIES.iter().find(|(name, _)| *name == policy).map_or(policy, |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use manyhands_sim::spread::{self, Settings};

    use super::*;

    #[test]
    fn every_setting_has_its_field_and_its_limits() {
        let all = Settings::default().to_string();

        for (name, _) in all.split('&').filter_map(|part| part.split_once('=')) {
            assert!(name == "policy" || NUMBERS.iter().any(|(field, ..)| *field == name), "{name}");
        }
        for (name, _, least, most) in NUMBERS {
            let why = Settings::parse(&format!("{name}=-1")).unwrap_err().to_string();
            assert!(why.ends_with(&format!("from {least} to {most}")), "{why}");
        }
        assert_eq!(POLICIES.map(|(name, _)| name), spread::POLICIES.map(|(name, _)| name));
    }
}
