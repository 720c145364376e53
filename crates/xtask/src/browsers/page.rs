//! One window of a browser, and what the tests ask of the party's page in it.
//!
//! The page shows what a person needs and, for programs, holds the core's view as JSON in `window.__manyhands.view`. The
//! tests look at both.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use serde_json::{Value, json};

use super::driver::{Kind, Session};
use super::wait_for;

/// How long a window may take to vanish.
const HIDDEN_WITHIN: Duration = Duration::from_secs(10);

/// A window.
#[derive(Debug)]
pub struct Page {
    session: Arc<Session>,
    window: String,
}

impl Page {
    pub(crate) fn new(session: Arc<Session>, window: String) -> Self {
        Self { session, window }
    }

    /// Opens an address and waits until it is loaded.
    ///
    /// # Errors
    /// If the browser cannot open it.
    pub fn open(&self, url: &str) -> Result<()> {
        self.call("POST", "/url", Some(&json!({ "url": url })))?;
        Ok(())
    }

    /// Runs a script's body and returns what it returns.
    ///
    /// # Errors
    /// If the script throws.
    pub fn run(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        self.call("POST", "/execute/sync", Some(&json!({ "script": script, "args": arguments })))
    }

    /// Runs a script's body, in which `await` is allowed, and returns what it returns.
    ///
    /// # Errors
    /// If the script throws.
    pub fn run_async(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        // The result travels as text beside a failure, since drivers treat a rejected promise each in its own way.
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async (...arguments) => {{ {script} }})(...arguments).then(
                 value => done({{ value }}), error => done({{ error: String(error) + '\\n' + error.stack }}))"
        );
        let body = json!({ "script": script, "args": arguments });
        let mut answer = self.call("POST", "/execute/async", Some(&body))?;
        match answer["error"].as_str() {
            Some(error) => anyhow::bail!("the script failed: {error}"),
            None => Ok(answer["value"].take()),
        }
    }

    /// Runs a script in every document of this window before the page's own scripts. Chromium only.
    ///
    /// # Errors
    /// If the browser is not Chromium.
    pub fn run_before_load(&self, script: &str) -> Result<()> {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": script }))?;
        Ok(())
    }

    /// Gives a command of the DevTools protocol, such as those of its profiler. Chromium only.
    ///
    /// # Errors
    /// If the browser is not Chromium, or does not know the command.
    pub fn devtools(&self, command: &str, parameters: &Value) -> Result<Value> {
        let body = json!({ "cmd": command, "params": parameters });
        self.call("POST", "/goog/cdp/execute", Some(&body))
    }

    /// Clicks the element that `selector` names, as a person does: it has to be visible and not covered.
    ///
    /// # Errors
    /// If there is none, or it cannot be clicked.
    pub fn click(&self, selector: &str) -> Result<()> {
        let id = self.element(selector)?;
        self.call("POST", &format!("/element/{id}/click"), Some(&json!({})))
            .with_context(|| format!("clicking {selector}"))?;
        Ok(())
    }

    /// Types into the element that `selector` names, as a person does. `\n` is the Enter key.
    ///
    /// # Errors
    /// If there is none, or nothing can be typed into it.
    pub fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        let id = self.element(selector)?;
        // WebDriver's own sign for the Enter key.
        let text = text.replace('\n', "\u{e007}");
        self.call("POST", &format!("/element/{id}/value"), Some(&json!({ "text": text })))
            .with_context(|| format!("typing into {selector}"))?;
        Ok(())
    }

    /// Chooses files in the file input that `selector` names, as a person does in the dialogue that it opens.
    ///
    /// # Errors
    /// If there is none, or it takes no files.
    pub fn choose(&self, selector: &str, files: &[&Path]) -> Result<()> {
        let id = self.element(selector)?;
        let paths: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        self.call("POST", &format!("/element/{id}/value"), Some(&json!({ "text": paths.join("\n") })))
            .with_context(|| format!("choosing files in {selector}"))?;
        Ok(())
    }

    /// Loads the page again, as a person does.
    ///
    /// # Errors
    /// If the browser is gone.
    pub fn reload(&self) -> Result<()> {
        self.call("POST", "/refresh", Some(&json!({})))?;
        Ok(())
    }

    /// The driver's name for the first element that `selector` names.
    fn element(&self, selector: &str) -> Result<String> {
        let element = self
            .call("POST", "/element", Some(&json!({ "using": "css selector", "value": selector })))
            .with_context(|| format!("looking for {selector}"))?;
        let id = element.as_object().and_then(|element| element.values().next()).and_then(Value::as_str);
        Ok(id.context("no element id")?.to_owned())
    }

    /// The text of the first element that `selector` names, as it stands in the document; `None` without one.
    ///
    /// # Errors
    /// If the browser is gone.
    pub fn text(&self, selector: &str) -> Result<Option<String>> {
        let text =
            self.run("return document.querySelector(arguments[0])?.textContent ?? null", &[json!(selector)])?;
        Ok(text.as_str().map(|text| text.trim().to_owned()))
    }

    /// All the text that a person sees.
    ///
    /// # Errors
    /// If the browser is gone.
    pub fn visible_text(&self) -> Result<String> {
        let text = self.run("return document.body?.innerText ?? ''", &[])?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// How many elements `selector` names.
    ///
    /// # Errors
    /// If the browser is gone.
    pub fn count(&self, selector: &str) -> Result<u64> {
        let count = self.run("return document.querySelectorAll(arguments[0]).length", &[json!(selector)])?;
        count.as_u64().context("a count")
    }

    /// The core's view of the party, once the page has one.
    ///
    /// # Errors
    /// If the browser is gone, or what the page holds is not JSON.
    pub fn view(&self) -> Result<Option<Value>> {
        let view = self.run(
            "const view = globalThis.__manyhands?.view; \
             return view == null ? null : typeof view == 'string' ? view : JSON.stringify(view)",
            &[],
        )?;
        let view = view.as_str().filter(|view| !view.is_empty());
        view.map(|view| serde_json::from_str(view).context("the page's view")).transpose()
    }

    /// Waits until `found` finds something in the view.
    ///
    /// # Errors
    /// If it does not within `patience`; the error tells what the page showed.
    pub fn wait_for<T>(
        &self,
        what: &str,
        patience: Duration,
        found: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        wait_for(what, patience, || Ok(self.view()?.as_ref().and_then(&found)))
            .with_context(|| format!("the page shows:\n{}", self.report()))
    }

    /// Waits until the text that a person sees contains `words`, in any case.
    ///
    /// # Errors
    /// If it does not within `patience`; the error tells what the page showed.
    pub fn wait_for_text(&self, words: &str, patience: Duration) -> Result<()> {
        let wanted = words.to_lowercase();
        wait_for(&format!("“{words}”"), patience, || {
            Ok(self.visible_text()?.to_lowercase().contains(&wanted).then_some(()))
        })
        .with_context(|| format!("the page shows:\n{}", self.report()))
    }

    /// Waits for the button to be there and presses it: from here on the page lends a hand.
    ///
    /// # Errors
    /// If there is no such button within `patience`.
    pub fn lend(&self, patience: Duration) -> Result<()> {
        wait_for(
            "the button #lend",
            patience,
            || Ok((self.count("#lend:not(:disabled)")? > 0).then_some(())),
        )
        .with_context(|| format!("the page shows:\n{}", self.report()))?;
        self.click("#lend")
    }

    /// Sets the size of the window, in CSS pixels.
    ///
    /// # Errors
    /// If the browser is gone.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        // Chromium has a least window width of 500: emulation goes below it.
        match self.session.kind() {
            Kind::Chromium => {
                let size =
                    json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
                self.devtools("Emulation.setDeviceMetricsOverride", &size)?;
            }
            Kind::Firefox => {
                self.call("POST", "/window/rect", Some(&json!({ "width": width, "height": height })))?;
            }
        }
        Ok(())
    }

    /// Minimises the window, so that its page is hidden as behind other windows.
    ///
    /// # Errors
    /// If the browser cannot, or goes on showing the page all the same.
    pub fn hide(&self) -> Result<()> {
        self.call("POST", "/window/minimize", Some(&json!({})))?;
        wait_for("the page to be hidden", HIDDEN_WITHIN, || Ok(self.is_hidden()?.then_some(())))
    }

    /// Whether the page is hidden, as it knows itself.
    ///
    /// # Errors
    /// If the browser is gone.
    pub fn is_hidden(&self) -> Result<bool> {
        Ok(self.run("return document.visibilityState", &[])? == "hidden")
    }

    /// Saves a picture of the window as PNG.
    ///
    /// # Errors
    /// If the browser takes none, or the file cannot be written.
    pub fn screenshot(&self, file: &Path) -> Result<()> {
        let picture = self.call("GET", "/screenshot", None)?;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(picture.as_str().context("a picture in base64")?)
            .context("a picture in base64")?;
        std::fs::write(file, bytes).with_context(|| file.display().to_string())
    }

    /// Closes the window, as a person closes a tab.
    ///
    /// # Errors
    /// If the browser is gone.
    pub fn close(self) -> Result<()> {
        self.call("DELETE", "/window", None)?;
        Ok(())
    }

    /// What the page shows, and in Chromium what it wrote to the console, for the report of a failure.
    pub fn report(&self) -> String {
        let text = self.visible_text().unwrap_or_else(|error| format!("{error:#}"));
        let view = self.view().ok().flatten().unwrap_or_default();
        let console = self
            .call("POST", "/se/log", Some(&json!({ "type": "browser" })))
            .map(|lines| lines.as_array().cloned().unwrap_or_default())
            .unwrap_or_default();
        let console: Vec<&str> = console.iter().filter_map(|line| line["message"].as_str()).collect();
        format!("{text}\n--- view: {view}\n--- console: {}", console.join("\n"))
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        self.session.call_in(&self.window, method, path, body)
    }
}
