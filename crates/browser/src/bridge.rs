//! What the page's program offers to the programs that it loads later, and to tests and curious people: the object
//! `__manyhands`.
//!
//! Two programs in one page share no memory, so what passes between them is text. `__manyhands.view` is the view of this moment,
//! as JSON; `__manyhands.ask(what, text)` answers with a text. What can be asked is listed here.

use js_sys::{Function, Reflect};
use wasm_bindgen::{JsCast as _, JsValue};

/// The object's name.
pub const OBJECT: &str = "__manyhands";
/// The view, as JSON.
pub const VIEW: &str = "view";
/// The function that answers.
pub const ASK: &str = "ask";

/// Say the text to everybody. The answer is empty.
pub const SAY: &str = "say";
/// The ways of the messages that came or went a moment ago and were not asked for yet: a line for each, of ids with a space
/// between.
pub const FLIGHTS: &str = "flights";
/// What became of each exponent that is finished: a line for each, as [`FindingLine`] has it.
pub const FINDINGS: &str = "findings";

/// The view of this moment, as JSON; none if the page has not joined.
pub(crate) fn view() -> Option<String> {
    object().and_then(|object| Reflect::get(&object, &VIEW.into()).ok()).and_then(|view| view.as_string())
}

/// Asks the page's program.
pub(crate) fn ask(what: &str, text: &str) -> String {
    let asked = object()
        .and_then(|object| Reflect::get(&object, &ASK.into()).ok())
        .and_then(|ask| ask.dyn_into::<Function>().ok())
        .and_then(|ask| ask.call2(&JsValue::NULL, &what.into(), &text.into()).ok());
    asked.and_then(|answer| answer.as_string()).unwrap_or_default()
}

fn object() -> Option<JsValue> {
    Reflect::get(&js_sys::global(), &OBJECT.into()).ok().filter(JsValue::is_object)
}

/// One line of [`FINDINGS`]: exponent, verdict, the verdict's number, the id of who has the credit or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FindingLine<'a> {
    /// The exponent.
    pub(crate) exponent: u32,
    /// One of the words below.
    pub(crate) verdict: &'a str,
    /// The factor or the residue; 0 for a prime.
    pub(crate) number: u64,
    /// Who has the credit, in hexadecimal, or nothing.
    pub(crate) by: &'a str,
}

/// A prime, by Lucas and Lehmer's test.
pub(crate) const PRIME: &str = "prime";
/// Composite, by this factor.
pub(crate) const FACTOR: &str = "factor";
/// Composite, by the residue of Lucas and Lehmer's test.
pub(crate) const COMPOSITE_LL: &str = "ll";
/// Composite, by the residue of Fermat's test to base 3.
pub(crate) const COMPOSITE_PRP: &str = "prp-3";

impl<'a> FindingLine<'a> {
    /// As it travels.
    pub(crate) fn write(&self, lines: &mut String) {
        let Self { exponent, verdict, number, by } = self;
        let parts = [&exponent.to_string(), " ", verdict, " ", &number.to_string(), " ", by, "\n"];
        parts.iter().for_each(|part| lines.push_str(part));
    }

    /// From how it travels.
    pub(crate) fn read(line: &'a str) -> Option<Self> {
        let mut parts = line.split(' ');
        let (exponent, verdict) = (parts.next()?.parse().ok()?, parts.next()?);
        Some(Self { exponent, verdict, number: parts.next()?.parse().ok()?, by: parts.next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_survives_the_way() {
        let factor = FindingLine { exponent: 11, verdict: FACTOR, number: 23, by: "ab01" };
        let nobodys = FindingLine { exponent: 13, verdict: PRIME, number: 0, by: "" };
        let mut lines = String::new();

        factor.write(&mut lines);
        nobodys.write(&mut lines);

        let read: Vec<_> = lines.lines().map(FindingLine::read).collect();
        assert_eq!(read, [Some(factor), Some(nobodys)]);
        assert_eq!(FindingLine::read("11 factor"), None);
    }
}
