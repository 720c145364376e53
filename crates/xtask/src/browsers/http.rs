//! The smallest HTTP client that speaks to a driver or to a host on this machine.
//!
//! One request, one connection, JSON or bytes back. It leaves out everything that a server on the loopback interface does
//! not need: TLS, redirects, keep-alive, chunked bodies.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header lines, as they came.
    pub headers: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// If it is not JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("not JSON: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// Sends one request and waits for the whole answer.
///
/// # Errors
/// If the server cannot be reached, falls silent for `patience`, or does not answer in HTTP.
pub fn request(
    server: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
    patience: Duration,
) -> Result<Answer> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream =
        TcpStream::connect_timeout(&server, patience).with_context(|| format!("connecting to {server}"))?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_nodelay(true)?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    read_answer(&mut stream).with_context(|| format!("{method} {path} at {server}"))
}

fn read_answer(stream: &mut TcpStream) -> Result<Answer> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(answer) = parse(&bytes, false)? {
            return Ok(answer);
        }
        match stream.read(&mut buffer)? {
            0 => break,
            n => bytes.extend_from_slice(&buffer[..n]),
        }
    }
    parse(&bytes, true)?.context("the connection ended in the middle of an answer")
}

/// The answer in `bytes`, once it is whole. Without a length, it is whole when the connection has `ended`.
fn parse(bytes: &[u8], ended: bool) -> Result<Option<Answer>> {
    let Some(head_end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let headers = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let body = &bytes[head_end + 4..];
    let status = headers.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no HTTP status")?;
    let lower = headers.to_lowercase();
    if lower.contains("transfer-encoding: chunked") {
        bail!("a chunked answer, which this client does not read");
    }
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map(|length| length.trim().parse::<usize>().context("a bad content-length"))
        .transpose()?;
    let whole = length.map_or(ended, |length| body.len() >= length);
    Ok(whole.then(|| Answer { status, headers, body: body[..length.unwrap_or(body.len())].to_vec() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_length_is_there() {
        let answer = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", false).unwrap().unwrap();

        assert_eq!((answer.status, answer.body.as_slice()), (200, b"hi".as_slice()));
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", false).unwrap().is_none());
    }

    #[test]
    fn an_answer_without_a_length_is_whole_at_the_end() {
        assert!(parse(b"HTTP/1.0 404 Not Found\r\n\r\nno", false).unwrap().is_none());
        assert_eq!(parse(b"HTTP/1.0 404 Not Found\r\n\r\nno", true).unwrap().unwrap().status, 404);
    }
}
