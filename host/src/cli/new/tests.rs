//! Contents of a new project. The system tests check that it builds, passes its tests and deploys.

use super::*;

fn project(name: &str, sdk: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_project(&folder.path().join(name), name, sdk).unwrap();
    folder
}

#[test]
fn manifests_need_no_workspace() {
    let folder = project("shared-list", None);
    let sdk = folder.path().join("shared-list/vendor/highlander/guest-sdk");
    for path in ["Cargo.toml", "macros/Cargo.toml"] {
        let text = fs::read_to_string(sdk.join(path)).unwrap();
        assert!(!text.contains("workspace"), "{text}");
        let manifest: toml::Table = text.parse().unwrap();
        assert_eq!(manifest["package"]["edition"].as_str(), Some("2024"), "{text}");
        for (name, dependency) in manifest["dependencies"].as_table().unwrap() {
            let own = dependency.get("path").and_then(toml::Value::as_str);
            assert!(own.is_none_or(|path| sdk.join(path).join("Cargo.toml").is_file()), "{name}");
            assert!(own.is_some() || dependency.is_str() || dependency.get("version").is_some());
        }
    }
}

#[test]
fn every_source_of_the_sdk_is_in_the_binary() {
    let folder = project("list", None);
    let vendored = folder.path().join("list/vendor/highlander");
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut open =
        ["guest-sdk/src", "guest-sdk/macros/src", "guest-sdk/wit"].map(PathBuf::from).to_vec();
    let mut count = 0;
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(checkout.join(&path)).unwrap() {
            let path = path.join(entry.unwrap().file_name());
            if checkout.join(&path).is_dir() {
                open.push(path);
                continue;
            }
            let same = fs::read(vendored.join(&path)).ok() == fs::read(checkout.join(&path)).ok();
            assert!(same, "{} differs from the checkout: rebuild", path.display());
            count += 1;
        }
    }
    assert!(count > 10);
}

#[test]
fn nothing_is_overwritten() {
    let folder = project("list", Some("/sdk"));
    let error = write_project(&folder.path().join("list"), "list", None).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    let manifest = fs::read_to_string(folder.path().join("list/Cargo.toml")).unwrap();
    assert!(manifest.contains("path = \"/sdk\""), "{manifest}");
    assert!(!folder.path().join("list/vendor").exists());
}

#[test]
fn structs_are_named_after_the_project() {
    let lines = |name: &str| fill("{{attribute}} {{object}} {{file}}", name, "");
    assert_eq!(lines("shared-list"), "#[object] SharedList shared_list");
    assert_eq!(lines("list-2"), "#[object(type = \"list-2\")] List2 list_2");
    assert_eq!(lines("string"), "#[object(type = \"string\")] StringObject string");
    assert_eq!(lines("a-b"), "#[object(type = \"a-b\")] AB a_b");
}

#[test]
fn names_that_cannot_be_packages_are_refused() {
    for name in ["test", "self", "Todo", "a--b", "a-", "../x", "1st"] {
        let (name, uses) = (name.to_owned(), Vec::new());
        let new = New { name, lang: Language::Rust, sdk: None, library: false, uses };
        let name = new.name.clone();
        assert!(new.run().is_err(), "{name}");
    }
}

#[test]
fn the_name_that_is_advised_is_one() {
    for (name, advised) in [
        ("test", "my-test"),
        ("a--b", "a-b"),
        ("a-", "a"),
        ("self-", "my-self"),
        ("target", "my-target"),
        ("vendor", "my-vendor"),
    ] {
        let hint = check_name(name).unwrap_err().hint.unwrap();
        assert_eq!(hint, format!("highlander new {advised}"));
        assert!(check_name(advised).is_ok(), "{advised}");
    }
}

#[test]
fn an_object_in_a_folder_of_the_project_is_deployed_from_there() {
    let deploy = |up| member_steps("a-b", false, up).pop().unwrap();
    assert_eq!(deploy(0), "highlander deploy target/wasm32-wasip2/release/a_b.wasm");
    assert_eq!(deploy(2), "highlander deploy ../../target/wasm32-wasip2/release/a_b.wasm");
}

fn member<'a>(name: &'a str, uses: &'a [String]) -> Member<'a> {
    Member { name, is_library: false, uses, sdk: None }
}

fn add(member: Member<'_>, folder: &Path) -> Result<(), String> {
    let workspace = Workspace::find(folder).unwrap().unwrap();
    member.add(workspace, folder).map_err(|failure| failure.message)
}

fn package(folder: &Path) -> toml::Table {
    fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap()
}

#[test]
fn objects_join_a_project_and_share_its_sdk() {
    let folder = project("first", None);
    let root = folder.path().join("first");
    add(member("second", &[]), &root).unwrap();
    add(Member { is_library: true, ..member("shared", &[]) }, &root).unwrap();
    let uses = ["first".to_owned(), "shared".to_owned()];
    fs::create_dir(root.join("more")).unwrap();
    add(member("third", &uses), &root.join("more")).unwrap();
    let workspace = &package(&root)["workspace"];
    let members =
        ["client", "second", "second/client", "shared", "more/third", "more/third/client"];
    let listed: Vec<_> =
        workspace["members"].as_array().unwrap().iter().map(|m| m.as_str().unwrap()).collect();
    assert_eq!(listed, members);
    for member in members {
        let manifest = package(&root.join(member));
        let sdk = &manifest["dependencies"]["highlander-sdk"];
        assert_eq!(sdk["workspace"].as_bool(), Some(true), "{member}");
        assert!(!root.join(member).join("vendor").exists(), "{member}");
    }
    for manifest in [root.join("more/third"), root.join("more/third/client")] {
        let dependencies = package(&manifest)["dependencies"].as_table().unwrap().clone();
        assert_eq!(dependencies.keys().collect::<Vec<_>>(), ["first", "highlander-sdk", "shared"]);
    }
}

#[test]
fn what_cannot_join_a_project_changes_nothing() {
    let folder = project("first", None);
    let root = folder.path().join("first");
    add(member("second", &[]), &root).unwrap();
    let before = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for (name, uses, expected) in [
        ("first", &[][..], "already has a package or dependency first"),
        ("second", &[], "already has a package or dependency second"),
        ("client", &[], "client already exists"),
        ("third", &["fourth".to_owned()], "has no object or library named fourth"),
        ("serde", &[], "is the name of a package that the SDK uses"),
        ("schemars", &[], "is the name of a package that the SDK uses"),
    ] {
        let error = add(member(name, uses), &root).unwrap_err();
        assert!(error.contains(expected), "{name}: {error}");
    }
    let error = add(Member { sdk: Some("/sdk"), ..member("third", &[]) }, &root).unwrap_err();
    assert!(error.contains("already has an SDK"), "{error}");
    assert_eq!(fs::read_to_string(root.join("Cargo.toml")).unwrap(), before);
    assert!(!root.join("third").exists());
}

#[test]
fn a_workspace_without_the_sdk_gets_it_once() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Cargo.toml"), "[workspace]\nmembers = []\n").unwrap();
    for name in ["a", "b"] {
        add(member(name, &[]), folder.path()).unwrap();
    }
    let sdk = folder.path().join(VENDORED);
    assert!(sdk.join("Cargo.toml").is_file());
    let workspace = &package(folder.path())["workspace"];
    assert_eq!(workspace["dependencies"]["highlander-sdk"]["path"].as_str(), Some(VENDORED));
    assert!(!folder.path().join("a/vendor").exists() && !folder.path().join("b/vendor").exists());
}
