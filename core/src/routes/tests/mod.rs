//! Route tables, as a host meets them.

mod agreement;
mod documents;
mod lookups;

use super::{Routes, Rule};
use crate::Code;

/// A table of these rules, each `METHOD,METHOD /prefix requirement [entitlement]`.
fn table(rules: &[&str]) -> Routes {
    table_that(false, rules)
}

fn table_that(ignore_case: bool, rules: &[&str]) -> Routes {
    table_with(ignore_case, false, rules)
}

fn table_with(ignore_case: bool, ignore_suffix: bool, rules: &[&str]) -> Routes {
    let rule = |text: &&str| {
        let mut words = text.split(' ');
        let mut next = || words.next();
        let (methods, prefix, level) = (next().unwrap(), next().unwrap(), next().unwrap());
        let methods: Vec<&str> = methods.split(',').collect();
        let require = if level == "-" { vec![] } else { vec![level] };
        serde_json::json!({"prefix": prefix, "methods": methods, "require": {"any": require}, "entitlement": next()})
    };
    let rules: Vec<_> = rules.iter().map(rule).collect();
    let said = serde_json::json!({"ignore_case": ignore_case, "ignore_suffix": ignore_suffix, "routes": rules});
    Routes::parse(&said.to_string()).unwrap()
}

/// The prefix that decides, or the code.
fn found<'r>(routes: &'r Routes, method: &str, path: &str) -> Result<&'r str, Code> {
    routes.find(method, path.as_bytes()).map(Rule::prefix).map_err(|error| error.code())
}
