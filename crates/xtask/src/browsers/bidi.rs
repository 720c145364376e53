//! WebDriver BiDi, for what classic WebDriver cannot do: windows that share no storage.
//!
//! BiDi is JSON over a WebSocket that the driver offers beside a session. This client sends one command at a time, reads
//! text frames, passes over events, and leaves out the rest of RFC 6455.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// The BiDi connection of a session.
#[derive(Debug)]
pub(crate) struct Bidi {
    stream: TcpStream,
    sent: u64,
}

impl Bidi {
    /// Connects to the address that the driver gave as `webSocketUrl`.
    pub(crate) fn connect(url: &str) -> Result<Self> {
        let (server, path) =
            url.strip_prefix("ws://").and_then(|rest| rest.split_once('/')).context("a ws:// address")?;
        let mut stream = TcpStream::connect(server).with_context(|| format!("connecting to {server}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "GET /{path} HTTP/1.1\r\nHost: {server}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bWFueSBoYW5kcyB3b3JrIQ==\r\n\r\n"
        )?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        ensure!(head.starts_with(b"HTTP/1.1 101"), "no WebSocket: {}", String::from_utf8_lossy(&head));
        Ok(Self { stream, sent: 0 })
    }

    /// Sends one command and waits for its result.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Result<Value> {
        self.sent += 1;
        let message = json!({ "id": self.sent, "method": method, "params": parameters }).to_string();
        self.write_text(message.as_bytes())?;
        loop {
            let mut answer: Value = serde_json::from_slice(&self.read_text()?)?;
            if answer["id"] == self.sent {
                if answer["type"] == "error" {
                    bail!("{method}: {answer}");
                }
                return Ok(answer["result"].take());
            }
        }
    }

    fn write_text(&mut self, text: &[u8]) -> Result<()> {
        // A client has to mask what it sends, against proxies that do not exist here: any mask serves.
        const MASK: [u8; 4] = *b"mask";
        let length = u16::try_from(text.len()).context("a command of at most 64 KiB")?;
        let mut frame = vec![0x81];
        match u8::try_from(length) {
            Ok(short @ 0..126) => frame.push(0x80 | short),
            Ok(_) | Err(_) => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(text.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        Ok(self.stream.write_all(&frame)?)
    }

    fn read_text(&mut self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head)?;
            let length = match head[1] & 0x7f {
                126 => {
                    let mut length = [0; 2];
                    self.stream.read_exact(&mut length)?;
                    usize::from(u16::from_be_bytes(length))
                }
                127 => {
                    let mut length = [0; 8];
                    self.stream.read_exact(&mut length)?;
                    usize::try_from(u64::from_be_bytes(length))?
                }
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload)?;
            match head[0] & 0x0f {
                0 | 1 => text.extend(payload),
                8 => bail!("the driver closed the WebSocket"),
                _ => continue,
            }
            if head[0] & 0x80 != 0 {
                return Ok(text);
            }
        }
    }
}
