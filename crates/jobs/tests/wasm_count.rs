//! Proves that the kernel in the page knows no formula: runs it in an interpreter that meters every instruction.
//!
//! The module is the example `metered`, built as the page's workers are. Fuel is what the interpreter counts: about one for
//! each instruction. Beside counting, the test looks into the module for the loop that was measured.

#![cfg(not(target_arch = "wasm32"))]

mod common;

use std::hint::black_box;

use wasmi::{Config, Engine, Linker, Module, Store, TypedFunc};
use wasmparser::{Operator, Parser, Payload};

/// How many numbers a row of the wasm path has: six vectors of two.
const ROW: u64 = 12;

fn module_bytes() -> Vec<u8> {
    let folder = common::build_example(
        "metered",
        &["--target", "wasm32-unknown-unknown", "--profile", "web"],
        "wasm32-unknown-unknown/web",
    );
    std::fs::read(folder.join("metered.wasm")).expect("cargo has just built it")
}

/// Adds an interval: the total, and the fuel for its lower half.
fn metered_sum(module: &Module, first: u64, last: u64) -> (u128, u64) {
    let mut store = Store::new(module.engine(), ());
    store.set_fuel(u64::MAX).expect("the engine meters");
    let instance = Linker::new(module.engine())
        .instantiate_and_start(&mut store, module)
        .expect("the module imports nothing");
    let mut half = |name: &str| {
        let sum: TypedFunc<(u64, u64), u64> = instance.get_typed_func(&store, name).expect("it is exported");
        let full = store.get_fuel().expect("the engine meters");
        let half = sum.call(&mut store, (first, last)).expect("adding does not trap");
        (half, full - store.get_fuel().expect("the engine meters"))
    };
    let (low, fuel) = half("sum_low");
    let (high, _) = half("sum_high");
    (u128::from(high) << 64 | u128::from(low), fuel)
}

fn load(bytes: &[u8]) -> Module {
    let engine = Engine::new(Config::default().consume_fuel(true));
    Module::new(&engine, bytes).expect("the module is valid")
}

#[test]
fn fuel_grows_in_proportion_to_the_interval() {
    let module = load(&module_bytes());

    for first in [1, 1 << 40, 999_999_999_000_000_000] {
        // A multiple of the rows between two emptyings: 4096, or 18 near the limit.
        let numbers = ROW * 4096 * 9;
        let fuel = [1, 2, 4, 8].map(|times| metered_sum(&module, first, first + numbers * times - 1).1);
        let per_number = (fuel[1] - fuel[0]) as f64 / numbers as f64;
        eprintln!("from {first}: {per_number:.3} fuel a number");

        assert!(per_number >= 0.5, "less than an instruction for each vector of two: {per_number}");
        for (doubled, times) in [(2, 2.0), (3, 4.0)] {
            let grown = (fuel[doubled] - fuel[doubled - 1]) as f64 / (fuel[1] - fuel[0]) as f64;
            assert!((grown / times - 1.0).abs() < 0.01, "not in proportion: {fuel:?}");
        }
    }
}

#[test]
fn the_measured_loop_makes_and_adds_each_vector() {
    let bytes = module_bytes();

    let loops: Vec<Vec<&str>> = innermost_loops(&bytes).into_iter().filter(|body| !body.is_empty()).collect();

    // One loop has vector instructions, and these are: six that add numbers to sums, six that make the next numbers. Were
    // two rows made into one, there would be more; were numbers multiplied, others.
    assert_eq!(loops, [vec!["add"; 12]]);
}

#[test]
fn the_module_adds_exactly() {
    let module = load(&module_bytes());
    let limit = 1_000_000_000_000_000_000;

    for (first, last) in
        [(1, 0), (1, 1), (1, 11), (1, 12), (1, 13), (1, 100_003), (limit - 5_000, limit), (5, 5)]
    {
        let mut expected = 0;
        for n in first..=last {
            expected += u128::from(black_box(n));
        }
        assert_eq!(metered_sum(&module, first, last).0, expected, "{first}..={last}");
    }
}

/// The vector instructions of every loop that holds no other loop, but for loads, stores and constants.
fn innermost_loops(bytes: &[u8]) -> Vec<Vec<&'static str>> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let Payload::CodeSectionEntry(body) = payload.expect("the module is valid") else { continue };
        // The blocks that are open: for a loop, what was seen in it.
        let mut open: Vec<Option<Vec<&'static str>>> = vec![None];
        for operator in body.get_operators_reader().expect("the module is valid") {
            let name = match operator.expect("the module is valid") {
                Operator::Loop { .. } => {
                    // The loops around this one are not innermost.
                    open.iter_mut().for_each(|outer| *outer = None);
                    open.push(Some(Vec::new()));
                    continue;
                }
                Operator::Block { .. } | Operator::If { .. } => {
                    open.push(None);
                    continue;
                }
                Operator::End => {
                    found.extend(open.pop().flatten());
                    continue;
                }
                Operator::I64x2Add => "add",
                Operator::I64x2Sub => "subtract",
                Operator::I64x2Mul => "multiply",
                Operator::I64x2Shl | Operator::I64x2ShrU | Operator::I64x2ShrS => "shift",
                Operator::V128And | Operator::V128Or | Operator::V128Xor | Operator::V128Not => "bits",
                _ => continue,
            };
            for body in open.iter_mut().flatten() {
                body.push(name);
            }
        }
    }
    found
}
