//! Security levels, and what a request requires of them.
//!
//! A level is a path such as `Authenticated/Roles/Operator`. A grant satisfies a requirement iff the required path is
//! the granted path or an ancestor of it; a grant of a parent does not give its children.
//!
//! Paths are interned once per process into bit positions, so that a check is a few bit operations. The table is
//! shared by all handles: a requirement compiled by one can never be misread by another.

use std::{collections::HashMap, fmt, str::FromStr, sync::Arc};

use arc_swap::ArcSwapOption;

use crate::{
    error::{Code, Error, Result},
    options::LevelMode,
};

/// Everyone, with or without a credential. It can't be granted.
pub const PUBLIC: &str = "Public";
/// Every valid key.
pub const AUTHENTICATED: &str = "Authenticated";

/// The deepest path.
const MAX_DEPTH: usize = 8;
/// The longest segment, in characters.
const MAX_SEGMENT: usize = 64;

const PUBLIC_BIT: u32 = 0;
const AUTHENTICATED_BIT: u32 = 1;

/// Checks the spelling of a level.
///
/// # Errors
/// `INVALID_LEVEL`.
pub fn validate(path: &str) -> Result<()> {
    let mut depth = 0_usize;
    for segment in path.split('/') {
        depth = depth.saturating_add(1);
        let fine = (1..=MAX_SEGMENT).contains(&segment.len())
            && depth <= MAX_DEPTH
            && !matches!(segment, "." | "..")
            && !segment.starts_with(' ')
            && !segment.ends_with(' ')
            && segment.bytes().all(|b| matches!(b, 0x20..=0x7e) && !matches!(b, b',' | b'(' | b')' | b'"' | b'\\'));
        if !fine {
            return Err(Error::new(Code::InvalidLevel));
        }
    }
    // `Public` is a leaf: a level below it could be neither granted nor meant.
    if depth > 1 && path.split('/').next() == Some(PUBLIC) {
        return Err(Error::new(Code::InvalidLevel));
    }
    Ok(())
}

/// Checks a list of grants, and returns it byte-sorted and without repeats.
///
/// # Errors
/// `INVALID_LEVEL` for a bad spelling, or `Public`.
pub(crate) fn validate_grants(levels: &[String]) -> Result<Vec<String>> {
    for level in levels {
        validate(level)?;
        if level == PUBLIC {
            return Err(Error::with(Code::InvalidLevel, "Public can't be granted"));
        }
    }
    let mut sorted = levels.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    Ok(sorted)
}

/// The path and its ancestors, longest first.
fn with_ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('/').map(|(parent, _)| parent))
}

/// Whether `ancestor` is `path` or one of its ancestors.
fn covers(path: &str, ancestor: &str) -> bool {
    with_ancestors(path).any(|p| p == ancestor)
}

/// Whether a grant is ignored in this mode.
pub(crate) fn is_ignored(mode: LevelMode, path: &str) -> bool {
    mode == LevelMode::Ignition && (covers(path, "Authenticated/Roles") || covers(path, "SecurityZones"))
}

/// Bit positions of paths, by path.
type Positions = HashMap<Box<str>, u32>;

/// Only ever grows; swapped whole, so a fork can't leave it locked (nor half-way made: there is nothing at first).
static TABLE: ArcSwapOption<Positions> = ArcSwapOption::const_empty();

/// The bit positions of these paths, in their order; unknown ones are added.
fn intern(paths: &[&str]) -> Vec<u32> {
    let find = || {
        let table = TABLE.load();
        paths.iter().map(|path| table.as_ref()?.get(*path).copied()).collect::<Option<Vec<u32>>>()
    };
    if let Some(all) = find() {
        return all;
    }
    TABLE.rcu(|table| {
        let mut grown = match table {
            Some(table) => Positions::clone(table),
            None => HashMap::from([(PUBLIC.into(), PUBLIC_BIT), (AUTHENTICATED.into(), AUTHENTICATED_BIT)]),
        };
        for path in paths {
            let next = u32::try_from(grown.len()).unwrap_or(u32::MAX);
            grown.entry((*path).into()).or_insert(next);
        }
        Some(Arc::new(grown))
    });
    find().unwrap_or_default()
}

fn bitmap(bits: &[u32]) -> Box<[u64]> {
    let mut map = Vec::new();
    for bit in bits {
        let word = *bit as usize / 64;
        map.resize(map.len().max(word.saturating_add(1)), 0_u64);
        if let Some(word) = map.get_mut(word) {
            *word |= 1 << (bit % 64);
        }
    }
    map.into_boxed_slice()
}

/// What a key holds, compiled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LevelSet {
    /// The grants in force, byte-sorted, without any that is an ancestor of another.
    grants: Box<[Box<str>]>,
    /// Everything these grants satisfy.
    bits: Box<[u64]>,
}

impl LevelSet {
    /// What nobody in particular holds.
    pub(crate) fn anonymous() -> Self {
        Self { grants: Box::new([]), bits: bitmap(&[PUBLIC_BIT]) }
    }

    /// Compiles the stored levels of a key. A level that is not valid (a foreign writer put it there) grants nothing.
    pub(crate) fn of_key(levels: &[String], mode: LevelMode) -> Self {
        let in_force: Vec<&str> = levels
            .iter()
            .map(String::as_str)
            .filter(|level| validate(level).is_ok() && *level != PUBLIC && !is_ignored(mode, level))
            .collect();
        let mut paths: Vec<&str> = in_force.iter().flat_map(|level| with_ancestors(level)).collect();
        paths.sort_unstable();
        paths.dedup();
        let mut bits = intern(&paths);
        bits.extend([PUBLIC_BIT, AUTHENTICATED_BIT]);
        let mut grants: Vec<Box<str>> = in_force
            .iter()
            .filter(|level| !in_force.iter().any(|other| other != *level && covers(other, level)))
            .map(|level| (*level).into())
            .collect();
        grants.sort_unstable();
        grants.dedup();
        Self { grants: grants.into_boxed_slice(), bits: bitmap(&bits) }
    }

    /// The grants in force, byte-sorted: two sets that have the same are the same.
    pub(crate) fn grants(&self) -> impl Iterator<Item = &str> {
        self.grants.iter().map(|grant| &**grant)
    }

    /// What it satisfies of the first 64 paths that this process knows, a bit each, and whether it satisfies others.
    pub(crate) fn first_word(&self) -> (u64, bool) {
        self.bits.split_first().map_or((0, false), |(first, others)| (*first, !others.is_empty()))
    }

    /// `Authenticated` and the grants in force, byte-sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.grants.iter().map(|g| g.to_string()).collect();
        if !names.iter().any(|name| name == AUTHENTICATED) {
            names.push(AUTHENTICATED.to_owned());
        }
        names.sort_unstable();
        names
    }

    /// Whether a grant here satisfies this path.
    pub(crate) fn satisfies_path(&self, path: &str) -> bool {
        path == PUBLIC || path == AUTHENTICATED || self.grants.iter().any(|grant| covers(grant, path))
    }
}

/// What a request requires, as written: `any(A/B, C)`, `all(A, B)`, or one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequirementSpec {
    /// At least one of these levels. An empty list is satisfied by nobody.
    Any(Vec<String>),
    /// All of these levels. An empty list is satisfied by nobody.
    All(Vec<String>),
}

impl RequirementSpec {
    fn levels(&self) -> &[String] {
        match self {
            Self::Any(levels) | Self::All(levels) => levels,
        }
    }
}

impl FromStr for RequirementSpec {
    type Err = Error;

    /// Reads `any(A/B, C)`, `all(A, B)`, or one path, which means any of it. Spaces around a level are trimmed.
    ///
    /// # Errors
    /// `INVALID_LEVEL`.
    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim_matches(' ');
        let list = |inner: &str| -> Result<Vec<String>> {
            if inner.trim_matches(' ').is_empty() {
                return Ok(Vec::new());
            }
            inner
                .split(',')
                .map(|level| {
                    let level = level.trim_matches(' ');
                    validate(level).map(|()| level.to_owned())
                })
                .collect()
        };
        if let Some(inner) = text.strip_prefix("any(").and_then(|rest| rest.strip_suffix(')')) {
            list(inner).map(Self::Any)
        } else if let Some(inner) = text.strip_prefix("all(").and_then(|rest| rest.strip_suffix(')')) {
            list(inner).map(Self::All)
        } else {
            validate(text)?;
            Ok(Self::Any(vec![text.to_owned()]))
        }
    }
}

impl fmt::Display for RequirementSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Any(_) => "any",
            Self::All(_) => "all",
        };
        write!(f, "{word}({})", self.levels().join(", "))
    }
}

/// A compiled requirement: cheap to clone, shared by all threads, good for every handle of the process.
#[derive(Debug, Clone)]
pub struct Requirement(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    spec: RequirementSpec,
    bits: Box<[u64]>,
}

impl Requirement {
    /// Compiles a requirement. An empty list compiles, and denies everyone.
    ///
    /// # Errors
    /// `INVALID_LEVEL`.
    pub fn compile(spec: &RequirementSpec) -> Result<Self> {
        for level in spec.levels() {
            validate(level)?;
        }
        let paths: Vec<&str> = spec.levels().iter().map(String::as_str).collect();
        Ok(Self(Arc::new(Compiled { spec: spec.clone(), bits: bitmap(&intern(&paths)) })))
    }

    /// What was compiled.
    #[must_use]
    pub fn spec(&self) -> &RequirementSpec {
        &self.0.spec
    }

    /// Whether `held` satisfies this.
    pub(crate) fn is_satisfied_by(&self, held: &LevelSet) -> bool {
        let required = &self.0.bits;
        match self.0.spec {
            RequirementSpec::Any(_) => required.iter().zip(&held.bits).any(|(r, h)| r & h != 0),
            // An empty list has no bits: without the first test, all of nothing would be true.
            RequirementSpec::All(_) => {
                !required.is_empty()
                    && required.iter().enumerate().all(|(at, r)| r & !held.bits.get(at).copied().unwrap_or(0) == 0)
            }
        }
    }

    /// As [`Requirement::is_satisfied_by`] says of a set of which this is the [first word](LevelSet::first_word): yes, or
    /// perhaps not. Where it is the whole set, it says no.
    #[inline]
    pub(crate) fn is_satisfied_by_first(&self, held: u64) -> bool {
        match (&self.0.spec, self.0.bits.split_first()) {
            (RequirementSpec::Any(_), Some((required, _))) => required & held != 0,
            (RequirementSpec::All(_), Some((required, others))) => others.is_empty() && required & !held == 0,
            // An empty list is satisfied by nobody.
            (_, None) => false,
        }
    }

    /// The levels whose absence makes `held` fail: every unsatisfied one.
    pub(crate) fn missing_from(&self, held: &LevelSet) -> Vec<String> {
        if self.is_satisfied_by(held) {
            return Vec::new();
        }
        self.0.spec.levels().iter().filter(|level| !held.satisfies_path(level)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(levels: &[&str]) -> LevelSet {
        LevelSet::of_key(&levels.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>(), LevelMode::Default)
    }

    fn any(levels: &[&str]) -> Requirement {
        Requirement::compile(&RequirementSpec::Any(levels.iter().map(|l| (*l).to_owned()).collect())).unwrap()
    }

    fn all(levels: &[&str]) -> Requirement {
        Requirement::compile(&RequirementSpec::All(levels.iter().map(|l| (*l).to_owned()).collect())).unwrap()
    }

    /// T24: the prefix rule, as a truth table.
    #[test]
    fn a_grant_satisfies_itself_and_its_ancestors_only() {
        for (granted, required, expected) in [
            ("Authenticated/Roles/Admin", "Authenticated/Roles/Admin", true),
            ("Authenticated/Roles/Admin", "Authenticated/Roles", true),
            ("Authenticated/Roles/Admin", "Authenticated", true),
            ("Authenticated/Roles", "Authenticated/Roles/Admin", false),
            ("Authenticated/Roles", "Authenticated/Role", false),
            ("Authenticated/Role", "Authenticated/Roles", false),
            ("Authenticated/roles", "Authenticated/Roles", false),
            ("Zone/A", "Zone/B", false),
            ("Zone/A", "Authenticated", true),
            ("Zone/A", "Public", true),
        ] {
            assert_eq!(any(&[required]).is_satisfied_by(&set(&[granted])), expected, "{granted} for {required}");
            assert_eq!(set(&[granted]).satisfies_path(required), expected, "{granted} for {required}, by name");
            assert_eq!(all(&[required]).is_satisfied_by(&set(&[granted])), expected, "{granted} for {required}");
        }
    }

    /// T23: no list is vacuously true.
    #[test]
    fn an_empty_requirement_denies_everyone() {
        for held in [set(&[]), set(&["Authenticated/Ops"]), LevelSet::anonymous()] {
            assert!(!any(&[]).is_satisfied_by(&held));
            assert!(!all(&[]).is_satisfied_by(&held));
        }
    }

    #[test]
    fn any_needs_one_and_all_needs_each() {
        let held = set(&["A/B", "C"]);
        assert!(any(&["X", "A"]).is_satisfied_by(&held));
        assert!(!any(&["X", "Y"]).is_satisfied_by(&held));
        assert!(all(&["A", "C"]).is_satisfied_by(&held));
        assert!(!all(&["A", "X"]).is_satisfied_by(&held));
        assert_eq!(all(&["A", "X"]).missing_from(&held), ["X"]);
    }

    #[test]
    fn only_public_is_for_the_anonymous() {
        assert!(any(&["Public"]).is_satisfied_by(&LevelSet::anonymous()));
        assert!(!any(&["Authenticated"]).is_satisfied_by(&LevelSet::anonymous()));
        assert!(!all(&["Public", "Authenticated"]).is_satisfied_by(&LevelSet::anonymous()));
    }

    #[test]
    fn a_level_far_out_in_the_table_is_still_compared() {
        let many: Vec<String> = (0..200).map(|n| format!("Far/{n}")).collect();
        let held = LevelSet::of_key(&many[150..151], LevelMode::Default);
        for (at, level) in many.iter().enumerate() {
            assert_eq!(all(&[level]).is_satisfied_by(&held), at == 150);
        }
    }

    #[test]
    fn ignition_ignores_what_the_system_assigns() {
        let levels =
            ["Authenticated/Roles/Administrator", "SecurityZones/Plant", "Authenticated/Custom"].map(str::to_owned);
        let held = LevelSet::of_key(&levels, LevelMode::Ignition);
        assert!(!any(&["Authenticated/Roles/Administrator"]).is_satisfied_by(&held));
        assert!(!any(&["Authenticated/Roles"]).is_satisfied_by(&held));
        assert!(!any(&["SecurityZones"]).is_satisfied_by(&held));
        assert!(any(&["Authenticated/Custom"]).is_satisfied_by(&held));
        assert_eq!(held.names(), ["Authenticated", "Authenticated/Custom"]);
    }

    #[test]
    fn names_leave_out_ancestors_but_say_authenticated() {
        assert_eq!(set(&["A/B", "A", "A/B/C", "Z"]).names(), ["A/B/C", "Authenticated", "Z"]);
        assert_eq!(set(&[]).names(), ["Authenticated"]);
        assert_eq!(set(&["Authenticated/X"]).names(), ["Authenticated", "Authenticated/X"]);
    }

    #[test]
    fn spelling_is_strict() {
        let deep = ["A"; 9].join("/");
        let long = "x".repeat(65);
        for bad in [
            "", "/", "A/", "/A", "A//B", ".", "..", "A/..", " A", "A ", "A/ B", "A,B", "A(", "A)", "A\"", "A\\B", "Ä",
            "A\0", "A\t", "Public/X", &deep, &long,
        ] {
            assert!(validate(bad).is_err(), "{bad:?}");
        }
        for good in ["A", "Authenticated/Roles/Line 3 Operator", "a.b", "...", &deep[2..], &long[1..]] {
            assert!(validate(good).is_ok(), "{good:?}");
        }
        assert!(validate_grants(&["Public".to_owned()]).is_err());
        assert_eq!(validate_grants(&["b".into(), "a".into(), "b".into()]).unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_requirement_prints_as_it_reads() {
        for text in ["any(A/B, C)", "all(A)", "any()", "all()"] {
            assert_eq!(text.parse::<RequirementSpec>().unwrap().to_string(), text);
        }
        assert_eq!("A/B".parse::<RequirementSpec>().unwrap().to_string(), "any(A/B)");
        assert_eq!(" any( A , B C ) ".parse::<RequirementSpec>().unwrap().to_string(), "any(A, B C)");
        for bad in ["", "any(", "any(A,)", "none(A)", "all(A))", "any(,)"] {
            assert!(bad.parse::<RequirementSpec>().is_err(), "{bad}");
        }
    }
}
