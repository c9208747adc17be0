//! A real headless browser, driven by the Chrome DevTools Protocol. Each window stands for one person: it has
//! separate storage and connections.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::process::Process;
use crate::wait;

/// Headless, and without throttling of windows in the background.
const FLAGS: [&str; 11] = [
    "--headless=new",
    "--remote-debugging-port=0",
    // The browser's sandbox does not work for root, which tests may run as. Only this repository's page is opened.
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    // Containers have little shared memory.
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
];

/// A running browser.
#[derive(Debug)]
pub struct Browser {
    link: FaultProxy,
    /// Host and port of the DevTools endpoint.
    address: String,
    // Declared before the profile, so that the process ends before its profile is removed.
    _process: Process,
    _profile: TempDir,
}

/// A window of the browser, closed together with it.
#[derive(Debug)]
pub struct Window {
    link: FaultProxy,
}

impl Browser {
    /// Starts a browser. Returns `None` if browser tests are disabled.
    pub async fn start() -> Option<Self> {
        if std::env::var_os("HIGHLANDER_SKIP_BROWSER").is_some() {
            eprintln!("skipped: HIGHLANDER_SKIP_BROWSER is set");
            return None;
        }
        let profile = tempfile::Builder::new().prefix("highlander-browser-").tempdir().unwrap();
        let mut command = Command::new("chromium");
        command.args(FLAGS).arg(option("--user-data-dir=", profile.path().as_os_str()));
        // The browser writes files outside its profile to the home directory.
        command.env("HOME", profile.path());
        let mut process = Process::start(&mut command);
        let line = process.line_with("DevTools listening on ws://").await;
        let (_, url) = line.split_once("listening on ").unwrap();
        let address = url.trim_start_matches("ws://").split('/').next().unwrap().to_owned();
        let link = FaultProxy::open(&address, url.trim()).await;
        Some(Self { link, address, _process: process, _profile: profile })
    }

    /// Opens a page in a window that shares nothing with the others.
    pub async fn open(&mut self, url: &str) -> Window {
        let context = self.link.ask("Target.createBrowserContext", json!({})).await;
        let target = json!({ "url": url, "browserContextId": context["browserContextId"] });
        let target = self.link.ask("Target.createTarget", target).await;
        let id = target["targetId"].as_str().unwrap();
        let url = format!("ws://{}/devtools/page/{id}", self.address);
        Window { link: FaultProxy::open(&self.address, &url).await }
    }
}

impl Window {
    /// Evaluates a JavaScript expression in the page, and awaits the result if it is a promise.
    ///
    /// # Panics
    /// If the expression throws.
    pub async fn eval(&mut self, expression: &str) -> Value {
        let asked =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.link.ask("Runtime.evaluate", asked).await;
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression evaluates to `expected`.
    ///
    /// # Panics
    /// If it does not within the time limit.
    pub async fn shows(&mut self, expression: &str, expected: Value) {
        let what = format!("{expression} is {expected}");
        wait::until(&what, async || {
            // While a page reloads, it may have no elements, and a response may be lost.
            let asked = json!({ "expression": expression, "returnByValue": true });
            let answer = self.link.try_ask("Runtime.evaluate", asked).await;
            answer.is_ok_and(|answer| answer["result"]["value"] == expected)
        })
        .await;
    }

    /// Sets the size of the window.
    pub async fn resize(&mut self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.link.ask("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Takes a screenshot, as a PNG in Base64.
    pub async fn picture(&mut self) -> String {
        let answer = self.link.ask("Page.captureScreenshot", json!({ "format": "png" })).await;
        answer["data"].as_str().unwrap().to_owned()
    }

    /// Writes a screenshot to a file.
    pub async fn save_picture(&mut self, path: &Path) {
        std::fs::write(path, BASE64.decode(self.picture().await).unwrap()).unwrap();
    }
}

fn option(name: &str, value: &OsStr) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from(name);
    option.push(value);
    option
}

/// A protocol connection with one request at a time.
#[derive(Debug)]
struct FaultProxy {
    socket: WebSocketStream<TcpStream>,
    asked: u64,
}

impl FaultProxy {
    async fn open(address: &str, url: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        Self { socket, asked: 0 }
    }

    /// Sends a request and waits for its response.
    async fn ask(&mut self, method: &str, parameters: Value) -> Value {
        let answer = self.try_ask(method, parameters).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn try_ask(&mut self, method: &str, parameters: Value) -> Result<Value, Value> {
        self.asked += 1;
        let question = json!({ "id": self.asked, "method": method, "params": parameters });
        self.socket.send(Message::text(question.to_string())).await.unwrap();
        wait::within(method, async {
            loop {
                let message = self.socket.next().await.expect("the browser runs").unwrap();
                // Anything else is an event or a keep-alive.
                let Message::Text(text) = message else { continue };
                let mut answer: Value = serde_json::from_str(&text).unwrap();
                if answer["id"] == self.asked {
                    let error = answer["error"].take();
                    return if error.is_null() { Ok(answer["result"].take()) } else { Err(error) };
                }
            }
        })
        .await
    }
}
