//! The yardstick on x86-64: loops of independent vector additions and nothing else.

use std::arch::asm;
use std::arch::x86_64::{__m128i, __m256i, __m512i, _mm_set1_epi64x, _mm256_set1_epi64x, _mm512_set1_epi64};

use crate::kernel::sum::Path;

/// How many additions stand in the loop: enough that what counts the rounds does not matter.
const ADDITIONS: u64 = 48;

/// Does `rows` rounds of vector additions as wide as `path`'s; returns how many additions that were, 0 for a path of
/// another processor.
pub(super) fn additions(path: Path, rows: u64) -> u64 {
    if rows == 0 || !path.is_available() {
        return 0;
    }
    #[expect(
        unsafe_code,
        reason = "functions for certain processors are called where the processor was asked"
    )]
    // SAFETY: the path is available, so the processor has the instructions.
    unsafe {
        match path {
            Path::Avx512 => zmm(rows),
            Path::Avx2 => ymm(rows),
            Path::Portable => xmm(rows),
            Path::Simd128 => return 0,
        }
    }
    rows * ADDITIONS
}

/// Makes a loop over twelve registers, each added to four times a round: more than any processor needs to have all its
/// adders busy.
macro_rules! additions {
    ($name:ident, $feature:literal, $lanes:ty, $splat:ident, $register:ident, [$($add:literal),+]) => {
        #[target_feature(enable = $feature)]
        #[inline(never)]
        #[expect(unsafe_code, reason = "only assembly is sure to be what it says, and not what it amounts to")]
        fn $name(rows: u64) {
            let step: $lanes = $splat(3);
            // SAFETY: registers are added to and a counter goes down to zero, from one at least; memory and stack are
            // not touched.
            unsafe {
                asm!(
                    "2:",
                    ".rept 4",
                    $($add,)+
                    ".endr",
                    "sub {rows}, 1",
                    "jnz 2b",
                    rows = inout(reg) rows => _,
                    s = in($register) step,
                    a0 = inout($register) step => _,
                    a1 = inout($register) step => _,
                    a2 = inout($register) step => _,
                    a3 = inout($register) step => _,
                    a4 = inout($register) step => _,
                    a5 = inout($register) step => _,
                    a6 = inout($register) step => _,
                    a7 = inout($register) step => _,
                    a8 = inout($register) step => _,
                    a9 = inout($register) step => _,
                    a10 = inout($register) step => _,
                    a11 = inout($register) step => _,
                    options(nomem, nostack),
                );
            }
        }
    };
}

additions!(
    zmm,
    "avx512f",
    __m512i,
    _mm512_set1_epi64,
    zmm_reg,
    [
        "vpaddq {a0}, {a0}, {s}",
        "vpaddq {a1}, {a1}, {s}",
        "vpaddq {a2}, {a2}, {s}",
        "vpaddq {a3}, {a3}, {s}",
        "vpaddq {a4}, {a4}, {s}",
        "vpaddq {a5}, {a5}, {s}",
        "vpaddq {a6}, {a6}, {s}",
        "vpaddq {a7}, {a7}, {s}",
        "vpaddq {a8}, {a8}, {s}",
        "vpaddq {a9}, {a9}, {s}",
        "vpaddq {a10}, {a10}, {s}",
        "vpaddq {a11}, {a11}, {s}"
    ]
);
additions!(
    ymm,
    "avx2",
    __m256i,
    _mm256_set1_epi64x,
    ymm_reg,
    [
        "vpaddq {a0}, {a0}, {s}",
        "vpaddq {a1}, {a1}, {s}",
        "vpaddq {a2}, {a2}, {s}",
        "vpaddq {a3}, {a3}, {s}",
        "vpaddq {a4}, {a4}, {s}",
        "vpaddq {a5}, {a5}, {s}",
        "vpaddq {a6}, {a6}, {s}",
        "vpaddq {a7}, {a7}, {s}",
        "vpaddq {a8}, {a8}, {s}",
        "vpaddq {a9}, {a9}, {s}",
        "vpaddq {a10}, {a10}, {s}",
        "vpaddq {a11}, {a11}, {s}"
    ]
);
additions!(
    xmm,
    "sse2",
    __m128i,
    _mm_set1_epi64x,
    xmm_reg,
    [
        "paddq {a0}, {s}",
        "paddq {a1}, {s}",
        "paddq {a2}, {s}",
        "paddq {a3}, {s}",
        "paddq {a4}, {s}",
        "paddq {a5}, {s}",
        "paddq {a6}, {s}",
        "paddq {a7}, {s}",
        "paddq {a8}, {s}",
        "paddq {a9}, {s}",
        "paddq {a10}, {s}",
        "paddq {a11}, {s}"
    ]
);
