//! `cargo xtask demo`: the main job, end to end, on a machine that has nothing yet.
//!
//! Everything in it is real: the release build of the library and of the command line, a store on disk, keys made and
//! revoked by the command line while the gateway runs, a license signed for this machine, and requests over sockets.

mod checks;
mod gateway;
mod http;
mod kept;
mod online;
mod platform;
mod site;
mod timings;

use crate::{
    Failure, Outcome, Verb,
    args::Args,
    need::{self, Tool},
    run,
    run::say,
    verbs::install,
};
use gateway::{Gateway, Language};
use site::Site;

pub(crate) const VERB: Verb = Verb {
    name: "demo",
    summary: "run the main job end to end: keys, a license, a gateway and real requests",
    help: "cargo xtask demo [--cpp | --python | --node] [--online] [--serve]\n       cargo xtask demo --platform\n\n  --cpp     the C++ gateway instead of the C one\n  --python  the FastAPI service in its place\n  --node    the Fastify service in its place\n  --online  a licensing server: activation, renewal, outage, suspension, moving to another machine\n  --platform  pages for administrators in a browser, beside a licensing server, until Ctrl-C\n  --serve   afterwards keep the gateway running, and print the curl lines to try\n\nBuilds in release (some minutes the first time), works in a temporary folder, listens on loopback only, and leaves\nnothing behind. Exits with 1 when an answer was not the expected one.",
    run,
};

fn run(arguments: Vec<String>) -> Outcome {
    let mut args = Args::new(arguments);
    let serve = args.flag("--serve");
    let is_online = args.flag("--online");
    let is_platform = args.flag("--platform");
    let others = [("--cpp", Language::Cpp), ("--python", Language::Python), ("--node", Language::Node)];
    let chosen: Vec<Language> = others.iter().filter(|(flag, _)| args.flag(flag)).map(|(_, other)| *other).collect();
    args.end()?;
    if is_platform {
        if serve || is_online || !chosen.is_empty() {
            return Err(Failure::Usage("--platform goes alone.".to_owned()));
        }
        return platform::run();
    }
    let language = match chosen.as_slice() {
        [] => Language::C,
        [one] => *one,
        _ => return Err(Failure::Usage("One gateway at a time.".to_owned())),
    };
    need::all(match language {
        Language::C => &[Tool::C, Tool::PkgConfig, Tool::Binutils, Tool::Microhttpd],
        Language::Cpp => &[Tool::C, Tool::PkgConfig, Tool::Binutils, Tool::Cpp, Tool::CppHttplib],
        Language::Python => &[Tool::C, Tool::PythonVenv],
        Language::Node => &[Tool::C, Tool::Node],
    })?;

    build_cli()?;
    say(&format!("building {}", language.source()));
    let program = gateway::build(language)?;
    // The check alone is timed in the language in which nothing else costs time.
    let warm = if language.is_native() { Some(timings::build(install::staged()?)?) } else { None };

    say("making a store, four keys, a vendor's signing key and two licenses for this machine");
    let site = Site::new()?;
    let mut gateway = Gateway::start(&program, &site)?;
    println!("\n{} on {}, and with a plain channel on {}\n", language.source(), gateway.secure, gateway.plain);

    let wrong = if is_online { online::run(&site, &gateway)? } else { checks::run(&site, &gateway)? };
    println!();
    if !is_online {
        timings::print(&site, &gateway, warm.as_deref())?;
    }
    if serve {
        invite(&site, &gateway);
        gateway.wait()?;
    }
    gateway.end()?;
    match wrong {
        0 => Ok(()),
        1 => Err("1 answer was not the expected one".into()),
        several => Err(format!("{several} answers were not the expected ones").into()),
    }
}

fn build_cli() -> Outcome {
    say("building the library and the command line in release (some minutes the first time)");
    run::output(run::cargo().args(["build", "--release", "--package", "inspire-auth-cli"])).map(drop)
}

/// The curl lines to try. The keys in them end with the demonstration.
fn invite(site: &Site, gateway: &Gateway) {
    let (url, plain) = (gateway.secure, gateway.plain);
    let (reader, writer) = (&site.reader, &site.writer);
    println!(
        "\nThe gateway keeps running. These keys are throw-away ones; they end with it.\n\n  \
         curl -i -H 'Authorization: Bearer {reader}' http://{url}/data/api/v1/resources\n  \
         curl -i -H 'X-Ignition-API-Token: {reader}' http://{url}/data/api/v1/modes\n  \
         curl -i -d '' -H 'Authorization: Bearer {reader}' http://{url}/data/api/v1/sync   # 403: a level is missing\n  \
         curl -i -d '' -H 'Authorization: Bearer {writer}' http://{url}/video-walls   # licensed\n  \
         curl -i -H 'Authorization: Bearer {reader}' http://{plain}/data/api/v1/modes   # 403: not secure\n  \
         curl -i http://{url}/data/api/v1/modes   # 401\n  \
         curl http://{url}/openapi\n\n\
         Revoke a key, or the license, while it runs:\n\n  \
         {cli} --store {store} keys delete reader\n  \
         {cli} --store {store} license deactivate\n\nCtrl-C ends it.",
        cli = site.cli().display(),
        store = site.store().display(),
    );
}
