//! Whether a text can reach a body: by the name of a member that is one, or by an object that has one and goes where nothing
//! is known of it.

use oxc_ast::AstKind;
use oxc_ast::ast::{Expression, PropertyKey};
use oxc_semantic::NodeId;
use oxc_span::GetSpan;

use super::reading::Reading;

/// Members that hold a body in one vocabulary or another.
const BODY_MEMBERS: [&str; 5] = ["json", "payload", "content", "body", "output"];

/// Objects from which a body can be reached, unless only a member of them is named.
const BODY_OWNERS: [&str; 5] = ["req", "res", "event", "_event", "g"];

impl Reading<'_, '_> {
    /// Whether a body can be reached otherwise than by the name `json`.
    pub(super) fn reaches_a_body(&self) -> bool {
        self.nodes.iter().any(|node| match node.kind() {
            AstKind::WithStatement(_) => true,
            AstKind::IdentifierReference(name) => match name.name.as_str() {
                "arguments" | "eval" => true,
                owner if BODY_OWNERS.contains(&owner) => !self.is_before_a_member(node.id()),
                _ => false,
            },
            AstKind::StaticMemberExpression(member) => {
                BODY_MEMBERS.contains(&member.property.name.as_str())
                    || (is_inner_owner(&member.object, member.property.name.as_str())
                        && !self.is_before_a_member(node.id()))
            }
            AstKind::ComputedMemberExpression(member) => match &member.expression {
                Expression::StringLiteral(name) => {
                    BODY_MEMBERS.contains(&name.value.as_str())
                        || (is_inner_owner(&member.object, name.value.as_str())
                            && !self.is_before_a_member(node.id()))
                }
                _ => false,
            },
            AstKind::BindingProperty(property) => names_a_body(&property.key),
            AstKind::AssignmentTargetPropertyProperty(property) => names_a_body(&property.name),
            AstKind::AssignmentTargetPropertyIdentifier(property) => {
                BODY_MEMBERS.contains(&property.binding.name.as_str())
            }
            _ => false,
        })
    }

    /// Whether a handler of the response phase can reach the request's body.
    pub(super) fn reaches_the_request_body(&self) -> bool {
        self.nodes.iter().any(|node| match node.kind() {
            AstKind::WithStatement(_) => true,
            AstKind::IdentifierReference(name) => {
                let is_owner = matches!(name.name.as_str(), "req" | "event" | "_event" | "g");
                matches!(name.name.as_str(), "arguments" | "eval")
                    || (is_owner && !self.is_before_a_member(node.id()))
            }
            AstKind::StaticMemberExpression(member) => {
                let name = member.property.name.as_str();
                (is_request(&member.object) && BODY_MEMBERS.contains(&name))
                    || (is_inner_owner(&member.object, name) && !self.is_before_a_member(node.id()))
            }
            AstKind::ComputedMemberExpression(member) => match &member.expression {
                Expression::StringLiteral(name) => {
                    let name = name.value.as_str();
                    (is_request(&member.object) && BODY_MEMBERS.contains(&name))
                        || (is_inner_owner(&member.object, name)
                            && !self.is_before_a_member(node.id()))
                }
                _ => false,
            },
            _ => false,
        })
    }

    /// Whether the node is what stands before `.name` or `['name']`.
    fn is_before_a_member(&self, id: NodeId) -> bool {
        let here = self.nodes.kind(id).span();
        match self.nodes.parent_kind(id) {
            AstKind::StaticMemberExpression(member) => member.object.span() == here,
            AstKind::ComputedMemberExpression(member) => {
                member.object.span() == here
                    && matches!(member.expression, Expression::StringLiteral(_))
            }
            _ => false,
        }
    }
}

/// `event.request`, `event.response`, `g.req`, `g.res`.
fn is_inner_owner(object: &Expression<'_>, member: &str) -> bool {
    let Expression::Identifier(owner) = object else {
        return false;
    };
    match owner.name.as_str() {
        "event" | "_event" => matches!(member, "request" | "response"),
        "g" => matches!(member, "req" | "res"),
        _ => false,
    }
}

/// `req`, `event.request`, `g.req`: what the request's body is a member of.
fn is_request(object: &Expression<'_>) -> bool {
    match object {
        Expression::Identifier(name) => name.name == "req",
        Expression::StaticMemberExpression(inner) => {
            is_inner_request(&inner.object, inner.property.name.as_str())
        }
        Expression::ComputedMemberExpression(inner) => match &inner.expression {
            Expression::StringLiteral(name) => is_inner_request(&inner.object, name.value.as_str()),
            _ => false,
        },
        _ => false,
    }
}

fn is_inner_request(object: &Expression<'_>, member: &str) -> bool {
    matches!(member, "request" | "req") && is_inner_owner(object, member)
}

fn names_a_body(key: &PropertyKey<'_>) -> bool {
    key.static_name()
        .is_some_and(|name| BODY_MEMBERS.contains(&name.as_ref()))
}
