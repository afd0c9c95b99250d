//! The process that serves: initialised first, so that it accepts connections at once when it
//! is to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::admin::{self, Stage, View};
use crate::config::{Config, Serving};
use crate::engine::Stuck;
use crate::generation::Generations;
use crate::proxy::{self, Listener};
use crate::queue::Queue;
use crate::scripts;
use crate::supervisor::{KeptSet, Sockets};
use crate::telemetry::Ring;
use crate::transaction::Line;
use crate::transaction::story::Chronicler;
use crate::wire::Buffers;

use super::checked::Checked;
use super::clients::{clients, egress};
use super::descriptors::{self, Descriptors};
use super::engine::{engine, secrets};
use super::lifecycle::{Drain, End, Requests, drain};
use super::line::{case, line, observer, services};
use super::operators::{operators, unsound};
use super::parent::Parent;
use super::quarantine::Wards;
use super::reloads::{Publisher, reload_loop, wait_for_handlers};
use super::trial::Trial;
use super::{AppError, Bound, LAST_WORDS, buffers, client_side, queue_settings};

/// Everything but the sockets.
pub(super) struct Sidecar {
    serving: Serving,
    config: Config,
    parent: Parent,
    descriptors: Descriptors,
    buffers: Arc<Buffers>,
    generations: Arc<Generations>,
    publisher: Arc<Publisher>,
    wards: Arc<Wards>,
    /// What is live already.
    live: Option<scripts::Live>,
    stuck: Stuck,
    queue: Arc<Queue>,
    line: Arc<Line>,
    transactions: Arc<Ring>,
    upstream: String,
}

impl Sidecar {
    /// Must be called within a runtime.
    pub(super) fn new(
        serving: Serving,
        config: Config,
        Checked { memory, session }: Checked,
        parent: Parent,
    ) -> Result<Self, AppError> {
        let descriptors = Descriptors::of(descriptors::raise());
        let generations = Arc::new(Generations::default());
        let engine = engine(&config, secrets(&serving), memory);
        let stuck = engine.stuck();
        let wards = Wards::new(parent.clone());
        let publisher = Publisher {
            services: services(&config),
            engine,
            generations: Arc::clone(&generations),
            parent: parent.clone(),
            wards: Arc::clone(&wards),
            trial: Trial::of(&config),
        };
        // Most of what is kept leads to the API.
        let for_hosts = descriptors.idle / 4;
        let for_api = descriptors.idle - for_hosts;
        let buffers = buffers(&config.limits);
        let clients = clients(&serving, &config, for_api, &buffers)?;
        let egress = egress(&serving, &config, for_hosts, &buffers)?;
        let queue = Queue::new(queue_settings(&config));
        let line = line(
            &serving,
            &config,
            session,
            &clients,
            egress,
            &generations,
            &queue,
        );
        let transactions = Arc::new(Ring::new(config.transactions_kept));
        line.pipeline
            .tell(Arc::clone(&transactions) as Arc<dyn Chronicler>);
        Ok(Self {
            upstream: format!("http://{}", clients.main().peer().authority()),
            serving,
            config,
            parent,
            descriptors,
            buffers,
            generations,
            publisher: Arc::new(publisher),
            wards,
            live: None,
            stuck,
            queue,
            line,
            transactions,
        })
    }

    /// Takes over what workers before left.
    pub(super) fn adopt(&self, name: &str, value: &serde_json::Value) {
        self.wards.adopt(name, value);
    }

    /// Compiles the set that is live elsewhere, and makes it live here.
    pub(super) async fn follow(&mut self, set: KeptSet) {
        let publisher = Arc::clone(&self.publisher);
        let published = tokio::task::spawn_blocking(move || publisher.follow(&set)).await;
        if let Ok(Some(live)) = published {
            self.live = Some(live);
        }
    }

    /// Serves until `requests` ask for the end. `tell` is called once connections are accepted.
    ///
    /// # Errors
    ///
    /// There are no handlers where there have to be some, or the system gives no more.
    pub(super) async fn serve(
        self,
        sockets: Sockets,
        mut requests: Requests,
        tell: impl FnOnce(&Bound),
    ) -> Result<(), AppError> {
        let Self {
            serving,
            config,
            parent,
            descriptors,
            buffers,
            generations,
            publisher,
            wards,
            live,
            stuck,
            queue,
            line,
            transactions,
            upstream,
        } = self;
        let listener = Listener::new(sockets.proxy)?;
        let status = sockets.status.map(TcpListener::from_std).transpose()?;
        let admin = sockets.admin.map(TcpListener::from_std).transpose()?;
        let bound = Bound {
            proxy: listener.address(),
            status: address(status.as_ref())?,
            admin: address(admin.as_ref())?,
            upstream,
        };

        let of_worker = Arc::clone(&wards);
        tokio::task::spawn_blocking(move || of_worker.serves())
            .await
            .map_err(io::Error::other)?;
        let (reload, reloads) = reload_loop(&config, publisher, live);
        let reading = tokio::spawn(reload.run());
        if config.require_handlers {
            wait_for_handlers(&reloads).await?;
        }

        let workers = queue.work(&line);
        let server = listener.start(proxy::Service {
            line,
            observer: Some(observer(&config, &transactions)),
            settings: client_side(&config.limits, &descriptors, buffers),
        });
        let (stage, lifecycle) = watch::channel(Stage::Serving);
        let (end, ended) = watch::channel(false);
        let view = View {
            generations,
            services: services(&config),
            case: case(&config),
            transactions,
            queue: Arc::clone(&queue),
            reloads: reloads.clone(),
            lifecycle,
            unsound: Arc::new(move || unsound(&stuck)),
            quarantine: Arc::clone(wards.shown()),
            release: {
                let wards = Arc::clone(&wards);
                Arc::new(move |name: &str| wards.release(name))
            },
            dies_often: Arc::new(move || wards.dies_often()),
        };
        let limits = admin::Limits {
            max_connections: descriptors.operators,
            head_time: config.limits.head_time,
            idle_time: config.limits.idle_timeout,
        };
        let operators = operators(&serving, view, status, admin, limits, &ended)?;
        parent.serving();
        tell(&bound);
        let deciding = tokio::spawn(tell_when_decided(reloads.status(), parent.clone()));

        let asked = requests.wait(&reloads, &parent).await;
        deciding.abort();
        let delay = match asked {
            End::AtOnce => None,
            End::Drained => Some(config.drain.delay),
            End::Orphaned => {
                // Another supervisor may want the addresses.
                end.send_replace(true);
                Some(std::time::Duration::ZERO)
            }
        };
        if let Some(delay) = delay {
            let limits = Drain {
                delay,
                timeout: config.drain.timeout,
            };
            drain(server, &queue, &stage, &mut requests, limits).await;
        }
        queue.abandon();
        for worker in workers {
            worker.abort();
        }
        reading.abort();
        end.send_replace(true);
        for operator in operators {
            // A client that keeps its connection to the status listener doesn't keep the process.
            tokio::time::timeout(LAST_WORDS, operator).await.ok();
        }
        Ok(())
    }
}

async fn tell_when_decided(mut status: watch::Receiver<scripts::Status>, parent: Parent) {
    let decided = status.wait_for(scripts::Status::is_decided).await.is_ok();
    if decided {
        parent.decided();
    }
}

fn address(listener: Option<&TcpListener>) -> io::Result<Option<SocketAddr>> {
    listener.map(TcpListener::local_addr).transpose()
}
