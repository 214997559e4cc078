//! Everything that a demo needs, running: servers, the pool's file, the proxy.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context as _, anyhow};
use evenkeel_tests::load::Settings;

use super::options::{Options, Port};
use super::place::Place;
use super::pool::{EXAMPLE, Pool, with_ports};
use super::proxy::{self, Proxy};
use super::servers::Servers;

/// Somebody else can take a free port between the choice and the proxy's start. That is rare; three times is not chance.
const ATTEMPTS: usize = 3;

/// What runs.
#[derive(Debug)]
pub(crate) struct Stand {
    pub(crate) place: Place,
    /// The file as it was at the start.
    pub(crate) pool: Pool,
    pub(crate) servers: Servers,
    pub(crate) proxy: Proxy,
}

impl Stand {
    /// Starts all of it.
    pub(crate) async fn start(options: &Options) -> anyhow::Result<Self> {
        let program = proxy::program(options)?;
        let own = options.file.as_deref().map(Place::own).transpose()?;
        let text = own.as_ref().map_or_else(|| Ok(EXAMPLE.to_owned()), Place::read)?;
        let before = read(&text, own.as_ref())?;
        let servers = Servers::start(&before, options).await?;
        let mut attempts = 1;
        loop {
            let listen = choose(options.listener(before.bind_port), "the pool's listener", "--listen-port")?;
            let admin = choose(options.admin(), "the proxy's /status", "--admin-port")?;
            let place = match &options.file {
                Some(name) => Place::own(name)?,
                None => copy(options, &before, listen, &servers)?,
            };
            let pool = read(&place.read()?, Some(&place))?;
            match Proxy::start(&program, &place, (Ipv4Addr::LOCALHOST, admin).into()).await {
                Ok(proxy) => return Ok(Self { place, pool, servers, proxy }),
                Err(error) if attempts == ATTEMPTS || !options.chooses_ports() => return Err(error),
                Err(_) => attempts += 1,
            }
        }
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.pool.bind_port).into()
    }

    /// Requests to the pool, half of them on kept-alive connections.
    pub(crate) fn traffic(&self) -> Settings {
        Settings { keep_alive_percent: 50, ..Settings::to(&self.address().to_string()) }
    }

    /// Ends all of it, the proxy before the servers behind it.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        let ended = self.proxy.end().await;
        self.servers.stop().await;
        ended
    }
}

/// A copy of the example with the ports that are really in use.
fn copy(options: &Options, example: &Pool, listen: u16, servers: &Servers) -> anyhow::Result<Place> {
    let place = match options.listen_port {
        _ if options.once => Place::temporary()?.with_short_name(),
        _ if options.free_ports => Place::temporary()?,
        Some(port) => Place::lasting(&format!("pool-{port}.yaml"))?,
        None => Place::lasting("pool.yaml")?,
    };
    let listener = BTreeMap::from([(example.bind_port, listen)]);
    let ports = servers.ports().into_iter().chain(listener).collect();
    place.write(&with_ports(EXAMPLE, &ports))?;
    Ok(place)
}

fn read(text: &str, place: Option<&Place>) -> anyhow::Result<Pool> {
    let name = place.map_or_else(|| "the example".to_owned(), |place| place.name().display().to_string());
    Pool::read(text).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(|problem| format!("{name}: {problem}")).collect();
        anyhow!("{}", problems.join("\n"))
    })
}

/// The number of a port that nobody listens on.
fn choose(port: Port, whose: &str, option: &str) -> anyhow::Result<u16> {
    match port {
        Port::Free => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
            Ok(listener.local_addr()?.port())
        }
        Port::Fixed(port) => match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => Ok(port),
            Err(error) => Err(anyhow!(
                "port {port} ({whose}) cannot be used: {error}; end what listens there, \
                 or choose another one: make demo ARGS='{option} {}'",
                port.checked_add(1).unwrap_or(8080)
            )),
        },
    }
}
