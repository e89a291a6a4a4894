//! The library as it is shipped: its symbols, its size, and the instructions of its warm path.

use std::collections::BTreeSet;

use super::Report;
use crate::{
    Outcome, project, symbols,
    verbs::{bench, header, install, size},
};

/// Four lists that must be one: committed, declared, exported by our install, all of them `inspire_*`.
pub(super) fn exports() -> Outcome<Report> {
    let library = install::staged()?.join("lib/libinspire_auth.so");
    let exported = symbols::exported(&library)?;
    let listed: BTreeSet<String> =
        std::fs::read_to_string(project::root().join(header::SYMBOLS))?.lines().map(str::to_owned).collect();
    let declared = symbols::declared(&std::fs::read_to_string(project::root().join(header::HEADER))?);
    let mut report = Report { remark: format!("{} symbols", exported.len()), ..Report::default() };
    report.count("exports", same("exported", &exported, "listed in tests/abi/symbols.txt", &listed));
    report.count("exports", same("exported", &exported, "declared in the header", &declared));
    let foreign: Vec<_> = exported.iter().filter(|name| !name.starts_with("inspire_")).collect();
    report.count("exports", if foreign.is_empty() { Ok(()) } else { Err(format!("not ours: {foreign:?}").into()) });
    let dynamic = crate::run::output(crate::run::command("readelf").args(["-d"]).arg(&library))?;
    let soname = format!("[{}]", install::soname());
    report.count("exports", if dynamic.contains(&soname) { Ok(()) } else { Err(format!("no SONAME {soname}").into()) });
    Ok(report)
}

fn same(a_name: &str, a: &BTreeSet<String>, b_name: &str, b: &BTreeSet<String>) -> Outcome {
    if a.is_empty() {
        return Err(format!("nothing is {a_name}").into());
    }
    let (only_a, only_b): (Vec<_>, Vec<_>) = (a.difference(b).collect(), b.difference(a).collect());
    if only_a.is_empty() && only_b.is_empty() {
        return Ok(());
    }
    Err(format!("{a_name} but not {b_name}: {only_a:?}; {b_name} but not {a_name}: {only_b:?}").into())
}

pub(super) fn size() -> Outcome<Report> {
    Ok(Report { remark: size::measure()?, ..Report::one() })
}

/// One check a path; together they tell what left its budget.
pub(super) fn instructions() -> Outcome<Report> {
    let counts = bench::instructions::check(false)?;
    let shown: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count:.0}")).collect();
    Ok(Report { passed: counts.len(), remark: shown.join(", "), ..Report::default() })
}
