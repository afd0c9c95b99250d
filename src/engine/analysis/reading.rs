//! The parsed text with its scopes, and what is asked of it that is about no name.

use oxc_ast::AstKind;
use oxc_semantic::{AstNodes, NodeId, Scoping};

/// The parsed text, to be asked questions.
pub(super) struct Reading<'r, 'a> {
    pub(super) nodes: &'r AstNodes<'a>,
    pub(super) scoping: &'r Scoping,
    /// Where the handler's own text begins, in bytes.
    pub(super) shift: usize,
}

impl Reading<'_, '_> {
    /// The place in the handler's own text of one in the wrapped text.
    pub(super) fn offset(&self, start: u32) -> usize {
        (start as usize).saturating_sub(self.shift)
    }

    /// Whether `await` stands outside nested functions.
    pub(super) fn awaits(&self) -> bool {
        self.nodes.iter().any(|node| {
            let is_await = match node.kind() {
                AstKind::AwaitExpression(_) => true,
                AstKind::ForOfStatement(statement) => statement.r#await,
                _ => false,
            };
            is_await && self.function_depth(node.id()) == 1
        })
    }

    fn function_depth(&self, id: NodeId) -> usize {
        self.nodes
            .ancestor_kinds(id)
            .filter(|kind| {
                matches!(
                    kind,
                    AstKind::Function(_) | AstKind::ArrowFunctionExpression(_)
                )
            })
            .count()
    }
}
