//! `issuer serve`.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use clap::Args;
use inspire_auth_issuer::{Entry, Log, Options, Running, Server, Step, Store, Tls};
use jiff::Timestamp;
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::signing_key;
use crate::{
    context::Context,
    failure::{Failure, Result},
    report::Report,
};

/// `issuer serve`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth issuer serve --db licenses.db --key keys/acme-2026.key
  inspire-auth issuer serve --db licenses.db --key keys/acme-2026.key --listen 0.0.0.0:443 \\
      --tls-cert cert.pem --tls-key key.pem
  inspire-auth issuer serve --db licenses.db --key keys/acme-2026.key --fail 'delay=2s,status=503,times=3'

This server speaks Keygen's API. It is for development, tests and small vendors: one process, one file, no
accounts, no web pages. Vendors with many customers run Keygen itself; their products can't tell the difference.
Make licenses with `inspire-auth issuer license create`, also while it runs. It ends with Ctrl-C or SIGTERM.

Without --tls-cert it speaks plain HTTP, which products accept from their own machine only.

--fail spoils answers on purpose, for tests. Words with commas between them:
  delay=2s  status=503  retry-after=5  redirect=URL  drop (nothing is done)  lose (it is done, no answer)
  truncate  signature=bad  signature=none  body=changed  date=-600 (seconds)
  times=3 or times=always (default 1)  path=TEXT (only requests whose path holds it)")]
pub(crate) struct Serve {
    /// The file with the licenses; made if it is not there
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    /// The signing key, as `issuer keygen` writes it
    #[arg(long, value_name = "PATH")]
    key: PathBuf,
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The account that paths must name if they name one (/v1/accounts/ACCOUNT/...)
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// The TLS certificate, PEM, with those between it and the root
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the TLS certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Spoil answers on purpose (see below); may be repeated
    #[arg(long, value_name = "WORDS")]
    fail: Vec<String>,
}

pub(super) fn run(context: &Context, arguments: &Serve) -> Result<Report> {
    let key = signing_key(&arguments.key)?;
    let public = key.public().to_hex();
    let store =
        Store::open(&arguments.db).map_err(|error| Failure::from(error).about(arguments.db.display().to_string()))?;
    let mut options = Options::new(store, key);
    options.listen = arguments.listen;
    options.account.clone_from(&arguments.account);
    options.tls = arguments.tls_cert.clone().zip(arguments.tls_key.clone()).map(|(cert, key)| Tls { cert, key });
    for words in &arguments.fail {
        options.script.push(words.parse::<Step>().map_err(|error| Failure::from(error).about("--fail"))?);
    }
    options.log = (!context.globals.quiet && !context.globals.json).then(log);
    // Before it is said that the server is there: whoever reads that may stop it at once.
    let stop = signals(context)?;
    let server =
        Server::start(options).map_err(|error| Failure::from(error).about(format!("--listen {}", arguments.listen)))?;
    announce(context, &server, &public)?;
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(100));
    }
    server.stop();
    context.note("Stopped.");
    Ok(Report::nothing())
}

/// Said at once: the command's own end may be days away.
fn announce(context: &Context, server: &Running, public: &str) -> Result<()> {
    if context.globals.json {
        let document = json!({"url": server.url(), "public_key": public});
        let mut output = io::stdout().lock();
        let written = writeln!(output, "{document}").and_then(|()| output.flush());
        return written.map_err(|error| Failure::io("standard output", error));
    }
    context.note(&format!("Listening on {}", server.url()));
    context.note(&format!("Products that trust {public} believe it. For development, tests and small vendors."));
    Ok(())
}

/// What becomes true when the process is asked to end.
fn signals(context: &Context) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(|error| Failure::io("signals", error))?;
    }
    context.ends_at_once.store(false, Ordering::Relaxed);
    Ok(stop)
}

/// A line a request, on standard error.
fn log() -> Log {
    Arc::new(|entry: &Entry| {
        let status = entry.status.map_or_else(|| "---".to_owned(), |status| status.as_u16().to_string());
        let failures = if entry.failures.is_empty() { String::new() } else { format!("  [{}]", entry.failures) };
        let (at, took) = (Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"), entry.took.as_millis());
        let code = entry.code.unwrap_or_default();
        let line = format!("{at}  {status}  {} {}  {took} ms  {code}{failures}", entry.method, entry.route);
        let _ = writeln!(io::stderr().lock(), "{}", line.trim_end());
    })
}
