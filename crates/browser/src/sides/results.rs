//! All results of a search as JSON lines, as the API tells them:
//! `{"exponent":11,"result":"factor","factor":23,"by":"brave-otter","by_id":"…"}`,
//! `{"exponent":13,"result":"prime","test":"ll",…}`,
//! `{"exponent":…,"result":"composite","residue":"16 digits","test":"ll" or "prp-3",…}`.
//! Whoever has the credit is named: the view has all of those, also who is not here any more.

use manyhands_core::View;

use crate::bridge::{COMPOSITE_LL, COMPOSITE_PRP, FACTOR, FindingLine, PRIME};

/// The lines, from how the page's own program tells the findings.
pub(super) fn json_lines(findings: &str, view: &View) -> String {
    let mut text = String::with_capacity(findings.len() * 2);
    for finding in findings.lines().filter_map(FindingLine::read) {
        let FindingLine { exponent, verdict, number, by } = finding;
        let result = match verdict {
            PRIME => "\"result\":\"prime\",\"test\":\"ll\"".to_owned(),
            FACTOR => format!("\"result\":\"factor\",\"factor\":{number}"),
            COMPOSITE_LL | COMPOSITE_PRP => {
                format!("\"result\":\"composite\",\"residue\":\"{number:016x}\",\"test\":\"{verdict}\"")
            }
            _ => continue,
        };
        text.push_str(&format!("{{\"exponent\":{exponent},{result}"));
        if !by.is_empty() {
            let peer = view.peers.iter().find(|peer| peer.id == by);
            let name = peer.and_then(|peer| serde_json::to_string(&peer.name).ok());
            text.push_str(&name.map(|name| format!(",\"by\":{name}")).unwrap_or_default());
            text.push_str(&format!(",\"by_id\":\"{by}\""));
        }
        text.push_str("}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use manyhands_core::view::PeerView;

    use super::*;

    #[test]
    fn every_finding_is_a_line_of_json() {
        let ann = PeerView { id: "ab".to_owned(), name: "\"Ann\"".to_owned(), ..PeerView::default() };
        let view = View { peers: vec![ann], ..View::default() };
        let findings = "7 prime 0 ab\n11 factor 23 cd\n4423 ll 255 \n70003 prp-3 1 ab\n71 new 1 ab\n";

        let lines = json_lines(findings, &view);

        let expected = [
            r#"{"exponent":7,"result":"prime","test":"ll","by":"\"Ann\"","by_id":"ab"}"#,
            r#"{"exponent":11,"result":"factor","factor":23,"by_id":"cd"}"#,
            r#"{"exponent":4423,"result":"composite","residue":"00000000000000ff","test":"ll"}"#,
            r#"{"exponent":70003,"result":"composite","residue":"0000000000000001","test":"prp-3","by":"\"Ann\"","by_id":"ab"}"#,
        ];
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    }
}
