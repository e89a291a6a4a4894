//! `serve`: the checker that gateways ask over HTTP.

use std::{
    fs,
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

use clap::{Args, ValueEnum};
use inspire_auth_checker::{Arrival, ERROR, Gateway, Guard, IDENTITY, Listen, Options, Running, STATUS, start};
use inspire_auth_core::keys::Requirement;
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::routes;
use crate::{
    context::{Context, Opening},
    failure::{Failure, Result},
    report::Report,
};

/// `serve`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth serve --gateway nginx --routes routes.json --secure --listen unix:/run/inspire-auth/checker.sock
  inspire-auth serve --gateway caddy --require Authenticated/Ops/Read --forwarded-proto
  inspire-auth serve --gateway envoy --routes routes.json --secure --metrics 127.0.0.1:9181

A gateway asks it about each request, and goes by the status: 200 is a grant, with X-Inspire-Key and X-Inspire-Key-Id;
anything else is none. The gateway has to take these headers off what clients send, and send the credential's headers as they
came. With --routes it also has to say what was asked for: nginx and HAProxy in X-Original-Method and X-Original-URI, Caddy and
Traefik in X-Forwarded-Method and X-Forwarded-Uri, Envoy by the question itself. docs/gateways.md has a tested configuration of
each.

It ends with Ctrl-C or SIGTERM, after the questions that are there.")]
pub(crate) struct Serve {
    /// The kind of gateway that asks
    #[arg(long, value_name = "KIND")]
    gateway: Kind,
    /// What each route requires, as JSON (see `routes check --help`)
    #[arg(long, value_name = "FILE", conflicts_with = "require", required_unless_present = "require")]
    routes: Option<PathBuf>,
    /// The levels that every request requires, such as Authenticated/Ops or any(A/B, C)
    #[arg(long, value_name = "LEVELS")]
    require: Option<String>,
    /// An entitlement that the license must hold as well
    #[arg(long, value_name = "CODE", conflicts_with = "routes")]
    entitlement: Option<String>,
    /// Where to listen: unix:PATH, or a loopback address; port 0 is any that is free
    #[arg(long, value_name = "WHERE", default_value = "127.0.0.1:9180")]
    listen: String,
    /// The permissions of the Unix socket, octal
    #[arg(long, value_name = "MODE", default_value = "660")]
    socket_mode: String,
    /// The gateway takes TLS connections only
    #[arg(long, conflicts_with = "forwarded_proto")]
    secure: bool,
    /// Go by X-Forwarded-Proto, which the gateway sets on every request
    #[arg(long)]
    forwarded_proto: bool,
    /// Memory for keys that are seen for the first time, in MiB; past it the answer is BUSY
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65536))]
    hash_memory: u32,
    /// Name the key's levels, in X-Inspire-Levels
    #[arg(long)]
    levels: bool,
    /// Serve /metrics there
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
}

/// The gateways.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// auth_request
    Nginx,
    /// ext_authz over HTTP
    Envoy,
    /// forward_auth
    Caddy,
    /// ForwardAuth
    Traefik,
    /// A Lua action
    Haproxy,
}

impl From<Kind> for Gateway {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Nginx => Self::Nginx,
            Kind::Envoy => Self::Envoy,
            Kind::Caddy => Self::Caddy,
            Kind::Traefik => Self::Traefik,
            Kind::Haproxy => Self::Haproxy,
        }
    }
}

pub(crate) fn run(context: &Context, arguments: &Serve) -> Result<Report> {
    let guard = guard(arguments)?;
    let listen = listen(&arguments.listen, &arguments.socket_mode)?;
    let hash_memory = u64::from(arguments.hash_memory) << 20;
    let auth = context.open_with(Opening::Existing, |options| options.max_hash_memory = hash_memory)?;
    let arrival = match (arguments.secure, arguments.forwarded_proto) {
        (true, _) => Arrival::Secure,
        (_, true) => Arrival::Forwarded,
        _ => Arrival::Plain,
    };
    let ours = IDENTITY.into_iter().chain([ERROR, STATUS]);
    let strip: Vec<String> = ours.chain(auth.credential_headers()).map(str::to_owned).collect();
    let options = Options {
        auth,
        guard,
        gateway: arguments.gateway.into(),
        arrival,
        listen,
        metrics: arguments.metrics,
        levels: arguments.levels,
    };
    // Before it is said that the checker is there: whoever reads that may stop it at once.
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(|error| Failure::io("signals", error))?;
    }
    context.ends_at_once.store(false, Ordering::Relaxed);
    let running = start(options).map_err(|error| Failure::io(format!("--listen {}", arguments.listen), error))?;
    announce(context, &running, &strip)?;
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(100));
    }
    running.stop();
    context.note("Stopped.");
    Ok(Report::nothing())
}

/// Said at once: the command's own end may be months away.
fn announce(context: &Context, running: &Running, strip: &[String]) -> Result<()> {
    let metrics = running.metrics().map(|at| format!("http://{at}/metrics"));
    if context.globals.json {
        let document = json!({"listening": running.at(), "metrics": metrics, "strip": strip});
        let mut output = io::stdout().lock();
        let written = writeln!(output, "{document}").and_then(|()| output.flush());
        return written.map_err(|error| Failure::io("standard output", error));
    }
    context.note(&format!("Listening at {}", running.at()));
    if let Some(metrics) = metrics {
        context.note(&format!("Metrics at {metrics}"));
    }
    context.note(&format!(
        "The gateway takes these off what clients send, before it passes a request on: {}",
        strip.join(", ")
    ));
    Ok(())
}

fn guard(arguments: &Serve) -> Result<Guard> {
    match (&arguments.routes, &arguments.require) {
        (Some(file), _) => Ok(Guard::Routes(routes::read(file)?)),
        (None, Some(levels)) => {
            let requirement = levels.parse().and_then(|spec| Requirement::compile(&spec));
            let requirement = requirement.map_err(|error| Failure::from(error).about("--require"))?;
            Ok(Guard::All { requirement, entitlement: arguments.entitlement.clone() })
        }
        (None, None) => Err(Failure::usage("nothing says what is required").advise("give --routes or --require")),
    }
}

fn listen(text: &str, mode: &str) -> Result<Listen> {
    if let Some(path) = text.strip_prefix("unix:") {
        let mode = u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o777);
        let mode = mode.ok_or_else(|| Failure::usage("--socket-mode is octal, such as 660"))?;
        let path = PathBuf::from(path);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder
            && let Err(error) = fs::metadata(folder)
        {
            return Err(Failure::io(folder.display().to_string(), error));
        }
        return Ok(Listen::Unix(path, mode));
    }
    let address: SocketAddr =
        text.parse().map_err(|_| Failure::usage("--listen is unix:PATH or an address such as 127.0.0.1:9180"))?;
    if !address.ip().is_loopback() {
        let why = "--listen is a loopback address or unix:PATH: whoever reaches the checker may try secrets";
        return Err(Failure::usage(why));
    }
    Ok(Listen::Loopback(address))
}
