//! What is done while calls fail.

use crate::oracle::Op;

/// What a script does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Opens the handle; a step that finds none does that first.
    Open,
    /// Drops the handle.
    Close,
    /// Makes a change.
    Make(Change),
    /// Presents every credential that was ever told.
    Present,
    /// Lists the keys, and reads the license.
    Show,
    /// Reads one key.
    Get,
    /// Notes a use of a key.
    NoteUsed,
    /// Writes down what was noted.
    Flush,
    /// Reads the audit log.
    Audit,
}

/// A change, by the names of the keys: what an [`Op`] is, but constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named after the call that it makes")]
pub enum Change {
    Create(&'static str),
    Import(&'static str),
    Duplicate(&'static str, &'static str),
    Rotate(&'static str),
    Rename(&'static str, &'static str),
    Update(&'static str),
    Enable(&'static str),
    Disable(&'static str),
    Delete(&'static str),
    Backup,
    Restore,
    Adopt,
    Activate,
    Deactivate,
}

impl Change {
    pub(super) fn op(self) -> Op {
        let own = str::to_owned;
        match self {
            Self::Create(name) => Op::Create { name: own(name) },
            Self::Import(name) => Op::Import { name: own(name) },
            Self::Duplicate(name, copy) => Op::Duplicate { name: own(name), copy: own(copy) },
            Self::Rotate(name) => Op::Rotate { name: own(name) },
            Self::Rename(name, to) => Op::Rename { name: own(name), to: own(to) },
            Self::Update(name) => Op::Update { name: own(name), level: own("Level") },
            Self::Enable(name) => Op::Enable { name: own(name) },
            Self::Disable(name) => Op::Disable { name: own(name) },
            Self::Delete(name) => Op::Delete { name: own(name) },
            Self::Backup => Op::Backup { number: 1 },
            Self::Restore => Op::Restore { number: 1 },
            Self::Adopt => Op::Adopt,
            Self::Activate => Op::Activate,
            Self::Deactivate => Op::Deactivate,
        }
    }
}

/// The whole interface, in an order in which each step has something to do.
pub const WHOLE: [Step; 43] = {
    use Change::*;
    use Step::*;
    [
        Open,
        Make(Create("ann")),
        Make(Create("bob")),
        Make(Create("cat")),
        // Cold, then warm.
        Present,
        Present,
        Make(Update("ann")),
        Make(Disable("bob")),
        Present,
        Make(Enable("bob")),
        Make(Rename("cat", "dan")),
        Make(Rotate("ann")),
        Make(Duplicate("ann", "eve")),
        Make(Import("fay")),
        Present,
        Show,
        Get,
        Make(Delete("eve")),
        Make(Backup),
        Make(Create("gus")),
        Make(Delete("bob")),
        Make(Restore),
        Present,
        Make(Adopt),
        Present,
        Make(Activate),
        Show,
        Make(Deactivate),
        NoteUsed,
        Flush,
        Audit,
        Close,
        Open,
        Show,
        Present,
        Make(Disable("dan")),
        Make(Delete("ann")),
        Present,
        Close,
        Open,
        Present,
        Make(Create("hal")),
        Close,
    ]
};

/// What a short script begins with.
pub const BEFORE: [Step; 5] = [
    Step::Make(Change::Create("ann")),
    Step::Make(Change::Create("bob")),
    Step::Make(Change::Create("cat")),
    Step::Present,
    Step::Close,
];

/// A short one: what revokes, and what it is checked with.
pub const BRIEF: [Step; 6] = [
    Step::Make(Change::Disable("bob")),
    Step::Make(Change::Rotate("ann")),
    Step::Make(Change::Delete("cat")),
    Step::Present,
    Step::Flush,
    Step::Close,
];

/// Another short one: what reads every page.
pub const COPIES: [Step; 5] =
    [Step::Make(Change::Backup), Step::Make(Change::Restore), Step::Make(Change::Adopt), Step::Present, Step::Close];
