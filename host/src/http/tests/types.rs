//! Types with damaged records, and removed types. The tests of the catalog and of removals cover their objects.

use serde_json::json;

use super::*;

/// Returns a record from before schemas were limited in depth. It is nested too deeply to be parsed.
fn too_deep(type_name: &str) -> String {
    let schema = format!("{}true{}", r#"{"not":"#.repeat(124), "}".repeat(124));
    let description = format!(
        r#"{{"name":"{type_name}","documentation":"","schema_version":1,
            "state_content_type":"application/json","state":{schema},"handlers":[]}}"#
    );
    let revision = format!(
        r#"{{"number":1,"digest":"{}","deployed_at_ms":0,"description":{description}}}"#,
        "ab".repeat(32)
    );
    format!(r#"{{"format":2,"name":"{type_name}","current":1,"revisions":[{revision}]}}"#)
}

#[tokio::test]
async fn a_damaged_type_is_listed_and_harms_no_other_one() {
    let harness = Harness::start().await;
    harness.store.plant("types/deep.json", too_deep("deep").into());
    harness.store.plant("types/half.json", "{\"format\":2,".into());
    harness.store.plant("types/other.json", too_deep("counter").into());
    harness.store.plant("types/newer.json", "{\"format\":99,\"name\":\"newer\"}".into());
    harness.store.plant("types/No-Type.json", "{}".into());
    let listed = harness.get("/v1/types").await;
    assert_eq!(listed.status, 200);
    let listed = listed.json();
    let names = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|found| found["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&listed["types"]), ["counter"]);
    assert_eq!(names(&listed["damaged"]), ["deep", "half", "newer", "other"]);
    for damaged in listed["damaged"].as_array().unwrap() {
        let reason = damaged["reason"].as_str().unwrap();
        assert!(
            reason.contains("the record of the type") && reason.contains("damaged"),
            "{reason}"
        );
    }
    let described = harness.get("/v1/openapi.json").await;
    assert_eq!(described.status, 200);
    assert!(described.json()["paths"]["/v1/objects/counter"].is_object());
    assert!(described.json()["paths"]["/v1/objects/deep"].is_null());
    for path in ["/v1/types/deep", "/v1/objects/deep", "/v1/objects/deep/a"] {
        harness.get(path).await.is_problem(ErrorCode::RecordDamaged);
    }
    assert_eq!(harness.post("/v1/objects/counter/a/increment", "").await.json(), json!(1));
    assert_eq!(harness.get("/v1/types/counter").await.status, 200);
}

async fn remove(harness: &Harness, path: &str) -> Answered {
    send(harness.request(Method::DELETE, path)).await
}

#[tokio::test]
async fn a_type_is_removed_by_its_route() {
    let harness = Harness::start().await;
    harness.post("/v1/objects/counter/a/increment", "").await;
    let refused = remove(&harness, "/v1/types/counter").await.is_problem(ErrorCode::TypeInUse);
    assert!(refused["detail"].as_str().unwrap().contains("1 object"), "{refused}");
    remove(&harness, "/v1/types/counter?force=perhaps")
        .await
        .is_problem(ErrorCode::MalformedRequest);
    remove(&harness, "/v1/types/nothing").await.is_problem(ErrorCode::UnknownType);
    remove(&harness, "/v1/types/No-Type").await.is_problem(ErrorCode::InvalidObjectId);
    let removed = remove(&harness, "/v1/types/counter?force=true").await;
    assert_eq!(removed.status, 200);
    assert_eq!(
        removed.json(),
        json!({ "type": "counter", "objects": 1, "is_counted_whole": true })
    );
    let listed = harness.get("/v1/types").await.json();
    assert_eq!((&listed["types"], &listed["damaged"]), (&json!([]), &json!([])));
    assert_eq!(listed["removed"][0]["name"], "counter");
    assert_eq!(listed["removed"][0]["objects"], 1);
    assert_eq!(harness.get("/v1/openapi.json").await.json()["paths"], json!({}));
    for path in [
        "/v1/types/counter",
        "/v1/types/counter/rollout",
        "/v1/objects/counter",
        "/v1/objects/counter/a",
    ] {
        let problem = harness.get(path).await.is_problem(ErrorCode::UnknownType);
        assert!(problem["detail"].as_str().unwrap().contains("was removed"), "{problem}");
    }
    let other = harness.post("/v1/types", "scripted:counter another").await;
    other.is_problem(ErrorCode::ComponentRefused);
    assert_eq!(harness.post("/v1/types", "scripted:counter").await.status, 201);
    assert_eq!(harness.post("/v1/objects/counter/a/increment", "").await.json(), json!(2));
}

#[tokio::test]
async fn a_canary_has_keys_that_objects_can_have() {
    let harness = Harness::start().await;
    let long = "k".repeat(1500);
    for bad in ["", "%00", "a%0A", "%C2%84", &long] {
        for path in [format!("?canary_key={bad}"), format!("?canary_key=a&canary_key={bad}")] {
            let answer = harness.post(&format!("/v1/types{path}"), "scripted:counter next").await;
            let problem = answer.is_problem(ErrorCode::MalformedRequest);
            assert!(problem["detail"].as_str().unwrap().contains("canary_key"), "{problem}");
        }
    }
    let record = harness.get("/v1/types/counter").await.json();
    assert_eq!(record["revisions"].as_array().unwrap().len(), 1, "nothing was deployed");
    let path = format!("/v1/types?canary_key=a%2Fb+%C3%A4&canary_key={}", "k".repeat(256));
    let deployed = harness.post(&path, "scripted:counter next").await;
    assert_eq!(deployed.status, 201, "{}", deployed.body);
}

#[tokio::test]
async fn a_deployment_and_a_roll_back_say_what_is_and_whether_it_is_new() {
    let harness = Harness::without_types(|_| {}).await;
    let deploy = async |parameters: &str, text: &'static str, key: Option<&str>| {
        let request = harness.request(Method::POST, &format!("/v1/types{parameters}"));
        let request = request.header("content-type", "application/wasm").body(text);
        let request =
            key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
        let done = send(request).await;
        let document = done.json();
        (
            done.status,
            document["revision"].clone(),
            document["is_new"].clone(),
            document["scope"].clone(),
        )
    };
    let outcome = |status, revision: u32, is_new: bool, scope: Value| {
        (status, json!(revision), json!(is_new), scope)
    };
    let (first, second) = ("scripted:counter", "scripted:counter second");
    let few = || json!({ "percent": 10 });
    let done = deploy("?canary=10%25", first, None).await;
    assert_eq!(done, outcome(201, 1, true, json!("all")), "it is the only revision");
    assert_eq!(deploy("", first, Some("k")).await, outcome(200, 1, false, json!("all")));
    let done = deploy("?canary=10%25&max_failures=none", second, Some("l")).await;
    assert_eq!(done, outcome(201, 2, true, few()));
    assert_eq!(deploy("", second, Some("l")).await, outcome(200, 2, false, few()), "a repetition");
    assert_eq!(deploy("", first, Some("k")).await, outcome(200, 1, false, json!("all")));
    harness.post("/v1/types/counter/rollback", "").await;
    let generation = harness.get("/v1/types/counter").await.json()["generation"].clone();
    let back = harness.post("/v1/types/counter/rollback?to=1", "").await.json();
    assert_eq!((&back["revision"], &back["is_new"]), (&json!(1), &json!(false)));
    assert_eq!(
        harness.get("/v1/types/counter").await.json()["generation"],
        generation,
        "nothing was written"
    );
}

#[tokio::test]
async fn a_roll_out_is_reported_once_it_has_reached_a_milestone() {
    let harness = Harness::start().await;
    let rollout = |query: &str| {
        let path = format!("/v1/types/counter/rollout{query}");
        let harness = &harness;
        async move { harness.get(&path).await }
    };
    let generation = harness.get("/v1/types/counter").await.json()["generation"].clone();
    let reached = rollout(&format!("?until=applied&generation={generation}")).await.json();
    assert_eq!(reached["nodes"][0]["progress"]["is_applied"], json!(true));
    for wrong in
        ["?until=applied", "?generation=1", "?until=soon&generation=1", "?until=ready&generation=x"]
    {
        assert_eq!(rollout(wrong).await.status, 400, "{wrong}");
    }
}
