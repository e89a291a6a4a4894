//! The matrix in Rust: what other threads and processes do while this one forks, and what every fork must show.
//!
//! Each child checks what it knew and what it did not, creates a key, is refused what its parent revoked after the fork,
//! and revokes a key that its parent is then refused. Nothing random is alike, nobody hangs, and every child ends well:
//! with or without dropping the handle, with or without exit handlers.
//!
//! On a store in a file, the other side's next check obeys a change; on one in a PostgreSQL database, soon.

use std::{
    collections::HashSet,
    error::Error,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use inspire_auth_core::{
    Code, HashParameters, Id, InspireAuth, Options, StoreLocation,
    keys::{
        Attempt, Caller, Channel, Import, ImportFormat, ListFilter, NewKey, Presented, Request, Requirement, Ticket,
    },
    store::{PostgresOptions, PostgresStore, Strength},
};

use super::{sound, watch::Watch};
use crate::Outcome;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What other threads do meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Busy {
    Nothing,
    Checking,
    Revoking,
    /// Each check is an Argon2: a chosen secret is never remembered.
    Hashing,
    /// Handles on the same file come and go.
    Opening,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    name: &'static str,
    busy: Busy,
    /// A second thread forks.
    from_a_thread: bool,
    /// The child forks, and its child does the work.
    grandchild: bool,
    /// The store is opened after the fork, on both sides.
    lazy: bool,
    /// A second process changes keys all the time, so that each check has a change to follow.
    writer: bool,
}

const PLAIN: Cell =
    Cell { name: "plain", busy: Busy::Nothing, from_a_thread: false, grandchild: false, lazy: false, writer: false };

const CELLS: &[Cell] = &[
    PLAIN,
    Cell { name: "thread", busy: Busy::Checking, from_a_thread: true, ..PLAIN },
    Cell { name: "revoke", busy: Busy::Revoking, ..PLAIN },
    Cell { name: "argon2", busy: Busy::Hashing, ..PLAIN },
    Cell { name: "reload", busy: Busy::Checking, writer: true, ..PLAIN },
    Cell { name: "open", busy: Busy::Opening, ..PLAIN },
    Cell { name: "double", grandchild: true, ..PLAIN },
    Cell { name: "double-revoke", busy: Busy::Revoking, from_a_thread: true, grandchild: true, writer: true, ..PLAIN },
    Cell { name: "lazy", lazy: true, ..PLAIN },
];

/// Names the PostgreSQL server (its URL) on which the stores are, instead of files.
pub(super) const ON_POSTGRES: &str = "INSPIRE_SOAK_FORK_POSTGRES";

/// Where the store of a cell is.
enum Place {
    File(PathBuf),
    Database(String),
}

impl Place {
    fn new(cell: Cell, folder: &Path) -> Result<Self> {
        let Ok(url) = std::env::var(ON_POSTGRES) else {
            return Ok(Self::File(folder.join(format!("fork-{}.db", cell.name))));
        };
        let url = format!("{url}?schema=f{}", Id::random()?.to_string().replace('-', ""));
        PostgresStore::migrate(&PostgresOptions::parse(&url)?, &[])?;
        Ok(Self::Database(url))
    }

    fn open(&self) -> Result<InspireAuth> {
        let mut options = Options::new(match self {
            Self::File(path) => StoreLocation::Path(path.clone()),
            Self::Database(url) => StoreLocation::parse(url),
        });
        options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
        Ok(InspireAuth::open(options)?)
    }

    /// What a change by another process has the next check answer.
    fn expect(&self, auth: &InspireAuth, bearer: &str, expected: Code) -> Outcome {
        // The watch ends what does not come.
        while matches!(self, Self::Database(_)) && expect(auth, bearer, expected).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
        expect(auth, bearer, expected)
    }
}

const BUSY_THREADS: usize = 3;
/// Children at once.
const SIBLINGS: usize = 2;
const CHOSEN: &str = "Bearer chosen:chosen-by-a-person";
/// Of "chosen-by-a-person", slow enough to be in the air when a fork comes.
const CHOSEN_HASH: &str =
    "$argon2id$v=19$m=4096,t=2,p=1$Zm9ya2Zvcmtmb3JrZm9yaw$oumIuATJgd+vZkWGv9Gom7+KmOjNHp+f969jdQZpC4M";

/// The part of the sweep that is played as a program of its own: `--list`, or `FORKS CELL`, in the current folder.
///
/// # Errors
/// What did not hold.
pub fn play(arguments: &[String]) -> Outcome {
    match arguments {
        [list] if list == "--list" => {
            for cell in CELLS {
                println!("{}", cell.name);
            }
            Ok(())
        }
        [forks, cell] => {
            let cell = CELLS.iter().find(|known| known.name == *cell).ok_or("there is no such cell")?;
            run(*cell, forks.parse()?, Path::new("."))
        }
        _ => Err("--list, or FORKS CELL".into()),
    }
}

fn run(cell: Cell, forks: usize, folder: &Path) -> Outcome {
    let place = Place::new(cell, folder)?;
    let auth = place.open()?;
    let warm = create(&auth, "warm")?.0;
    import_chosen(&auth)?;
    expect(&auth, &warm, Code::Ok)?;
    let writer = if cell.writer { Some(begin_writer(&auth)?) } else { None };
    let matrix = Matrix { cell, place, warm, watch: Watch::new(), over: AtomicBool::new(false) };
    matrix.among_others(auth, forks)?;
    if let Some(Child { pid, line }) = writer {
        drop(line);
        ended(pid)?;
    }
    matrix.look_back(forks)?;
    match &matrix.place {
        Place::File(path) => sound(path),
        Place::Database(_) => Ok(()),
    }
}

struct Matrix {
    cell: Cell,
    place: Place,
    /// Known on both sides of every fork.
    warm: String,
    watch: Watch,
    over: AtomicBool,
}

/// What a child is born with.
struct Birth {
    number: usize,
    /// Not yet used; to be revoked by the parent; to be revoked by the child.
    cold: String,
    doomed: String,
    victim: String,
    /// Hashed by the parent while it forks.
    ticket: Option<Ticket>,
}

struct Child {
    pid: libc::pid_t,
    line: UnixStream,
}

impl Matrix {
    /// The rounds, while other threads do what the cell says.
    fn among_others(&self, auth: InspireAuth, forks: usize) -> Outcome {
        let threads = if self.cell.busy == Busy::Nothing { 0 } else { BUSY_THREADS };
        thread::scope(|scope| {
            let busy: Vec<_> = (0..threads)
                .map(|thread| {
                    let auth = auth.clone();
                    scope.spawn(move || self.keep_busy(&auth, thread))
                })
                .collect();
            let done = if self.cell.from_a_thread {
                scope
                    .spawn(|| self.rounds(auth, forks))
                    .join()
                    .unwrap_or_else(|_| Err("the forking thread fell".into()))
            } else {
                self.rounds(auth, forks)
            };
            self.over.store(true, Ordering::Relaxed);
            for thread in busy {
                thread.join().map_err(|_| "a busy thread fell")??;
            }
            done
        })
    }

    fn keep_busy(&self, auth: &InspireAuth, thread: usize) -> Outcome {
        let name = format!("busy{thread}");
        while !self.over.load(Ordering::Relaxed) {
            match self.cell.busy {
                Busy::Nothing => return Ok(()),
                Busy::Checking => {
                    expect(auth, &self.warm, Code::Ok)?;
                    expect(auth, "Bearer nobody:x", Code::InvalidCredential)?;
                }
                Busy::Revoking => {
                    let (bearer, _) = create(auth, &name)?;
                    expect(auth, &bearer, Code::Ok)?;
                    auth.keys().set_enabled(&name, false, None, &Caller::system())?;
                    expect(auth, &bearer, Code::InvalidCredential)?;
                    revoke(auth, &name)?;
                    expect(auth, &bearer, Code::InvalidCredential)?;
                }
                Busy::Hashing => expect(auth, CHOSEN, Code::Ok)?,
                Busy::Opening => expect(&self.place.open()?, &self.warm, Code::Ok)?,
            }
        }
        Ok(())
    }

    fn rounds(&self, mut auth: InspireAuth, forks: usize) -> Outcome {
        let mut random = HashSet::new();
        for first in (0..forks).step_by(SIBLINGS) {
            self.watch.step("prepares");
            let births: Vec<Birth> = (first..forks.min(first + SIBLINGS))
                .map(|number| self.prepare(&auth, number))
                .collect::<Result<_>>()?;
            let mut handle = Some(auth);
            if self.cell.lazy {
                handle = None;
            }
            let mut children: Vec<Child> = Vec::new();
            for birth in &births {
                self.watch.step("forks");
                children.push(self.bear(birth, &mut handle, &children)?);
            }
            auth = handle.map_or_else(|| self.place.open(), Ok)?;
            for (birth, child) in births.iter().zip(&mut children) {
                self.see_through(&auth, birth, child, &mut random)?;
            }
            for (birth, child) in births.iter().zip(children) {
                self.bury(birth.number, child)?;
            }
        }
        // One by the parent and one by the child, a secret and an id each: none is alike.
        if random.len() == 4 * forks { Ok(()) } else { Err(format!("{} different values", random.len()).into()) }
    }

    fn prepare(&self, auth: &InspireAuth, number: usize) -> Result<Birth> {
        let cold = create(auth, &format!("cold-{number}"))?.0;
        let doomed = create(auth, &format!("doomed-{number}"))?.0;
        let victim = create(auth, &format!("victim-{number}"))?.0;
        expect(auth, &doomed, Code::Ok)?;
        expect(auth, &victim, Code::Ok)?;
        let ticket = if self.cell.busy == Busy::Hashing {
            let any = any()?;
            match auth.authenticate_no_wait(&request(CHOSEN, &any)) {
                Attempt::Pending(ticket) => Some(ticket),
                Attempt::Done(_) => return Err("a chosen secret was not hashed".into()),
            }
        } else {
            None
        };
        Ok(Birth { number, cold, doomed, victim, ticket })
    }

    /// Forks; the child does its part and ends.
    fn bear(&self, birth: &Birth, handle: &mut Option<InspireAuth>, siblings: &[Child]) -> Result<Child> {
        let (line, childs) = UnixStream::pair()?;
        let pid = fork()?;
        if pid > 0 {
            self.watch.born(pid);
            return Ok(Child { pid, line });
        }
        if self.cell.grandchild {
            let status = fork().and_then(|pid| if pid > 0 { ended(pid).map(|()| true) } else { Ok(false) });
            match status {
                Ok(true) => leave(false, 0),
                Ok(false) => {}
                Err(error) => fail(&*error),
            }
        }
        drop(line);
        let done = siblings.iter().try_for_each(|sibling| {
            // A sibling's line must not stay open here.
            // SAFETY: this process is a copy, whose end this closes; nothing in it uses the descriptor any more.
            if unsafe { libc::close(std::os::fd::AsRawFd::as_raw_fd(&sibling.line)) } == 0 {
                Ok(())
            } else {
                Err("close")
            }
        });
        let done = done.map_err(Into::into).and_then(|()| self.live(birth, handle, childs));
        if let Err(error) = done {
            fail(&*error);
        }
        if birth.number.is_multiple_of(3) {
            drop(handle.take());
        }
        leave(birth.number % 3 < 2, 0)
    }

    /// What a child does.
    fn live(&self, birth: &Birth, handle: &mut Option<InspireAuth>, mut line: UnixStream) -> Outcome {
        if self.cell.lazy {
            *handle = Some(self.place.open()?);
        }
        let auth = handle.as_ref().ok_or("there is no handle")?;
        expect(auth, &self.warm, Code::Ok)?;
        expect(auth, &birth.doomed, Code::Ok)?;
        expect(auth, &birth.cold, Code::Ok)?;
        expect(auth, CHOSEN, Code::Ok)?;
        expect(auth, "Bearer warm:isk_wrong", Code::InvalidCredential)?;
        expect(auth, "Bearer nobody:isk_wrong", Code::InvalidCredential)?;
        if let Some(ticket) = &birth.ticket
            && !matches!(ticket.wait(None), Some(Err(error)) if error.code() == Code::Cancelled)
        {
            return Err("the parent's ticket is not cancelled in the child".into());
        }
        tell(&mut line, "ready")?;
        hear(&mut line)?;
        self.place.expect(auth, &birth.doomed, Code::InvalidCredential)?;
        revoke(auth, &format!("victim-{}", birth.number))?;
        expect(auth, &birth.victim, Code::InvalidCredential)?;
        let (bearer, id) = create(auth, &format!("made-{}", birth.number))?;
        expect(auth, &bearer, Code::Ok)?;
        tell(&mut line, &format!("{bearer}\n{id}"))?;
        hear(&mut line).map(drop)
    }

    /// The parent's side.
    fn see_through(
        &self,
        auth: &InspireAuth,
        birth: &Birth,
        child: &mut Child,
        random: &mut HashSet<String>,
    ) -> Outcome {
        let number = birth.number;
        // At the very time at which the child makes its own.
        self.watch.step("creates");
        let (own, own_id) = create(auth, &format!("own-{number}"))?;
        revoke(auth, &format!("own-{number}"))?;
        expect(auth, &own, Code::InvalidCredential)?;
        self.watch.step("waits for a child's checks");
        hear(&mut child.line)?;
        self.watch.step("revokes");
        revoke(auth, &format!("doomed-{number}"))?;
        tell(&mut child.line, "revoked")?;
        self.watch.step("waits for a child's changes");
        let news = hear(&mut child.line)?;
        let (made, made_id) = news.split_once('\n').ok_or("a child said nothing")?;
        self.watch.step("checks what a child changed");
        self.place.expect(auth, &birth.victim, Code::InvalidCredential)?;
        self.place.expect(auth, made, Code::Ok)?;
        expect(auth, &self.warm, Code::Ok)?;
        expect(auth, &birth.cold, Code::Ok)?;
        revoke(auth, &format!("cold-{number}"))?;
        if let Some(ticket) = &birth.ticket
            && !matches!(ticket.wait(None), Some(Ok(_)))
        {
            return Err("the parent's own ticket was not granted".into());
        }
        // Of `Bearer NAME:SECRET` the secret: the names differ anyway.
        let secret = |bearer: &str| bearer.rsplit(':').next().unwrap_or_default().to_owned();
        random.extend([secret(&own), own_id, secret(made), made_id.to_owned()]);
        Ok(())
    }

    /// Lets a child end, and waits for it.
    fn bury(&self, number: usize, mut child: Child) -> Outcome {
        self.watch.step("waits for the end of a child");
        tell(&mut child.line, "go")?;
        ended(child.pid).map_err(|error| format!("child {number}: {error}"))?;
        self.watch.died(child.pid);
        Ok(())
    }

    /// What was acknowledged is there and works, for a handle that knows nothing yet; what was revoked is not.
    fn look_back(&self, forks: usize) -> Outcome {
        let auth = self.place.open()?;
        let keys = auth.keys().list(&ListFilter::default())?;
        let made = keys.iter().filter(|key| key.name.starts_with("made-")).count();
        let others: Vec<_> =
            keys.iter().map(|key| key.name.as_str()).filter(|name| !name.starts_with("made-")).collect();
        if made != forks || others.iter().any(|name| !["chosen", "flips", "warm"].contains(name)) {
            return Err(format!("{made} keys of children, besides {others:?}").into());
        }
        expect(&auth, &self.warm, Code::Ok)?;
        expect(&auth, CHOSEN, Code::Ok)
    }
}

/// Changes a key until its line is closed.
fn begin_writer(auth: &InspireAuth) -> Result<Child> {
    let (bearer, _) = create(auth, "flips")?;
    let (line, mut own) = UnixStream::pair()?;
    let pid = fork()?;
    if pid > 0 {
        return Ok(Child { pid, line });
    }
    drop(line);
    let flip = |enabled, code| {
        auth.keys().set_enabled("flips", enabled, None, &Caller::system())?;
        expect(auth, &bearer, code)
    };
    let done = (|| -> Outcome {
        // Others may write, too: SQLite's lock is not fair.
        own.set_read_timeout(Some(Duration::from_millis(2)))?;
        while own.read(&mut [0]).is_err() {
            flip(false, Code::InvalidCredential)?;
            flip(true, Code::Ok)?;
        }
        Ok(())
    })();
    match done {
        Ok(()) => leave(true, 0),
        Err(error) => fail(&*error),
    }
}

/// A new key: what its requests present, and its id.
fn create(auth: &InspireAuth, name: &str) -> Result<(String, String)> {
    let created = auth.keys().create(&NewKey::named(name), &Caller::system())?;
    Ok((format!("Bearer {}", created.credential().as_str()), created.record.id.to_string()))
}

fn import_chosen(auth: &InspireAuth) -> Outcome {
    let import = Import {
        key: NewKey::named("chosen"),
        format: ImportFormat::Phc,
        hash: CHOSEN_HASH.to_owned(),
        strength: Strength::Chosen,
    };
    auth.keys().import(&import, &Caller::system())?;
    Ok(())
}

fn revoke(auth: &InspireAuth, name: &str) -> Outcome {
    Ok(auth.keys().delete(name, None, &Caller::system())?)
}

fn any() -> Result<Requirement> {
    Ok(Requirement::compile(&"Authenticated".parse()?)?)
}

fn request<'a>(bearer: &'a str, any: &'a Requirement) -> Request<'a> {
    let mut request = Request::new(Presented::Authorization(bearer.as_bytes()), any);
    request.channel = Channel::Secure;
    request
}

fn expect(auth: &InspireAuth, bearer: &str, expected: Code) -> Outcome {
    let code = auth.authenticate(&request(bearer, &any()?)).map_or_else(|error| error.code(), |_| Code::Ok);
    if code == expected {
        return Ok(());
    }
    let name = bearer.split(':').next().unwrap_or_default();
    Err(format!("{name}: {code:?} instead of {expected:?}, in process {}", std::process::id()).into())
}

fn tell(line: &mut UnixStream, what: &str) -> Outcome {
    let length = u8::try_from(what.len())?;
    line.write_all(&[length])?;
    Ok(line.write_all(what.as_bytes())?)
}

/// Waits for the other side; the watch sees to it that this ends.
fn hear(line: &mut UnixStream) -> Result<String> {
    let mut length = [0];
    line.read_exact(&mut length).map_err(|_| "the other process ended too soon")?;
    let mut what = vec![0; usize::from(length[0])];
    line.read_exact(&mut what)?;
    Ok(String::from_utf8(what)?)
}

fn fork() -> Result<libc::pid_t> {
    // SAFETY: the C library makes its own locks usable in the child, and what a child does here is what the library
    // promises to work there.
    let pid = unsafe { libc::fork() };
    if pid >= 0 { Ok(pid) } else { Err(std::io::Error::last_os_error().into()) }
}

/// Waits for a child that must have ended well.
fn ended(pid: libc::pid_t) -> Outcome {
    let mut status = 0;
    // SAFETY: `pid` is a child of this process that was not waited for, and `status` is valid for writing.
    if unsafe { libc::waitpid(pid, &raw mut status, 0) } != pid {
        return Err(std::io::Error::last_os_error().into());
    }
    if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 {
        Ok(())
    } else {
        Err(format!("it ended with {status:#x}").into())
    }
}

/// Ends a child: with the exit handlers that it inherited, or without.
fn leave(handlers: bool, status: libc::c_int) -> ! {
    if handlers {
        // SAFETY: no other thread of this child is in `exit`.
        unsafe { libc::exit(status) }
    }
    // SAFETY: ends the child at once.
    unsafe { libc::_exit(status) }
}

#[allow(clippy::print_stderr, reason = "a child that failed has no other way to say why")]
fn fail(error: &dyn Error) -> ! {
    eprintln!("a child: {error}");
    leave(false, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The short form of the matrix. (Under nextest each test is a process of its own; as threads of one, they are each
    /// other's busy threads.)
    #[test]
    fn a_few_forks_in_every_cell() {
        a_few_forks(4);
    }

    /// The same on PostgreSQL, in a process that is told so.
    #[test]
    fn a_few_forks_in_every_cell_on_postgres() {
        if std::env::var_os(ON_POSTGRES).is_some() {
            a_few_forks(2);
            return;
        }
        let server = inspire_auth_test_postgres::Server::start().unwrap();
        let test = "fork::matrix::tests::a_few_forks_in_every_cell_on_postgres";
        let mut this = std::process::Command::new(std::env::current_exe().unwrap());
        assert!(this.args(["--exact", test]).env(ON_POSTGRES, server.url()).status().unwrap().success());
    }

    fn a_few_forks(forks: usize) {
        for cell in CELLS {
            let folder = tempfile::tempdir().unwrap();
            if let Err(error) = run(*cell, forks, folder.path()) {
                panic!("{}: {error}", cell.name);
            }
        }
    }
}
