//! Static files at `/web/`, and cross-site requests from browsers. A system test covers the example page in a browser.

use std::path::Path;

use highlander_core::caller::tokens::Tokens;

use super::*;
use crate::http::auth::Authorizer;

/// Starts a node that serves a directory with these files.
async fn serving(files: &[&str]) -> (Harness, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        std::fs::write(folder.path().join(file), *file).unwrap();
    }
    let web = folder.path().to_owned();
    (Harness::with(|config| config.web = Some(web)).await, folder)
}

/// Requests a path without normalization. An HTTP client would resolve its dot segments first.
async fn asked(harness: &Harness, path: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    harness.raw(head.as_bytes()).await
}

#[tokio::test]
async fn a_file_says_what_it_is() {
    let types = [
        ("index.html", "text/html; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("a_b-1.css", "text/css; charset=utf-8"),
        ("a.svg", "image/svg+xml"),
        ("two.parts.png", "image/png"),
        ("a.json", "application/json"),
    ];
    let (harness, folder) = serving(&types.map(|(file, _)| file)).await;
    for (file, media_type) in types {
        let answer = harness.get(&format!("/web/{file}")).await;
        assert_eq!((answer.status, &*answer.body), (200, file));
        assert_eq!(answer.header("content-type"), Some(media_type));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(harness.get("/web/?list=home").await.body, "index.html");
    let head = send(harness.request(Method::HEAD, "/web/app.js")).await;
    assert_eq!((head.status, &*head.body, head.header("content-length")), (200, "", Some("6")));
    std::fs::write(folder.path().join("app.js"), "changed").unwrap();
    assert_eq!(harness.get("/web/app.js").await.body, "changed");
    let put = send(harness.request(Method::PUT, "/web/app.js").body("x")).await;
    put.is_problem(ErrorCode::MethodNotAllowed);
}

#[tokio::test]
async fn nothing_but_plain_files_of_the_folder_is_there() {
    let (harness, folder) = serving(&["index.html", ".hidden.html", "a.wasm", "a b.html"]).await;
    let inside = |name: &str| folder.path().join(name);
    let outside = tempfile::NamedTempFile::with_suffix(".html").unwrap();
    std::os::unix::fs::symlink(outside.path(), inside("link.html")).unwrap();
    std::fs::create_dir(inside("folder.html")).unwrap();
    std::fs::write(inside("folder.html/index.html"), "x").unwrap();
    std::fs::File::create(inside("large.html")).unwrap().set_len(9 << 20).unwrap();
    let name = outside.path().file_name().and_then(|name| name.to_str()).unwrap();
    for path in [
        "absent.html",
        ".hidden.html",
        "a.wasm",
        "a%20b.html",
        "index",
        "index.HTML",
        "link.html",
        "large.html",
        "folder.html",
        "folder.html/",
        "folder.html/index.html",
        "..",
        "../index.html",
        "./index.html",
        "/index.html",
        "%2e%2e/index.html",
        "index%2ehtml",
        "..%2findex.html",
        "index.html%00",
        "index.html/",
        &format!("../{name}"),
        &format!("..%2F{name}"),
        outside.path().to_str().unwrap(),
    ] {
        let answer = asked(&harness, &format!("/web/{path}")).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(answer.contains("\"code\":\"unknown-route\""), "{path}: {answer}");
    }
    assert!(asked(&harness, "/web/index.html").await.starts_with("HTTP/1.1 200"));
    harness.get("/web").await.is_problem(ErrorCode::UnknownRoute);
}

#[tokio::test]
async fn a_node_without_a_folder_has_no_pages() {
    let harness = Harness::start().await;
    for path in ["/web/", "/web/index.html", "/web/Cargo.toml"] {
        let problem = harness.get(path).await.is_problem(ErrorCode::UnknownRoute);
        assert!(problem["hint"].as_str().unwrap().contains("--web"), "{problem}");
    }
    let folder = Path::new("/nowhere/at/all").to_owned();
    let harness = Harness::with(|config| config.web = Some(folder)).await;
    harness.get("/web/").await.is_problem(ErrorCode::UnknownRoute);
}

/// Sends a request with this `Origin` and returns the status.
async fn from(harness: &Harness, origin: Option<&str>, method: &str, path: &str) -> u16 {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = harness.request(method, path);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    send(request).await.status
}

#[tokio::test]
async fn a_page_from_elsewhere_changes_nothing_on_an_open_node() {
    let harness = Harness::start().await;
    let object = "/v1/objects/counter/a";
    let (add, elsewhere) = (format!("{object}/increment"), Some("http://evil.example"));
    for (method, path) in [
        ("POST", &*add),
        ("PUT", object),
        ("DELETE", object),
        ("POST", "/v1/types"),
        ("POST", "/v1/nodes/node/drain"),
    ] {
        assert_eq!(from(&harness, elsewhere, method, path).await, 403, "{method} {path}");
        assert_eq!(from(&harness, Some("null"), method, path).await, 403, "{method} {path}");
    }
    assert_eq!(harness.get(object).await.header("highlander-version"), Some("0"));
    let refused = harness.request(Method::POST, &add).header("origin", "http://evil.example");
    let problem = send(refused).await.is_problem(ErrorCode::Forbidden);
    assert!(problem["detail"].as_str().unwrap().contains("evil.example"), "{problem}");
    assert_eq!(from(&harness, Some(&harness.url), "POST", &add).await, 200);
    assert_eq!(from(&harness, None, "POST", &add).await, 200);
    // The browser decides whether the page may read the response.
    assert_eq!(from(&harness, elsewhere, "GET", object).await, 200);
}

/// A page of another site does not have the visitor's token.
#[tokio::test]
async fn where_tokens_are_asked_for_they_decide() {
    let access = Arc::new(Authorizer::new(Some(Tokens::parse("").unwrap()), Vec::new()));
    let harness = Harness::with(|config| config.access = access).await;
    let request = harness.request(Method::POST, "/v1/objects/counter/a/increment");
    let answer = send(request.header("origin", "http://evil.example")).await;
    answer.is_problem(ErrorCode::Unauthenticated);
}

/// DNS rebinding: evil.example's name server resolves its name to 127.0.0.1 after a while.
#[tokio::test]
async fn a_page_that_takes_this_machine_for_its_own_is_refused() {
    let harness = Harness::with(|config| config.is_for_this_machine = true).await;
    let (_, port) = harness.address.rsplit_once(':').unwrap();
    let asked = async |host: String, path: &str| {
        let origin = format!("http://{host}");
        let request = harness.request(Method::GET, path).header("host", host);
        send(request.header("origin", origin)).await.status
    };
    for path in ["/v1/objects/counter/a", "/metrics", "/"] {
        assert_eq!(asked(format!("evil.example:{port}"), path).await, 403, "{path}");
        assert_eq!(asked(format!("localhost:{port}"), path).await, 200, "{path}");
        assert_eq!(asked(format!("127.0.0.1:{port}"), path).await, 200, "{path}");
    }
    let anywhere = Harness::start().await;
    let request = anywhere.request(Method::GET, "/v1/objects/counter/a");
    assert_eq!(send(request.header("host", "node.example")).await.status, 200);
}

#[tokio::test]
async fn a_page_from_elsewhere_gets_no_websocket() {
    let harness = Harness::start().await;
    let begun = async |origin: &str| {
        let head = format!(
            "GET /v1/objects/counter/a/events HTTP/1.1\r\nhost: {}\r\n{origin}connection: Upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            harness.address
        );
        let mut stream = harness.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        String::from_utf8(status.to_vec()).unwrap()
    };
    for origin in ["http://evil.example", "null", "http://localhost:1", "https://127.0.0.1"] {
        let status = begun(&format!("origin: {origin}\r\n")).await;
        assert_eq!(status, "HTTP/1.1 403", "{origin}");
    }
    assert_eq!(begun(&format!("origin: {}\r\n", harness.url)).await, "HTTP/1.1 101");
    assert_eq!(begun("").await, "HTTP/1.1 101");
}
