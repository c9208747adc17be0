//! Installation of system packages that are needed in addition to a Rust toolchain.
//!
//! Only missing packages that a check or the demo uses are installed. If a package cannot be installed, the error
//! contains the command to run.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;

/// Compilation target of components.
pub(crate) const WASM_TARGET: &str = "wasm32-wasip2";

/// Debian package, and the programs that indicate its presence on any system; or files, by their absolute path.
struct Package {
    name: &'static str,
    programs: &'static [&'static str],
}

/// Packages that the tests and the demo need.
const PACKAGES: &[Package] = &[
    // Some dependencies compile C.
    Package { name: "build-essential", programs: &["cc", "make"] },
    // A test runs the commands of the documentation, including those with curl.
    Package { name: "curl", programs: &["curl"] },
    // ZooKeeper servers, as plain processes. The package `zookeeper` would install a whole desktop.
    Package { name: "openjdk-17-jre-headless", programs: &["java"] },
    Package { name: "libzookeeper-java", programs: &["/usr/share/java/zookeeper.jar"] },
    Package { name: "libslf4j-java", programs: &["/usr/share/java/slf4j-simple.jar"] },
    // Cut network links, if tests run as root.
    Package { name: "nftables", programs: &["nft"] },
    Package { name: "iproute2", programs: &["ip", "ss"] },
    // A node with a wrong wall clock.
    Package { name: "faketime", programs: &["faketime"] },
    // Certificates of a test.
    Package { name: "openssl", programs: &["openssl"] },
    // A client that is generated from a node's API description.
    Package { name: "nodejs", programs: &["node"] },
    Package { name: "npm", programs: &["npm"] },
];

/// Third-party S3 server with which the store is also tested: a Python package, with its version.
const MINISTACK: &str = "ministack==1.5.33";

/// Lock file of the npm packages.
const NPM_LOCK: &str = "package-lock.json";

/// Installs the target for components and the system's packages, if they are missing.
pub(crate) fn ensure_all(root: &Path) -> Result<()> {
    ensure_packages()?;
    ensure_wasm_target(root)
}

/// Installs ministack into a separate folder below `target`, unless this version is installed or it is disabled.
pub(crate) fn ensure_ministack(target: &Path) -> Result<()> {
    if env::var_os("HIGHLANDER_SKIP_MINISTACK").is_some() {
        return Ok(());
    }
    let hint = "cannot install ministack, which the tests of the S3 store need\n\
         hint: they need Python 3 with venv (apt-get install -y python3-venv) and access to PyPI; to skip the \
         tests, set HIGHLANDER_SKIP_MINISTACK=1";
    ensure_environment(&target.join("ministack"), MINISTACK, &[MINISTACK.as_ref()]).context(hint)
}

/// Installs the client generator and the API tester of `tests/python` into a virtual environment below `target`, unless
/// these versions are installed or the tests are disabled.
pub(crate) fn ensure_python(root: &Path, target: &Path) -> Result<()> {
    if env::var_os("HIGHLANDER_SKIP_PYTHON").is_some() {
        return Ok(());
    }
    let list = root.join("tests/python/requirements.txt");
    let versions =
        fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let hint = "cannot install the packages of tests/python, which the tests of /v1/openapi.json need\n\
         hint: they need Python 3.11 or newer with venv (apt-get install -y python3-venv) and access to PyPI; to \
         skip the tests, set HIGHLANDER_SKIP_PYTHON=1";
    let arguments = ["--requirement".as_ref(), list.as_os_str()];
    ensure_environment(&target.join("python"), &versions, &arguments).context(hint)
}

/// Creates a virtual environment and runs `pip install` in it, unless it has these versions.
fn ensure_environment(folder: &Path, versions: &str, install: &[&OsStr]) -> Result<()> {
    // Written last, so that an interrupted installation is repeated.
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == versions) {
        return Ok(());
    }
    // Debian's Python lacks the module that creates environments.
    let has_venv =
        process::output(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_ok();
    if !has_venv {
        ensure_installed(&["python3-venv"])?;
    }
    let mut venv = Command::new("python3");
    process::run(venv.args(["-m", "venv", "--clear"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(install);
    process::run(&mut pip)?;
    fs::write(&stamp, versions).with_context(|| format!("cannot write {}", stamp.display()))
}

/// Installs the tools that generate, check and compile TypeScript clients into a separate folder below `target`,
/// in the versions of `tests/typescript`, unless they are installed or disabled.
pub(crate) fn ensure_typescript(root: &Path, target: &Path) -> Result<()> {
    if env::var_os("HIGHLANDER_SKIP_TYPESCRIPT").is_some() {
        return Ok(());
    }
    let (source, folder) = (root.join("tests/typescript"), target.join("typescript"));
    let lock = fs::read_to_string(source.join(NPM_LOCK))
        .with_context(|| format!("cannot read {}", source.join(NPM_LOCK).display()))?;
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let hint = "cannot install the packages of tests/typescript, which the tests of /v1/openapi.json need\n\
         hint: they need Node.js 18.17 or newer with npm, and access to the npm registry; to skip the \
         tests, set HIGHLANDER_SKIP_TYPESCRIPT=1";
    fs::create_dir_all(&folder)?;
    for file in ["package.json", NPM_LOCK] {
        fs::copy(source.join(file), folder.join(file))?;
    }
    let mut npm = Command::new("npm");
    npm.current_dir(&folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    process::run(&mut npm).context(hint)?;
    fs::write(&stamp, lock).with_context(|| format!("cannot write {}", stamp.display()))
}

/// Installs the browser for the example page, unless it is installed or disabled.
pub(crate) fn ensure_browser() -> Result<()> {
    let chromium = Package { name: "chromium", programs: &["chromium"] };
    if env::var_os("HIGHLANDER_SKIP_BROWSER").is_some() || is_there(&chromium) {
        return Ok(());
    }
    ensure_installed(&[chromium.name]).context(
        "cannot install Chromium, which the tests of example-objects/web need\n\
         hint: to skip them, set HIGHLANDER_SKIP_BROWSER=1",
    )
}

/// Adds the target for components if the toolchain lacks it.
pub(crate) fn ensure_wasm_target(root: &Path) -> Result<()> {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(root).args(["--print", "target-libdir", "--target", WASM_TARGET]);
    let folder = process::output(&mut rustc).context("cannot query the Rust toolchain")?;
    if Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    if !process::is_in_path("rustup") {
        bail!(
            "the Rust toolchain lacks the target {WASM_TARGET}, and rustup is not installed\n\
             hint: install Rust with rustup, then run `rustup target add {WASM_TARGET}`"
        );
    }
    process::run(Command::new("rustup").current_dir(root).args(["target", "add", WASM_TARGET]))
}

fn ensure_packages() -> Result<()> {
    let missing: Vec<_> =
        PACKAGES.iter().filter(|package| !is_there(package)).map(|package| package.name).collect();
    if missing.is_empty() { Ok(()) } else { ensure_installed(&missing) }
}

fn ensure_installed(missing: &[&str]) -> Result<()> {
    let names = missing.join(" ");
    let hint = format!("hint: apt-get install -y --no-install-recommends {names}");
    if !process::is_in_path("apt-get") {
        bail!("missing packages: {names}; they cannot be installed without apt-get\n{hint}");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("missing packages: {names}; only root can install them\n{hint}");
    }
    // The first attempt fails if the package lists are missing or outdated.
    if install(missing).is_err() {
        process::run(apt_get().arg("update"))?;
        install(missing).context(hint)?;
    }
    Ok(())
}

/// Checks for programs first: they may have been installed by other means than apt.
fn is_there(package: &Package) -> bool {
    package.programs.iter().all(|program| process::is_in_path(program))
        || is_installed(package.name)
}

fn is_installed(name: &str) -> bool {
    let mut dpkg = Command::new("dpkg");
    let output = dpkg.args(["-s", name]).stderr(Stdio::null()).output();
    output.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).contains("Status: install ok installed")
    })
}

fn install(names: &[&str]) -> Result<()> {
    process::run(apt_get().args(["install", "-y", "--no-install-recommends"]).args(names))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_path_counts_as_there() {
        assert!(is_there(&Package { name: "no-such-package", programs: &["sh"] }));
        assert!(!is_there(&Package { name: "no-such-package", programs: &["no-such-program"] }));
    }
}
