//! A browser and its driver: W3C WebDriver over HTTP, as far as the tests need it.
//!
//! A [`Browser`] is a driver process on a port of its own choice, one session, and a new profile that ends with it. Its
//! windows are [`Page`]s. One browser with several windows is far cheaper than several browsers; where they have to
//! be strangers to each other, as friends are, each opens in a user context of its own, which has its own storage.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::bidi::Bidi;
use super::http;
use super::page::Page;
use super::process::Process;

/// How long a browser may take to start on a busy machine, and any single command with it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Which browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Chromium, by chromedriver.
    Chromium,
    /// Firefox, by geckodriver.
    Firefox,
}

/// How a browser is to be started.
#[derive(Clone, Debug)]
pub struct Options {
    kind: Kind,
    size: (u32, u32),
    arguments: Vec<String>,
    slows_hidden_pages: bool,
    preferences: serde_json::Map<String, Value>,
}

/// A running browser.
#[derive(Debug)]
pub struct Browser {
    session: Arc<Session>,
    /// The window that it started with.
    first: String,
    // Fields drop in this order: the session's end above all, then the driver with its browser, then the profile.
    driver: Process,
    _profile: tempfile::TempDir,
}

/// One WebDriver session: windows share it, and it looks at one window at a time.
#[derive(Debug)]
pub(crate) struct Session {
    kind: Kind,
    server: SocketAddr,
    id: String,
    /// The window that commands go to.
    window: Mutex<String>,
    bidi: Option<Mutex<Bidi>>,
}

impl Options {
    /// A headless browser with a new profile and the settings it has by default.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            size: (1280, 900),
            arguments: Vec::new(),
            slows_hidden_pages: false,
            preferences: serde_json::Map::new(),
        }
    }

    /// With windows of this size, in CSS pixels.
    #[must_use]
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = (width, height);
        self
    }

    /// With a command-line argument more.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// With hidden pages slowed down, as every browser does it unless a driver asks it not to. Then there are no strangers,
    /// since a BiDi connection, which they need, keeps pages awake.
    #[must_use]
    pub fn slow_hidden_pages(mut self) -> Self {
        self.slows_hidden_pages = true;
        self
    }

    /// With a Firefox preference (`about:config`).
    #[must_use]
    pub fn preference(mut self, name: &str, value: Value) -> Self {
        self.preferences.insert(name.to_owned(), value);
        self
    }

    fn capabilities(&self, profile: &std::path::Path) -> Result<Value> {
        let (width, height) = self.size;
        match self.kind {
            Kind::Chromium => {
                // Root needs --no-sandbox; the rest keeps the browser from calling home and from using a GPU.
                let mut arguments: Vec<String> = [
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-quic",
                    "--disable-dev-shm-usage",
                    "--no-first-run",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                ]
                .map(str::to_owned)
                .into();
                arguments.push(format!("--window-size={width},{height}"));
                arguments.push(format!("--user-data-dir={}", profile.display()));
                arguments.extend(self.arguments.iter().cloned());
                // What chromedriver adds, less these.
                let excluded: &[&str] = if self.slows_hidden_pages {
                    &["disable-background-timer-throttling", "disable-backgrounding-occluded-windows"]
                } else {
                    &[]
                };
                Ok(json!({ "capabilities": { "alwaysMatch": {
                    "browserName": "chrome",
                    "webSocketUrl": !self.slows_hidden_pages,
                    "goog:chromeOptions": {
                        "binary": program(&["chromium", "google-chrome"])?,
                        "args": arguments,
                        "excludeSwitches": excluded,
                    },
                    "goog:loggingPrefs": { "browser": "ALL" },
                } } }))
            }
            Kind::Firefox => {
                let mut arguments =
                    vec!["-headless".to_owned(), format!("--width={width}"), format!("--height={height}")];
                arguments.extend(self.arguments.iter().cloned());
                Ok(json!({ "capabilities": { "alwaysMatch": {
                    "browserName": "firefox",
                    "webSocketUrl": !self.slows_hidden_pages,
                    "moz:firefoxOptions": {
                        "binary": program(&["firefox-esr", "firefox"])?,
                        "args": arguments,
                        "prefs": self.preferences,
                    },
                } } }))
            }
        }
    }
}

impl Browser {
    /// Starts a browser.
    ///
    /// # Errors
    /// If the browser or its driver is not installed or does not start.
    pub fn start(options: &Options) -> Result<Self> {
        let profile = tempfile::Builder::new().prefix("manyhands-browser-").tempdir()?;
        let mut command = match options.kind {
            Kind::Chromium => {
                let mut command = Command::new(program(&["chromedriver"])?);
                command.arg("--port=0");
                command
            }
            Kind::Firefox => {
                let mut command = Command::new(program(&["geckodriver"])?);
                command.args(["--port", "0", "--websocket-port", "0", "--log", "info", "--profile-root"]);
                command.arg(profile.path());
                command
            }
        };
        // The crash reporter and the like keep their files here rather than in the person's home.
        command.env("TMPDIR", profile.path());
        let mut driver = Process::start(command)?;
        let port = driver.wait_for_line("the driver's port", PATIENCE, listening_port)?;
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));

        let capabilities = options.capabilities(profile.path())?;
        let answer = command_to(server, "POST", "/session", Some(&capabilities)).with_context(|| {
            format!("starting {:?}; its driver wrote:\n{}", options.kind, driver.written())
        })?;
        let id = answer["sessionId"].as_str().context("no session id")?.to_owned();
        let bidi = answer["capabilities"]["webSocketUrl"].as_str().map(Bidi::connect).transpose()?;
        let bidi = bidi.map(Mutex::new);
        let session = Session { kind: options.kind, server, id, window: Mutex::default(), bidi };
        let first = text(&session.call("GET", "/window", None)?)?;
        session.lock().clone_from(&first);
        session.call("POST", "/timeouts", Some(&json!({ "script": 600_000, "pageLoad": 60_000 })))?;
        Ok(Self { session: Arc::new(session), first, driver, _profile: profile })
    }

    /// Starts Chromium with its defaults.
    ///
    /// # Errors
    /// As [`Browser::start`].
    pub fn chromium() -> Result<Self> {
        Self::start(&Options::new(Kind::Chromium))
    }

    /// Starts Firefox with its defaults.
    ///
    /// # Errors
    /// As [`Browser::start`].
    pub fn firefox() -> Result<Self> {
        Self::start(&Options::new(Kind::Firefox))
    }

    /// The driver's process id, which is also the id of the group that the browser's processes are in.
    pub fn process(&self) -> u32 {
        self.driver.id()
    }

    /// The window that the browser started with.
    ///
    /// # Errors
    /// If it has been closed.
    pub fn first_page(&self) -> Result<Page> {
        let page = Page::new(Arc::clone(&self.session), self.first.clone());
        page.run("", &[]).context("the first window")?;
        Ok(page)
    }

    /// A new window that shares no storage with any other, as if it were a browser of its own.
    ///
    /// # Errors
    /// If the browser does not open one.
    pub fn stranger(&self) -> Result<Page> {
        let bidi =
            self.session.bidi.as_ref().context("a browser that slows hidden pages down has no strangers")?;
        let mut bidi = bidi.lock().unwrap_or_else(PoisonError::into_inner);
        let context = bidi.call("browser.createUserContext", &json!({}))?;
        let window = json!({ "type": "window", "userContext": context["userContext"] });
        let window = bidi.call("browsingContext.create", &window)?;
        Ok(Page::new(Arc::clone(&self.session), text(&window["context"])?))
    }

    /// A new window that shares its storage with the first one, which must not have been closed.
    ///
    /// # Errors
    /// If the browser does not open one.
    pub fn window(&self) -> Result<Page> {
        let kind = json!({ "type": "window" });
        let window = self.session.call_in(&self.first, "POST", "/window/new", Some(&kind))?;
        Ok(Page::new(Arc::clone(&self.session), text(&window["handle"])?))
    }
}

impl Session {
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Sends a command to a window, after looking at it.
    pub(crate) fn call_in(
        &self,
        window: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let mut current = self.lock();
        if *current != window {
            self.call("POST", "/window", Some(&json!({ "handle": window })))?;
            window.clone_into(&mut current);
        }
        self.call(method, path, body)
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        command_to(self.server, method, &format!("/session/{}{path}", self.id), body)
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A polite end lets the browser clean up after itself; if it fails, the driver's process group is killed anyway.
        let path = format!("/session/{}", self.session.id);
        drop(http::request(self.session.server, "DELETE", &path, None, Duration::from_secs(5)));
    }
}

/// Sends one WebDriver command and takes the `value` out of the answer.
fn command_to(server: SocketAddr, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let mut answer = http::request(server, method, path, body, PATIENCE)?.json()?;
    let value = answer["value"].take();
    if let Some(error) = value["error"].as_str() {
        bail!("{method} {path}: {error}: {}", value["message"].as_str().unwrap_or_default());
    }
    Ok(value)
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("text expected, not {value}"))?.to_owned())
}

/// The port in the line by which a driver says that it is ready.
fn listening_port(line: &str) -> Option<u16> {
    let rest = line
        .split_once("started successfully on port ")
        .or_else(|| line.split_once("Listening on 127.0.0.1:"))?
        .1;
    rest.trim_end_matches('.').parse().ok()
}

/// The first of these programs that is installed.
fn program(names: &[&str]) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let folders: Vec<PathBuf> =
        std::env::split_paths(&path).chain(home.map(|home| home.join("bin"))).collect();
    let found = names.iter().find_map(|name| {
        folders.iter().map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
    });
    ensure!(found.is_some(), "{} is not installed: run `cargo xtask setup`", names[0]);
    found.context("just found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_driver_tells_its_port_in_its_own_words() {
        assert_eq!(listening_port("ChromeDriver was started successfully on port 40563."), Some(40563));
        assert_eq!(
            listening_port("1763723012\tgeckodriver\tINFO\tListening on 127.0.0.1:37351"),
            Some(37351)
        );
        assert_eq!(listening_port("Only local connections are allowed."), None);
    }
}
