//! The line that every transaction runs on: its names, its settings, its room, and who is told of it.

use std::sync::Arc;

use http::HeaderValue;

use crate::config::{self, Config, ErrorBody, Serving};
use crate::engine::Release;
use crate::generation::Generations;
use crate::handler::{Case, Service, Services};
use crate::message::namesakes::Underscores;
use crate::queue::Queue;
use crate::telemetry::{AccessLog, Observers, Ring};
use crate::transaction::pipeline::{CodedRequests, Unavailable};
use crate::transaction::ports::{Observer, Upstream};
use crate::transaction::respond::ErrorFormat;
use crate::transaction::{self, Calls, Line, Names, Room, Routes, SessionSources, Settings};
use crate::upstream;

use super::memory;

/// The services that paths and events are named by.
pub(crate) fn services(config: &Config) -> Services {
    Services::new(config.services.iter().map(|configured| {
        let service = Service::new(&*configured.name, &configured.prefix);
        match &configured.api_version {
            Some(version) => service.with_api_version(version),
            None => service,
        }
    }))
}

pub(super) fn case(config: &Config) -> Case {
    if config.matching.ignore_case {
        Case::Ignored
    } else {
        Case::Counts
    }
}

/// Who sees finished transactions: their ring, and the log where it is on.
pub(super) fn observer(config: &Config, transactions: &Arc<Ring>) -> Arc<dyn Observer> {
    let mut observers = vec![Arc::clone(transactions) as Arc<dyn Observer>];
    if config.log.access {
        observers.push(Arc::new(AccessLog));
    }
    Arc::new(Observers(observers))
}

/// Room for the bodies that handlers see, a quarter of which allocators may keep that nobody has.
fn room(config: &Config) -> Room {
    let bytes = memory::for_bodies(&config.limits, memory::there_is());
    let release = Release::each(bytes / 4);
    Room::new(bytes, move |freed| release.freed(freed))
}

pub(super) fn line(
    serving: &Serving,
    config: &Config,
    session: SessionSources,
    clients: &Routes<Arc<upstream::Client>>,
    egress: upstream::Egress,
    generations: &Arc<Generations>,
    queue: &Arc<Queue>,
) -> Arc<Line> {
    let names = Names::new(
        services(config),
        case(config),
        config.trusted_proxies.clone(),
        &config.bodies.metadata_name,
    )
    .with_session(session)
    .with_method_parameters(config.matching.method_parameters.clone())
    .with_underscores(match config.underscores {
        config::Underscores::Pass => Underscores::Pass,
        config::Underscores::Drop => Underscores::Drop,
    });
    let calls = Calls::new(
        Arc::new(egress),
        config.hosts.allow.clone(),
        config.limits.response_body,
    );
    let settings = Settings {
        transaction_time: config.limits.transaction_time,
        request_body: config.limits.request_body,
        response_body: config.limits.response_body,
        errors: error_format(&serving.error_body),
        unavailable: match config.bodies.unavailable {
            config::Unavailable::Refuse => Unavailable::Refuse,
            config::Unavailable::Pass => Unavailable::Pass,
        },
        coded_requests: match config.bodies.coded_requests {
            config::CodedRequests::Decode => CodedRequests::Decode,
            config::CodedRequests::Keep => CodedRequests::Keep,
            config::CodedRequests::Refuse => CodedRequests::Refuse,
        },
        json_types: config.bodies.json_types.clone(),
        via: config.via,
        room: room(config),
    };
    Line::new(
        Arc::clone(generations),
        names,
        clients.map(|client| Arc::clone(client) as Arc<dyn Upstream>),
        &Arc::new(calls),
        Arc::clone(queue) as Arc<dyn transaction::Queue>,
        settings,
    )
}

fn error_format(body: &ErrorBody) -> ErrorFormat {
    match body {
        ErrorBody::Default => ErrorFormat::Default,
        ErrorBody::Problem => ErrorFormat::Problem,
        ErrorBody::Template(text) => {
            let is_json = text.trim_start().starts_with(['{', '[']);
            let content_type = if is_json {
                "application/json"
            } else {
                "text/plain; charset=utf-8"
            };
            ErrorFormat::Template {
                text: text.clone(),
                content_type: HeaderValue::from_static(content_type),
            }
        }
    }
}
