//! The Python source distribution: the binding and the crates that it is made of.

use std::path::{Path, PathBuf};

use super::{dist, made, venv};
use crate::{Outcome, project, python, run, stages::Report};

pub(super) fn package() -> Outcome<Report> {
    let sdist = build()?;
    let mut report = Report { remark: made(std::slice::from_ref(&sdist)), ..Report::default() };
    // A stranger's build has none of ours to begin with; what the registry keeps on this machine is enough for it.
    let target = project::fresh("package/sdist-target")?;
    let pinned = python::requirements();
    let build = [
        ("CARGO_TARGET_DIR", target.as_path()),
        ("CARGO_NET_OFFLINE", Path::new("true")),
        ("PIP_CONSTRAINT", pinned.as_path()),
    ];
    venv::test("sdist", &sdist, &build, &mut report)?;
    std::fs::remove_dir_all(target)?;
    Ok(report)
}

/// Makes the source distribution.
pub(super) fn build() -> Outcome<PathBuf> {
    let python = venv::tools()?;
    let dist = dist("sdist")?;
    run::output(python::maturin(&python, "sdist")?.arg("--out").arg(&dist))?;
    match project::files(&dist, "gz").as_slice() {
        [sdist] => Ok(sdist.clone()),
        found => Err(format!("{} source distributions in {}", found.len(), dist.display()).into()),
    }
}
