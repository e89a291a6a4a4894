//! Look-ups for hosts that take `/users.json` to the handler of `/users`.
//!
//! There a segment of a path fits a segment of a prefix that is all of it, or all before one of its dots. Several prefixes
//! of one length can then cover a path, so the narrowing of [`Table`](super::table::Table) does not find them all. The
//! groups are walked in their order instead, and whatever lies between two that can fit is leapt over by a binary search:
//! it allocates nothing, recurses nowhere, and stops only where the table shares segments with the path.

use super::table::Group;

/// Two prefixes cover a path, and none that covers it is the closer one.
#[derive(Debug)]
pub(super) struct Ambiguous;

/// The prefix that covers the path, and that every other one which covers the path covers too. `None` when none covers it.
///
/// So `/a.b` decides before `/a`, and `/a/b` before `/a`; of `/a.b` and `/a/x` neither decides about `/a.b/x`, since one
/// router would go by the first, and another by the second.
pub(super) fn closest<'t>(groups: &'t [Group], path: &[u8], ignore_case: bool) -> Result<Option<&'t Group>, Ambiguous> {
    // What covers another prefix sorts before it: only the last can be the closest.
    let Some(last) = covering(groups, path, ignore_case).last() else { return Ok(None) };
    let is_covered = |group: &Group| miss(group.bytes(), last.bytes(), false).is_none();
    if covering(groups, path, ignore_case).all(is_covered) { Ok(Some(last)) } else { Err(Ambiguous) }
}

/// All prefixes that cover the path, in their order.
fn covering<'t>(groups: &'t [Group], path: &[u8], ignore_case: bool) -> impl Iterator<Item = &'t Group> {
    let mut rest = groups;
    std::iter::from_fn(move || {
        loop {
            let (first, others) = rest.split_first()?;
            let Some(miss) = miss(first.bytes(), path, ignore_case) else {
                rest = others;
                return Some(first);
            };
            let head = first.bytes().get(..miss.agreed).unwrap_or_default();
            let next = others.partition_point(|group| miss.is_before(group, head, ignore_case));
            rest = others.get(next..).unwrap_or_default();
        }
    })
}

/// Where a prefix and a path part.
struct Miss<'p> {
    /// So many bytes of the prefix fit.
    agreed: usize,
    /// The least text behind the prefix's segment, in their order, that would fit there.
    next: Option<&'p [u8]>,
}

impl Miss<'_> {
    /// Whether a group behind the one that was missed can't fit either, for the same reason.
    fn is_before(&self, group: &Group, head: &[u8], ignore_case: bool) -> bool {
        let Some(behind) = group.bytes().strip_prefix(head) else { return false };
        let Some(b'/') = behind.first() else { return false };
        self.next.is_none_or(|next| {
            let theirs = next.iter().map(|byte| folded(*byte, ignore_case));
            group.segment_at(self.agreed).iter().copied().lt(theirs)
        })
    }
}

/// Why a prefix does not cover a path; `None` when it does.
fn miss<'p>(prefix: &[u8], path: &'p [u8], ignore_case: bool) -> Option<Miss<'p>> {
    let mut agreed = 0_usize;
    let mut theirs = path.split(|byte| *byte == b'/').skip(1);
    for ours in prefix.split(|byte| *byte == b'/').skip(1) {
        let Some(segment) = theirs.next() else { return Some(Miss { agreed, next: None }) };
        let pairs = ours.iter().zip(segment);
        let common = pairs.take_while(|(ours, theirs)| **ours == folded(**theirs, ignore_case)).count();
        let (mine, their) = (ours.get(common), segment.get(common).map(|byte| folded(*byte, ignore_case)));
        if mine.is_none() && matches!(their, None | Some(b'.')) {
            agreed = agreed.saturating_add(1).saturating_add(ours.len());
            continue;
        }
        // What fits is all before a dot. What ends within the common part sorts before this prefix.
        let is_ahead = their.is_some_and(|their| mine.is_none_or(|mine| *mine < their));
        let from = common.saturating_add(1);
        let dot = segment.iter().skip(from).position(|byte| *byte == b'.');
        let end = dot.map_or(segment.len(), |at| from.saturating_add(at));
        return Some(Miss { agreed, next: segment.get(..end).filter(|_| is_ahead) });
    }
    None
}

const fn folded(byte: u8, ignore_case: bool) -> u8 {
    if ignore_case { byte.to_ascii_lowercase() } else { byte }
}
