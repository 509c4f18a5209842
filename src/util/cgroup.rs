//! The limit of memory that a container, or a service manager, has set for this process.
//!
//! ```text
//! /proc/self/cgroup      4:memory:/a/b      version 1: the group of the controller `memory`
//!                        0::/a/b            version 2: the one group
//! /proc/self/mountinfo   … ROOT MOUNT … - cgroup … memory        version 1: which groups are seen where
//!                        … ROOT MOUNT … - cgroup2 …              version 2
//! ```
//!
//! * A limit of a group holds for all groups in it, so those of its ancestors are read as well, up to the mount: a container sees no
//!   further. Where both versions are mounted, both are read. The smallest limit is the one that counts.
//! * `memory.high` counts, too: a process above it is not killed, but hardly runs.
//! * Version 1 says of a group what its ancestors leave it, those that are out of sight too (`hierarchical_memory_limit`).
//! * What is missing, cannot be read or makes no sense is no limit. No path leads out of the mount.

use std::path::{Path, PathBuf};

use super::file;

/// The longest list of groups or mounts that is read.
const LIST_BYTES_MAX: u64 = 4 << 20;
/// The longest file of a group.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// A limit and who says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limit {
    /// The most memory that the group may have.
    pub bytes: u64,
    /// The file that says it.
    pub file: PathBuf,
}

/// The smallest limit of memory that the groups of this process have, if there is one. `root` is `/` but in tests.
pub fn memory_limit(root: &Path) -> Option<Limit> {
    let list = |name: &str| file::read(&root.join(name), LIST_BYTES_MAX).ok();
    let (groups, mounts) = (list("proc/self/cgroup")?, list("proc/self/mountinfo")?);
    let groups = String::from_utf8_lossy(&groups);
    let mounts = String::from_utf8_lossy(&mounts);
    mounts.lines().filter_map(Mount::parse).flat_map(|mount| limits(root, &mount, &groups)).min()
}

/// Limits of the process's group that is seen below a mount, and of its ancestors.
fn limits(root: &Path, mount: &Mount, groups: &str) -> Vec<Limit> {
    let Some(group) = groups.lines().find_map(|line| mount.version.group(line)) else { return Vec::new() };
    let top = root.join(mount.at.trim_start_matches('/'));
    let group = top.join(below(group, &mount.root));
    let groups = group.ancestors().take_while(|group| group.starts_with(&top));
    let files = groups.flat_map(|group| mount.version.files().iter().map(move |name| group.join(name)));
    let limit = |path: PathBuf| {
        let content = file::read(&path, FILE_BYTES_MAX).ok()?;
        Some(Limit { bytes: limit_in(&String::from_utf8_lossy(&content))?, file: path })
    };
    files.filter_map(limit).collect()
}

/// Where a group is below what is mounted. One that lies elsewhere, or whose path climbs, is not seen: of its ancestors, the
/// mount's own group is.
fn below<'a>(group: &'a str, mounted: &str) -> &'a str {
    let mounted = mounted.trim_end_matches('/');
    match group.strip_prefix(mounted) {
        Some(rest)
            if (rest.is_empty() || rest.starts_with('/')) && !rest.split('/').any(|part| part == "..") =>
        {
            rest.trim_start_matches('/')
        }
        _ => "",
    }
}

/// The limit that a file of a group says: a number and nothing else, or after its name among others.
fn limit_in(content: &str) -> Option<u64> {
    let named = content.lines().find_map(|line| line.strip_prefix("hierarchical_memory_limit "));
    named.unwrap_or(content).trim().parse().ok()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Version {
    /// The group that a line of the list of groups names, if it is of this version and about memory.
    fn group(self, line: &str) -> Option<&str> {
        let mut parts = line.splitn(3, ':');
        let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let is_it = match self {
            Self::One => controllers.split(',').any(|controller| controller == "memory"),
            Self::Two => number == "0" && controllers.is_empty(),
        };
        is_it.then_some(path)
    }

    /// The files that limit a group.
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::One => &["memory.limit_in_bytes", "memory.stat"],
            Self::Two => &["memory.max", "memory.high"],
        }
    }
}

/// A place where groups are seen.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    version: Version,
    /// The group that is seen at the top.
    root: String,
    at: String,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (of_all, of_kind) = line.split_once(" - ")?;
        let mut kind = of_kind.split(' ');
        let version = match (kind.next()?, kind.nth(1)) {
            ("cgroup2", _) => Version::Two,
            ("cgroup", Some(options)) if options.split(',').any(|option| option == "memory") => Version::One,
            _ => return None,
        };
        let mut fields = of_all.split(' ').skip(3);
        let (root, at) = (unescaped(fields.next()?), unescaped(fields.next()?));
        // A mount point is an absolute path of the system's making.
        (at.starts_with('/') && !at.split('/').any(|part| part == "..")).then_some(Self { version, root, at })
    }
}

/// A path of the list of mounts: blanks, tabs, line ends and backslashes are written as `\` and three octal digits there.
fn unescaped(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut path = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if byte.is_ascii() => {
                path.push(char::from(byte));
                path.push_str(&part[3..]);
            }
            _ => {
                path.push('\\');
                path.push_str(part);
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::file::tests::Scratch;

    const V1: &str = "36 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:1 - cgroup cgroup rw,memory\n";
    const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

    /// A system with these groups, mounts and files.
    fn system(groups: &str, mounts: &str, files: &[(&str, &str)]) -> Scratch {
        let scratch = Scratch::new();
        let put = |path: &str, content: &str| {
            let path = scratch.0.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            file::replace(&path, content.as_bytes()).unwrap();
        };
        put("proc/self/cgroup", groups);
        put("proc/self/mountinfo", &format!("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n{mounts}"));
        for (path, content) in files {
            put(&format!("sys/fs/cgroup/{path}"), content);
        }
        scratch
    }

    /// The limit, and the file that says it below /sys/fs/cgroup.
    fn found(groups: &str, mounts: &str, files: &[(&str, &str)]) -> Option<(u64, String)> {
        let system = system(groups, mounts, files);
        let limit = memory_limit(&system.0)?;
        let file = limit.file.strip_prefix(system.0.join("sys/fs/cgroup")).unwrap();
        Some((limit.bytes, file.display().to_string()))
    }

    #[test]
    fn the_smallest_limit_of_a_group_and_its_ancestors_counts() {
        let groups = "0::/machine/pod/box\n";
        let files = [
            ("memory.max", "max\n"),
            ("machine/memory.max", "8589934592\n"),
            ("machine/memory.high", "max\n"),
            ("machine/pod/memory.max", "2147483648\n"),
            ("machine/pod/memory.high", "1073741824\n"),
            ("machine/pod/box/memory.max", "4294967296\n"),
            ("machine/other/memory.max", "1000\n"),
            ("machine/pod/box/inner/memory.max", "1000\n"),
        ];
        assert_eq!(found(groups, V2, &files), Some((1 << 30, "machine/pod/memory.high".into())));
        // A container sees its own group at the top.
        assert_eq!(found("0::/\n", V2, &[("memory.max", "64")]), Some((64, "memory.max".into())));
        assert_eq!(found("0::/a\n", V2, &[("a/memory.max", "max\n")]), None);
    }

    #[test]
    fn version_one_has_its_own_files_and_knows_ancestors_that_are_out_of_sight() {
        let groups = "5:cpu,cpuacct:/a\n4:hugetlb,memory:/a/b\n1:name=systemd:/c\n0::/\n";
        let stat = "cache 0\nhierarchical_memory_limit 3000\nhierarchical_memsw_limit 10\ntotal_cache 0\n";
        let unlimited = ("memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
        let outer = ("memory/a/memory.limit_in_bytes", "4000\n");
        assert_eq!(
            found(groups, V1, &[unlimited, outer]),
            Some((4000, "memory/a/memory.limit_in_bytes".into()))
        );
        let files = [unlimited, outer, ("memory/a/b/memory.stat", stat), ("memory.max", "1")];
        assert_eq!(found(groups, V1, &files), Some((3000, "memory/a/b/memory.stat".into())));
    }

    #[test]
    fn with_both_versions_both_are_read() {
        let unified = V2.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified");
        let groups = "4:memory:/a\n0::/b\n";
        let v1 = ("memory/a/memory.limit_in_bytes", "5000");
        let v2 = |bytes| ("unified/b/memory.max", bytes);
        let both = format!("{V1}{unified}");
        assert_eq!(found(groups, &both, &[v1]), Some((5000, "memory/a/memory.limit_in_bytes".into())));
        assert_eq!(found(groups, &both, &[v1, v2("4000")]), Some((4000, "unified/b/memory.max".into())));
        assert_eq!(
            found(groups, &both, &[v1, v2("6000")]),
            Some((5000, "memory/a/memory.limit_in_bytes".into()))
        );
    }

    #[test]
    fn a_mount_that_begins_at_a_group_shows_the_groups_below_it() {
        let mounted = V1.replace(" / /sys", " /docker/7f /sys");
        let files = [
            ("memory/memory.limit_in_bytes", "7000"),
            ("memory/in/memory.limit_in_bytes", "6000"),
            ("memory/docker/7f/memory.limit_in_bytes", "1"),
        ];
        let bytes =
            |group: &str| found(&format!("4:memory:{group}\n"), &mounted, &files).map(|(bytes, _)| bytes);
        assert_eq!(bytes("/docker/7f"), Some(7000));
        assert_eq!(bytes("/docker/7f/in"), Some(6000));
        // What is seen of a group elsewhere is the top.
        for elsewhere in ["/docker/7fe/in", "/in", "/../other", "/docker/7f/../../in", "", "/"] {
            assert_eq!(bytes(elsewhere), Some(7000), "{elsewhere}");
        }
    }

    #[test]
    fn what_is_missing_or_makes_no_sense_is_no_limit() {
        let max = |content: &str| found("0::/a\n", V2, &[("a/memory.max", content)]).map(|(bytes, _)| bytes);
        assert_eq!(max(" 10 \n"), Some(10));
        for content in ["", "\n", "max", "-1", "1.5", "1G", "10\n20\n", "99999999999999999999", "\0", "ä"] {
            assert_eq!(max(content), None, "{content:?}");
        }
        assert_eq!(max(&"1".repeat(1 << 20)), None);
        let file = [("memory.max", "10")];
        for groups in
            ["", ":", "::", "0:", "0::", "1::/\n", "x:memory:/", "0:memory:/", "\n\n", "0::/\u{fffd}"]
        {
            let expected = (groups == "0::" || groups.starts_with("0::/")).then_some(10);
            assert_eq!(found(groups, V2, &file).map(|(bytes, _)| bytes), expected, "{groups:?}");
        }
        for mounts in ["", "-", " - ", " - cgroup2", "a b c / x - cgroup2 y", "1 2 3 / /../x - cgroup2 c rw"]
        {
            assert_eq!(found("0::/", mounts, &file), None, "{mounts:?}");
        }
        assert_eq!(memory_limit(&Scratch::new().0), None);
    }

    #[test]
    fn random_lists_never_panic() {
        let mut random = crate::util::random::Random::new(7);
        let pieces = [
            "0", ":", "memory", "/", "..", " ", " - ", "cgroup", "2", "rw", ",", "\\", "040", "\n", "é", "\0",
        ];
        let mut text = || (0..random.below(40)).map(|_| pieces[random.below(16)]).collect::<String>();
        for _ in 0..20_000 {
            let (groups, mounts) = (text(), text());
            for mount in mounts.lines().filter_map(Mount::parse) {
                let top = Path::new("/nonesuch").join(mount.at.trim_start_matches('/'));
                for group in groups.lines().filter_map(|line| mount.version.group(line)) {
                    assert!(
                        !top.join(below(group, &mount.root))
                            .components()
                            .any(|part| part.as_os_str() == "..")
                    );
                }
            }
        }
    }

    #[test]
    fn escaped_paths_are_read() {
        let mount = Mount::parse(r"1 2 0:3 /a\040b /sys/x\134y\011\9 rw - cgroup2 c rw").unwrap();
        assert_eq!((mount.root.as_str(), mount.at.as_str()), ("/a b", "/sys/x\\y\t\\9"));
    }

    #[test]
    fn this_system_says_something_sensible() {
        let limit = memory_limit(Path::new("/"));
        assert!(limit.is_none_or(|limit| limit.bytes > 1 << 20 && limit.file.exists()));
    }
}
