//! The compiled table, and how a path is found in it.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, btree_map},
};

use super::{
    Refusal, Rule,
    document::{Document, Entry, refused},
    path, suffix,
};
use crate::{
    error::Result,
    keys::{Requirement, RequirementSpec},
};

/// Every method that no other rule of the prefix lists.
pub(super) const EVERY_METHOD: &str = "*";

/// A compiled table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) ignore_case: bool,
    pub(super) ignore_suffix: bool,
    /// In the order of the document.
    pub(super) rules: Box<[Rule]>,
    /// By prefix, segment by segment: what has a prefix in common stands together, the shortest first.
    groups: Box<[Group]>,
}

/// The rules of one prefix.
#[derive(Debug)]
pub(super) struct Group {
    /// Without the slash at the end, so `/` is the empty text; in lower case when the table ignores case.
    prefix: Box<str>,
    /// Sorted by method; positions in `rules`.
    methods: Box<[(Box<str>, usize)]>,
    /// The rule of [`EVERY_METHOD`].
    every: Option<usize>,
}

impl Table {
    /// Checks and compiles a document.
    pub(super) fn compile(document: Document) -> Result<Self> {
        let (ignore_case, ignore_suffix) = (document.ignore_case, document.ignore_suffix);
        intern_all(&document.routes)?;
        let mut found: BTreeMap<String, BTreeMap<Box<str>, usize>> = BTreeMap::new();
        let mut rules = Vec::with_capacity(document.routes.len());
        for (at, entry) in document.routes.into_iter().enumerate() {
            let mut prefix = entry.prefix.trim_end_matches('/').to_owned();
            if ignore_case {
                prefix.make_ascii_lowercase();
            }
            let methods = found.entry(prefix).or_default();
            for method in &entry.methods {
                match methods.entry(method.as_str().into()) {
                    btree_map::Entry::Vacant(free) => free.insert(at),
                    btree_map::Entry::Occupied(taken) => {
                        let first = taken.get();
                        let what = format!("{method} {} stands already in routes[{first}]", entry.prefix);
                        return Err(refused(&format!("routes[{at}]"), &what));
                    }
                };
            }
            rules.push(Rule {
                requirement: Requirement::compile(&entry.require)?,
                prefix: entry.prefix.into(),
                methods: entry.methods.into_iter().map(Into::into).collect(),
                entitlement: entry.entitlement.map(Into::into),
            });
        }
        let mut groups: Vec<Group> = found
            .into_iter()
            .map(|(prefix, mut methods)| {
                let every = methods.remove(EVERY_METHOD);
                Group { prefix: prefix.into(), methods: methods.into_iter().collect(), every }
            })
            .collect();
        groups.sort_unstable_by(|a, b| a.prefix.split('/').cmp(b.prefix.split('/')));
        Ok(Self { ignore_case, ignore_suffix, rules: rules.into(), groups: groups.into() })
    }

    /// The rule that decides, or why there is none.
    pub(super) fn find(&self, method: &str, target: &[u8]) -> Result<&Rule, Refusal<'_>> {
        let path = path::canonical(target, self.ignore_case).map_err(Refusal::NotCanonical)?;
        if !is_token(method) {
            return Err(Refusal::NotAMethod);
        }
        let group = self.closest(path)?.ok_or(Refusal::Uncovered)?;
        let listed = group.methods.binary_search_by(|(probe, _)| probe.as_ref().cmp(method)).ok();
        let listed = listed.and_then(|at| group.methods.get(at)).map(|(_, rule)| *rule);
        listed.or(group.every).and_then(|rule| self.rules.get(rule)).ok_or(Refusal::MethodNotListed(group.shown()))
    }

    /// The prefix that decides.
    fn closest(&self, path: &[u8]) -> Result<Option<&Group>, Refusal<'_>> {
        // Without a dot there is no suffix.
        if self.ignore_suffix && path.contains(&b'.') {
            return suffix::closest(&self.groups, path, self.ignore_case).map_err(|_| Refusal::Ambiguous);
        }
        Ok(self.longest(path))
    }

    /// The longest prefix of whole segments: the range of prefixes that agree with the path so far is narrowed by one
    /// segment after another.
    fn longest(&self, path: &[u8]) -> Option<&Group> {
        let mut range = &*self.groups;
        let mut longest = None;
        // How much of the path every prefix in the range has.
        let mut agreed = 0_usize;
        let mut segments = path.split(|byte| *byte == b'/').skip(1);
        loop {
            if let Some((first, others)) = range.split_first()
                && first.prefix.len() == agreed
            {
                longest = Some(first);
                range = others;
            }
            let Some(segment) = segments.next() else { return longest };
            range = self.narrowed(range, agreed, segment);
            if range.is_empty() {
                return longest;
            }
            agreed = agreed.saturating_add(1).saturating_add(segment.len());
        }
    }

    /// The part of `range` whose segment behind `agreed` is this one.
    fn narrowed<'t>(&self, range: &'t [Group], agreed: usize, segment: &[u8]) -> &'t [Group] {
        let order = |group: &Group| self.compare(group.segment_at(agreed), segment);
        // What all prefixes have in common, such as `/data/api`, is compared twice and not a dozen times: the first and
        // the last of a sorted range speak for all between.
        if range.first().is_some_and(|group| order(group).is_eq())
            && range.last().is_some_and(|group| order(group).is_eq())
        {
            return range;
        }
        let start = range.partition_point(|group| order(group).is_lt());
        let range = range.get(start..).unwrap_or_default();
        // Where prefixes part, few go the same way: their end is looked for close by, and farther by doubling.
        let mut reach = 1_usize;
        while range.get(reach).is_some_and(|group| order(group).is_eq()) {
            reach = reach.saturating_mul(2);
        }
        let near = range.get(..reach).unwrap_or(range);
        near.get(..near.partition_point(|group| order(group).is_eq())).unwrap_or_default()
    }

    /// Compares a segment of a prefix with one of a path.
    fn compare(&self, ours: &[u8], theirs: &[u8]) -> Ordering {
        if self.ignore_case {
            ours.iter().copied().cmp(theirs.iter().map(u8::to_ascii_lowercase))
        } else {
            ours.cmp(theirs)
        }
    }
}

impl Group {
    /// The segment behind the slash at `offset`.
    pub(super) fn segment_at(&self, offset: usize) -> &[u8] {
        let behind = self.prefix.as_bytes().get(offset.saturating_add(1)..).unwrap_or_default();
        behind.split(|byte| *byte == b'/').next().unwrap_or_default()
    }

    /// The prefix, without the slash at the end.
    pub(super) fn bytes(&self) -> &[u8] {
        self.prefix.as_bytes()
    }

    /// The prefix, as people see it.
    fn shown(&self) -> &str {
        if self.prefix.is_empty() { "/" } else { &self.prefix }
    }
}

/// Makes every level of the table known in one step: one by one, each would copy all that are known.
fn intern_all(entries: &[Entry]) -> Result<()> {
    let levels = entries.iter().flat_map(|entry| match &entry.require {
        RequirementSpec::Any(levels) | RequirementSpec::All(levels) => levels.iter().cloned(),
    });
    Requirement::compile(&RequirementSpec::Any(levels.collect())).map(|_| ())
}

/// Whether a text is a token (RFC 9110, section 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
