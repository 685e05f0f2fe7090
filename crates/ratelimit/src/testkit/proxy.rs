//! A connection that goes wrong: what lies between a node and its store, for tests.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use togglebox_core::{EntropyExt as _, SeededEntropy};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// Pieces that are under way in one direction of a connection at the most; what writes more has to wait.
const UNDER_WAY: usize = 1024;

/// The most bytes of a piece.
const PIECE_BYTES: usize = 16 * 1024;

/// How the network is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// How long each piece takes, in each direction. Pieces keep their order, and do not wait for each other.
    pub delay: Duration,
    /// Up to so much longer, by chance.
    pub jitter: Duration,
    /// Nothing arrives at the server. As TCP does it, what was sent arrives when this has ended, unless the connection has ended first.
    pub lost_to_server: bool,
    /// Nothing arrives at the client: what it asked for is done, and it never hears of that.
    pub lost_to_client: bool,
    /// How much later one side learns that the other one has closed.
    pub slow_close: Duration,
    /// Who connects is thrown out at once.
    pub refusing: bool,
}

impl Network {
    /// One in which nothing arrives anywhere, and nobody is told so.
    pub const DEAD: Self = Self {
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        lost_to_server: true,
        lost_to_client: true,
        slow_close: Duration::ZERO,
        refusing: false,
    };

    /// One in which each piece takes this long.
    pub fn slow(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }
}

/// What a proxy has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Connections of clients, those thrown out included.
    pub accepted: usize,
    /// Connections of clients that have not ended.
    pub open: usize,
    /// Bytes that clients have sent, whether or not they have arrived.
    pub from_clients: u64,
    /// Bytes that were let through to clients: none any more once the network that loses them is set.
    pub to_clients: u64,
}

/// A TCP proxy before one server, on a loopback port of its own. It ends, with all its connections, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    server: watch::Sender<SocketAddr>,
    network: watch::Sender<Network>,
    blow: watch::Sender<Blow>,
    seen: watch::Sender<Seen>,
    dice: SeededEntropy,
}

/// What happens to the connections that there are.
#[derive(Clone, Copy, Debug)]
enum Blow {
    None,
    Cut,
    Half,
}

/// What is under way.
enum Piece {
    Bytes(Vec<u8>),
    End,
}

#[derive(Clone, Copy)]
enum Direction {
    ToServer,
    ToClient,
}

impl Proxy {
    /// A proxy before this server, over a network without faults. `seed` is that of the jitter. Needs a tokio run time.
    ///
    /// # Errors
    /// There is no port to be had.
    pub async fn before(server: SocketAddr, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server: watch::Sender::new(server),
            network: watch::Sender::new(Network::default()),
            blow: watch::Sender::new(Blow::None),
            seen: watch::Sender::new(Seen::default()),
            dice: SeededEntropy::new(seed),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self { address, shared, task })
    }

    /// Where clients connect.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the network, for the connections that there are and for those to come.
    pub fn set(&self, network: Network) {
        self.shared.network.send_replace(network);
    }

    /// Leads connections to come to another server, as a name does that is resolved anew.
    pub fn lead_to(&self, server: SocketAddr) {
        self.shared.server.send_replace(server);
    }

    /// Ends all connections, of both sides, with a reset.
    pub fn cut(&self) {
        self.shared.blow.send_replace(Blow::Cut);
    }

    /// Ends the server's side of all connections. The clients' side stays as it is: what is sent there is lost, and nothing ever comes.
    pub fn half_open(&self) {
        self.shared.blow.send_replace(Blow::Half);
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        *self.shared.seen.borrow()
    }

    /// Waits until what was seen is as wanted.
    pub async fn until(&self, wanted: impl FnMut(&Seen) -> bool) {
        let mut seen = self.shared.seen.subscribe();
        // The sender lives as long as this.
        let _ = seen.wait_for(wanted).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// When a piece that is sent now arrives.
    fn arrival(&self) -> Instant {
        let network = *self.network.borrow();
        let by_chance = network.jitter * u32::from(u16::from_le_bytes(self.dice.bytes())) / u32::from(u16::MAX);
        Instant::now() + network.delay + by_chance
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Aborted with this task, when the set is dropped.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        shared.seen.send_modify(|seen| seen.accepted += 1);
        if shared.network.borrow().refusing {
            reset(&client);
        } else {
            shared.seen.send_modify(|seen| seen.open += 1);
            let (shared, blows) = (Arc::clone(&shared), shared.blow.subscribe());
            connections.spawn(async move {
                connection(client, &shared, blows).await;
                shared.seen.send_modify(|seen| seen.open -= 1);
            });
        }
    }
}

async fn connection(mut client: TcpStream, shared: &Shared, mut blows: watch::Receiver<Blow>) {
    let address = *shared.server.borrow();
    let Ok(mut server) = TcpStream::connect(address).await else { return reset(&client) };
    if client.set_nodelay(true).and(server.set_nodelay(true)).is_err() {
        return reset(&client);
    }
    let half = {
        let ((client_in, client_out), (server_in, server_out)) = (client.split(), server.split());
        let carried = async {
            tokio::try_join!(
                carry(client_in, server_out, Direction::ToServer, shared),
                carry(server_in, client_out, Direction::ToClient, shared),
            )
        };
        tokio::select! {
            carried = carried => {
                if carried.is_ok() {
                    return;
                }
                // One side is gone with a reset: the other one gets that too, when anything arrives there.
                let arrives = |network: &Network| !network.lost_to_server && !network.lost_to_client;
                // The sender lives as long as this.
                let _ = shared.network.subscribe().wait_for(arrives).await;
                false
            }
            Ok(()) = blows.changed() => matches!(*blows.borrow(), Blow::Half),
        }
    };
    if half {
        drop(server);
        tokio::select! {
            () = swallow(&mut client, shared) => return,
            _ = blows.changed() => {}
        }
    } else {
        reset(&server);
    }
    reset(&client);
}

/// What closes this stream is a reset.
fn reset(stream: &TcpStream) {
    // Fails when it is gone already, and then there is nothing to reset.
    let _ = stream.set_zero_linger();
}

/// Reads until the other side closes.
async fn swallow(client: &mut TcpStream, shared: &Shared) {
    let mut piece = vec![0; PIECE_BYTES];
    while let Ok(bytes @ 1..) = client.read(&mut piece).await {
        shared.seen.send_modify(|seen| seen.from_clients += bytes as u64);
    }
}

/// Carries all that comes until one side ends it.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    direction: Direction,
    shared: &Shared,
) -> io::Result<()> {
    let (sender, mut under_way) = mpsc::channel(UNDER_WAY);
    let sending = async move {
        let mut last = Instant::now();
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            let bytes = from.read(&mut buffer).await?;
            let late = if bytes == 0 { shared.network.borrow().slow_close } else { Duration::ZERO };
            last = last.max(shared.arrival() + late);
            let piece = if bytes == 0 { Piece::End } else { Piece::Bytes(buffer[..bytes].to_vec()) };
            if matches!(direction, Direction::ToServer) {
                shared.seen.send_modify(|seen| seen.from_clients += bytes as u64);
            }
            if sender.send((last, piece)).await.is_err() || bytes == 0 {
                return Ok::<_, io::Error>(());
            }
        }
    };
    let arriving = async {
        let mut network = shared.network.subscribe();
        while let Some((due, piece)) = under_way.recv().await {
            // The run time's clock has ticks of a millisecond: also a sleep until now may take one.
            if due > Instant::now() {
                sleep_until(due).await;
            }
            let carries = |network: &Network| match direction {
                Direction::ToServer => !network.lost_to_server,
                Direction::ToClient => !network.lost_to_client,
            };
            {
                let _unchanged = network.wait_for(carries).await.map_err(io::Error::other)?;
                // Counted before the network can change: what is let through after that is nothing.
                if let (Direction::ToClient, Piece::Bytes(bytes)) = (direction, &piece) {
                    shared.seen.send_modify(|seen| seen.to_clients += bytes.len() as u64);
                }
            }
            let Piece::Bytes(bytes) = piece else { return to.shutdown().await };
            to.write_all(&bytes).await?;
        }
        Ok(())
    };
    tokio::try_join!(sending, arriving).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    /// A server that answers what it is told, and a client of it, through a proxy.
    async fn echo() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Proxy::before(listener.local_addr().unwrap(), 1).await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        let client = TcpStream::connect(proxy.address()).await.unwrap();
        (proxy, client)
    }

    async fn told(client: &mut TcpStream, text: &[u8]) -> io::Result<Vec<u8>> {
        client.write_all(text).await?;
        let mut answer = vec![0; text.len()];
        client.read_exact(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn what_is_sent_arrives_and_is_counted() {
        let (proxy, mut client) = echo().await;
        let large = vec![7; 300_000];
        client.write_all(&large[..10]).await.unwrap();
        let (mut from, mut to) = client.split();
        let mut answer = vec![0; large.len()];
        let (sent, received) = tokio::join!(to.write_all(&large[10..]), from.read_exact(&mut answer));
        sent.unwrap();
        received.unwrap();
        assert_eq!(answer, large);
        client.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        proxy.until(|seen| seen.open == 0).await;
        assert_eq!(proxy.seen(), Seen { accepted: 1, open: 0, from_clients: 300_000, to_clients: 300_000 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_network_delays_each_direction_and_the_end() {
        let (proxy, mut client) = echo().await;
        told(&mut client, b"quick").await.unwrap();
        let second = Duration::from_secs(1);
        proxy.set(Network { jitter: second / 2, slow_close: 5 * second, ..Network::slow(second) });
        let began = Instant::now();
        assert_eq!(told(&mut client, b"slow").await.unwrap(), b"slow");
        assert!((2 * second..=3 * second + second / 10).contains(&began.elapsed()), "{:?}", began.elapsed());
        client.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        assert!(began.elapsed() >= 14 * second, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn what_is_lost_arrives_when_the_network_is_back() {
        let (proxy, mut client) = echo().await;
        for network in [
            Network { lost_to_server: true, ..Network::default() },
            Network { lost_to_client: true, ..Network::default() },
            Network::DEAD,
        ] {
            proxy.set(network);
            let before = proxy.seen();
            client.write_all(b"hello").await.unwrap();
            proxy.until(|seen| seen.from_clients == before.from_clients + 5).await;
            assert_eq!(client.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
            proxy.set(Network::default());
            let mut answer = [0; 5];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"hello");
        }
    }

    #[tokio::test]
    async fn a_cut_resets_and_others_may_come() {
        let (proxy, mut client) = echo().await;
        told(&mut client, b"hello").await.unwrap();
        proxy.cut();
        assert_eq!(client.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        told(&mut client, b"again").await.unwrap();

        proxy.set(Network { refusing: true, ..Network::default() });
        let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(told(&mut refused, b"hello").await.is_err());
        told(&mut client, b"not those that there are").await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_is_gone_is_gone_for_the_server() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Proxy::before(listener.local_addr().unwrap(), 1).await.unwrap();
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        server.read_exact(&mut [0; 5]).await.unwrap();
        // As the system does for a process that is killed with something left to read.
        client.set_zero_linger().unwrap();
        drop(client);
        assert_eq!(server.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        proxy.until(|seen| seen.open == 0).await;
    }

    #[tokio::test]
    async fn half_a_connection_takes_everything_and_says_nothing() {
        let (proxy, mut client) = echo().await;
        told(&mut client, b"hello").await.unwrap();
        proxy.half_open();
        let before = proxy.seen();
        client.write_all(b"anybody?").await.unwrap();
        proxy.until(|seen| seen.from_clients == before.from_clients + 8).await;
        assert_eq!(client.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        proxy.cut();
        assert_eq!(client.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_proxy_leads_to_another_server_and_ends_with_its_connections() {
        let ((proxy, _client), (other, _)) = (echo().await, echo().await);
        proxy.lead_to(other.address());
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        told(&mut client, b"hello").await.unwrap();
        assert_eq!(other.seen().from_clients, 5);
        drop(proxy);
        assert_eq!(client.read(&mut [0]).await.unwrap_or_default(), 0);
    }
}
