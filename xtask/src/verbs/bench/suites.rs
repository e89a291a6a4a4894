//! The programs that measure: how each is built, and how it is run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::instructions;
use crate::{
    Outcome,
    need::{self, Tool},
    node, project, python, run,
    run::say,
    verbs::install,
};

/// The folder of everything that stands beside peers, from the root.
pub(super) const PEERS: &str = "benches/peers";

/// One suite of measurements.
pub(super) struct Suite {
    /// What is typed.
    pub name: &'static str,
    pub about: &'static str,
    /// Whether it takes turns with the others, pass after pass; otherwise it is run once.
    pub in_turn: bool,
    run: fn(&mut Bench) -> Outcome<String>,
}

/// In the order in which they take turns.
pub(super) const ALL: &[Suite] = &[
    Suite {
        name: "rust",
        about: "requests and entitlements, from Rust",
        in_turn: true,
        run: |bench| bench.rust("rust"),
    },
    Suite { name: "c", about: "the same, from C", in_turn: true, run: Bench::c },
    Suite { name: "python", about: "the same, from Python", in_turn: true, run: |bench| bench.python("keys") },
    Suite { name: "node", about: "the same, from Node", in_turn: true, run: |bench| bench.node("keys") },
    Suite { name: "license", about: "reading a license file", in_turn: true, run: |bench| bench.rust("license") },
    Suite { name: "argon2", about: "the first use of a key, from each language", in_turn: true, run: Bench::argon2 },
    Suite { name: "million", about: "a million keys", in_turn: false, run: Bench::million },
    Suite {
        name: "instructions",
        about: "instructions of the warm path, counted by callgrind",
        in_turn: false,
        run: |_| Ok(instructions::lines(&instructions::count()?)),
    },
];

/// What has been built so far, and how suites are run.
pub(super) struct Bench {
    /// The core of the machine that everything runs on.
    pub core: String,
    pub quick: bool,
    /// What could not be measured here, and why.
    pub left_out: Vec<String>,
    rust: Option<PathBuf>,
    c: Option<PathBuf>,
    python: Option<PathBuf>,
    node: Option<PathBuf>,
    /// Argon2 in C, by the variable that names it to its suite.
    libraries: Option<Vec<(&'static str, PathBuf)>>,
}

impl Bench {
    pub(super) fn new(quick: bool) -> Outcome<Self> {
        let core = last_core(&fs::read_to_string("/proc/self/status")?).ok_or("there is no core to run on")?;
        let (left_out, libraries) = (Vec::new(), None);
        Ok(Self { core, quick, left_out, rust: None, c: None, python: None, node: None, libraries })
    }

    /// Runs a suite, building first what is not built yet, and returns what it wrote.
    pub(super) fn run(&mut self, suite: &Suite) -> Outcome<String> {
        (suite.run)(self)
    }

    /// Builds what a suite needs, so that nothing is built between two measurements.
    pub(super) fn prepare(&mut self, suite: &Suite) -> Outcome {
        match suite.name {
            "rust" | "license" => self.rust_program().map(drop),
            "c" => self.c_program().map(drop),
            "python" => self.python_environment().map(drop),
            "node" => self.node_folder().map(drop),
            "argon2" => {
                self.rust_program()?;
                self.python_environment()?;
                self.node_folder()?;
                self.argon2_libraries().map(drop)
            }
            _ => Ok(()),
        }
    }

    /// A program, on the one core, with the files that are read.
    fn pinned(&mut self, program: &Path) -> Outcome<Command> {
        let files = self.files()?;
        let mut command = run::command("taskset");
        command.args(["--cpu-list", &self.core]).arg(program);
        command.env("PEER_FILE", files.join("small.lic")).env("PEER_PUBLIC_KEY", files.join("vendor.pub"));
        Ok(command)
    }

    /// Rounds of one pass: many of what takes nanoseconds, some of what takes milliseconds.
    fn rounds(&self, many: bool) -> &'static str {
        match (self.quick, many) {
            (true, true) => "11",
            (true, false) => "3",
            (false, true) => "101",
            (false, false) => "9",
        }
    }

    fn rust(&mut self, name: &str) -> Outcome<String> {
        let program = self.rust_program()?;
        let rounds = self.rounds(true);
        run::output(self.pinned(&program)?.args([name, rounds]))
    }

    fn c(&mut self) -> Outcome<String> {
        let program = self.c_program()?;
        let rounds = self.rounds(true);
        run::output(self.pinned(&program)?.arg(rounds))
    }

    fn python(&mut self, name: &str) -> Outcome<String> {
        let python = self.python_environment()?;
        let rounds = self.rounds(name == "keys");
        let script = project::root().join(PEERS).join("python/suite.py");
        run::output(self.pinned(&python)?.arg(script).args([name, rounds]))
    }

    fn node(&mut self, name: &str) -> Outcome<String> {
        let folder = self.node_folder()?;
        let rounds = self.rounds(name == "keys");
        let mut node = self.pinned(Path::new("node"))?;
        run::output(node.arg("suite.mjs").args([name, rounds]).current_dir(folder))
    }

    fn argon2(&mut self) -> Outcome<String> {
        let (program, libraries) = (self.rust_program()?, self.argon2_libraries()?);
        let rounds = self.rounds(false);
        let mut rust = self.pinned(&program)?;
        let wrote = run::output(rust.args(["argon2", rounds]).envs(libraries))?;
        Ok(wrote + &self.python("argon2")? + &self.node("argon2")?)
    }

    fn million(&mut self) -> Outcome<String> {
        let mut build = run::cargo();
        run::output(build.args(["build", "--quiet", "--release", "--locked", "--package", "inspire-auth-bench"]))?;
        // Not pinned: it measures two threads, too.
        let mut million = run::command(project::target().join("release/inspire-auth-bench"));
        million.arg("million").args(self.quick.then_some("quick"));
        let output = run::captured(&mut million)?;
        match output.status.code() {
            Some(0) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            // It does not know the word.
            Some(2) => {
                say("LEFT OUT: a million keys: inspire-auth-bench has no `million`");
                self.left_out.push("a million keys".to_owned());
                Ok(String::new())
            }
            _ => Err(run::both(&output).into()),
        }
    }

    fn rust_program(&mut self) -> Outcome<PathBuf> {
        if let Some(program) = &self.rust {
            return Ok(program.clone());
        }
        need::all(&[Tool::C])?;
        say("building the peers in Rust (some minutes the first time)");
        let target = project::work("peers");
        let manifest = project::root().join(PEERS).join("rust/Cargo.toml");
        let mut build = run::cargo();
        build.args(["build", "--quiet", "--release", "--locked", "--manifest-path"]).arg(manifest);
        run::output(build.env("CARGO_TARGET_DIR", &target))?;
        Ok(self.rust.insert(target.join("release/inspire-auth-peers")).clone())
    }

    /// A license file and its vendor's key, which the suites in all languages read.
    fn files(&mut self) -> Outcome<PathBuf> {
        let folder = project::work("peers-files");
        if !folder.join("vendor.pub").exists() {
            fs::create_dir_all(&folder)?;
            run::output(run::command(self.rust_program()?).arg("files").arg(&folder))?;
        }
        Ok(folder)
    }

    fn c_program(&mut self) -> Outcome<PathBuf> {
        if let Some(program) = &self.c {
            return Ok(program.clone());
        }
        need::all(&[Tool::C, Tool::PkgConfig, Tool::Peers])?;
        say("building the library in release (a minute or two the first time)");
        let prefix = install::staged()?;
        let library = prefix.join("lib");
        let program = project::fresh("peers-c")?.join("suite");
        let mut compile = run::command("gcc");
        compile.args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&program);
        compile.arg(project::root().join(PEERS).join("c/suite.c"));
        compile.arg(format!("-I{}", prefix.join("include").display())).arg(format!("-L{}", library.display()));
        compile.arg(format!("-Wl,-rpath,{}", library.display())).args(["-linspire_auth", "-lsodium", "-ljwt"]);
        run::output(&mut compile)?;
        Ok(self.c.insert(program).clone())
    }

    fn python_environment(&mut self) -> Outcome<PathBuf> {
        if let Some(python) = &self.python {
            return Ok(python.clone());
        }
        say("building the Python wheel in release (some minutes the first time)");
        let wheel = python::wheel()?;
        let python =
            python::environment_with("venv-bench", &project::root().join(PEERS).join("python/requirements.txt"))?;
        project::unless_built(&project::work("venv-bench").join("installed"), std::slice::from_ref(&wheel), || {
            let mut install = python::pip(&python);
            run::output(install.args(["install", "--quiet", "--force-reinstall", "--no-deps"]).arg(&wheel)).map(drop)
        })?;
        Ok(self.python.insert(python).clone())
    }

    /// A folder with the suite, what its lock file names, and our package as it is built.
    fn node_folder(&mut self) -> Outcome<PathBuf> {
        if let Some(folder) = &self.node {
            return Ok(folder.clone());
        }
        say("building the Node addon in release (some minutes the first time)");
        let ours = node::built()?;
        let folder = project::work("peers-node");
        fs::create_dir_all(&folder)?;
        for name in ["package.json", "package-lock.json", ".npmrc", "suite.mjs"] {
            let (from, to) = (project::root().join(PEERS).join("node").join(name), folder.join(name));
            let wanted = fs::read(&from).map_err(|error| format!("{}: {error}", from.display()))?;
            if !fs::read(&to).is_ok_and(|there| there == wanted) {
                fs::write(to, wanted)?;
            }
        }
        node::install(&folder)?;
        let link = folder.join("node_modules/inspire-auth");
        if fs::read_link(&link).is_ok() {
            fs::remove_file(&link)?;
        }
        std::os::unix::fs::symlink(ours, link)?;
        Ok(self.node.insert(folder).clone())
    }

    /// Debian's libraries by their names, and the reference implementation, which npm's `argon2` brings as source, built for
    /// what this processor has.
    fn argon2_libraries(&mut self) -> Outcome<Vec<(&'static str, PathBuf)>> {
        if let Some(libraries) = &self.libraries {
            return Ok(libraries.clone());
        }
        need::all(&[Tool::C, Tool::PkgConfig, Tool::Peers])?;
        let source = self.node_folder()?.join("node_modules/argon2/argon2");
        let mut libraries: Vec<(&str, PathBuf)> =
            vec![("PEER_LIBARGON2", "libargon2.so.1".into()), ("PEER_LIBSODIUM", "libsodium.so.23".into())];
        let folder = project::fresh("peers-argon2")?;
        let cpu = fs::read_to_string("/proc/cpuinfo")?;
        for (variable, feature, level) in
            [("PEER_REFERENCE_AVX2", "avx2", "x86-64-v3"), ("PEER_REFERENCE_AVX512", "avx512vl", "x86-64-v4")]
        {
            if !cpu.split_whitespace().any(|flag| flag == feature) {
                let why = format!("the reference implementation in C for {feature}: this processor has none");
                say(&format!("LEFT OUT: {why}"));
                self.left_out.push(why);
                continue;
            }
            let library = folder.join(format!("libargon2-{feature}.so"));
            let mut compile = run::command("gcc");
            // Its own symbols, whatever else is loaded.
            compile.args(["-O3", "-fPIC", "-shared", "-pthread", "-Wl,-Bsymbolic", &format!("-march={level}"), "-o"]);
            compile.arg(&library).arg(format!("-I{}", source.join("include").display()));
            let files = ["argon2.c", "core.c", "encoding.c", "thread.c", "opt.c", "blake2/blake2b.c"];
            run::output(compile.args(files.map(|file| source.join("src").join(file))))?;
            libraries.push((variable, library));
        }
        Ok(self.libraries.insert(libraries).clone())
    }
}

/// The last of the cores that we may run on, from a line `Cpus_allowed_list: 0-3,8`: interrupts gather on the first.
fn last_core(status: &str) -> Option<String> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let last = list.trim().rsplit([',', '-']).next()?;
    last.parse::<u32>().ok().map(|core| core.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_core_is_taken() {
        let of = |list: &str| last_core(&format!("Threads:\t1\nCpus_allowed_list:\t{list}\nMems_allowed:\t1\n"));
        assert_eq!([of("0-3"), of("0"), of("0-1,8-11"), of("2,5")].map(Option::unwrap), ["3", "0", "11", "5"]);
        assert_eq!(last_core("Threads:\t1\n"), None);
    }
}
