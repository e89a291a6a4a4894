//! Who a granted request comes from.

use super::{index::Record, name::Name, request::Channel};
use crate::{error::Code, id::Id};

/// Who a granted request comes from: a small value without references, copied freely.
///
/// It says what was true when the request was decided. It is no lasting authority: whatever is done in its name later is
/// judged again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    id: Id,
    credential: Id,
    revision: u64,
    name: Name,
    channel: Channel,
    warning: Option<Code>,
}

impl Principal {
    /// Nobody in particular, where the requirement was `Public`.
    pub(crate) const fn anonymous(channel: Channel, warning: Option<Code>) -> Self {
        Self { id: Id::NIL, credential: Id::NIL, revision: 0, name: Name::NONE, channel, warning }
    }

    #[inline]
    pub(crate) fn of(record: &Record, name: &[u8], channel: Channel, warning: Option<Code>) -> Self {
        let Record { id, credential, revision, .. } = *record;
        Self { id, credential, revision, name: record.name(name), channel, warning }
    }

    /// Puts a principal together again from its parts, as a language binding keeps them.
    ///
    /// This gives nothing away: a principal is judged again, against the store, wherever it acts.
    #[inline]
    #[must_use]
    pub fn from_parts(id: Id, credential: Id, name: &str, revision: u64, channel: Channel) -> Self {
        Self { id, credential, revision, name: Name::new(name), channel, warning: None }
    }

    /// The key's identity; [`Id::NIL`] when anonymous.
    #[inline]
    #[must_use]
    pub const fn id(&self) -> Id {
        self.id
    }

    /// The identity of the credential that was presented; [`Id::NIL`] when anonymous.
    #[inline]
    #[must_use]
    pub const fn credential(&self) -> Id {
        self.credential
    }

    /// The key's name; `None` when anonymous.
    #[inline]
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        if self.is_anonymous() { None } else { Some(self.name.as_str()) }
    }

    /// The name's bytes as they lie, zero behind its end, and its length; 0 when anonymous. For a binding that copies it.
    #[inline]
    #[must_use]
    pub const fn padded_name(&self) -> (&[u8; 64], u8) {
        self.name.padded()
    }

    /// The key's revision when the request was decided.
    #[inline]
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The channel that the request came through.
    #[inline]
    #[must_use]
    pub const fn channel(&self) -> Channel {
        self.channel
    }

    /// Whether nobody in particular was granted.
    #[inline]
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.id == Id::NIL
    }

    /// The license reason for which a stricter enforcement would have refused this request.
    #[inline]
    #[must_use]
    pub const fn warning(&self) -> Option<Code> {
        self.warning
    }
}

impl std::fmt::Debug for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Principal")
            .field("name", &self.name())
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}
