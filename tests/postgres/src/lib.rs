//! A private PostgreSQL server: Debian's, run as an unprivileged user, on a Unix socket and a loopback port of its own, in a
//! folder that goes with it; and what stands before one: a proxy that fails on demand, and a pooler.

mod pooler;
mod proxy;

use std::{
    env, fs, io,
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

pub use pooler::Pooler;
pub use proxy::{Lost, Proxy};

/// Names a server that is there already (its URL): tests that only need some server use it.
pub const GIVEN: &str = "INSPIRE_AUTH_TEST_POSTGRES";

/// A server that is running, or was.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    programs: PathBuf,
    user: User,
    port: u16,
    process: Option<Child>,
}

#[derive(Debug, Clone)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
}

/// A number that no other server of this process has.
static NEXT: AtomicU32 = AtomicU32::new(0);

impl Server {
    /// Makes a cluster of databases and starts its server.
    ///
    /// # Errors
    /// When PostgreSQL is not there, or does not start: with what it said.
    pub fn start() -> io::Result<Self> {
        let mut server = Self::prepare()?;
        let data = server.data();
        let data = data.to_string_lossy();
        let made = server
            .run("initdb", &["-D", &data, "-U", "admin", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-N"])
            .output()?;
        if !made.status.success() {
            return Err(io::Error::other(format!("initdb: {}", String::from_utf8_lossy(&made.stderr))));
        }
        server.resume()?;
        Ok(server)
    }

    /// A server on a copy of this one's files, as they are when it is stopped: an older replica, once this one goes on.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn copy(&mut self) -> io::Result<Self> {
        self.stop()?;
        let mut copy = Self::prepare()?;
        let copied = Command::new("cp").arg("-a").arg(self.data()).arg(copy.data()).status()?;
        if !copied.success() {
            return Err(io::Error::other("the files could not be copied"));
        }
        self.resume()?;
        copy.resume()?;
        Ok(copy)
    }

    fn prepare() -> io::Result<Self> {
        let programs = programs().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "no PostgreSQL server: install Debian's postgresql-15")
        })?;
        let user = unprivileged()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Short: a Unix socket's path has at most 107 bytes.
        let folder = env::temp_dir().join(format!("inspire-pg-{}-{number}", std::process::id()));
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        std::os::unix::fs::chown(&folder, Some(user.uid), Some(user.gid))?;
        // Free now; who takes it meanwhile is told by the server's failure to start.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Self { folder, programs, user, port, process: None })
    }

    /// Starts it again.
    ///
    /// # Errors
    /// When it does not: with what it said.
    pub fn resume(&mut self) -> io::Result<()> {
        let data = self.data();
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        let socket = format!("unix_socket_directories={}", self.folder.display());
        let port = format!("port={}", self.port);
        let settings =
            ["listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off", "max_connections=200", &socket, &port];
        let mut command = self.run("postgres", &["-D", &data.to_string_lossy()]);
        for setting in settings {
            command.args(["-c", setting]);
        }
        self.process = Some(command.stdout(log.try_clone()?).stderr(log).spawn()?);
        let until = Instant::now().checked_add(Duration::from_secs(60));
        loop {
            let ready = self
                .run("pg_isready", &["-q", "-h", &self.folder.to_string_lossy(), "-p", &self.port.to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()?;
            if ready.success() {
                return Ok(());
            }
            let ended = match &mut self.process {
                Some(process) => process.try_wait()?.is_some(),
                None => true,
            };
            if ended || until.is_none_or(|until| Instant::now() > until) {
                let said = fs::read_to_string(self.log()).unwrap_or_default();
                return Err(io::Error::other(format!("the server does not start: {said}")));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Has it speak TLS with a certificate and its key (PEM), from its next start on.
    ///
    /// # Errors
    /// When the files can't be written.
    pub fn use_tls(&mut self, certificate: &[u8], key: &[u8]) -> io::Result<()> {
        for (name, bytes) in [("server.crt", certificate), ("server.key", key)] {
            let path = self.data().join(name);
            fs::write(&path, bytes)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            std::os::unix::fs::chown(&path, Some(self.user.uid), Some(self.user.gid))?;
        }
        let settings = self.data().join("postgresql.auto.conf");
        let present = fs::read_to_string(&settings)?;
        fs::write(settings, format!("{present}\nssl = on\n"))
    }

    /// Has everybody who comes over the loopback interface show a password, from its next start on.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn ask_for_passwords(&mut self) -> io::Result<()> {
        let rules = self.data().join("pg_hba.conf");
        let present = fs::read_to_string(&rules)?;
        fs::write(rules, format!("host all all 127.0.0.1/32 scram-sha-256\n{present}"))
    }

    /// Ends all sessions and stops it in order.
    ///
    /// # Errors
    /// When it can't be told to.
    pub fn stop(&mut self) -> io::Result<()> {
        self.signal("INT")?;
        if let Some(mut process) = self.process.take() {
            process.wait()?;
        }
        Ok(())
    }

    /// Stops it at once, as a crash does.
    ///
    /// # Errors
    /// When it can't be told to.
    pub fn crash(&mut self) -> io::Result<()> {
        self.signal("QUIT")?;
        if let Some(mut process) = self.process.take() {
            process.wait()?;
        }
        Ok(())
    }

    /// Sends a signal to the server's first process.
    ///
    /// # Errors
    /// When it can't be sent.
    pub fn signal(&self, name: &str) -> io::Result<()> {
        match &self.process {
            Some(process) => signal(process.id(), name),
            None => Ok(()),
        }
    }

    /// The number of the server's first process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// The URL of its database over the Unix socket, for its owner.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgresql://admin@{}:{}/postgres", encoded(&self.folder), self.port)
    }

    /// The same over the loopback interface, in the clear.
    #[must_use]
    pub fn tcp_url(&self) -> String {
        format!("postgresql://admin@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    /// Where it listens on the loopback interface.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the databases.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What it wrote.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// One of PostgreSQL's own programs.
    fn run(&self, program: &str, arguments: &[&str]) -> Command {
        self.command(&self.programs.join(program), arguments)
    }

    /// A program that runs as the server does.
    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        // With whoever started it, however that ends.
        command.args(["--pdeathsig", "QUIT"]);
        if is_root() {
            let (uid, gid) = (self.user.uid.to_string(), self.user.gid.to_string());
            command.args(["--reuid", &uid, "--regid", &gid, "--clear-groups"]);
        }
        command.arg("--").arg(program).args(arguments);
        command.current_dir(&self.folder).stdin(Stdio::null()).env("LC_ALL", "C");
        command
    }

    /// The name of the user that it runs as.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user.name
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.signal("CONT");
        let _ = self.crash();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Runs statements at a server, by PostgreSQL's own client, and returns what it prints: one row a line, without headings.
///
/// # Errors
/// When one fails: with what the client said.
pub fn psql(url: &str, sql: &str) -> io::Result<String> {
    let client = programs().map_or_else(|| PathBuf::from("psql"), |programs| programs.join("psql"));
    let done = Command::new(client).args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, url]).output()?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).trim_end().to_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(io::Error::other(format!("psql ended with {:?}/{:?}: {said}", done.status.code(), done.status.signal())))
}

/// Sends a signal to a process.
///
/// # Errors
/// When it can't be sent.
pub fn signal(process: u32, name: &str) -> io::Result<()> {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).stderr(Stdio::null()).status()?;
    if sent.success() { Ok(()) } else { Err(io::Error::other("there is no such process")) }
}

/// A path as the host of a URL.
fn encoded(path: &Path) -> String {
    path.to_string_lossy().replace('/', "%2F")
}

/// Whether a server's programs and a pooler are on this machine.
#[must_use]
pub fn is_installed() -> bool {
    programs().is_some() && Path::new("/usr/sbin/pgbouncer").exists()
}

/// Where the newest server's programs are.
fn programs() -> Option<PathBuf> {
    let installed = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let newest = installed
        .filter(|folder| folder.path().join("bin/initdb").exists())
        .max_by_key(|folder| folder.file_name().to_string_lossy().parse::<u32>().unwrap_or(0))?;
    Some(newest.path().join("bin"))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Whom a server runs as: it refuses to run as root.
fn unprivileged() -> io::Result<User> {
    let own = fs::metadata("/proc/self")?;
    let (uid, gid) = (std::os::unix::fs::MetadataExt::uid(&own), std::os::unix::fs::MetadataExt::gid(&own));
    let users = fs::read_to_string("/etc/passwd")?;
    let find = |wanted: &dyn Fn(&str, u32) -> bool| {
        users.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            let (&[name, _, uid, gid], _) = fields.split_first_chunk::<4>()?;
            let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
            wanted(name, uid).then(|| User { name: name.to_owned(), uid, gid })
        })
    };
    if uid != 0 {
        return Ok(find(&|_, other| other == uid).unwrap_or(User { name: uid.to_string(), uid, gid }));
    }
    find(&|name, _| name == "postgres")
        .or_else(|| find(&|name, _| name == "nobody"))
        .ok_or_else(|| io::Error::other("no unprivileged user to run the server as"))
}
