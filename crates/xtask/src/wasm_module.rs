//! Just enough of the WebAssembly binary format to call a test by its name.
//!
//! A test program built for wasm exports its `main` only, which runs all tests, tells nothing of them, and ends at the first
//! failure. But the functions are all in it, with their names in the `name` section: exporting them one by one lets each
//! run in an instance of its own. The debug sections are dropped on the way, as they are most of the file.

use anyhow::{Context as _, Result, bail, ensure};

const CUSTOM: u8 = 0;
const EXPORT: u8 = 7;
/// The subsection of the `name` section that names the functions.
const FUNCTION_NAMES: u8 = 1;

/// A module whose functions can be exported under new names.
pub(crate) struct Module<'a> {
    sections: Vec<(u8, &'a [u8])>,
    /// Index and demangled name of each function.
    functions: Vec<(u64, String)>,
}

impl<'a> Module<'a> {
    /// Reads a module.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut rest = bytes.strip_prefix(b"\0asm\x01\0\0\0").context("not a WebAssembly module")?;
        let mut module = Self { sections: Vec::new(), functions: Vec::new() };
        while let Some((&id, after)) = rest.split_first() {
            rest = after;
            let section = take_sized(&mut rest)?;
            if id == CUSTOM {
                let mut inside = section;
                if take_sized(&mut inside)? == b"name" {
                    module.functions = function_names(inside)?;
                } else {
                    continue;
                }
            }
            module.sections.push((id, section));
        }
        ensure!(!module.functions.is_empty(), "a module without function names");
        Ok(module)
    }

    /// The index of the function of this name, without the hash that the compiler adds.
    pub(crate) fn function(&self, name: &str) -> Option<u64> {
        self.functions.iter().find(|(_, function)| function == name).map(|(index, _)| *index)
    }

    /// The module's bytes with these functions exported as well.
    pub(crate) fn with_exports(&self, exports: &[(String, u64)]) -> Result<Vec<u8>> {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        for (id, section) in &self.sections {
            bytes.push(*id);
            if *id != EXPORT {
                put_sized(&mut bytes, section);
                continue;
            }
            let mut entries = *section;
            let count = take_number(&mut entries)? + exports.len() as u64;
            let mut section = Vec::new();
            put_number(&mut section, count);
            section.extend(entries);
            for (name, index) in exports {
                put_sized(&mut section, name.as_bytes());
                section.push(0);
                put_number(&mut section, *index);
            }
            put_sized(&mut bytes, &section);
        }
        Ok(bytes)
    }
}

fn function_names(mut section: &[u8]) -> Result<Vec<(u64, String)>> {
    let mut functions = Vec::new();
    while let Some((&id, after)) = section.split_first() {
        section = after;
        let mut names = take_sized(&mut section)?;
        if id != FUNCTION_NAMES {
            continue;
        }
        for _ in 0..take_number(&mut names)? {
            let index = take_number(&mut names)?;
            let name = String::from_utf8_lossy(take_sized(&mut names)?).into_owned();
            functions.push((index, format!("{:#}", rustc_demangle::demangle(&name))));
        }
    }
    Ok(functions)
}

/// Takes bytes with their count in front.
fn take_sized<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8]> {
    let length = usize::try_from(take_number(bytes)?)?;
    let (taken, rest) = bytes.split_at_checked(length).context("a section that ends too early")?;
    *bytes = rest;
    Ok(taken)
}

/// Takes an unsigned LEB128 number.
fn take_number(bytes: &mut &[u8]) -> Result<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first().context("a number that ends too early")?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    bail!("a number that does not end")
}

fn put_sized(bytes: &mut Vec<u8>, more: &[u8]) {
    put_number(bytes, more.len() as u64);
    bytes.extend(more);
}

fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One function that is not exported, with its name, and a debug section.
    const MODULE: &[u8] = b"\0asm\x01\0\0\0\
        \x01\x04\x01\x60\0\0\
        \x03\x02\x01\0\
        \x07\x01\0\
        \x0a\x04\x01\x02\0\x0b\
        \0\x08\x06.debugx\
        \0\x0c\x04name\x01\x05\x01\0\x02hi";

    #[test]
    fn a_hidden_function_is_exported_and_debug_sections_are_dropped() {
        let module = Module::parse(MODULE).unwrap();
        let index = module.function("hi").unwrap();

        let bytes = module.with_exports(&[("t0".to_owned(), index)]).unwrap();

        assert_eq!((index, module.function("ho")), (0, None));
        assert!(bytes.windows(9).any(|window| window == b"\x07\x06\x01\x02t0\0\0\x0a"));
        assert!(!bytes.windows(6).any(|window| window == b".debug"));
    }

    #[test]
    fn numbers_survive_their_bytes() {
        for number in [0, 127, 128, 300, u64::from(u32::MAX)] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);

            assert_eq!(take_number(&mut bytes.as_slice()).unwrap(), number);
        }
    }

    #[test]
    fn a_truncated_module_is_an_error() {
        for length in 9..MODULE.len() {
            if let Ok(module) = Module::parse(&MODULE[..length]) {
                assert!(module.function("hi").is_none(), "{length}");
            }
        }
    }
}
