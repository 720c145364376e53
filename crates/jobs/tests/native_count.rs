//! Proves that no native path knows a formula: executes it one instruction at a time, and counts.
//!
//! The program under test is the example `kernel_speed`, built as it is shipped and told which path to take. It runs under
//! ptrace, which stops it after every instruction; each is counted, and those that add vectors are counted by
//! their width. What else the program does costs a constant number of instructions, which goes away by comparing
//! intervals of different size. Unlike an emulator, this works for whatever instructions the processor has.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path as FilePath;
use std::process::{Command, Stdio};

use manyhands_jobs::kernel::sum::Path;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

/// The number of the system call `write`.
const SYS_WRITE: u64 = 1;

/// What a run of the program executed.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// Instructions of any kind.
    instructions: u64,
    /// Vector additions of 64-bit lanes, by lanes: 2, 4 and 8.
    additions: [u64; 3],
}

#[test]
fn every_number_costs_its_share_of_two_vector_additions() {
    let program = common::build_example("kernel_speed", &["--release"], "release").join("kernel_speed");

    for path in [Path::Portable, Path::Avx2, Path::Avx512] {
        if !path.is_available() {
            eprintln!("{path}: this processor does not have it, so nothing can execute it here");
            continue;
        }
        // A multiple of every path's rows between two emptyings near 10^18; small, as stopping so often takes its time.
        let step = 18 * 48 * path.lanes();
        for first in [1, 999_999_999_000_000_000] {
            let [one, two, three] =
                [1, 2, 3].map(|times| count(&program, path, first, first + times * step - 1));
            let numbers = step as f64;
            let grown = (two.instructions - one.instructions) as f64;
            let grown_again = (three.instructions - two.instructions) as f64;
            let width = path.lanes().ilog2() as usize - 1;
            let additions = (two.additions[width] - one.additions[width]) as f64;
            eprintln!(
                "{path} from {first}: {:.3} instructions and {:.3} vector additions a number",
                grown / numbers,
                additions / numbers
            );

            assert!(
                (grown_again / grown - 1.0).abs() < 0.02,
                "{path}: not in proportion: {one:?} {two:?} {three:?}"
            );
            assert!(
                grown >= numbers / path.lanes() as f64,
                "{path}: {grown} instructions for {numbers} numbers"
            );
            let expected = 2.0 * numbers / path.lanes() as f64;
            assert!(additions >= 0.999 * expected, "{path}: {additions} vector additions, not {expected}");
        }
    }
}

#[test]
fn additions_are_told_from_their_neighbours() {
    assert_eq!(lanes_added([0x62, 0x71, 0xbd, 0x48, 0xd4, 0xdb, 0, 0]), Some(8)); // vpaddq zmm
    assert_eq!(lanes_added([0xc5, 0x05, 0xd4, 0xfe, 0, 0, 0, 0]), Some(4)); // vpaddq ymm
    assert_eq!(lanes_added([0xc4, 0xc1, 0x35, 0xd4, 0xf7, 0, 0, 0]), Some(4)); // vpaddq ymm, high register
    assert_eq!(lanes_added([0x66, 0x44, 0x0f, 0xd4, 0xd0, 0, 0, 0]), Some(2)); // paddq xmm, high register
    assert_eq!(lanes_added([0x66, 0x0f, 0xd4, 0xc1, 0, 0, 0, 0]), Some(2)); // paddq xmm
    assert_eq!(lanes_added([0x66, 0x0f, 0xfe, 0xc1, 0, 0, 0, 0]), None); // paddd xmm
    assert_eq!(lanes_added([0x48, 0xff, 0xc9, 0, 0, 0, 0, 0]), None); // dec
}

/// Runs the program to its end, and checks its answer.
fn count(program: &FilePath, path: Path, first: u64, last: u64) -> Count {
    let mut command = Command::new(program);
    command.args(["--sum", path.name(), &first.to_string(), &last.to_string()]).stdout(Stdio::piped());
    #[expect(
        unsafe_code,
        reason = "what a process does between fork and exec cannot be checked by the compiler"
    )]
    // SAFETY: asking to be traced is one system call: it takes no lock and no memory.
    unsafe {
        command.pre_exec(|| ptrace::traceme().map_err(Into::into));
    }
    let mut child = command.spawn().expect("the program is there, and tracing it is allowed (ptrace)");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id fits"));

    // The program says that it begins and, at the end, the total: what lies between these two writes is counted.
    wait_for_trap(pid);
    while !writes(pid) {
        ptrace::syscall(pid, None).expect("the child is stopped");
        wait_for_trap(pid);
    }
    let mut count = Count::default();
    let mut known = BTreeMap::new();
    loop {
        ptrace::step(pid, None).expect("the child is stopped");
        wait_for_trap(pid);
        let at = ptrace::getregs(pid).expect("the child is stopped").rip;
        let code = *known.entry(at).or_insert_with(|| {
            let word = ptrace::read(pid, at as ptrace::AddressType).expect("what is executed can be read");
            word.to_le_bytes()
        });
        if is_system_call(code) && writes(pid) {
            break;
        }
        count.instructions += 1;
        if let Some(lanes) = lanes_added(code) {
            count.additions[lanes.ilog2() as usize - 1] += 1;
        }
    }
    ptrace::cont(pid, None).expect("the child is stopped");

    let mut answer = String::new();
    child.stdout.take().expect("it is piped").read_to_string(&mut answer).expect("the program writes text");
    let expected: u128 = (first..=last).map(u128::from).sum();
    assert_eq!(answer.lines().last(), Some(expected.to_string().as_str()));
    assert!(child.wait().expect("the child is ours to wait for").success());
    count
}

fn wait_for_trap(pid: Pid) {
    match waitpid(pid, None).expect("the child is ours to wait for") {
        WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
        other => panic!("the program came to a stop as {other:?}"),
    }
}

/// Whether the stopped program is at a system call that writes to its standard output.
fn writes(pid: Pid) -> bool {
    let registers = ptrace::getregs(pid).expect("the child is stopped");
    // Within the call, the number has moved to `orig_rax`; before it, it is in `rax`.
    (registers.orig_rax == SYS_WRITE || registers.rax == SYS_WRITE) && registers.rdi == 1
}

fn is_system_call(code: [u8; 8]) -> bool {
    code.starts_with(&[0x0f, 0x05])
}

/// How many 64-bit lanes the instruction adds, if it is `paddq` or `vpaddq` (opcode `66 0F D4`, in any encoding).
fn lanes_added(code: [u8; 8]) -> Option<u64> {
    match code {
        [0x66, 0x0f, 0xd4, ..] | [0x66, 0x40..=0x4f, 0x0f, 0xd4, ..] => Some(2),
        // VEX: the low two bits of its last byte are the prefix (01 for 66), bit 2 the width.
        [0xc5, p, 0xd4, ..] if p & 3 == 1 => Some(if p & 4 == 0 { 2 } else { 4 }),
        [0xc4, m, p, 0xd4, ..] if m & 0x1f == 1 && p & 3 == 1 => Some(if p & 4 == 0 { 2 } else { 4 }),
        // EVEX: the map, the prefix, and the width in bits 5 and 6.
        [0x62, m, p, w, 0xd4, ..] if m & 7 == 1 && p & 3 == 1 => Some(2 << (w >> 5 & 3)),
        _ => None,
    }
}
