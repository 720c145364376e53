//! What a stranger calls a file, made a name for this machine's disk: the last part of it, and nothing that means more than a name.

use manyhands_wire::FileId;

/// The longest name that file systems take, in bytes, less the ending of one that is not whole yet.
const NAME_BYTES_MAX: usize = 200;

/// A name in the folder that is meant, whatever the file is called.
pub(super) fn file_name(name: &str, id: &FileId) -> String {
    let last = name.rsplit(['/', '\\']).find(|part| !part.trim().is_empty()).unwrap_or_default();
    let is_hidden_mark = |letter: char| matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}');
    let is_reserved =
        |letter: char| letter.is_control() || is_hidden_mark(letter) || "<>:\"|?*".contains(letter);
    let mut safe: String =
        last.trim().chars().map(|letter| if is_reserved(letter) { '_' } else { letter }).collect();
    // Hidden files configure programs; a dash looks like an option.
    if safe.starts_with(['.', '-']) {
        safe.replace_range(..1, "_");
    }
    let mut end = safe.len().min(NAME_BYTES_MAX);
    while !safe.is_char_boundary(end) {
        end -= 1;
    }
    safe.truncate(end);
    let safe = safe.trim_end_matches(['.', ' ']);
    let stem = safe.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    if is_device(&stem) {
        return format!("_{safe}");
    }
    if safe.is_empty() || safe.chars().all(|letter| letter == '_') {
        format!("file-{}", &id.to_string()[..16])
    } else {
        safe.to_owned()
    }
}

/// Whether Windows takes a name for a device's, whatever its ending.
fn is_device(stem: &str) -> bool {
    let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    matches!(stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || port
            .is_some_and(|port| matches!(port.as_bytes(), [b'0'..=b'9']) || matches!(port, "¹" | "²" | "³"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let id = FileId([0xab; 32]);
        let unnamed = "file-abababababababab";
        for (name, safe) in [
            ("a.txt", "a.txt"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\evil.dll", "evil.dll"),
            ("/", unnamed),
            ("..", unnamed),
            ("../", unnamed),
            (".", unnamed),
            ("", unnamed),
            (" ", unnamed),
            (".bashrc", "_bashrc"),
            ("-rf", "_rf"),
            ("a\0b\n.txt", "a_b_.txt"),
            ("\u{202e}gpj.exe", "_gpj.exe"),
            ("über 🦦.txt", "über 🦦.txt"),
            ("nul", "_nul"),
            ("Com1.txt", "_Com1.txt"),
            ("console.txt", "console.txt"),
        ] {
            assert_eq!(file_name(name, &id), safe, "{name:?}");
        }
        let long = file_name(&"ü".repeat(300), &id);
        assert!(long.len() <= NAME_BYTES_MAX && long.starts_with("üü"), "{long}");
    }
}
