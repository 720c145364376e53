//! Names of files in headers: written so that no name can add a header, and read from what browsers and scripts send.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but what RFC 5987 lets stand in a value.
const NOT_PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The value of `filename*`: UTF-8, percent-encoded (RFC 5987).
pub(crate) fn extended(name: &str) -> String {
    format!("UTF-8''{}", utf8_percent_encode(name, NOT_PLAIN))
}

/// `Content-Disposition` for a download: the name for old programs, where it is plain, and for all others.
pub(super) fn attachment(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " .-_()+,=@".contains(c);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{plain}\"; filename*={}", extended(name))
}

/// The media type that a name's end suggests; empty if it suggests none.
pub(crate) fn guessed_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match extension.as_str() {
        "txt" | "log" | "md" => "text/plain; charset=utf-8",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "js" | "mjs" => "text/javascript",
        "json" => "application/json",
        "xml" => "application/xml",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "tar" => "application/x-tar",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wav" => "audio/wav",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "wasm" => "application/wasm",
        _ => "",
    }
}

/// Whether this is a media type as a header may have it: type and subtype, and parameters without quotes (RFC 9110, section 8.3.1).
pub(crate) fn is_media_type(text: &str) -> bool {
    let is_token = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let is_pair = |text: &str, between| {
        text.split_once(between).is_some_and(|(one, two)| is_token(one) && is_token(two))
    };
    let mut parts = text.split(';').map(|part| part.trim_matches(' '));
    parts.next().is_some_and(|essence| is_pair(essence, '/'))
        && parts.all(|parameter| is_pair(parameter, '='))
}

/// The name and the file name in the `Content-Disposition` of a part of a form.
///
/// Browsers write `"`, CR and LF in a name as `%22`, `%0D` and `%0A`; old programs put a backslash before `"` and before a backslash;
/// and `filename*`, which the standard does not foresee here, is the one way to any name at all.
pub(super) fn form_data(header: &[u8]) -> Option<(String, Option<String>)> {
    let header = String::from_utf8_lossy(header);
    let (kind, mut rest) = header.split_once(';').unwrap_or((&header, ""));
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return None;
    }
    let (mut name, mut file_name, mut extended_name) = (String::new(), None, None);
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches([' ', '\t', ';']).to_ascii_lowercase();
        let (value, after) = value(after.trim_start());
        match key.as_str() {
            "name" => name = value,
            "filename" => file_name = Some(value),
            "filename*" => extended_name = Some(decode_extended(&value)?),
            _ => {}
        }
        rest = after;
    }
    Some((name, extended_name.or(file_name)))
}

/// A quoted or a bare value, and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (unescape(&value), &quoted[at + 1..]),
            '\\' if letters.peek().is_some_and(|(_, next)| matches!(next, '"' | '\\')) => {
                value.extend(letters.next().map(|(_, next)| next));
            }
            letter => value.push(letter),
        }
    }
    (unescape(&value), "")
}

fn unescape(value: &str) -> String {
    value.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n")
}

fn decode_extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, name) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    percent_decode_str(name).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: [&str; 8] =
        ["a.txt", "../../etc/passwd", "a\0b", "x\r\nset-cookie: a=b", "\"", "a\\b", "\u{202e}🦦%22", ""];

    #[test]
    fn no_name_can_add_a_header() {
        for name in ODD {
            let header = attachment(name);
            assert!(header.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{header:?}");
            assert_eq!(header.matches('"').count(), 2, "{header}");
        }
        assert_eq!(
            attachment("ä b.txt"),
            "attachment; filename=\"_ b.txt\"; filename*=UTF-8''%C3%A4%20b.txt"
        );
    }

    #[test]
    fn a_media_type_has_two_parts_and_parameters() {
        for good in ["text/plain", "text/plain; charset=utf-8", "image/svg+xml", "a/b ;c=d;e=f"] {
            assert!(is_media_type(good), "{good}");
        }
        for bad in [
            "",
            "text",
            "text/",
            "/",
            "a/b/c",
            "|F:;/!+-",
            "a/b;",
            "a/b; c",
            "a/b\n",
            "a /b",
            "ä/b",
            "a/b; c=\"d\"",
        ] {
            assert!(!is_media_type(bad), "{bad}");
        }
    }

    #[test]
    fn any_name_comes_through_the_extended_form() {
        for name in ODD {
            let header = format!("form-data; name=\"files\"; filename=\"x\"; filename*={}", extended(name));
            assert_eq!(form_data(header.as_bytes()), Some(("files".into(), Some(name.into()))));
        }
    }

    #[test]
    fn names_are_read_as_programs_write_them() {
        for (written, name) in [
            (r#"filename="a b;c.txt""#, "a b;c.txt"),
            (r#"filename="a%22b%0D%0A.txt""#, "a\"b\r\n.txt"),
            (r#"filename="a\"b\\c.txt""#, "a\"b\\c.txt"),
            (r#"filename="C:\dir\a.txt""#, "C:\\dir\\a.txt"),
            ("filename=bare.txt", "bare.txt"),
            ("FileName=\"Ünï.txt\"", "Ünï.txt"),
            (r#"filename="""#, ""),
            (r#"filename="open"#, "open"),
        ] {
            let header = format!("form-data; name=\"f\"; {written}");
            assert_eq!(form_data(header.as_bytes()), Some(("f".into(), Some(name.into()))), "{written}");
        }
        assert_eq!(form_data(b"form-data; name=x"), Some(("x".into(), None)));
        assert_eq!(form_data(b"attachment; filename=x"), None);
        assert_eq!(form_data(b"form-data; filename*=latin1''x"), None);
        assert_eq!(form_data(b"form-data; filename*=UTF-8''%ff"), None);
    }
}
