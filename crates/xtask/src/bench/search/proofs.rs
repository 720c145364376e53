//! What it costs to verify that an exponent's number is composite, against testing it anew.
//!
//! The figures asked for are those of exponents of Mersenne primes, which have no proofs: their squarings come by formula. Time
//! is measured at the composites next to them.

use anyhow::Result;
use serde_json::Value;

use super::{answer, example, grouped, print_table, time};
use crate::bench::{Figure, Target, field};

/// Of which exponents the squarings are told.
const BY_FORMULA: [u32; 3] = [86_243, 216_091, 1_257_787];
/// Which are tested, proven and verified.
const MEASURED: [u32; 2] = [86_249, 216_103];
/// The one that the target is about, and the composite next to it.
const ASKED: [u32; 2] = [216_091, 216_103];
/// How much of a test its verification may take, in percent.
const SHARE_MAX: f64 = 1.5;

/// The verification's share of the squarings and of the time.
pub(in crate::bench) fn proofs() -> Result<Vec<Figure>> {
    println!("    measuring: proofs, for which an exponent of 216,000 is tested");
    let speed = example("manyhands-jobs", "search_speed")?;
    let (mut figures, mut rows) = (Vec::new(), Vec::new());
    let mut exponents = [BY_FORMULA.as_slice(), &MEASURED].concat();
    exponents.sort_unstable();
    for exponent in exponents {
        // A number is not to be tested only to learn that it is prime and has no proof.
        let what = if MEASURED.contains(&exponent) { "proof" } else { "formula" };
        let proof = answer(&speed, &[what, &exponent.to_string()])?;
        rows.push(row(exponent, &proof)?);
        if ASKED.contains(&exponent) {
            figures.push(figure(exponent, &proof)?);
        }
    }
    print_table(
        "proofs of composites",
        &[
            "exponent",
            "squarings to verify",
            "of the test's",
            "the proof",
            "kept for it meanwhile",
            "test",
            "making it",
            "verifying it",
            "of the test's time",
        ],
        &rows,
    );
    Ok(figures)
}

fn row(exponent: u32, proof: &Value) -> Result<Vec<String>> {
    let squarings = field(proof, "verification_squarings")?;
    let mut row = vec![
        grouped(u64::from(exponent)),
        grouped(squarings as u64),
        format!("{:.2} %", squarings / f64::from(exponent) * 100.0),
        size(field(proof, "proof_bytes")?),
        size(field(proof, "trail_bytes")?),
    ];
    match share_of_time(proof) {
        Ok(percent) => {
            let times = ["test_ms", "making_ms", "verifying_ms"];
            for name in times {
                row.push(time(field(proof, name)? * 1e6));
            }
            row.push(format!("{percent:.2} %"));
        }
        Err(_) => row.extend(["", "", "", ""].map(str::to_owned)),
    }
    Ok(row)
}

/// The share of the squarings by formula, or of time where that was measured.
fn figure(exponent: u32, proof: &Value) -> Result<Figure> {
    let size_of = |name| Ok::<_, anyhow::Error>(size(field(proof, name)?));
    let storage = format!("proof {}, storage meanwhile {}", size_of("proof_bytes")?, size_of("trail_bytes")?);
    let squarings = field(proof, "verification_squarings")?;
    let (name, measured, note) = match share_of_time(proof) {
        Ok(percent) => {
            let ms = |name| Ok::<_, anyhow::Error>(time(field(proof, name)? * 1e6));
            let note = format!("{} for a test of {}", ms("verifying_ms")?, ms("test_ms")?);
            ("verifying over testing, time, p = 216,103", percent, note)
        }
        Err(_) => {
            let note =
                format!("{} of {}; {storage}", grouped(squarings as u64), grouped(u64::from(exponent)));
            ("verifying over testing, squarings, p = 216,091", squarings / f64::from(exponent) * 100.0, note)
        }
    };
    Ok(Figure { name, measured, unit: "%", target: Target::AtMost(SHARE_MAX), note })
}

fn share_of_time(proof: &Value) -> Result<f64> {
    Ok(field(proof, "verifying_ms")? / field(proof, "test_ms")? * 100.0)
}

fn size(bytes: f64) -> String {
    if bytes < 1e6 { format!("{:.0} KB", bytes / 1e3) } else { format!("{:.1} MB", bytes / 1e6) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_proof_by_formula_has_no_times() {
        let proof = json!({ "verification_squarings": 3000, "proof_bytes": 200_000, "trail_bytes": 3.4e6 });

        let (row, figure) = (row(216_091, &proof).unwrap(), figure(216_091, &proof).unwrap());

        assert_eq!(row[..5], ["216,091", "3,000", "1.39 %", "200 KB", "3.4 MB"]);
        assert!(figure.name.contains("squarings") && figure.is_met(), "{figure:?}");
    }

    #[test]
    fn a_measured_proof_is_held_to_its_times() {
        let proof = json!({
            "verification_squarings": 3000, "proof_bytes": 200_000, "trail_bytes": 3.4e6,
            "test_ms": 1000.0, "making_ms": 50.0, "verifying_ms": 16.0,
        });

        let figure = figure(216_103, &proof).unwrap();

        assert!((figure.measured - 1.6).abs() < 1e-9 && !figure.is_met(), "{figure:?}");
    }
}
