//! `cargo xtask header`: `include/inspire_auth.h` from the source of `ffi`, and the list of symbols from the header.

use crate::{Outcome, Verb, args::Args, project, run::say, symbols, text};

pub(crate) const VERB: Verb = Verb {
    name: "header",
    summary: "generate include/inspire_auth.h and tests/abi/symbols.txt",
    help: "cargo xtask header [--check]\n\n  --check   change nothing; fail when a committed file is not what would be generated",
    run,
};

/// Where the committed header is.
pub(crate) const HEADER: &str = "include/inspire_auth.h";
/// The functions that the library exports, one a line, sorted.
pub(crate) const SYMBOLS: &str = "tests/abi/symbols.txt";

fn run(arguments: Vec<String>) -> Outcome {
    let mut args = Args::new(arguments);
    let check = args.flag("--check");
    args.end()?;
    if !check {
        say("reading ffi with cbindgen");
    }
    generate(check)
}

/// Writes both files, or with `check` compares them.
pub(crate) fn generate(check: bool) -> Outcome {
    let header = header()?;
    text::write_or_check(HEADER, &header, check, "header")?;
    let mut list = symbols::declared(&header).into_iter().collect::<Vec<_>>().join("\n");
    list.push('\n');
    text::write_or_check(SYMBOLS, &list, check, "header")
}

/// The header as `ffi` is now. `@VERSION@`, `@VERSION_MAJOR@`, `@VERSION_MINOR@` and `@VERSION_PATCH@` in the text of
/// `ffi/cbindgen.toml` become the workspace's version, so that no number is typed twice.
fn header() -> Outcome<String> {
    let ffi = project::root().join("ffi");
    let config = cbindgen::Config::from_file(ffi.join("cbindgen.toml"))?;
    let bindings = cbindgen::Builder::new()
        .with_crate(&ffi)
        .with_config(config)
        .generate()
        .map_err(|error| format!("cbindgen: {error}"))?;
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    let mut header = String::from_utf8(bytes).map_err(|error| format!("cbindgen wrote no UTF-8: {error}"))?;
    let mut numbers = project::VERSION.split(['.', '-', '+']);
    for name in ["MAJOR", "MINOR", "PATCH"] {
        header = header.replace(&format!("@VERSION_{name}@"), numbers.next().unwrap_or("0"));
    }
    Ok(header.replace("@VERSION@", project::VERSION))
}
