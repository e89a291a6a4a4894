//! Where things are.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::SystemTime,
};

use crate::Outcome;

/// The version of the workspace, such as `0.1.0`: xtask carries the same one as every other member.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.parent().unwrap_or(here).to_path_buf()
    })
}

/// Cargo's target folder.
pub(crate) fn target() -> &'static Path {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    TARGET.get_or_init(|| match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => env::current_dir().unwrap_or_default().join(dir),
        None => root().join("target"),
    })
}

/// A folder of xtask's own under the target folder. It is not emptied; see [`fresh`].
pub(crate) fn work(name: &str) -> PathBuf {
    target().join("xtask").join(name)
}

/// As [`work`], emptied.
pub(crate) fn fresh(name: &str) -> std::io::Result<PathBuf> {
    let path = work(name);
    match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

/// Where tools that take long to build are kept, across checkouts.
pub(crate) fn tools() -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .unwrap_or_else(|| work("cache"));
    cache.join("inspire-auth").join("tools")
}

/// The files of a folder with this extension, sorted; none when there is no such folder.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    found.sort();
    found
}

/// Whether `made` is newer than each of these files, and than each file below those that are folders. What tools leave
/// behind there does not count.
pub(crate) fn is_newer(made: &Path, sources: &[PathBuf]) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    changed(made).is_some_and(|made| sources.iter().all(|source| newest(source).is_some_and(|time| time < made)))
}

/// Runs `build` unless the `stamp` of its last success is newer than the sources, and stamps it.
pub(crate) fn unless_built(stamp: &Path, sources: &[PathBuf], build: impl FnOnce() -> Outcome) -> Outcome {
    if is_newer(stamp, sources) {
        return Ok(());
    }
    if let Some(folder) = stamp.parent() {
        fs::create_dir_all(folder)?;
    }
    // Asked of the file system, whose clock may be behind ours.
    let begun = fs::File::create(stamp.with_extension("begun"))?.metadata()?.modified()?;
    build()?;
    // What was changed while it was being built is not in it.
    fs::File::create(stamp)?.set_modified(begun)?;
    Ok(())
}

fn newest(path: &Path) -> Option<SystemTime> {
    const LEFT_BEHIND: [&str; 6] = ["node_modules", "__pycache__", ".pytest_cache", ".mypy_cache", "dist", "target"];
    if !path.is_dir() {
        return fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    }
    let inside = fs::read_dir(path).ok()?.flatten().map(|entry| entry.path());
    let ours = inside.filter(|path| {
        let built = path.extension().is_some_and(|extension| extension == "node" || extension == "so");
        !built && !path.file_name().is_some_and(|name| LEFT_BEHIND.iter().any(|left| name == *left))
    });
    // An empty folder is older than anything.
    ours.map(|path| newest(&path)).max().unwrap_or(Some(SystemTime::UNIX_EPOCH))
}
