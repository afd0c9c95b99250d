//! The clients of the upstreams, the main one's and those of services, and of other hosts.

use std::net::IpAddr;
use std::sync::Arc;

use crate::config::{self, Config, Serving};
use crate::transaction::Routes;
use crate::upstream;
use crate::wire::Buffers;

/// A client for each upstream; they keep so many `idle` connections together.
pub(super) fn clients(
    serving: &Serving,
    config: &Config,
    idle: usize,
    buffers: &Arc<Buffers>,
) -> Result<Routes<Arc<upstream::Client>>, upstream::SetupError> {
    let config::Upstream { origin, tls } = &serving.upstream;
    let main = upstream::Settings {
        server_name: tls.as_ref().map(|tls| tls.server_name.as_str().to_owned()),
        pool: upstream_pool(config, idle),
        buffers: Arc::clone(buffers),
        ..upstream_settings(origin.url(tls.is_some()), serving, config)
    };
    let main = Arc::new(upstream::Client::new(&main)?);
    let mut clients = Routes::to(Arc::clone(&main));
    for service in &config.services {
        if let Some(config::Url { is_tls, origin }) = &service.upstream {
            let client = main.beside(&origin.url(*is_tls))?;
            clients = clients.with_own(&*service.name, Arc::new(client));
        }
    }
    Ok(clients)
}

fn upstream_settings(url: url::Url, serving: &Serving, config: &Config) -> upstream::Settings {
    upstream::Settings {
        ca_file: serving.ca_file.clone(),
        connect: config.limits.upstream_connect,
        read: config.limits.upstream_read,
        write: config.limits.upstream_write,
        tunnel_idle: config.limits.tunnel_idle_timeout,
        ..upstream::Settings::new(url)
    }
}

fn upstream_pool(config: &Config, max_idle: usize) -> upstream::UpstreamPool {
    let config::UpstreamPool {
        reuse,
        max_connections,
        idle,
    } = config.upstream_pool;
    upstream::UpstreamPool {
        reuse: match reuse {
            config::Reuse::Client => upstream::Reuse::Client,
            config::Reuse::Shared => upstream::Reuse::Shared,
            config::Reuse::Off => upstream::Reuse::Off,
        },
        max_connections,
        max_idle,
        idle,
    }
}

/// A client of the hosts that handlers may call, which keeps so many `idle` connections.
pub(super) fn egress(
    serving: &Serving,
    config: &Config,
    idle: usize,
    buffers: &Arc<Buffers>,
) -> Result<upstream::Egress, upstream::SetupError> {
    upstream::Egress::new(upstream::EgressSettings {
        ca_file: serving.hosts_ca_file.clone(),
        reach: reach(config),
        connect: config.limits.upstream_connect,
        read: config.limits.upstream_read,
        write: config.limits.upstream_write,
        max_idle: idle,
        buffers: Arc::clone(buffers),
    })
}

/// What the names of hosts may stand for that handlers call.
fn reach(config: &Config) -> upstream::Reach {
    let addresses = config.hosts.allow.iter().filter_map(|it| match it.host {
        url::Host::Ipv4(address) => Some((IpAddr::V4(address), it.port)),
        url::Host::Ipv6(address) => Some((IpAddr::V6(address), it.port)),
        url::Host::Domain(_) => None,
    });
    upstream::Reach {
        addresses: addresses.collect(),
        networks: config.hosts.networks.clone(),
    }
}
