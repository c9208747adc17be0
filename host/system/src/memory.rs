//! Memory that this machine gives the process: all of its own, or less if a control group limits the process.

/// Root of the control groups: of version 2, and of the memory controller of version 1.
const GROUPS_V2: &str = "/sys/fs/cgroup";
const GROUPS_V1: &str = "/sys/fs/cgroup/memory";

/// Returns how many bytes the process may use: the memory of the machine, or the smallest limit of its control group
/// and of the groups above it. `None` if the kernel reports neither.
#[must_use]
pub fn available() -> Option<u64> {
    available_in(&|path| std::fs::read_to_string(path).ok())
}

/// The same, of a machine whose files `read` returns.
fn available_in(read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let machine = read("/proc/meminfo").and_then(|text| machine_bytes(&text));
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().filter_map(|line| group_limit(line, read));
    limits.chain(machine).min()
}

/// Returns the size of the machine's memory. The line has the form `MemTotal:       16303112 kB`.
fn machine_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Returns the smallest limit of a group and those above it. `line` has the form `HIERARCHY:CONTROLLERS:PATH`; version
/// 2 has no controllers there.
fn group_limit(line: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    let (root, files): (_, &[&str]) = if controllers.is_empty() {
        (GROUPS_V2, &["memory.max", "memory.high"])
    } else if controllers.split(',').any(|controller| controller == "memory") {
        (GROUPS_V1, &["memory.limit_in_bytes"])
    } else {
        return None;
    };
    // In a container, the path may be that of the host, whose folders do not exist here. The root is then the group
    // of the container.
    let mut group = path.trim_end_matches('/');
    let mut limit = None;
    loop {
        for file in files {
            // Without a limit, the word is `max`, or in version 1 a number larger than any memory.
            let text = read(&format!("{root}{group}/{file}"));
            let bytes = text.and_then(|text| text.trim().parse().ok());
            limit = limit.into_iter().chain(bytes).min();
        }
        let Some((parent, _)) = group.rsplit_once('/') else { return limit };
        group = parent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: (&str, &str) =
        ("/proc/meminfo", "MemFree:  1 kB\nMemTotal:       16777216 kB\nSwapTotal: 9 kB\n");
    const GIB: u64 = 1024 * 1024 * 1024;

    fn available_with(files: &[(&str, &str)]) -> Option<u64> {
        available_in(&|path| {
            let found = files.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn the_smallest_limit_holds() {
        const V2: (&str, &str) = ("/proc/self/cgroup", "0::/a.slice/b.service\n");
        const V1: (&str, &str) =
            ("/proc/self/cgroup", "12:cpu,cpuacct:/x\n4:hugetlb,memory:/docker/1\n0::/y\n");
        let own = "/sys/fs/cgroup/a.slice/b.service/memory.max";
        let above = "/sys/fs/cgroup/a.slice/memory.max";
        let throttled = "/sys/fs/cgroup/a.slice/b.service/memory.high";
        let own_v1 = "/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes";
        let root_v1 = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
        for (name, files, expected) in [
            ("nothing is known", vec![], None),
            ("no group", vec![MEMINFO], Some(16 * GIB)),
            ("no limit", vec![MEMINFO, V2, (own, "max\n"), (above, "max\n")], Some(16 * GIB)),
            ("a limit", vec![MEMINFO, V2, (own, "2147483648\n")], Some(2 * GIB)),
            ("one above", vec![MEMINFO, V2, (own, "max\n"), (above, "1073741824\n")], Some(GIB)),
            (
                "a limit that slows the process down",
                vec![MEMINFO, V2, (own, "2147483648\n"), (throttled, "1073741824\n")],
                Some(GIB),
            ),
            ("more than there is", vec![MEMINFO, V2, (own, "99999999999999\n")], Some(16 * GIB)),
            ("a limit alone", vec![V2, (own, "2147483648\n")], Some(2 * GIB)),
            (
                "the root of a container",
                vec![
                    MEMINFO,
                    ("/proc/self/cgroup", "0::/\n"),
                    ("/sys/fs/cgroup/memory.max", "1073741824"),
                ],
                Some(GIB),
            ),
            ("version 1", vec![MEMINFO, V1, (own_v1, "1073741824\n")], Some(GIB)),
            (
                "no limit in version 1",
                vec![MEMINFO, V1, (own_v1, "9223372036854771712\n")],
                Some(16 * GIB),
            ),
            ("a container in version 1", vec![MEMINFO, V1, (root_v1, "1073741824\n")], Some(GIB)),
            (
                "what cannot be read",
                vec![("/proc/meminfo", "MemTotal: many kB\n"), ("/proc/self/cgroup", "0:\n\n?\n")],
                None,
            ),
        ] {
            assert_eq!(available_with(&files), expected, "{name}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_states_its_memory() {
        assert!(available().unwrap() > 64 * 1024 * 1024);
    }
}
