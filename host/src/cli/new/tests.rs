//! What a new project consists of. That it builds, is tested and deploys is checked by the system tests.

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
    let mut open = ["guest-sdk/src", "guest-sdk/macros/src", "wit"].map(PathBuf::from).to_vec();
    let mut count = 0;
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(checkout.join(&path)).unwrap() {
            let path = path.join(entry.unwrap().file_name());
            if checkout.join(&path).is_dir() {
                open.push(path);
                continue;
            }
            let same = fs::read(vendored.join(&path)).ok() == fs::read(checkout.join(&path)).ok();
            assert!(same, "{} is another one: rebuild", path.display());
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
        let new = New { name: name.to_owned(), lang: Language::Rust, sdk: None };
        assert!(new.run().is_err(), "{name}");
    }
}
