//! What only a listening process needs: its addresses, its upstream, and the files
//! and secrets it reads once at the start.
//!
//! `check` looks at these keys too, but needs none of them and opens nothing, so a
//! configuration can be checked where its secrets are not.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::flag;
use super::reader::Reader;
use super::refusal::Refusal;
use super::secret::{Secret, SecretReference};
use super::token::{Token, TokenKeys};
use super::upstream::{self, Origin, ServerName};
use super::value;

/// Where the process listens and what stands behind it.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The proxy's own address; port 0 for any.
    pub listen: SocketAddr,
    /// The REST API behind it.
    pub upstream: Upstream,
    /// A readable PEM file of the authorities that are believed instead of the system's,
    /// about every upstream.
    pub ca_file: Option<PathBuf>,
    /// The same for the hosts that handlers call.
    pub hosts_ca_file: Option<PathBuf>,
    /// The status listener; `None` where it is off.
    pub status: Option<SocketAddr>,
    /// The admin listener; `None` where it is off.
    pub admin: Option<Admin>,
    /// What a rejection looks like.
    pub error_body: ErrorBody,
    /// The `[secrets]` table: what handlers may ask for, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// The `[token]` table; `None` where no token counts.
    pub token: Option<Token>,
}

/// The REST API behind the sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its host and port.
    pub origin: Origin,
    /// How it is spoken to over TLS; `None` for plain text.
    pub tls: Option<UpstreamTls>,
}

/// What of the `[upstream_tls]` table is about one upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The name in its certificate, the upstream's host by default.
    pub server_name: ServerName,
}

/// The `[admin]` table.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Where the operator's side listens.
    pub listen: SocketAddr,
    /// What callers must show; always there where the address is no loopback.
    pub token: Option<Secret>,
}

/// The `[errors]` table: what a rejection looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorBody {
    /// One object that clients of all three systems can read.
    Default,
    /// RFC 9457.
    Problem,
    /// The operator's own, the text of the file.
    Template(String),
}

/// The keys of [`Serving`] with nothing opened and nothing required.
pub(super) struct ServingKeys {
    listen: Option<SocketAddr>,
    upstream: Option<upstream::Url>,
    server_name: Option<ServerName>,
    ca_file: Option<PathBuf>,
    hosts_ca_file: Option<PathBuf>,
    status: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    admin_token: Option<SecretReference>,
    error_format: ErrorFormat,
    template: Option<PathBuf>,
    secrets: BTreeMap<String, SecretReference>,
    token: TokenKeys,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ErrorFormat {
    Default,
    Problem,
}

impl ServingKeys {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let keys = Self {
            listen: reader.optional("listen", value::address),
            upstream: reader.optional("upstream", upstream::url),
            server_name: reader.optional("upstream_tls.server_name", upstream::server_name),
            ca_file: reader.path("upstream_tls.ca_file"),
            hosts_ca_file: reader.path("hosts.ca_file"),
            status: reader.or("status.listen", "127.0.0.1:9464", value::address_or_off),
            admin: reader.or("admin.listen", "127.0.0.1:9465", value::address_or_off),
            admin_token: reader.secret("admin.token"),
            error_format: reader.or("errors.format", "default", |text| {
                value::choice(
                    text,
                    &[
                        ("default", ErrorFormat::Default),
                        ("problem", ErrorFormat::Problem),
                    ],
                )
            }),
            template: reader.path("errors.template"),
            secrets: reader.open_table_of_secrets("secrets"),
            token: TokenKeys::read(reader),
        };
        keys.refuse_contradictions(reader);
        keys
    }

    fn refuse_contradictions(&self, reader: &mut Reader) {
        self.refuse_shared_ports(reader);
        if let Some(address) = self.admin.filter(|address| !address.ip().is_loopback())
            && !reader.was_written("admin.token")
        {
            reader.refuse(&["admin.token"], Refusal::NoToken { address });
        }
        if self.upstream_is_plain() && reader.was_written("upstream_tls.server_name") {
            reader.refuse(&["upstream_tls.server_name"], Refusal::TlsWithoutHttps);
        }
        if self.template.is_some() && self.error_format == ErrorFormat::Problem {
            reader.refuse(&["errors.template"], Refusal::TemplateAndFormat);
        }
    }

    /// Whether the upstream is spoken to in plain text; false where there is none.
    pub(super) fn upstream_is_plain(&self) -> bool {
        self.upstream.as_ref().is_some_and(|url| !url.is_tls)
    }

    fn refuse_shared_ports(&self, reader: &mut Reader) {
        let proxy = ("listen", self.listen);
        let status = ("status.listen", self.status);
        let admin = ("admin.listen", self.admin);
        for ((key, address), (other, others)) in [(proxy, status), (proxy, admin), (status, admin)]
        {
            if let (Some(address), Some(others)) = (address, others)
                && clash(address, others)
            {
                let keys = [key, other];
                let port = address.port();
                reader.refuse(&keys, Refusal::PortClash { keys, port });
            }
        }
    }

    /// Opens what the keys refer to; `None` where `listen` or `upstream` is missing.
    pub(super) fn open(self, reader: &mut Reader) -> Option<Serving> {
        let listen = reader.required(flag::LISTEN, self.listen);
        let url = reader.required(flag::UPSTREAM, self.upstream);
        let admin_token = reader.opened("admin.token", self.admin_token, |reference, variables| {
            reference.read(variables)
        });
        let readable = |path: PathBuf, _: &_| text_of(&path).map(|_| path);
        let ca_file = reader.opened("upstream_tls.ca_file", self.ca_file, readable);
        let hosts_ca_file = reader.opened("hosts.ca_file", self.hosts_ca_file, readable);
        let template = reader.opened("errors.template", self.template, |path, _| text_of(&path));

        let mut secrets = BTreeMap::new();
        for (name, reference) in self.secrets {
            let key = format!("secrets.{name}");
            let opened = reader.opened(&key, Some(reference), |reference, variables| {
                reference.read(variables)
            });
            secrets.extend(opened.map(|secret| (name, secret)));
        }
        let token = self.token.open(reader);

        let url = url?;
        let server_name = self.server_name;
        Some(Serving {
            listen: listen?,
            upstream: Upstream {
                tls: url.is_tls.then(|| UpstreamTls {
                    server_name: server_name.unwrap_or_else(|| ServerName::of(&url.origin.host)),
                }),
                origin: url.origin,
            },
            ca_file,
            hosts_ca_file,
            secrets,
            token,
            status: self.status,
            admin: self.admin.map(|listen| Admin {
                listen,
                token: admin_token,
            }),
            error_body: match (template, self.error_format) {
                (Some(text), _) => ErrorBody::Template(text),
                (None, ErrorFormat::Default) => ErrorBody::Default,
                (None, ErrorFormat::Problem) => ErrorBody::Problem,
            },
        })
    }
}

/// Whether two listeners would want the same port of the same address; port 0 is no
/// port yet.
fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    let overlap = a.ip() == b.ip() || covers(a.ip(), b.ip()) || covers(b.ip(), a.ip());
    a.port() == b.port() && a.port() != 0 && overlap
}

/// Whether listening on `all` takes `one` as well: `0.0.0.0` takes every IPv4 address,
/// `::` on Linux those of IPv4 too.
fn covers(all: IpAddr, one: IpAddr) -> bool {
    all.is_unspecified() && (all.is_ipv6() || one.is_ipv4())
}

fn text_of(path: &Path) -> Result<String, Refusal> {
    fs::read_to_string(path).map_err(|source| Refusal::Unreadable {
        path: path.to_owned(),
        source,
    })
}
