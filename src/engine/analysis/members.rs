//! Members of the scope's objects that there are none of, and arguments that the engine doesn't look at.

use oxc_ast::AstKind;
use oxc_ast::ast::{Expression, IdentifierReference};

use super::Note;
use super::reading::Reading;

/// The objects of the scope whose members are known, by the words that lead to them, and their members.
pub(in crate::engine) const MEMBERS: [(&str, &str); 10] = [
    (
        "req",
        "verb method path query search service urlParameters headers httpHeaders json id resourceName clientAddress \
         clientUsesHttps metadata_name baseUrl fullBaseURL localBaseUrl localFullBaseURL apiVersion apiKey getApiKey \
         userProperties getUserProperties setUserProperty",
    ),
    ("res", "status statusCode headers body"),
    (
        "event",
        "request response resource event_name stage name script_name stop_propagation setRequest setResponse",
    ),
    (
        "event.request",
        "api_version method uri service resource headers parameters payload content content_type",
    ),
    (
        "event.response",
        "status_code status headers content content_type",
    ),
    ("g", "req res sys logger shared"),
    (
        "g.req",
        "method path headers query params body auth ip reqInfo output",
    ),
    (
        "g.res",
        "output statusCode status headers contentType shared errors warnings",
    ),
    ("platform", "api session config store"),
    ("platform.store", "get set del delete increment setIfAbsent"),
];

/// What every object inherits.
const INHERITED: &str = "constructor hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toString \
     valueOf __proto__ __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__ then toJSON";

/// Functions whose arguments about languages the engine doesn't look at, and how many others they have.
const LOCALES: [(&str, usize); 6] = [
    ("toLocaleString", 0),
    ("toLocaleDateString", 0),
    ("toLocaleTimeString", 0),
    ("toLocaleUpperCase", 0),
    ("toLocaleLowerCase", 0),
    ("localeCompare", 1),
];

impl Reading<'_, '_> {
    /// Members that an object of the scope has not, named in the text: misspelled, or of another system.
    pub(super) fn member_warnings(&self) -> Vec<Note> {
        let unknown = |kind: AstKind<'_>| {
            let (object, name, start) = member(kind)?;
            let path = self.path(object)?;
            let (_, members) = MEMBERS.iter().find(|(known, _)| *known == path)?;
            let has = |list: &str| list.split_whitespace().any(|known| known == name);
            (!has(members) && !has(INHERITED)).then(|| Note {
                offset: self.offset(start),
                message: format!(
                    "`{path}` has no member `{name}`; it has {}",
                    members.split_whitespace().collect::<Vec<_>>().join(", ")
                ),
            })
        };
        self.nodes
            .iter()
            .filter_map(|node| unknown(node.kind()))
            .collect()
    }

    /// Arguments that say how to write for a language, which the engine ignores.
    pub(super) fn locale_warnings(&self) -> Vec<Note> {
        let ignored = |kind: AstKind<'_>| {
            let AstKind::CallExpression(call) = kind else {
                return None;
            };
            let name = call.callee.as_member_expression()?.static_property_name()?;
            let (_, others) = LOCALES.iter().find(|(known, _)| *known == name)?;
            (call.arguments.len() > *others).then(|| Note {
                offset: self.offset(call.span.start),
                message: format!(
                    "`{name}` ignores its locale and options here; put the text together by hand"
                ),
            })
        };
        let absent = |kind: AstKind<'_>| {
            let AstKind::IdentifierReference(name) = kind else {
                return None;
            };
            (name.name == "Intl" && self.is_free(name)).then(|| Note {
                offset: self.offset(name.span.start),
                message: "there is no `Intl` here; put the text together by hand".to_owned(),
            })
        };
        self.nodes
            .iter()
            .filter_map(|node| ignored(node.kind()).or_else(|| absent(node.kind())))
            .collect()
    }

    /// The words that lead from a name of the scope to an object: `g.req`, `event.response`.
    fn path(&self, object: &Expression<'_>) -> Option<String> {
        let (owner, member) = match object {
            Expression::Identifier(name) => {
                let name = self.is_free(name).then(|| name.name.as_str())?;
                return Some(if name == "_event" { "event" } else { name }.to_owned());
            }
            Expression::StaticMemberExpression(inner) => {
                (&inner.object, inner.property.name.as_str())
            }
            Expression::ComputedMemberExpression(inner) => match &inner.expression {
                Expression::StringLiteral(name) => (&inner.object, name.value.as_str()),
                _ => return None,
            },
            _ => return None,
        };
        let Expression::Identifier(_) = owner else {
            return None;
        };
        Some(format!("{}.{member}", self.path(owner)?))
    }

    /// Whether the text declares no such name itself.
    fn is_free(&self, name: &IdentifierReference<'_>) -> bool {
        let reference = self.scoping.get_reference(name.reference_id());
        reference.symbol_id().is_none()
    }
}

/// What a member is named of, its name, and where that stands.
fn member<'a>(kind: AstKind<'a>) -> Option<(&'a Expression<'a>, &'a str, u32)> {
    match kind {
        AstKind::StaticMemberExpression(member) => Some((
            &member.object,
            member.property.name.as_str(),
            member.span.start,
        )),
        AstKind::ComputedMemberExpression(member) => match &member.expression {
            Expression::StringLiteral(name) => {
                Some((&member.object, name.value.as_str(), member.span.start))
            }
            _ => None,
        },
        _ => None,
    }
}
