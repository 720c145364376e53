//! Files as a script sends them: `{"files":[{"name":"a.txt","content":"<hex>"}]}`.
//!
//! The body is read as it comes, because a content may be of any length: what is held is one network packet and a name. So
//! `name` stands before `content`, or the content is short enough to wait for it.

use std::pin::pin;

use axum::body::Bytes;
use futures_util::{Stream, StreamExt as _};
use manyhands_wire::file::{FILE_NAME_BYTES_MAX, MEDIA_TYPE_BYTES_MAX};
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

use super::problem::Problem;
use super::putting::{Fault, Putting};
use super::source::Source;

/// How much of a content is held until its name comes, in bytes.
const HELD_BYTES_MAX: usize = 1 << 20;
/// How many pieces of a content wait to be written.
const PIECES_MAX: usize = 4;
/// The longest text of a key.
const KEY_BYTES_MAX: usize = 32;

/// Takes all files of a body.
pub(super) async fn take(source: Source, putting: &mut Putting) -> Result<(), Problem> {
    let mut reader = Reader { stream: source, bytes: Bytes::new() };
    let mut has_files = false;
    reader.expect(b'{').await?;
    let mut members = Members::default();
    while let Some(key) = members.next_key(&mut reader).await? {
        match key.as_str() {
            "files" => {
                has_files = true;
                files(&mut reader, putting).await?;
            }
            "set" => putting.name_set(reader.string("set", FILE_NAME_BYTES_MAX).await?)?,
            _ => return Err(unknown(&key)),
        }
    }
    match reader.token().await? {
        Some(_) => Err(Problem::bad("something follows the JSON")),
        None if has_files => Ok(()),
        None => Err(Problem::bad("`files` is missing")),
    }
}

async fn files<S: Bytewise>(reader: &mut Reader<S>, putting: &mut Putting) -> Result<(), Problem> {
    reader.expect(b'[').await?;
    if reader.token().await? == Some(b']') {
        reader.skip(1);
        return Ok(());
    }
    loop {
        file(reader, putting).await?;
        match reader.must_token().await? {
            b',' => reader.skip(1),
            b']' => {
                reader.skip(1);
                return Ok(());
            }
            _ => return Err(Problem::bad("the JSON has no `,` or `]` after a file")),
        }
    }
}

async fn file<S: Bytewise>(reader: &mut Reader<S>, putting: &mut Putting) -> Result<(), Problem> {
    reader.expect(b'{').await?;
    let (mut name, mut media_type) = (None, None);
    // What came before the name, and whether the content was put already.
    let (mut held, mut is_put) = (None, false);
    let mut members = Members::default();
    while let Some(key) = members.next_key(reader).await? {
        match key.as_str() {
            "name" => name = Some(reader.string("name", FILE_NAME_BYTES_MAX).await?),
            "type" => {
                let text = reader.string("type", MEDIA_TYPE_BYTES_MAX).await?;
                if is_put {
                    putting.retype(text)?;
                } else {
                    media_type = Some(text);
                }
            }
            "content" => {
                reader.expect(b'"').await?;
                match &name {
                    Some(name) => {
                        stream(reader, name.clone(), media_type.take(), putting).await?;
                        is_put = true;
                    }
                    None => held = Some(reader.short_hex().await?),
                }
            }
            _ => return Err(unknown(&key)),
        }
    }
    let name = name.ok_or_else(|| Problem::bad("a file has no `name`"))?;
    match held {
        Some(content) => {
            putting.add(name, media_type, Some(content.len() as u64), &Fault::default(), &content[..]).await
        }
        None if is_put => Ok(()),
        None => Err(Problem::bad("a file has no `content`")),
    }
}

/// Writes a content while it is read.
async fn stream<S: Bytewise>(
    reader: &mut Reader<S>,
    name: String,
    media_type: Option<String>,
    putting: &mut Putting,
) -> Result<(), Problem> {
    let (pieces, taken) = mpsc::channel(PIECES_MAX);
    let fault = Fault::default();
    let content =
        futures_util::stream::unfold(taken, async |mut taken: mpsc::Receiver<std::io::Result<Bytes>>| {
            taken.recv().await.map(|piece| (piece, taken))
        });
    let content = StreamReader::new(Box::pin(content));
    let raised = fault.clone();
    let feeding = async move {
        let mut half = None;
        loop {
            match reader.hex(&mut half).await {
                // A writer that has gone says itself why.
                Ok((bytes, is_last)) => {
                    if pieces.send(Ok(bytes.into())).await.is_err() || is_last {
                        return;
                    }
                }
                Err(problem) => {
                    // Without it, the content would seem to have ended.
                    let _ = pieces.send(Err(raised.raise(problem))).await;
                    return;
                }
            }
        }
    };
    let mut putting = pin!(putting.add(name, media_type, None, &fault, content));
    tokio::select! {
        // What cannot be written need not come.
        put = &mut putting => put,
        () = feeding => putting.await,
    }
}

fn unknown(key: &str) -> Problem {
    Problem::bad(format!(
        "`{key}` is not asked for: {{\"files\":[{{\"name\":\"a.txt\",\"content\":\"<hex>\"}}]}}"
    ))
}

/// A body in pieces.
trait Bytewise: Stream<Item = Result<Bytes, axum::Error>> + Unpin {}
impl<S: Stream<Item = Result<Bytes, axum::Error>> + Unpin> Bytewise for S {}

/// The members of an object, one after the other, each of them once.
#[derive(Default)]
struct Members {
    seen: Vec<String>,
}

impl Members {
    /// The next key, whose value is to be read; none after the last one. The opening brace was read before.
    async fn next_key<S: Bytewise>(&mut self, reader: &mut Reader<S>) -> Result<Option<String>, Problem> {
        match reader.must_token().await? {
            b'}' => {
                reader.skip(1);
                return Ok(None);
            }
            b',' if !self.seen.is_empty() => reader.skip(1),
            _ if self.seen.is_empty() => {}
            _ => return Err(Problem::bad("the JSON has no `,` or `}` after a member")),
        }
        let key = reader.string("key", KEY_BYTES_MAX).await?;
        reader.expect(b':').await?;
        if self.seen.contains(&key) {
            return Err(Problem::bad(format!("`{key}` is there twice")));
        }
        self.seen.push(key.clone());
        Ok(Some(key))
    }
}

/// Reads a body byte by byte, or run by run where it is digits.
struct Reader<S> {
    stream: S,
    bytes: Bytes,
}

impl<S: Bytewise> Reader<S> {
    /// Has at least one byte at hand, unless the body is at its end.
    async fn fill(&mut self) -> Result<bool, Problem> {
        while self.bytes.is_empty() {
            match self.stream.next().await {
                Some(Ok(bytes)) => self.bytes = bytes,
                Some(Err(error)) => return Err(Problem::bad(format!("the body broke off: {error}"))),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn skip(&mut self, count: usize) {
        let _ = self.bytes.split_to(count);
    }

    /// The next byte that is no white space, not yet taken; none at the end.
    async fn token(&mut self) -> Result<Option<u8>, Problem> {
        while self.fill().await? {
            match self.bytes[0] {
                b' ' | b'\t' | b'\r' | b'\n' => self.skip(1),
                byte => return Ok(Some(byte)),
            }
        }
        Ok(None)
    }

    async fn must_token(&mut self) -> Result<u8, Problem> {
        self.token().await?.ok_or_else(|| Problem::bad("the JSON ends in the middle"))
    }

    async fn expect(&mut self, wanted: u8) -> Result<(), Problem> {
        let found = self.must_token().await?;
        if found != wanted {
            let (wanted, found) = (char::from(wanted), char::from(found).escape_default());
            return Err(Problem::bad(format!("the JSON has `{found}` where `{wanted}` should be")));
        }
        self.skip(1);
        Ok(())
    }

    /// A text of at most so many bytes.
    async fn string(&mut self, what: &str, bytes_max: usize) -> Result<String, Problem> {
        let too_long = || Problem::bad(format!("`{what}` is longer than {bytes_max} bytes"));
        self.expect(b'"').await?;
        let mut raw = vec![b'"'];
        let mut is_escaped = false;
        loop {
            if !self.fill().await? {
                return Err(Problem::bad("the JSON ends in the middle"));
            }
            let byte = self.bytes[0];
            self.skip(1);
            raw.push(byte);
            match byte {
                b'"' if !is_escaped => break,
                b'\\' => is_escaped = !is_escaped,
                _ => is_escaped = false,
            }
            // An escape takes six letters for one byte at most.
            if raw.len() > 6 * bytes_max + 2 {
                return Err(too_long());
            }
        }
        let text: String = serde_json::from_slice(&raw)
            .map_err(|error| Problem::bad(format!("`{what}` is no text: {error}")))?;
        if text.len() > bytes_max { Err(too_long()) } else { Ok(text) }
    }

    /// Bytes as their digits come, and whether these were the last; `half` is a first digit whose second has not come yet.
    async fn hex(&mut self, half: &mut Option<u8>) -> Result<(Vec<u8>, bool), Problem> {
        if !self.fill().await? {
            return Err(Problem::bad("the JSON ends in the middle of a content"));
        }
        let mut bytes = Vec::with_capacity(self.bytes.len() / 2 + 1);
        let mut taken = 0;
        let mut is_last = false;
        for &letter in &self.bytes {
            taken += 1;
            if letter == b'"' {
                is_last = true;
                break;
            }
            let digit = char::from(letter).to_digit(16).ok_or_else(|| {
                Problem::bad(
                    "a content is hexadecimal: two of the digits 0-9 and a-f for each byte, and nothing else",
                )
            })? as u8;
            match half.take() {
                Some(first) => bytes.push(first << 4 | digit),
                None => *half = Some(digit),
            }
        }
        self.skip(taken);
        if is_last && half.is_some() {
            return Err(Problem::bad("a content has an odd number of hexadecimal digits"));
        }
        Ok((bytes, is_last))
    }

    /// A whole content that its name comes after.
    async fn short_hex(&mut self) -> Result<Vec<u8>, Problem> {
        let (mut content, mut half) = (vec![], None);
        loop {
            let (bytes, is_last) = self.hex(&mut half).await?;
            content.extend(bytes);
            if content.len() > HELD_BYTES_MAX {
                return Err(Problem::bad("write `name` before a `content` of this length"));
            }
            if is_last {
                return Ok(content);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn reader(text: &[u8], piece_bytes: usize) -> Reader<impl Bytewise + use<>> {
        let pieces: Vec<_> =
            text.chunks(piece_bytes).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Reader { stream: stream::iter(pieces), bytes: Bytes::new() }
    }

    #[tokio::test]
    async fn a_text_is_read_wherever_it_is_cut() {
        let text = r#"  "a\"\\\u0000\u00e4🦦\ud83e\udda6" ,"#.as_bytes();
        for piece_bytes in 1..text.len() {
            let mut reader = reader(text, piece_bytes);

            assert_eq!(reader.string("name", 20).await, Ok("a\"\\\0ä🦦🦦".to_owned()));
            assert_eq!(reader.token().await, Ok(Some(b',')));
        }
        for bad in ["\"abc", "\"\\ud800\"", "\"a\u{1}\"", "'a'", "\"aaaaaa\"", "\"\\x\"", ""] {
            assert!(reader(bad.as_bytes(), 3).string("name", 5).await.is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_content_is_read_wherever_it_is_cut() {
        let text = b"00ffA0b\x31\" ";
        for piece_bytes in 1..text.len() {
            assert_eq!(reader(text, piece_bytes).short_hex().await, Ok(vec![0, 255, 0xa0, 0xb1]));
        }
        for bad in ["0\"", "0g\"", "00", "0 0\"", "\\u0030\\u0030\"", "é\""] {
            assert!(reader(bad.as_bytes(), 1).short_hex().await.is_err(), "{bad}");
        }
        assert!(reader(&[b'a'; 2 * HELD_BYTES_MAX + 4], 1000).short_hex().await.is_err());
    }
}
