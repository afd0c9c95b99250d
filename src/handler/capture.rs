//! What parts in braces stand for, in events' names and in patterns.

/// What a part in braces stands for in one transaction: (`{id}`, `42`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// The part as it is spelled, braces included.
    pub name: String,
    /// The decoded segment, or the rest of the path joined by `/`.
    pub value: String,
}
