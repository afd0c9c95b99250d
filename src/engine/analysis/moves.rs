//! Texts that do nothing but give header fields values: what they do, without the engine.
//!
//! ```js
//! res.headers['x-tenant'] = 'acme';
//! res.headers['x-type'] = res.headers['content-type'];
//! delete res.headers.server;
//! ```

use oxc_ast::ast::{
    AssignmentOperator, Expression, FunctionBody, MemberExpression, Statement, StringLiteral,
    UnaryOperator,
};
use oxc_span::GetSpan;

/// One statement: a member is given what another one has, a text or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Move {
    /// Where it stands, in bytes from the text's beginning.
    pub offset: usize,
    pub to: Member,
    pub from: Source,
}

/// Where a member's new value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum Source {
    /// It is taken away.
    Nothing,
    Text(String),
    Member(Member),
}

/// `owner.view[name]`, spelled in either way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Member {
    pub owner: String,
    pub view: String,
    pub name: String,
}

/// What a text does, where it does nothing else. `shift` bytes stand before it.
///
/// Such a text declares nothing, so that all its names are the scope's.
pub(super) fn moves(body: &FunctionBody<'_>, shift: usize) -> Option<Vec<Move>> {
    let statements = body.statements.iter();
    statements.map(|statement| read(statement, shift)).collect()
}

fn read(statement: &Statement<'_>, shift: usize) -> Option<Move> {
    let Statement::ExpressionStatement(statement) = statement else {
        return None;
    };
    let (to, from) = match &statement.expression {
        Expression::AssignmentExpression(assigned)
            if assigned.operator == AssignmentOperator::Assign =>
        {
            (
                member(assigned.left.as_member_expression()?)?,
                source(&assigned.right)?,
            )
        }
        Expression::UnaryExpression(deleted) if deleted.operator == UnaryOperator::Delete => {
            let target = deleted.argument.as_member_expression()?;
            (member(target)?, Source::Nothing)
        }
        _ => return None,
    };
    let offset = (statement.span().start as usize).saturating_sub(shift);
    Some(Move { offset, to, from })
}

fn source(expression: &Expression<'_>) -> Option<Source> {
    match expression {
        Expression::StringLiteral(literal) => Some(Source::Text(text(literal)?)),
        _ => Some(Source::Member(member(expression.as_member_expression()?)?)),
    }
}

fn member(expression: &MemberExpression<'_>) -> Option<Member> {
    let (view, name) = step(expression)?;
    let (owner, view) = step(view.as_member_expression()?)?;
    let Expression::Identifier(owner) = owner else {
        return None;
    };
    Some(Member {
        owner: owner.name.to_string(),
        view,
        name,
    })
}

/// `a.b` and `a['b']` as `a` and its member's name.
fn step<'e, 'a>(expression: &'e MemberExpression<'a>) -> Option<(&'e Expression<'a>, String)> {
    match expression {
        MemberExpression::StaticMemberExpression(it) if !it.optional => {
            Some((&it.object, it.property.name.to_string()))
        }
        MemberExpression::ComputedMemberExpression(it) if !it.optional => match &it.expression {
            Expression::StringLiteral(name) => Some((&it.object, text(name)?)),
            _ => None,
        },
        MemberExpression::StaticMemberExpression(_)
        | MemberExpression::ComputedMemberExpression(_)
        | MemberExpression::PrivateFieldExpression(_) => None,
    }
}

/// What a literal stands for; nothing where it has half of a surrogate pair.
fn text(literal: &StringLiteral<'_>) -> Option<String> {
    (!literal.lone_surrogates).then(|| literal.value.to_string())
}
