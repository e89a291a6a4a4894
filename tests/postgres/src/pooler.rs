//! A pooler before a server: PgBouncer, which gives a connection to somebody else after each transaction.

use std::{
    fs, io,
    net::TcpListener,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{Server, psql, signal};

/// A pooler that is running. It goes before its server does.
#[derive(Debug)]
pub struct Pooler {
    process: Child,
    port: u16,
}

impl Pooler {
    /// Starts one that has so many connections to the server for everybody.
    ///
    /// # Errors
    /// When PgBouncer is not there, or does not start.
    pub fn start(server: &Server, connections: u32) -> io::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let settings = server.folder.join("pooler.ini");
        fs::write(
            &settings,
            format!(
                "[databases]\npostgres = host={} port={} user=admin\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
                 pool_mode = transaction\ndefault_pool_size = {connections}\n",
                server.folder.display(),
                server.port
            ),
        )?;
        let mut command = server.command("/usr/sbin/pgbouncer".as_ref(), &[&settings.to_string_lossy()]);
        let process =
            command.stdout(Stdio::null()).stderr(fs::File::create(server.folder.join("pooler.log"))?).spawn()?;
        let mut pooler = Self { process, port };
        let until = Instant::now().checked_add(Duration::from_secs(60));
        while let Err(error) = psql(&pooler.url(), "SELECT 1") {
            if pooler.process.try_wait()?.is_some() || until.is_none_or(|until| Instant::now() > until) {
                let said = fs::read_to_string(server.folder.join("pooler.log")).unwrap_or_default();
                return Err(io::Error::other(format!("the pooler does not start: {error} {said}")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(pooler)
    }

    /// The URL of the server's database, through it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgresql://admin@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = signal(self.process.id(), "QUIT");
        let _ = self.process.wait();
    }
}
