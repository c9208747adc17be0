//! Authorization by token at one node: the responses, and that rejected requests change nothing. The permission
//! that each request requires is tested in `auth`.

use highlander_core::store::Store as _;

use super::*;

/// Starts a node with these principals, whose tokens equal their names.
async fn closed() -> Harness {
    Harness::with_principals([
        ("ada", "call:counter"),
        ("ci", "deploy:counter,deploy:list"),
        ("root", "call:*,deploy:*,admin"),
        ("scraper", "metrics"),
    ])
    .await
}

impl Harness {
    async fn ask(&self, token: &str, method: Method, path: &str, body: Vec<u8>) -> Answered {
        let request = self.http.request(method, format!("{}{path}", self.url)).body(body);
        let response = request.bearer_auth(token).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answered { status, headers, body: response.text().await.unwrap() }
    }
}

#[tokio::test]
async fn a_request_without_a_token_is_told_which_kind_is_wanted() {
    let harness = closed().await;
    let response = harness.http.get(format!("{}/v1/nodes", harness.url)).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let answer = Answered { status, headers, body: response.text().await.unwrap() };
    let problem = answer.is_problem(ErrorCode::Unauthenticated);
    assert!(problem["hint"].as_str().unwrap().contains("Authorization: Bearer"), "{problem}");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    let wrong = harness.ask("hunter2", Method::GET, "/v1/nodes", Vec::new()).await;
    wrong.is_problem(ErrorCode::Unauthenticated);
    assert!(!wrong.body.contains("hunter2"), "{}", wrong.body);
    let forbidden = harness.ask("ada", Method::GET, "/v1/nodes", Vec::new()).await;
    let problem = forbidden.is_problem(ErrorCode::Forbidden);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("ada may not") && detail.contains("admin"), "{problem}");
    assert_eq!(forbidden.header("www-authenticate"), None);
}

/// The client receives the response although it is still sending a body that the node discards.
#[tokio::test]
async fn a_large_upload_is_refused_with_an_answer() {
    let harness = closed().await;
    for (token, code) in [("eve", ErrorCode::Unauthenticated), ("ada", ErrorCode::Forbidden)] {
        let wasm = vec![0; 3 << 20];
        harness.ask(token, Method::POST, "/v1/types", wasm).await.is_problem(code);
    }
}

#[tokio::test]
async fn a_component_of_a_type_that_is_not_theirs_leaves_nothing_behind() {
    let harness = closed().await;
    let names = async || {
        let page = harness.store.list("", None, 100).await.unwrap();
        page.names
    };
    let before = names().await;
    for path in ["/v1/types", "/v1/types?force=true", "/v1/rehearsals", "/v1/types?rehearse=all"] {
        let todo = b"scripted:todo".to_vec();
        let problem =
            harness.ask("ci", Method::POST, path, todo).await.is_problem(ErrorCode::Forbidden);
        assert!(problem["detail"].as_str().unwrap().contains("deploy:todo"), "{problem}");
    }
    assert_eq!(names().await, before);
    let list = harness.ask("ci", Method::POST, "/v1/types", b"scripted:list".to_vec()).await;
    assert_eq!(list.status, 201, "{}", list.body);
}

#[tokio::test]
async fn who_deployed_and_who_rolled_back_is_kept() {
    let harness = closed().await;
    let next = b"scripted:counter again".to_vec();
    assert_eq!(harness.ask("ci", Method::POST, "/v1/types", next).await.status, 201);
    let back = harness.ask("root", Method::POST, "/v1/types/counter/rollback", Vec::new()).await;
    assert_eq!(back.status, 200, "{}", back.body);
    let shown = harness.ask("ada", Method::GET, "/v1/types/counter", Vec::new()).await.json();
    let revisions = &shown["revisions"];
    assert_eq!(revisions[0]["deployed_by"], "anonymous", "{shown}");
    assert_eq!(revisions[1]["deployed_by"], "ci", "{shown}");
    assert_eq!(revisions[1]["rolled_back"], "rolled back by root", "{shown}");
}

#[tokio::test]
async fn everybody_sees_the_types_that_they_have_to_do_with() {
    let harness = closed().await;
    let list = harness.ask("root", Method::POST, "/v1/types", b"scripted:list".to_vec()).await;
    assert_eq!(list.status, 201);
    let seen = async |token| {
        let types = harness.ask(token, Method::GET, "/v1/types", Vec::new()).await.json();
        let types = types["types"].as_array().unwrap().clone();
        types.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(seen("ada").await, ["counter"]);
    assert_eq!(seen("ci").await, ["counter", "list"]);
    harness
        .ask("scraper", Method::GET, "/v1/types", Vec::new())
        .await
        .is_problem(ErrorCode::Forbidden);
    assert_eq!(harness.ask("scraper", Method::GET, "/metrics", Vec::new()).await.status, 200);
}

/// An idempotency key belongs to its caller: no other caller gets the recorded reply.
#[tokio::test]
async fn an_idempotency_key_is_for_one_caller() {
    let harness = closed().await;
    let call = async |token: &str| {
        let url = format!("{}/v1/objects/counter/x/increment", harness.url);
        let request = harness.http.post(url).header("idempotency-key", "k").bearer_auth(token);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(call("ada").await, (200, "1".to_owned()));
    assert_eq!(call("ada").await, (200, "1".to_owned()));
    let (status, body) = call("root").await;
    assert!(status == 422 && body.contains("idempotency-key-reused"), "{body}");
}
