//! A few files served from memory, for pages that are not the party's.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;

/// A server that lives as long as its program. What it serves can be added to at any time.
#[derive(Clone, Debug)]
pub struct Server {
    address: SocketAddr,
    files: Files,
}

type Files = Arc<Mutex<BTreeMap<String, (&'static str, Arc<[u8]>)>>>;

impl Server {
    /// Starts a server on a free port of the loopback interface, with an empty page at `/`.
    ///
    /// # Errors
    /// If there is no port.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let server = Self { address: listener.local_addr()?, files: Files::default() };
        server.put("/", "text/html", b"<!doctype html><title>empty</title>".as_slice());
        let files = Arc::clone(&server.files);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let files = Arc::clone(&files);
                // A browser that goes away in the middle of a file is no concern of the server's.
                thread::spawn(move || drop(answer(&stream, &files)));
            }
        });
        Ok(server)
    }

    /// Serves `bytes` at `path` from now on.
    pub fn put(&self, path: &str, content_type: &'static str, bytes: impl Into<Arc<[u8]>>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(path.to_owned(), (content_type, bytes.into()));
    }

    /// The address of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn answer(mut stream: &TcpStream, files: &Files) -> Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    // The browser closes the connection unpolitely if its headers are left unread.
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or_default();
    let file = files.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
    let (status, (content_type, bytes)) = match file {
        Some(file) => ("200 OK", file),
        None => ("404 Not Found", ("text/plain", Arc::from(b"not here".as_slice()))),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        bytes.len()
    )?;
    stream.write_all(&bytes)?;
    Ok(())
}
