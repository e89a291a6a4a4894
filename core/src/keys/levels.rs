//! Security levels and requirements.

/// What a request needs, as written (stub).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequirementSpec {
    /// At least one of these levels. An empty list is satisfied by nobody.
    Any(Vec<String>),
    /// All of these levels. An empty list is satisfied by nobody.
    All(Vec<String>),
}
