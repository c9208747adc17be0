//! Documents about types: each is built once for a change and for what a caller may see, and has an `ETag`.

use serde_json::json;

use super::*;

const PATHS: [&str; 4] =
    ["/v1/types", "/v1/openapi.json", "/v1/openapi-admin.json", "/v1/types/counter"];

impl Harness {
    fn built(&self) -> u64 {
        self.node.metrics().documents_built.get()
    }

    async fn if_none_match(&self, path: &str, tag: &str) -> Answered {
        self.with_headers(Method::GET, path, &[("if-none-match", tag)]).await
    }
}

#[tokio::test]
async fn a_document_is_built_once_and_has_a_tag() {
    let harness = Harness::start().await;
    for path in PATHS {
        let before = harness.built();
        let first = harness.get(path).await;
        assert_eq!((first.status, harness.built()), (200, before + 1), "{path}");
        let tag = first.header("etag").unwrap();
        assert_eq!(first.header("cache-control"), Some("private, no-cache"));
        assert_eq!(first.header("content-type"), Some("application/json"));
        assert_eq!(harness.get(path).await.body, first.body);
        for known in [tag, "*", &format!("\"other\", W/{tag}")] {
            let unchanged = harness.if_none_match(path, known).await;
            assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""), "{path}: {known}");
            assert_eq!(unchanged.header("etag"), Some(tag));
            assert_eq!(unchanged.header("content-type"), None);
        }
        assert_eq!(harness.if_none_match(path, "\"other\"").await.body, first.body);
        harness.if_none_match(path, "other").await.is_problem(ErrorCode::MalformedRequest);
        let head = send(harness.request(Method::HEAD, path)).await;
        assert_eq!((head.status, head.header("etag")), (200, Some(tag)));
        assert_eq!(harness.built(), before + 1, "{path} was built again");
    }
}

#[tokio::test]
async fn a_change_of_a_type_changes_the_tags_of_its_documents_and_no_other_one() {
    let harness = Harness::start().await;
    harness.node.deploy("scripted:list".into(), &DeployOptions::default()).await.unwrap();
    let tags = async || {
        let mut tags = Vec::new();
        for path in PATHS.iter().chain(&["/v1/types/list"]) {
            tags.push(harness.get(path).await.header("etag").unwrap().to_owned());
        }
        tags
    };
    let before = tags().await;
    let records = harness.node.catalog().decoded_count();
    assert_eq!(tags().await, before);
    assert_eq!(harness.node.catalog().decoded_count(), records, "nothing was decoded again");
    let deployed = harness.post("/v1/types", "scripted:counter without:add").await;
    assert_eq!(deployed.status, 400, "{}", deployed.body);
    assert_eq!(tags().await, before, "a refused component changes nothing");
    let deployed = harness.post("/v1/types?force=true", "scripted:counter without:add").await;
    assert_eq!(deployed.status, 201, "{}", deployed.body);
    let after = tags().await;
    let same: Vec<_> = before.iter().zip(&after).map(|(one, other)| one == other).collect();
    assert_eq!(same, [false, false, true, false, true]);
    let counter = harness.get("/v1/types/counter").await.json();
    assert_eq!(counter["current"], 2);
    let names: Vec<_> = counter["description"]["handlers"].as_array().unwrap().to_vec();
    assert!(!names.iter().any(|handler| handler["name"] == "add"), "{names:?}");
    let document = harness.get("/v1/openapi.json").await.json();
    assert_eq!(document["paths"]["/v1/objects/counter/{key}/add"], json!(null));
    assert!(document["paths"]["/v1/objects/list/{key}/add"].is_object());
}

#[tokio::test]
async fn callers_at_the_same_time_cause_one_build() {
    let harness = Harness::start().await;
    for path in PATHS {
        let before = harness.built();
        let all = futures_util::future::join_all((0..8).map(|_| harness.get(path))).await;
        assert!(all.iter().all(|one| one.status == 200 && one.body == all[0].body), "{path}");
        assert_eq!(harness.built(), before + 1, "{path}");
    }
}

/// The tests of the catalog cover the records that are read.
#[tokio::test]
async fn a_caller_without_permission_causes_no_build_and_gets_no_document_of_others() {
    let principals = [("ada", "call:counter"), ("bob", "call:list"), ("scraper", "metrics")];
    let harness = Harness::with_principals(principals).await;
    harness.node.deploy("scripted:list".into(), &DeployOptions::default()).await.unwrap();
    let seen = async |token: &str, path: &str, tag: &str| {
        let request = harness.request(Method::GET, path).bearer_auth(token);
        send(request.header("if-none-match", tag)).await
    };
    for path in PATHS {
        seen("scraper", path, "*").await.is_problem(ErrorCode::Forbidden);
        seen("unknown", path, "*").await.is_problem(ErrorCode::Unauthenticated);
    }
    seen("bob", "/v1/types/counter", "*").await.is_problem(ErrorCode::Forbidden);
    assert_eq!(harness.built(), 0);
    let names = |listed: &Answered| -> Vec<String> {
        let listed = listed.json()["types"].as_array().unwrap().clone();
        listed.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    let ada = seen("ada", "/v1/types", "\"none\"").await;
    assert_eq!(names(&ada), ["counter"]);
    let tag = ada.header("etag").unwrap();
    let bob = seen("bob", "/v1/types", tag).await;
    assert_eq!((names(&bob), bob.status), (vec!["list".to_owned()], 200), "the tag is of ada's");
    assert_eq!(seen("ada", "/v1/types", tag).await.status, 304);
    assert_eq!(harness.built(), 2);
}
