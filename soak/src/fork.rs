//! The fork matrix: 200 forks of every kind, in C, in Rust, in Python and under its servers.
//!
//! Each part is a program that takes `--list` and `FORKS CELL`, so that all are counted alike, cell by cell, a few forks
//! at a time. What a cell is, and what each fork must show, is said where it is done: `tests/c/fork_matrix.c`, [`matrix`],
//! `bindings/python/tests/test_fork_matrix.py` and `bindings/python/tests/adapters/test_server_forks.py`.

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use inspire_auth_test_postgres::Server;

use crate::{Outcome, Sweep, progress::Run};

pub mod matrix;
mod watch;

/// 200 forks of every kind: nobody hangs, nothing is alike that is random, every revocation is seen.
pub const SWEEP: Sweep =
    Sweep { name: "fork", about: "200 forks of every kind, in C, Rust, Python and its servers", run };

/// Tells every part that this is the sweep: a process that takes no step for ten seconds hangs.
const SWITCH: &str = "INSPIRE_SOAK";
/// Forks in each cell, over all slices.
const GOAL: u64 = 200;
/// Forks in one run of a program: what a slice that is ended loses.
const STRIDE: u64 = 20;

/// One program of the matrix.
struct Part {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    /// Where it runs; `None` is an empty folder of its own.
    folder: Option<PathBuf>,
    /// The PostgreSQL server on which its stores are, if they are not in files.
    server: Option<String>,
}

impl Part {
    fn command(&self, scratch: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(self.folder.as_deref().unwrap_or(scratch));
        // Python's parts put their stores there.
        command.env("TMPDIR", scratch).env(SWITCH, "1").stdin(Stdio::null());
        if let Some(server) = &self.server {
            command.env(matrix::ON_POSTGRES, server);
        }
        command
    }

    fn cells(&self) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
        let scratch = tempfile::tempdir()?;
        let listed = self.command(scratch.path()).arg("--list").stderr(Stdio::inherit()).output()?;
        let cells: Vec<String> = String::from_utf8(listed.stdout)?.lines().map(str::to_owned).collect();
        if listed.status.success() && !cells.is_empty() {
            Ok(cells)
        } else {
            Err(format!("{}: {} does not say its cells: {}", self.name, self.program.display(), listed.status).into())
        }
    }

    /// So many forks in a cell; afterwards every store that was left is sound.
    fn run(&self, cell: &str, forks: u64) -> Outcome {
        let scratch = tempfile::tempdir()?;
        let status = self.command(scratch.path()).args([&forks.to_string(), cell]).stdout(Stdio::null()).status()?;
        if !status.success() {
            return Err(format!("{}/{cell}: {status}, {forks} forks", self.name).into());
        }
        for entry in std::fs::read_dir(scratch.path())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "db") {
                sound(&path)?;
            }
        }
        Ok(())
    }
}

/// Asks SQLite whether a database is whole.
///
/// # Errors
/// When it is not, or can't be read.
pub(crate) fn sound(path: &Path) -> Outcome {
    let database = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let word: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if word == "ok" { Ok(()) } else { Err(format!("{}: {word}", path.display()).into()) }
}

/// What there is to run: always Rust's parts; the others where `cargo xtask soak` says that they are.
fn parts(server: &Server) -> Result<Vec<Part>, Box<dyn Error + Send + Sync>> {
    let rust = |name, server| -> Result<Part, Box<dyn Error + Send + Sync>> {
        let (program, arguments) = (env::current_exe()?, vec!["--as=fork".to_owned()]);
        Ok(Part { name, program, arguments, folder: None, server })
    };
    let mut parts = vec![rust("rust", None)?, rust("rust on PostgreSQL", Some(server.url()))?];
    let named = |variable: &str| env::var_os(variable).map(PathBuf::from);
    match named("INSPIRE_SOAK_C_FORK") {
        Some(program) => parts.push(Part { name: "c", program, arguments: Vec::new(), folder: None, server: None }),
        None => println!("fork: without C (INSPIRE_SOAK_C_FORK names no program)"),
    }
    match named("INSPIRE_SOAK_PYTHON").zip(named("INSPIRE_SOAK_ROOT")) {
        Some((python, root)) => {
            let folder = root.join("bindings/python/tests");
            for (name, module) in [("python", "test_fork_matrix"), ("server", "adapters.test_server_forks")] {
                parts.push(Part {
                    name,
                    program: python.clone(),
                    arguments: vec!["-m".to_owned(), module.to_owned()],
                    folder: Some(folder.clone()),
                    server: None,
                });
            }
        }
        None => println!("fork: without Python (INSPIRE_SOAK_PYTHON and INSPIRE_SOAK_ROOT name no interpreter)"),
    }
    Ok(parts)
}

fn run(run: &mut Run) -> Outcome {
    let server = Server::start()?;
    let parts = parts(&server)?;
    let mut cells = Vec::new();
    for part in &parts {
        for cell in part.cells()? {
            let figure = format!("{}/{cell}", part.name);
            run.goal(&figure, GOAL);
            cells.push((part, cell, figure));
        }
    }
    for (part, cell, figure) in cells {
        while run.goes_on() && run.count(&figure) < GOAL {
            let forks = STRIDE.min(GOAL - run.count(&figure));
            part.run(&cell, forks)?;
            run.add(&figure, forks);
        }
    }
    Ok(())
}
