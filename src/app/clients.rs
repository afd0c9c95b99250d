//! The clients of the upstreams, the main one's and those of services.

use std::net::IpAddr;
use std::sync::Arc;

use crate::config::{self, Config, Serving};
use crate::transaction::Routes;
use crate::upstream;

/// A client for each upstream; they keep so many `idle` connections together.
pub(super) fn clients(
    serving: &Serving,
    config: &Config,
    idle: usize,
) -> Result<Routes<Arc<upstream::Client>>, upstream::SetupError> {
    let own = config.services.iter().filter(|it| it.upstream.is_some());
    let pool = idle / (own.count() + 1);
    let config::Upstream { origin, tls } = &serving.upstream;
    let main = upstream::Settings {
        server_name: tls.as_ref().map(|tls| tls.server_name.as_str().to_owned()),
        pool,
        ..upstream_settings(origin.url(tls.is_some()), serving, config)
    };
    let mut clients = Routes::to(Arc::new(upstream::Client::new(main)?));
    for service in &config.services {
        if let Some(config::Url { is_tls, origin }) = &service.upstream {
            let settings = upstream::Settings {
                pool,
                ..upstream_settings(origin.url(*is_tls), serving, config)
            };
            let client = Arc::new(upstream::Client::new(settings)?);
            clients = clients.with_own(&*service.name, client);
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
        reach: reach(config),
        ..upstream::Settings::new(url)
    }
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
