//! Makes the folder of the built page exist, so that the program builds without a page and notices a new one; and takes the viewer
//! of the API's description out of its archive.

use std::path::PathBuf;

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

/// What the viewer needs of its archive.
const VIEWER: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];

fn main() {
    // The page is embedded from here; an absent folder would make every build of the program start afresh, as cargo
    // cannot watch what is not there. Where it cannot be made, the program is built without a page all the same.
    let _ = std::fs::create_dir_all("../../dist");
    println!("cargo::rerun-if-changed=../../dist");
    println!("cargo::rerun-if-changed=build.rs");

    let folder = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo names a folder"));
    for name in VIEWER {
        let gzip = gzipped(SWAGGER_UI_VENDORED, &format!("/dist/{name}"));
        let gzip = gzip.unwrap_or_else(|| panic!("{name} is not in the archive as it should be"));
        std::fs::write(folder.join(format!("{name}.gz")), gzip).expect("cargo's folder can be written to");
    }
}

/// A file of a zip archive in gzip's format, which takes the same compressed bytes between another head and tail (APPNOTE.TXT
/// sections 4.3.7 and 4.3.12; RFC 1952): nothing need be unpacked. None if it is not there.
fn gzipped(archive: &[u8], path_end: &str) -> Option<Vec<u8>> {
    const ENTRY: &[u8] = b"PK\x01\x02";
    const END: &[u8] = b"PK\x05\x06";
    const DEFLATED: u16 = 8;
    let short = |at: usize| Some(u16::from_le_bytes(*archive.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u32::from_le_bytes(*archive.get(at..)?.first_chunk()?) as usize);
    let end = archive.windows(END.len()).rposition(|bytes| bytes == END)?;
    let mut entry = long(end + 16)?;
    while archive.get(entry..entry + 4)? == ENTRY {
        let name_bytes = usize::from(short(entry + 28)?);
        let name = archive.get(entry + 46..entry + 46 + name_bytes)?;
        if name.ends_with(path_end.as_bytes()) && short(entry + 10)? == DEFLATED {
            let (checksum, compressed, size) = (long(entry + 16)?, long(entry + 20)?, long(entry + 24)?);
            let local = long(entry + 42)?;
            let content = local + 30 + usize::from(short(local + 26)?) + usize::from(short(local + 28)?);
            let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
            gzip.extend(archive.get(content..content + compressed)?);
            gzip.extend((checksum as u32).to_le_bytes());
            gzip.extend((size as u32).to_le_bytes());
            return Some(gzip);
        }
        entry += 46 + name_bytes + usize::from(short(entry + 30)?) + usize::from(short(entry + 32)?);
    }
    None
}
