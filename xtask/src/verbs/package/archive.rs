//! Tarballs, and files in place: the same source gives the same bytes, whoever packs it.

use std::{env, fs, path::Path};

use crate::{Outcome, run};

/// Packs the folder `name` of `parent` into a `.tar.gz`.
pub(super) fn pack(parent: &Path, name: &str, tarball: &Path) -> Outcome {
    let mut tar = run::command("tar");
    tar.args(["--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"]);
    tar.arg(format!("--mtime=@{}", epoch())).args(["--use-compress-program", "gzip -9 -n"]);
    run::output(tar.arg("--file").arg(tarball).arg("--directory").arg(parent).arg(name)).map(drop)
}

/// Unpacks a tarball into an existing folder.
pub(super) fn unpack(tarball: &Path, folder: &Path) -> Outcome {
    run::output(run::command("tar").arg("--extract").arg("--file").arg(tarball).arg("--directory").arg(folder))
        .map(drop)
}

/// Copies files and folders of the repository, so that they stand to each other as there, without what was built.
pub(super) fn copy(paths: &[&str], into: &Path) -> Outcome {
    let built = "--exclude=node_modules --exclude=__pycache__ --exclude='*.so' --exclude='*.node'";
    let copy = format!("into=$1; shift; tar --create {built} -- \"$@\" | tar --extract --directory \"$into\"");
    run::output(run::command("sh").args(["-euc", &copy, "copy"]).arg(into).args(paths)).map(drop)
}

/// Writes a file, and the folders that it needs.
pub(super) fn put(path: &Path, contents: impl AsRef<[u8]>) -> Outcome {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, contents).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// The time in what is packed, in Unix seconds: `SOURCE_DATE_EPOCH`, or that of the last commit, or 0.
pub(super) fn epoch() -> u64 {
    let told = env::var("SOURCE_DATE_EPOCH").ok();
    let committed = || run::output(run::command("git").args(["log", "-1", "--format=%ct"])).ok();
    told.or_else(committed).and_then(|seconds| seconds.trim().parse().ok()).unwrap_or(0)
}
