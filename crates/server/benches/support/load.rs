//! A client that loads a service over HTTP, as fast as it is answered.
//!
//! Each thread drives its connections by readiness, as load generators do: a thread per connection would measure the scheduler.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

const ROUND: Duration = Duration::from_millis(1500);
const CONNECTIONS: usize = 64;
const CLIENTS: usize = 2;

/// `HTTP/1.1 200`: how an answer begins.
const BEGINNING: usize = 12;

/// What is asked for. All answers are to be of one status and one length: ids of requests, times and dates are. An answer from a store that
/// is away is not, which ends the run.
pub(crate) struct Requests {
    texts: Vec<String>,
    /// Which comes after which, as places in `texts`; from the beginning again at the end.
    order: Vec<u32>,
}

impl Requests {
    pub(crate) fn new(texts: Vec<String>, order: Vec<u32>) -> Self {
        Self { texts, order }
    }

    /// Without an end; the `number`th connection begins at a place of its own.
    fn of_connection(&self, number: usize) -> impl Iterator<Item = &[u8]> {
        let from = self.order.len() * number / CONNECTIONS;
        let order = self.order[from..].iter().chain(self.order.iter().cycle());
        order.map(|place| self.texts[*place as usize].as_bytes())
    }
}

/// What a round of load shows.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    /// Requests that all connections together got answered.
    pub(crate) answered: f64,
    over: Duration,
    p99: Duration,
}

impl Figures {
    pub(crate) fn per_second(&self) -> f64 {
        self.answered / self.over.as_secs_f64()
    }

    /// How long 99 of 100 requests took at the most.
    pub(crate) fn p99_ms(&self) -> f64 {
        self.p99.as_secs_f64() * 1e3
    }
}

/// Loads a service for a while. `from` says from which address each connection comes.
pub(crate) fn load(address: SocketAddr, requests: &Requests, from: impl Fn(usize) -> Ipv4Addr) -> Figures {
    let sample = answer(&mut connect(address), &requests.texts[0]);
    let (sample, stop, began) = (sample.as_slice(), &AtomicBool::new(false), Instant::now());
    let mut took: Vec<u32> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let own = client * CONNECTIONS / CLIENTS..(client + 1) * CONNECTIONS / CLIENTS;
                let own: Vec<_> = own.map(|number| (from(number), requests.of_connection(number))).collect();
                scope.spawn(move || drive(address, own, sample, stop))
            })
            .collect();
        std::thread::sleep(ROUND);
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let over = began.elapsed();
    took.sort_unstable();
    let p99 = Duration::from_nanos(took[(took.len() - 1) * 99 / 100].into());
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    Figures { answered: took.len() as f64, over, p99 }
}

/// How long each request took, in nanoseconds.
fn drive<'r>(
    address: SocketAddr,
    connections: Vec<(Ipv4Addr, impl Iterator<Item = &'r [u8]>)>,
    sample: &[u8],
    stop: &AtomicBool,
) -> Vec<u32> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let connections = connections.into_iter().map(|(from, requests)| async move {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind((from, 0).into()).unwrap();
            let mut stream = socket.connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut buffer, mut took) = (vec![0; sample.len()], Vec::new());
            for request in requests {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let begun = Instant::now();
                stream.write_all(request).await.unwrap();
                let mut filled = 0;
                while filled < sample.len() {
                    let read = stream.read(&mut buffer[filled..]).await.unwrap();
                    assert!(read > 0, "the server closed the connection");
                    filled += read;
                    // An answer of another kind may be shorter, and the rest of it waited for in vain.
                    assert!(filled < BEGINNING || buffer[..BEGINNING] == sample[..BEGINNING], "{}", text(&buffer[..filled]));
                }
                took.push(u32::try_from(begun.elapsed().as_nanos()).unwrap_or(u32::MAX));
            }
            took
        });
        futures_util::future::join_all(connections).await.concat()
    })
}

/// A GET.
pub(crate) fn get(host: &str, path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n")
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// One whole answer.
pub(crate) fn answer(stream: &mut TcpStream, request: &str) -> Vec<u8> {
    stream.write_all(request.as_bytes()).unwrap();
    let (mut whole, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the server closed the connection");
        whole.extend_from_slice(&buffer[..read]);
        let Some(end) = whole.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = text(&whole[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.trim().parse().unwrap());
        if whole.len() >= end + 4 + length {
            return whole;
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The middle one.
pub(crate) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
