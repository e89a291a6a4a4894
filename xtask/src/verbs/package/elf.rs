//! What a shared library asks of the system that loads it.

use std::{fs, path::Path};

use crate::{Outcome, run};

/// glibc's own libraries: all that what we ship may need, and the compiler's run-time library.
const SYSTEM: [&str; 8] = [
    "libc.so.6",
    "libm.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libgcc_s.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
];

/// That no other library has to be installed.
pub(super) fn needs_only_the_system(library: &Path) -> Outcome {
    let dynamic = run::output(run::command("readelf").args(["--dynamic", "--wide"]).arg(library))?;
    let needed = dynamic.lines().filter(|line| line.contains("(NEEDED)")).filter_map(|line| {
        let (_, name) = line.split_once('[')?;
        name.strip_suffix(']')
    });
    let foreign: Vec<_> = needed.filter(|name| !SYSTEM.contains(name)).collect();
    if foreign.is_empty() { Ok(()) } else { Err(format!("it needs {foreign:?}").into()) }
}

/// That this version of glibc, such as `2.17`, has all that is asked of it.
pub(super) fn glibc_is_at_most(library: &Path, most: &str) -> Outcome {
    let asked = glibc(library)?;
    let numbers = |version: &str| version.split('.').map(|number| number.parse().unwrap_or(0)).collect::<Vec<u32>>();
    if numbers(&asked) <= numbers(most) { Ok(()) } else { Err(format!("it asks for {asked}").into()) }
}

/// The newest glibc that a library asks for, such as `2.34`.
pub(super) fn glibc(library: &Path) -> Outcome<String> {
    let needs = run::output(run::command("readelf").args(["--version-info", "--wide"]).arg(library))?;
    let versions = needs.split("GLIBC_").skip(1).filter_map(|rest| {
        let version = rest.split(|letter: char| !(letter.is_ascii_digit() || letter == '.')).next()?;
        version.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>().ok()
    });
    let newest = versions.max().ok_or("the library asks for no version of glibc")?;
    Ok(newest.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
}

/// That the SQLite in it was built as `.cargo/config.toml` says: a build elsewhere may not have seen that file.
pub(super) fn sqlite_is_ours(library: &Path) -> Outcome {
    let bytes = fs::read(library)?;
    let has = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    // SQLite lists its options as text.
    if has("OMIT_LOAD_EXTENSION") && !has("ENABLE_FTS") {
        Ok(())
    } else {
        Err("it has an SQLite that was built with other options".into())
    }
}
