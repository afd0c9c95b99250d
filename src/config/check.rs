//! The configuration as meant: every key, its default and what must hold between keys.

use std::collections::BTreeMap;

use tracing::Level;

use crate::message::JsonType;

use super::error::Problems;
use super::flag;
use super::layers::Inputs;
use super::reader::Reader;
use super::refusal::Refusal;
use super::serving::{Serving, ServingKeys};
use super::settings::{
    Bodies, CodedRequests, Config, Drain, Hosts, Limits, Log, LogFormat, Matching, Queue,
    Resources, Reuse, Scripts, Service, Store, Supervisor, Unavailable, Underscores, UpstreamPool,
};
use super::units::{self, GIB, KIB, MIB};
use super::{suggest, token, upstream, value};

/// The most threads that make sense on one machine.
const MOST_WORKERS: usize = 1024;

/// The most transactions whose queued handlers may wait.
const MOST_QUEUED: usize = 1_000_000;

/// The most keys of the store.
const MOST_STORED: usize = 10_000_000;

/// The most transactions that are kept.
const MOST_KEPT: usize = 10_000;

/// The most tries of a queued handler.
const MOST_TRIES: usize = 100;
/// More threads that only burn what others leave over help nobody.
const MOST_STUCK: usize = 256;

/// The largest body handlers can be given: a document's index counts in 32 bits.
const LARGEST_BODY: u64 = 2 * GIB;

/// The most fields of a head that pingora reads.
const MOST_FIELDS: usize = 256;

/// The most parameters of a query, as many as the longest head has room for.
const MOST_PARAMETERS: usize = 1 << 20;

/// More connections, or requests on one, than any machine serves.
const MOST_CLIENTS: usize = 1_000_000;

/// More connections than there are ports to open them from.
const MOST_UPSTREAM: usize = 65_535;

/// The settings of `getResource`; each is sent as the parameter of its own name.
const RESOURCE_SETTINGS: [&str; 10] = [
    "filter",
    "sysfilter",
    "userfilter",
    "order",
    "sysorder",
    "userorder",
    "pagesize",
    "offset",
    "chunksize",
    "verbose",
];

/// Reads the configuration of a process that listens.
///
/// # Errors
///
/// Every problem of every source at once.
pub fn for_run(inputs: &Inputs) -> Result<(Serving, Config), Problems> {
    let mut reader = Reader::new(inputs);
    let keys = ServingKeys::read(&mut reader);
    let upstream_is_plain = keys.upstream_is_plain();
    let serving = keys.open(&mut reader);
    let config = config(&mut reader);
    refuse_needless_authorities(&mut reader, upstream_is_plain, &config.services);
    token::refuse_unverified(&mut reader, config.session.values());
    let (serving, config) = reader.finish((serving, config))?;
    Ok((serving.expect("a missing address is a problem"), config))
}

/// Reads the configuration that a script set is checked with: all but what only a
/// listening process needs, which may be missing.
///
/// # Errors
///
/// Every problem of every source at once.
pub fn for_check(inputs: &Inputs) -> Result<Config, Problems> {
    let mut reader = Reader::new(inputs);
    let keys = ServingKeys::read(&mut reader);
    let config = config(&mut reader);
    refuse_needless_authorities(&mut reader, keys.upstream_is_plain(), &config.services);
    token::refuse_unverified(&mut reader, config.session.values());
    reader.finish(config)
}

/// Refuses authorities that no upstream shows a certificate of.
fn refuse_needless_authorities(reader: &mut Reader, upstream_is_plain: bool, services: &[Service]) {
    let is_plain = |service: &Service| service.upstream.as_ref().is_none_or(|url| !url.is_tls);
    if upstream_is_plain
        && services.iter().all(is_plain)
        && reader.was_written("upstream_tls.ca_file")
    {
        reader.refuse(&["upstream_tls.ca_file"], Refusal::TlsWithoutHttps);
    }
}

/// A reader that was asked for every key there is.
#[cfg(test)]
pub(super) fn every_key(inputs: &Inputs) -> Reader {
    let mut reader = Reader::new(inputs);
    ServingKeys::read(&mut reader);
    config(&mut reader);
    reader
}

fn config(reader: &mut Reader) -> Config {
    Config {
        workers: reader.optional("workers", value::count(MOST_WORKERS)),
        trusted_proxies: reader.list_or("trusted_proxies", &[], value::network),
        via: reader.or("via", "off", value::switch),
        require_handlers: reader.or("require_handlers", "false", value::switch),
        scripts: scripts(reader),
        limits: limits(reader),
        upstream_pool: upstream_pool(reader),
        services: services(reader),
        bodies: bodies(reader),
        underscores: reader.or("headers.underscores", "pass", |text| {
            let choices = [("pass", Underscores::Pass), ("drop", Underscores::Drop)];
            value::choice(text, &choices)
        }),
        log: log(reader),
        resources: resources(reader),
        hosts: Hosts {
            allow: reader.list_or("hosts.allow", &[], value::allowed_host),
            networks: reader.list_or("hosts.networks", &[], value::network),
        },
        session: nested(reader, "session", token::session_source),
        platform: nested(reader, "platform", |text| Ok(text.to_owned())),
        store: store(reader),
        queue: queue(reader),
        transactions_kept: reader.or("transactions.keep", "off", value::count_or_off(MOST_KEPT)),
        matching: Matching {
            ignore_case: reader.or("match.ignore_case", "false", value::switch),
            method_parameters: reader.list_or("match.method_parameter", &[], value::word),
        },
        drain: Drain {
            delay: reader.or("drain.delay", "5s", units::duration),
            timeout: reader.or("drain.timeout", "20s", units::duration),
        },
        supervisor: Supervisor {
            enabled: reader.or("supervisor.enabled", "true", value::switch),
            spare: reader.or("supervisor.spare", "true", value::switch),
            watchdog: reader.or("supervisor.watchdog", "10s", units::long_duration_or_off),
        },
    }
}

fn scripts(reader: &mut Reader) -> Scripts {
    let directory = reader.path("scripts.directory");
    Scripts {
        directory: reader
            .required(flag::SCRIPTS, directory)
            .unwrap_or_default(),
        settle: reader.or("scripts.settle", "250ms", units::positive_duration),
        rescan: reader.or("scripts.rescan", "2s", units::positive_duration),
        allow_empty: reader.or("scripts.allow_empty", "false", value::switch),
        allow_eval: reader.or("scripts.allow_eval", "false", value::switch),
        commit: reader.optional("scripts.commit", value::file_name),
    }
}

fn limits(reader: &mut Reader) -> Limits {
    let time = units::positive_duration;
    let limits = Limits {
        handler_time: reader.or("limits.handler_time", "50ms", time),
        handler_memory: reader.or("limits.handler_memory", "64MiB", units::size(MIB, 4 * GIB)),
        total_memory: reader.optional("limits.total_memory", units::size(MIB, 1024 * GIB)),
        max_hung_threads: reader.or("limits.max_hung_threads", "4", value::count(MOST_STUCK)),
        transaction_time: reader.or("limits.transaction_time", "30s", time),
        request_body: reader.or("limits.request_body", "8MiB", units::size(1, LARGEST_BODY)),
        response_body: reader.or("limits.response_body", "8MiB", units::size(1, LARGEST_BODY)),
        body_memory: reader.optional("limits.body_memory", units::size(MIB, 64 * 1024 * GIB)),
        head_time: reader.or("limits.head_time", "10s", time),
        head_size: reader.or("limits.head_size", "64KiB", units::size(KIB, MIB)),
        max_headers: reader.or("limits.max_headers", "128", value::count(MOST_FIELDS)),
        max_parameters: reader.or(
            "limits.max_parameters",
            "4096",
            value::count(MOST_PARAMETERS),
        ),
        body_timeout: reader.or("limits.body_timeout", "60s", time),
        idle_timeout: reader.or("limits.idle_timeout", "60s", time),
        request_timeout: reader.or("limits.request_timeout", "off", units::duration_or_off),
        tunnel_idle_timeout: reader.or("limits.tunnel_idle_timeout", "1h", time),
        max_connections: reader.or(
            "limits.max_connections",
            "16384",
            value::count(MOST_CLIENTS),
        ),
        buffer_memory: reader.optional("limits.buffer_memory", units::size(MIB, 1024 * GIB)),
        max_requests_per_connection: reader.or(
            "limits.max_requests_per_connection",
            "10000",
            value::count(MOST_CLIENTS),
        ),
        upstream_connect: reader.or("limits.upstream_connect", "2s", time),
        upstream_read: reader.or("limits.upstream_read", "60s", time),
        upstream_write: reader.or("limits.upstream_write", "30s", time),
    };
    if limits.handler_time > limits.transaction_time {
        reader.refuse(
            &["limits.handler_time", "limits.transaction_time"],
            Refusal::HandlerOutlastsTransaction {
                handler: limits.handler_time,
                transaction: limits.transaction_time,
            },
        );
    }
    if let Some(total) = limits.total_memory.filter(|it| *it < limits.handler_memory) {
        reader.refuse(
            &["limits.total_memory", "limits.handler_memory"],
            Refusal::HandlerOutgrowsAll {
                handler: limits.handler_memory,
                total,
            },
        );
    }
    limits
}

fn upstream_pool(reader: &mut Reader) -> UpstreamPool {
    UpstreamPool {
        reuse: reader.or("upstream_pool.reuse", "client", |text| {
            let choices = [
                ("client", Reuse::Client),
                ("shared", Reuse::Shared),
                ("off", Reuse::Off),
            ];
            value::choice(text, &choices)
        }),
        max_connections: reader
            .optional("upstream_pool.max_connections", value::count(MOST_UPSTREAM)),
        idle: reader.or("upstream_pool.idle", "4s", units::positive_duration),
    }
}

fn services(reader: &mut Reader) -> Vec<Service> {
    let mut names = BTreeMap::new();
    let mut prefixes = BTreeMap::new();
    let tables = reader.tables("service");
    tables
        .into_iter()
        .filter_map(|table| {
            let name = unique(
                reader,
                &format!("{table}.name"),
                &mut names,
                value::service_name,
            );
            let prefix = unique(
                reader,
                &format!("{table}.prefix"),
                &mut prefixes,
                value::path,
            );
            let upstream = reader.optional(&format!("{table}.upstream"), upstream::url);
            let api_version = reader.optional(&format!("{table}.api_version"), value::word);
            Some(Service {
                name: name?,
                prefix: prefix?,
                upstream,
                api_version,
            })
        })
        .collect()
}

/// Reads a key that no two tables may hold the same value of; `seen` holds the earlier
/// ones, and the key of each.
fn unique(
    reader: &mut Reader,
    key: &str,
    seen: &mut BTreeMap<String, String>,
    parse: fn(&str) -> Result<String, Refusal>,
) -> Option<String> {
    let text = reader.optional(key, parse);
    let text = reader.required_in_table(key, text)?;
    if let Some(other) = seen.insert(text.clone(), key.to_owned()) {
        let refusal = Refusal::SameAs {
            text: text.clone(),
            other,
        };
        reader.refuse(&[key], refusal);
    }
    Some(text)
}

fn bodies(reader: &mut Reader) -> Bodies {
    Bodies {
        unavailable: reader.or("bodies.unavailable", "refuse", |text| {
            let choices = [("refuse", Unavailable::Refuse), ("pass", Unavailable::Pass)];
            value::choice(text, &choices)
        }),
        coded_requests: reader.or("bodies.coded_requests", "decode", |text| {
            let choices = [
                ("decode", CodedRequests::Decode),
                ("keep", CodedRequests::Keep),
                ("refuse", CodedRequests::Refuse),
            ];
            value::choice(text, &choices)
        }),
        json_types: reader.list_or(
            "bodies.json_types",
            &["application/json", "text/json", "*+json", "none"],
            |text| {
                JsonType::parse(text).map_err(|_| Refusal::NoMediaType {
                    text: text.to_owned(),
                })
            },
        ),
        metadata_name: reader.or("bodies.metadata_name", "@metadata", value::word),
    }
}

fn store(reader: &mut Reader) -> Store {
    Store {
        capacity: reader.or("store.capacity", "100000", value::count(MOST_STORED)),
        memory: reader.or("store.memory", "64MiB", units::size(KIB, 64 * GIB)),
        ttl: reader.or("store.ttl", "15m", units::positive_duration),
    }
}

fn queue(reader: &mut Reader) -> Queue {
    Queue {
        capacity: reader.or("queue.capacity", "1000", value::count(MOST_QUEUED)),
        memory: reader.or("queue.memory", "64MiB", units::size(MIB, 64 * GIB)),
        concurrency: reader.or("queue.concurrency", "4", value::count(MOST_WORKERS)),
        delay: reader.or("queue.delay", "0s", units::duration),
        max_attempts: reader.or("queue.max_attempts", "3", value::count(MOST_TRIES)),
        backoff: reader.or("queue.backoff", "1s", units::duration),
        timeout: reader.or("queue.timeout", "30s", units::positive_duration),
    }
}

fn log(reader: &mut Reader) -> Log {
    Log {
        format: reader.or("log.format", "text", |text| {
            value::choice(
                text,
                &[("text", LogFormat::Text), ("json", LogFormat::Json)],
            )
        }),
        level: reader.or("log.level", "info", |text| {
            let choices = [
                ("error", Level::ERROR),
                ("warn", Level::WARN),
                ("info", Level::INFO),
                ("debug", Level::DEBUG),
                ("trace", Level::TRACE),
            ];
            value::choice(text, &choices)
        }),
        access: reader.or("log.access", "on", value::switch),
    }
}

fn resources(reader: &mut Reader) -> Resources {
    let settings = RESOURCE_SETTINGS
        .into_iter()
        .map(|name| {
            let key = format!("resources.settings.{name}");
            (name, reader.or(&key, name, value::word))
        })
        .collect();
    Resources {
        settings,
        paths: reader.open_table("resources", value::path),
    }
}

/// A table of values whose dotted names nest them, such as `user.id`: none lies below another.
fn nested<T>(
    reader: &mut Reader,
    table: &'static str,
    parse: impl Fn(&str) -> Result<T, Refusal>,
) -> BTreeMap<String, T> {
    let values = reader.open_table(table, parse);
    for name in values.keys() {
        let mut above = suggest::split(name).0;
        while !above.is_empty() {
            if values.contains_key(above) {
                let refusal = Refusal::ValueAndTable {
                    table: above.to_owned(),
                };
                reader.refuse(&[&format!("{table}.{name}")], refusal);
            }
            above = suggest::split(above).0;
        }
    }
    values
}
