//! A strict reader of OpenMetrics text, for tests: it accepts what we write and little else.

use std::collections::BTreeMap;

/// A family: its type, and its samples by their labels.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) samples: BTreeMap<Vec<(String, String)>, f64>,
}

/// Reads a whole exposition.
///
/// # Errors
/// The line that breaks a rule of the format, and the rule.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, Family>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("it does not end with # EOF")?;
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in body.lines() {
        let fail = |why: &str| Err(format!("{why}: {line}"));
        if let Some(meta) = line.strip_prefix("# ") {
            let mut words = meta.splitn(3, ' ');
            let (Some(what), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) else {
                return fail("a comment that says nothing");
            };
            if !is_name(name) {
                return fail("not a name");
            }
            match what {
                "TYPE" => {
                    if families.contains_key(name) {
                        return fail("a family in two parts");
                    }
                    if !["counter", "gauge", "info"].contains(&rest) {
                        return fail("not a type");
                    }
                    current = name.to_owned();
                    families.insert(current.clone(), Family { kind: rest.to_owned(), ..Family::default() });
                }
                "UNIT" | "HELP" if name != current => return fail("of another family"),
                "UNIT" if !name.ends_with(&format!("_{rest}")) => return fail("the name does not end with the unit"),
                "UNIT" | "HELP" => {
                    if families.get(name).is_some_and(|family| !family.samples.is_empty()) {
                        return fail("after samples");
                    }
                }
                _ => return fail("an unknown comment"),
            }
            continue;
        }
        let Some(family) = families.get_mut(&current) else { return fail("a sample without a family") };
        let suffix = match family.kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let end = line.find(['{', ' ']).ok_or_else(|| format!("no value: {line}"))?;
        if line[..end] != format!("{current}{suffix}") {
            return fail("a sample of another family");
        }
        let (labels, value) = labels(&line[end..]).ok_or_else(|| format!("labels: {line}"))?;
        let Ok(number) = value.parse::<f64>() else { return fail("not a number") };
        if value != value.trim()
            || (family.kind == "counter" && number < 0.0)
            || (family.kind == "info" && number != 1.0)
        {
            return fail("not such a value");
        }
        if family.samples.insert(labels, number).is_some() {
            return fail("twice");
        }
    }
    Ok(families)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `{a="b",c="d"} 1`: the labels, and what follows the space.
fn labels(text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    let Some(mut rest) = text.strip_prefix('{') else { return Some((labels, text.strip_prefix(' ')?)) };
    loop {
        let (name, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    _ => return None,
                }),
                (_, c) => value.push(c),
            }
        };
        if !is_name(name) || labels.iter().any(|(other, _)| other == name) {
            return None;
        }
        labels.push((name.to_owned(), value));
        rest = &after[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((labels, rest.strip_prefix("} ")?)),
        }
    }
}
