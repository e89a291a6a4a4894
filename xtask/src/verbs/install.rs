//! `cargo xtask install`: the C library into a prefix, without cargo-c.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crate::{
    Failure, Outcome, Verb,
    args::Args,
    need::{self, Tool},
    project, run,
    run::say,
};

pub(crate) const VERB: Verb = Verb {
    name: "install",
    summary: "build the C library and install it",
    help: "cargo xtask install --prefix P [--destdir D] [--libdir L]\n\n  --prefix P    where it will live, such as /usr/local (absolute)\n  --destdir D   put it under D instead, for packaging\n  --libdir L    relative to the prefix; default `lib`\n\nInstalls inspire_auth.h, inspire_auth.hpp, the shared library with its SONAME and links, the static library, the\npkg-config file and the CMake configuration. `cargo xtask capi` does the same with cargo-c.",
    run,
};

/// The built library, in Cargo's target folder.
struct Built {
    shared: PathBuf,
    archive: PathBuf,
    /// What a static link needs besides, such as `-lm -lc`.
    system_libraries: String,
}

fn run(arguments: Vec<String>) -> Outcome {
    let mut args = Args::new(arguments);
    let Some(prefix) = args.value("--prefix")? else {
        return Err(Failure::Usage("--prefix is missing.".to_owned()));
    };
    let destdir = args.value("--destdir")?;
    let libdir = args.value("--libdir")?.unwrap_or_else(|| "lib".to_owned());
    args.end()?;
    if !Path::new(&prefix).is_absolute() {
        return Err(Failure::Usage("--prefix must be absolute: it is written into inspire_auth.pc.".to_owned()));
    }
    say("building the library in release (a minute or two the first time)");
    install(Path::new(&prefix), destdir.as_deref().map(Path::new), &libdir)?;
    let shown = destdir.as_deref().unwrap_or_default();
    say(&format!("installed libinspire_auth {} into {shown}{prefix}", project::VERSION));
    Ok(())
}

/// The prefix that the tests and drivers link against: installed once a run, files replaced only when they changed.
pub(crate) fn staged() -> Outcome<&'static Path> {
    static STAGED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let staged = STAGED.get_or_init(|| {
        let prefix = project::work("prefix");
        install(&prefix, None, "lib").map(|()| prefix).map_err(|failure| failure.to_string())
    });
    staged.as_deref().map_err(|message| Failure::Failed(message.clone()))
}

/// Builds the library and installs everything that belongs to it.
pub(crate) fn install(prefix: &Path, destdir: Option<&Path>, libdir: &str) -> Outcome {
    need::all(&[Tool::C, Tool::Binutils])?;
    let built = build()?;
    let base = destdir.map_or_else(|| prefix.to_path_buf(), |root| under(root, prefix));
    let (include, lib) = (base.join("include"), base.join(libdir));
    let cmake = base.join("share/cmake/inspire_auth");
    let root = project::root();
    for folder in [&include, &lib.join("pkgconfig"), &cmake] {
        fs::create_dir_all(folder)?;
    }
    for name in ["inspire_auth.h", "inspire_auth.hpp"] {
        place(
            &fs::read(root.join("include").join(name)).map_err(|e| format!("include/{name}: {e}"))?,
            &include.join(name),
        )?;
    }
    for path in project::files(&root.join("ffi/cmake"), "cmake") {
        place(&fs::read(&path)?, &cmake.join(path.file_name().unwrap_or_default()))?;
    }
    let full = format!("libinspire_auth.so.{}", project::VERSION);
    place(&fs::read(&built.shared)?, &lib.join(&full))?;
    link(&full, &lib.join(soname()))?;
    link(&full, &lib.join("libinspire_auth.so"))?;
    place(&fs::read(&built.archive)?, &lib.join("libinspire_auth.a"))?;
    place(pkg_config(prefix, libdir, &built.system_libraries).as_bytes(), &lib.join("pkgconfig/inspire_auth.pc"))
}

/// Builds the shared and the static library. The SONAME is given here, since plain `cargo build` sets none.
fn build() -> Outcome<Built> {
    let mut command = run::cargo();
    command.args(["rustc", "--release", "--package", "inspire-auth-ffi", "--lib", "--features", "capi", "--"]);
    command.args(["--print", "native-static-libs", "-C", &format!("link-arg=-Wl,-soname,{}", soname())]);
    let output = run::captured(&mut command)?;
    let wrote = run::both(&output);
    if !output.status.success() {
        return Err(format!("the library does not build\n{wrote}").into());
    }
    let folder = project::target().join("release");
    let archive = folder.join("libinspire_auth_ffi.a");
    let sealed = project::work("sealed").join("libinspire_auth.a");
    if !project::is_newer(&sealed, std::slice::from_ref(&archive)) {
        seal(&archive, &sealed)?;
    }
    let system_libraries = wrote
        .lines()
        .find_map(|line| line.split_once("native-static-libs: "))
        .map(|(_, libraries)| libraries.trim().to_owned())
        .ok_or("rustc did not say which system libraries a static link needs")?;
    Ok(Built { shared: folder.join("libinspire_auth_ffi.so"), archive: sealed, system_libraries })
}

/// Makes a static library whose only visible symbols are ours.
///
/// Rust's own archive shows every symbol of its parts, SQLite's among them, and so clashes with a host that links an
/// SQLite of its own. Joined into one object, all but `inspire_*` can be made local.
pub(crate) fn seal(archive: &Path, sealed: &Path) -> Outcome {
    need::all(&[Tool::Binutils])?;
    let folder = sealed.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let stem = format!("inspire_auth.{}", std::process::id());
    let (object, fresh) = (folder.join(format!("{stem}.o")), folder.join(format!("{stem}.a")));
    run::output(run::command("ld").args(["-r", "-o"]).arg(&object).arg("--whole-archive").arg(archive))?;
    let mut localise = run::command("objcopy");
    localise.args(["--wildcard", "--keep-global-symbol=inspire_*"]);
    // Joined bitcode of many objects is no bitcode: linkers' plugins stumble over it, and nothing needs it.
    localise.args(["--remove-section=.llvmbc", "--remove-section=.llvmcmd"]);
    run::output(localise.arg(&object))?;
    run::output(run::command("ar").args(["rcsD"]).arg(&fresh).arg(&object))?;
    fs::remove_file(&object)?;
    fs::rename(&fresh, sealed)?;
    Ok(())
}

/// `libinspire_auth.so.0.1` for 0.1.z, `.so.1` for 1.y.z: cargo-c's rule, so that both ways of installing agree.
pub(crate) fn soname() -> String {
    format!("libinspire_auth.so.{}", abi_version(project::VERSION))
}

fn abi_version(version: &str) -> String {
    let release = version.split(['-', '+']).next().unwrap_or(version);
    let numbers: Vec<&str> = release.split('.').collect();
    let significant = numbers.iter().position(|number| *number != "0").map_or(numbers.len(), |at| at + 1);
    numbers.into_iter().take(significant).collect::<Vec<_>>().join(".")
}

fn pkg_config(prefix: &Path, libdir: &str, system_libraries: &str) -> String {
    format!(
        "prefix={}\nexec_prefix=${{prefix}}\nlibdir=${{exec_prefix}}/{libdir}\nincludedir=${{prefix}}/include\n\n\
         Name: inspire_auth\nDescription: API keys and licensing, decided in-process\nVersion: {}\n\
         Libs: -L${{libdir}} -linspire_auth\nLibs.private: {system_libraries}\nCflags: -I${{includedir}}\n",
        prefix.display(),
        project::VERSION,
    )
}

/// Puts a file in place at once, so that a program which has the old one mapped keeps it; leaves an equal one alone.
fn place(contents: &[u8], path: &Path) -> Outcome {
    if fs::read(path).is_ok_and(|old| old == contents) {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.{}", std::process::id()));
    fs::write(&fresh, contents).map_err(|error| format!("{}: {error}", fresh.display()))?;
    fs::rename(&fresh, path)?;
    Ok(())
}

fn link(target: &str, path: &Path) -> Outcome {
    if fs::read_link(path).is_ok_and(|old| old == Path::new(target)) {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    match std::os::unix::fs::symlink(target, path) {
        // A second run made the same link meanwhile.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => Ok(other?),
    }
}

fn under(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_abi_version_ends_at_the_first_number_that_is_not_zero() {
        for (version, expected) in [("0.1.0", "0.1"), ("0.0.3", "0.0.3"), ("1.2.3", "1"), ("0.12.1-rc.1", "0.12")] {
            assert_eq!(abi_version(version), expected);
        }
    }

    #[test]
    fn destdir_goes_before_an_absolute_prefix() {
        assert_eq!(under(Path::new("/tmp/d"), Path::new("/usr")), Path::new("/tmp/d/usr"));
    }
}
