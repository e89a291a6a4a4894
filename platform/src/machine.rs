//! What the operating system says about the machine: its id, and whether it is a container.

use std::{io, path::Path};

/// The operating system's machine id: 32 lower-case hexadecimal characters, or `None` where there is none.
///
/// It is confidential (`machine-id(5)`): show it to nobody as it is, only hashed under an application's own key.
///
/// # Errors
/// When a file is there and can't be read.
pub fn machine_id() -> io::Result<Option<String>> {
    machine_id_in(Path::new("/"))
}

/// [`machine_id`] of the system whose files begin at `root`.
///
/// # Errors
/// When a file is there and can't be read.
pub fn machine_id_in(root: &Path) -> io::Result<Option<String>> {
    for place in ["etc/machine-id", "var/lib/dbus/machine-id"] {
        match std::fs::read(root.join(place)) {
            Ok(bytes) => {
                if let Some(id) = parse(&bytes) {
                    return Ok(Some(id));
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// An id is 32 hexadecimal characters and not all zero. An image that was not started yet holds nothing, or the word
/// `uninitialized`.
fn parse(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hex && text.bytes().any(|byte| byte != b'0')).then(|| text.to_ascii_lowercase())
}

/// Which kind of container this process runs in, or `None` where no trace of one is seen.
///
/// A container's machine id is often its image's, so it identifies nothing.
#[must_use]
pub fn container() -> Option<&'static str> {
    container_in(Path::new("/"))
}

/// [`container`] for the system whose files begin at `root`.
#[must_use]
pub fn container_in(root: &Path) -> Option<&'static str> {
    if root.join(".dockerenv").exists() {
        return Some("docker");
    }
    if root.join("run/.containerenv").exists() {
        return Some("podman");
    }
    // systemd writes down what it was told at its start.
    if let Ok(told) = std::fs::read_to_string(root.join("run/systemd/container")) {
        return Some(known(told.trim()).unwrap_or("container"));
    }
    known(&std::fs::read_to_string(root.join("proc/1/cgroup")).unwrap_or_default())
}

fn known(text: &str) -> Option<&'static str> {
    // The more exact words first: a pod of Kubernetes also mentions its runtime.
    const WORDS: [(&str, &str); 8] = [
        ("kubepods", "kubernetes"),
        ("libpod", "podman"),
        ("podman", "podman"),
        ("docker", "docker"),
        ("containerd", "containerd"),
        ("lxc", "lxc"),
        ("systemd-nspawn", "systemd-nspawn"),
        ("garden", "garden"),
    ];
    WORDS.iter().find(|(word, _)| text.contains(word)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    struct Root(PathBuf);

    impl Root {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("inspire-machine-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }
        fn write(&self, place: &str, text: &str) -> &Self {
            let path = self.0.join(place);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
            self
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    const ID: &str = "4c2f0a6d1b7e4f58a3c9d0e1f2a3b4c5";

    #[test]
    fn the_first_readable_id_wins_and_anything_else_is_none() {
        let root = Root::new("id");
        assert_eq!(machine_id_in(&root.0).unwrap(), None);
        for not_one in ["", "uninitialized\n", "4c2f", &"0".repeat(32), &"g".repeat(32), &format!("{ID}{ID}")] {
            root.write("etc/machine-id", not_one);
            assert_eq!(machine_id_in(&root.0).unwrap(), None, "{not_one:?}");
        }
        root.write("var/lib/dbus/machine-id", &format!("{}\n", ID.to_uppercase()));
        assert_eq!(machine_id_in(&root.0).unwrap().as_deref(), Some(ID));
        let first = ID.replace('4', "5");
        root.write("etc/machine-id", &format!("{first}\n"));
        assert_eq!(machine_id_in(&root.0).unwrap(), Some(first));
    }

    #[test]
    fn a_machine_id_that_cannot_be_read_is_an_error_not_none() {
        let root = Root::new("unreadable");
        std::fs::create_dir_all(root.0.join("etc/machine-id")).unwrap();
        assert!(machine_id_in(&root.0).is_err());
    }

    #[test]
    fn containers_are_told_by_the_files_they_leave() {
        assert_eq!(container_in(&Root::new("bare").write("proc/1/cgroup", "0::/init.scope\n").0), None);
        for (place, text, name) in [
            (".dockerenv", "", "docker"),
            ("run/.containerenv", "", "podman"),
            ("run/systemd/container", "lxc\n", "lxc"),
            ("run/systemd/container", "something-new\n", "container"),
            ("proc/1/cgroup", "0::/kubepods/besteffort/pod1/docker-2\n", "kubernetes"),
            ("proc/1/cgroup", "4:cpu:/docker/abc\n", "docker"),
        ] {
            assert_eq!(container_in(&Root::new("some").write(place, text).0), Some(name), "{place}");
        }
    }
}
