//! What the browser tests rely on, checked in the browsers themselves. `cargo xtask test` runs these.

use serde_json::json;
use xtask::browsers::driver::Kind;
use xtask::browsers::serve::Server;
use xtask::browsers::{Browser, Options};

#[test]
fn strangers_in_one_browser_share_no_storage() {
    let server = Server::start().unwrap();
    for kind in [Kind::Chromium, Kind::Firefox] {
        let browser = Browser::start(&Options::new(kind)).unwrap();
        let (ann, bob) = (browser.stranger().unwrap(), browser.stranger().unwrap());

        for page in [&ann, &bob] {
            page.open(&server.url("/")).unwrap();
        }
        ann.run("localStorage.setItem('key', 'ann')", &[]).unwrap();

        assert_eq!(ann.run("return localStorage.getItem('key')", &[]).unwrap(), json!("ann"), "{kind:?}");
        assert_eq!(bob.run("return localStorage.getItem('key')", &[]).unwrap(), json!(null), "{kind:?}");
        for page in [&ann, &bob] {
            assert_eq!(
                page.run("return document.visibilityState", &[]).unwrap(),
                json!("visible"),
                "{kind:?}"
            );
        }
        ann.close().unwrap();
        assert_eq!(bob.run("return 1 + 1", &[]).unwrap(), json!(2), "{kind:?}");
    }
}

#[test]
fn both_browsers_answer_scripts_that_wait_and_tell_their_errors() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        let browser = Browser::start(&Options::new(kind)).unwrap();
        let page = browser.window().unwrap();
        page.open("about:blank").unwrap();

        let sum = page.run_async("return await Promise.resolve(arguments[0] + 1)", &[json!(41)]).unwrap();
        let error = page.run_async("throw new Error('no cake')", &[]).unwrap_err();
        page.resize(800, 600).unwrap();

        assert_eq!(sum, json!(42), "{kind:?}");
        assert!(error.to_string().contains("no cake"), "{kind:?}: {error}");
    }
}
