//! Install, then build against what was installed, as a stranger would.

use std::path::{Path, PathBuf};

use super::{Report, c};
use crate::{
    Outcome,
    need::{self, Tool},
    project, run,
    verbs::{capi_install, driver::Language, install},
};

pub(super) fn package() -> Outcome<Report> {
    need::all(&[Tool::C, Tool::Cpp, Tool::PkgConfig, Tool::CMake, Tool::Binutils])?;
    let mut report = Report::default();
    let ours = project::fresh("package/xtask")?;
    if report.count("cargo xtask install", install::install(&ours, None, "lib")).is_some() {
        report.add(Installation::at("xtask", &ours).try_it());
    }
    let theirs = project::fresh("package/capi")?;
    if report.count("cargo capi install", capi_install(&theirs, None, "lib")).is_some() {
        report.add(Installation::at("capi", &theirs).try_it());
        report.count("both ways install the same files", same_files(&ours, &theirs));
    }
    Ok(report)
}

/// The library as it lies on this disk, to be used by strangers.
pub(crate) struct Installation {
    /// For messages and folders.
    pub who: &'static str,
    /// The prefix, as it is found here.
    pub prefix: PathBuf,
    /// Where the libraries are, from the prefix.
    pub libdir: String,
    /// The folder that stands for `/`, when what was unpacked there is meant for `/`.
    pub sysroot: Option<PathBuf>,
}

impl Installation {
    /// One that lies where it says that it is.
    pub(crate) fn at(who: &'static str, prefix: &Path) -> Self {
        Self { who, prefix: prefix.to_path_buf(), libdir: "lib".to_owned(), sysroot: None }
    }

    pub(crate) fn lib(&self) -> PathBuf {
        self.prefix.join(&self.libdir)
    }

    /// Builds and runs `tests/package` in every way that the documentation names.
    pub(crate) fn try_it(&self) -> Report {
        let mut report = Report::default();
        report.count(&format!("{}: pkg-config, shared", self.who), self.shared());
        report.count(&format!("{}: pkg-config --static", self.who), self.archive("hello.c"));
        report.count(&format!("{}: static, beside a host's own SQLite", self.who), self.archive("own_sqlite.c"));
        report.count(&format!("{}: CMake find_package", self.who), self.cmake());
        report
    }

    /// The tests of `tests/c` and `tests/cpp`, built by what pkg-config says.
    pub(crate) fn test_suite(&self) -> Report {
        let mut report = Report::default();
        for (language, compiler, standard) in [(Language::C, "gcc", "c11"), (Language::Cpp, "g++", "c++17")] {
            let programs = report.count(&format!("{}: tests", self.who), c::programs(language)).unwrap_or_default();
            for program in programs {
                let name = format!("{}-{}-{}", self.who, language.name(), program.name);
                let built = self.build(compiler, standard, &program.source, &name);
                report.count(&name, built.and_then(|built| c::execute(&program, &built, &[], &name)));
            }
        }
        report
    }

    fn build(&self, compiler: &str, standard: &str, source: &Path, name: &str) -> Outcome<PathBuf> {
        let program = project::fresh(&format!("package/{name}"))?.join("program");
        let mut command = run::command(compiler);
        command.arg(format!("-std={standard}")).args(["-O1", "-pthread"]).arg(source).arg("-o").arg(&program);
        command.args(self.pkg_config(&["--cflags", "--libs"])?).arg("-lm");
        run::output(command.arg(format!("-Wl,-rpath,{}", self.lib().display())))?;
        Ok(program)
    }

    fn shared(&self) -> Outcome {
        let program = self.folder("shared")?.join("hello");
        let mut command = compiler("hello.c", &program);
        command.args(self.pkg_config(&["--cflags", "--libs"])?);
        run::output(&mut command)?;
        let mut hello = run::command(&program);
        let wrote = run::output(hello.env("LD_LIBRARY_PATH", self.lib()).current_dir(parent(&program)))?;
        expect_version(&wrote)
    }

    /// Links the archive itself, not `-l`, which would take the shared library that lies beside it.
    fn archive(&self, source: &str) -> Outcome {
        let program = self.folder(&format!("static-{source}"))?.join("hello");
        let mut command = compiler(source, &program);
        command.args(self.pkg_config(&["--cflags"])?).arg(self.lib().join("libinspire_auth.a"));
        command.args(self.pkg_config(&["--static", "--libs-only-l"])?.iter().filter(|flag| *flag != "-linspire_auth"));
        run::output(&mut command)?;
        if run::output(run::command("ldd").arg(&program))?.contains("libinspire_auth") {
            return Err("the program still needs the shared library".into());
        }
        expect_version(&run::output(run::command(&program).current_dir(parent(&program)))?)
    }

    /// `tests/package/CMakeLists.txt`: `inspire::auth` and `inspire::auth_static`, and a version that is too new refused.
    fn cmake(&self) -> Outcome {
        let build = self.folder("cmake")?;
        let mut configure = run::command("cmake");
        configure.arg("-S").arg(project::root().join("tests/package")).arg("-B").arg(&build);
        configure.arg(format!("-DCMAKE_PREFIX_PATH={}", self.prefix.display()));
        run::output(configure.arg(format!("-DEXPECTED_VERSION={}", project::VERSION)))?;
        run::output(run::command("cmake").arg("--build").arg(&build))?;
        for program in ["hello_shared", "hello_static", "hello_cpp"] {
            expect_version(&run::output(run::command(build.join(program)).current_dir(&build))?)?;
        }
        Ok(())
    }

    fn pkg_config(&self, arguments: &[&str]) -> Outcome<Vec<String>> {
        let mut command = run::command("pkg-config");
        command.env("PKG_CONFIG_PATH", self.lib().join("pkgconfig"));
        if let Some(sysroot) = &self.sysroot {
            // Otherwise it leaves out what every compiler looks into by itself, and with it the folder below.
            command.env("PKG_CONFIG_ALLOW_SYSTEM_CFLAGS", "1").env("PKG_CONFIG_ALLOW_SYSTEM_LIBS", "1");
            command.env("PKG_CONFIG_SYSROOT_DIR", sysroot);
        }
        command.args(arguments).arg("inspire_auth");
        Ok(run::output(&mut command)?.split_whitespace().map(str::to_owned).collect())
    }

    fn folder(&self, what: &str) -> Outcome<PathBuf> {
        Ok(project::fresh(&format!("package/{}-{what}", self.who))?)
    }
}

fn compiler(source: &str, program: &Path) -> std::process::Command {
    let mut command = run::command("gcc");
    command.args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
    command.arg(project::root().join("tests/package").join(source)).arg("-o").arg(program);
    command
}

fn expect_version(wrote: &str) -> Outcome {
    let expected = format!("libinspire_auth {}", project::VERSION);
    if wrote.lines().any(|line| line == expected) { Ok(()) } else { Err(format!("wrote `{wrote}`").into()) }
}

/// What cargo-c installs, `cargo xtask install` installs too, and the other way round.
fn same_files(ours: &Path, theirs: &Path) -> Outcome {
    let list = |prefix: &Path| -> Outcome<Vec<String>> {
        let wrote = run::output(run::command("find").args([".", "-not", "-type", "d"]).current_dir(prefix))?;
        let mut names: Vec<String> = wrote.lines().map(str::to_owned).collect();
        names.sort();
        Ok(names)
    };
    let (ours, theirs) = (list(ours)?, list(theirs)?);
    if ours == theirs { Ok(()) } else { Err(format!("cargo xtask install: {ours:?}\ncargo capi: {theirs:?}").into()) }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
