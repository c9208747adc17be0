//! Authorization of every route with every kind of token.

use highlander_core::caller::Principal;
use highlander_core::caller::tokens::line;
use http::{HeaderValue, Method};

use super::super::route;
use super::*;

const NODE_TOKEN: &str = "node-token-of-the-cluster";

fn closed() -> Authorizer {
    let line = |scopes: &str| {
        let principal = Principal::new("ada", scopes.parse().unwrap()).unwrap();
        // The scopes serve as the token, which grants exactly them.
        line(&principal, scopes)
    };
    let lines = ["call:todo", "deploy:todo", "admin", "metrics"].map(line);
    let tokens = Tokens::parse(&lines.join("\n")).unwrap();
    Authorizer::new(Some(tokens), vec![Digest::of(NODE_TOKEN.as_bytes())])
}

fn with_token(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(
        AUTHORIZATION,
        HeaderValue::try_from(format!("Bearer {token}")).unwrap(),
    )])
}

fn admitted(access: &Authorizer, headers: &HeaderMap, method: &str, path: &str) -> u16 {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let route = route::find(&method, path).unwrap_or_else(|_| panic!("{method} {path}"));
    access.authorize(headers, &route).map_or_else(|error| error.code.status(), |_| 200)
}

/// Access to every route with a token for `call:todo`, `deploy:todo`, `admin`, `metrics`, and a node's token.
const TABLE: [(&str, &str, &str); 30] = [
    ("POST", "/v1/objects/todo/1/complete", "1 0 0 0 0"),
    ("GET", "/v1/objects/todo/1", "1 0 0 0 0"),
    ("GET", "/v1/objects/todo/1/value", "1 0 0 0 0"),
    ("PATCH", "/v1/objects/todo/1", "1 0 0 0 0"),
    ("PUT", "/v1/objects/todo/1/value", "1 0 0 0 0"),
    ("PUT", "/v1/objects/todo/1", "1 0 0 0 0"),
    ("DELETE", "/v1/objects/todo/1", "1 0 0 0 0"),
    ("GET", "/v1/objects/todo", "1 0 0 0 1"),
    ("POST", "/v1/objects/list/1/insert", "0 0 0 0 0"),
    ("GET", "/v1/objects/todo/1/owner", "1 1 1 0 1"),
    ("POST", "/v1/objects/todo/1/deactivate", "0 1 1 0 1"),
    ("DELETE", "/v1/objects/todo/1/quarantine", "0 1 1 0 1"),
    ("POST", "/v1/objects/todo/1/alarms/retry", "0 1 1 0 1"),
    ("DELETE", "/v1/objects/todo/1/alarms", "0 1 1 0 1"),
    ("POST", "/v1/types", "0 1 0 0 1"),
    ("POST", "/v1/rehearsals", "0 1 0 0 1"),
    ("GET", "/v1/types/todo/rehearsal", "0 1 0 0 1"),
    ("POST", "/v1/types/todo/rehearsal", "0 0 0 0 1"),
    ("GET", "/v1/types", "1 1 1 0 1"),
    ("GET", "/v1/types/todo", "1 1 1 0 1"),
    ("GET", "/v1/types/list", "0 0 1 0 1"),
    ("GET", "/v1/types/todo/rollout", "1 1 1 0 1"),
    ("POST", "/v1/types/todo/rollback", "0 1 0 0 1"),
    ("POST", "/v1/types/list/rollback", "0 0 0 0 1"),
    ("DELETE", "/v1/types/todo", "0 1 0 0 1"),
    ("DELETE", "/v1/types/list", "0 0 0 0 1"),
    ("GET", "/v1/nodes", "0 0 1 0 1"),
    ("POST", "/v1/nodes/n1/drain", "0 0 1 0 1"),
    ("GET", "/metrics", "0 0 1 1 1"),
    ("GET", "/v1/objects/list/1/owner", "0 0 1 0 1"),
];

#[test]
fn every_request_needs_what_the_table_says() {
    let access = closed();
    let tokens = ["call:todo", "deploy:todo", "admin", "metrics", NODE_TOKEN];
    for (method, path, given) in TABLE {
        for (token, is_given) in tokens.iter().zip(given.split(' ')) {
            // A node that names no caller forwards the call of an unauthenticated client.
            let refused = if *token == NODE_TOKEN { 401 } else { 403 };
            let expected = if is_given == "1" { 200 } else { refused };
            let status = admitted(&access, &with_token(token), method, path);
            assert_eq!(status, expected, "{token}: {method} {path}");
        }
        assert_eq!(admitted(&access, &HeaderMap::new(), method, path), 401, "{method} {path}");
        assert_eq!(admitted(&access, &with_token("other"), method, path), 401, "{method} {path}");
        assert_eq!(admitted(&Authorizer::open(), &HeaderMap::new(), method, path), 200);
        assert_eq!(admitted(&Authorizer::open(), &with_token("other"), method, path), 200);
    }
    for path in ["/", "/healthz", "/readyz", "/problems/forbidden", "/web/app.js"] {
        for headers in [HeaderMap::new(), with_token("other"), with_token("metrics")] {
            assert_eq!(admitted(&access, &headers, "GET", path), 200, "{path}");
        }
    }
}

#[test]
fn a_token_is_taken_from_the_one_header_in_the_one_form() {
    let access = closed();
    let status = |value: &str| {
        let value = HeaderValue::try_from(value).unwrap();
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
        admitted(&access, &headers, "GET", "/v1/nodes")
    };
    assert_eq!((status("Bearer admin"), status("bearer  admin ")), (200, 200));
    for bad in ["admin", "Basic admin", "Beareradmin", "Bearer", "Bearer ", "Bearer admin x", ""] {
        assert_eq!(status(bad), 401, "{bad:?}");
    }
}

#[test]
fn who_calls_is_believed_from_nodes_alone() {
    let route = route::find(&Method::GET, "/v1/objects/todo/1").unwrap();
    let headers = |token: Option<&str>, caller: &'static str| {
        let mut headers = token.map_or_else(HeaderMap::new, with_token);
        headers.insert(CALLER, HeaderValue::from_static(caller));
        headers
    };
    let forged = "principal eve call:*,admin";
    for access in [closed(), Authorizer::open()] {
        for token in [None, Some("call:todo"), Some("admin"), Some("other")] {
            let error = access.authorize(&headers(token, forged), &route).unwrap_err();
            assert_eq!(error.code, ErrorCode::Unauthenticated, "{token:?}");
        }
    }
    let node_tokens = || vec![Digest::of(b"older"), Digest::of(NODE_TOKEN.as_bytes())];
    for access in [closed(), Authorizer::new(None, node_tokens())] {
        let admit = |caller| access.authorize(&headers(Some(NODE_TOKEN), caller), &route);
        assert_eq!(admit("principal bob call:todo").unwrap().to_string(), "bob");
        assert_eq!(admit("object list%2Fhome").unwrap().to_string(), "list/home");
        // The owner checks the permission again, regardless of the forwarding node's result.
        assert_eq!(admit("principal bob call:list").unwrap_err().code, ErrorCode::Forbidden);
        assert_eq!(admit("bob").unwrap_err().code, ErrorCode::MalformedRequest);
    }
}

#[test]
fn tokens_are_replaced_as_a_whole() {
    let access = closed();
    assert_eq!(admitted(&access, &with_token("admin"), "GET", "/v1/nodes"), 200);
    access.replace(Tokens::default());
    assert_eq!(admitted(&access, &with_token("admin"), "GET", "/v1/nodes"), 401);
    let open = Authorizer::open();
    open.replace(Tokens::default());
    assert_eq!(admitted(&open, &HeaderMap::new(), "GET", "/v1/nodes"), 200);
}
