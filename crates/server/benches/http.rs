//! Throughput over HTTP, beside a bare actix-web service that answers a fixed body of the same size.
//!
//! Both run in this process with the same number of workers, and are loaded in turn by the same clients, round after round. What is
//! printed is the median of the ratios, round by round; rates are for orientation, since the clients share the processors. The
//! second ratio is to a bare service that also sends the headers of our answer, so that both put the same bytes on the wire.
//!
//! Then the same requests to nodes that limit them in memory, or limit only others, beside one that does not: once each connection comes from an address of its
//! own, and once all come from one, so that they contend for one limit.
//!
//! `cargo bench -p togglebox-server --bench http`

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use togglebox_core::{Actor, TenantId};
use togglebox_server::{Node, Settings, install_crypto};
use togglebox_toggles::input::{NewEnvironment, NewFlag, NewPlatform};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

const ROUNDS: usize = 7;
/// The difference is small.
const LIMIT_ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(1500);
const CONNECTIONS: usize = 64;
const CLIENTS: usize = 2;
const FLAGS: usize = 100;
const PLACE: &str = "/api/v1/platforms/web/environments/prod";

fn main() {
    install_crypto();
    let ours = listen(|listener| serve_ours(listener, &[]));
    let list = get(&format!("{PLACE}/flags"), "");
    let tag = tag(ours, &list);
    let cases = [
        ("list of 100 flags", list, 0.7),
        ("evaluation", get(&format!("{PLACE}/flags/flag-7/evaluate?userId=user-42&country=CH&language=fr"), ""), 0.7),
        ("304", get(&format!("{PLACE}/flags"), &format!("If-None-Match: {tag}\r\n")), 0.9),
    ];
    println!(
        "{:<20} {:>9} {:>12} {:>12} {:>8} {:>13} {:>6}",
        "case", "bytes", "bare req/s", "ours req/s", "ratio", "same headers", "aim"
    );
    // `-- evaluation` runs that case alone.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let cases: Vec<_> =
        cases.into_iter().filter(|(name, ..)| wanted.as_ref().is_none_or(|wanted| name.contains(wanted.as_str()))).collect();
    for (name, request, aim) in &cases {
        let (status, body) = exchange(ours, request);
        let bytes = body.len();
        let (headers, same_body) = (headers(ours, request), body.clone());
        let bare = listen(move |listener| serve_bare(listener, status, body, Vec::new()));
        let dressed = listen(move |listener| serve_bare(listener, status, same_body, headers));
        let rounds: Vec<[f64; 3]> =
            (0..ROUNDS).map(|_| [bare, ours, dressed].map(|address| load(address, request, Origin::One))).collect();
        let [bare_rate, rate] = [0, 1].map(|which| median(rounds.iter().map(|rates| rates[which])));
        let [ratio, same_headers] = [0, 2].map(|other| median(rounds.iter().map(|rates| rates[1] / rates[other])));
        println!("{name:<20} {bytes:>9} {bare_rate:>12.0} {rate:>12.0} {ratio:>8.2} {same_headers:>13.2} {aim:>6}");
    }
    let free = listen(|listener| serve_ours(listener, &[("RATE_LIMITS", "off")]));
    let [silent, told] = ["none", "draft"].map(|headers| {
        // So high that `r` always has six figures: all answers have to be of one length.
        let rule = "4000000/1s burst=999999";
        let settings = [("RATE_LIMIT_GENERAL", rule), ("RATE_LIMIT_EVALUATION", rule), ("RATE_LIMIT_HEADERS", headers)];
        listen(move |listener| serve_ours(listener, &settings))
    });
    // As by default, but for the headers: with limits of sign-ins and the like only.
    let elsewhere = listen(|listener| serve_ours(listener, &[("RATE_LIMIT_HEADERS", "none")]));
    println!(
        "\n{:<20} {:>12} {:>10} {:>10} {:>8} {:>13}",
        "case", "addresses", "no limits", "elsewhere", "limited", "with headers"
    );
    for (name, request, _) in &cases {
        for (addresses, from) in [("one each", Origin::Each), ("one for all", Origin::One)] {
            let rounds: Vec<[f64; 4]> =
                (0..LIMIT_ROUNDS).map(|_| [free, elsewhere, silent, told].map(|address| load(address, request, from))).collect();
            let rate = median(rounds.iter().map(|rates| rates[0]));
            let [elsewhere, limited, with_headers] =
                [1, 2, 3].map(|which| median(rounds.iter().map(|rates| rates[which] / rates[0])));
            println!("{name:<20} {addresses:>12} {rate:>10.0} {elsewhere:>10.3} {limited:>8.3} {with_headers:>13.3}");
        }
    }
}

/// Where connections come from.
#[derive(Clone, Copy)]
enum Origin {
    /// All from 127.0.0.1.
    One,
    /// Each from an address of its own.
    Each,
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

/// Starts a server on a thread of its own.
fn listen(serve: impl FnOnce(TcpListener) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || serve(listener));
    while TcpStream::connect(address).is_err() {}
    address
}

fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

fn serve_bare(listener: TcpListener, status: u16, body: Vec<u8>, headers: Vec<(String, String)>) {
    let body = web::Bytes::from(body);
    // Static, as a program has them that means to be fast.
    let fixed = |text: String| -> &'static str { text.leak() };
    let fixed = |(name, value)| (HeaderName::from_static(fixed(name)), HeaderValue::from_static(fixed(value)));
    let headers: Arc<[(HeaderName, HeaderValue)]> = headers.into_iter().map(fixed).collect();
    actix_web::rt::System::new().block_on(async move {
        let answer = move || {
            let body = body.clone();
            let headers = Arc::clone(&headers);
            async move {
                let status = actix_web::http::StatusCode::from_u16(status).unwrap();
                let mut answer = HttpResponse::build(status);
                answer.content_type("application/json");
                for (name, value) in headers.iter() {
                    answer.append_header((name.clone(), value.clone()));
                }
                answer.body(body)
            }
        };
        let app = move || App::new().default_service(web::to(answer.clone()));
        HttpServer::new(app).workers(workers()).disable_signals().listen(listener).unwrap().run().await.unwrap();
    });
}

fn serve_ours(listener: TcpListener, settings: &[(&str, &str)]) {
    togglebox_server::runtime().block_on(async move {
        let settings = [("DATABASE_URL", "sqlite::memory:")].iter().chain(settings).copied().collect();
        let node = Node::open(&Settings::read(&settings).unwrap()).await.unwrap();
        fill(&node).await;
        let api = Arc::clone(node.api());
        let app = move || App::new().configure(api.routes());
        HttpServer::new(app).workers(workers()).disable_signals().listen(listener).unwrap().run().await.unwrap();
    });
}

async fn fill(node: &Node) {
    let (tenant, actor) = (TenantId::DEFAULT, Actor::system());
    let services = node.services();
    let platform = NewPlatform::read(Some(&json!({ "name": "web" }))).unwrap();
    let platform = services.directories.create_platform(tenant, platform, &actor).await.unwrap().value;
    let environment = NewEnvironment::read(Some(&json!({ "environment": "prod" }))).unwrap();
    let environment = services.directories.create_environment(tenant, &platform.name, environment, &actor).await.unwrap().value;
    for n in 0..FLAGS {
        let flag: Value = json!({
            "flagKey": format!("flag-{n}"), "name": format!("Flag {n}"), "enabled": true, "rolloutEnabled": true,
            "targeting": { "countries": [{ "country": "CH", "serveValue": "A", "languages": [{ "language": "fr", "serveValue": "B" }] }] },
        });
        services.flags.create(tenant, &environment.scope(), NewFlag::read(Some(&flag)).unwrap(), &actor).await.unwrap();
    }
}

/// Requests per second that all connections together get answered. Each thread drives its connections by readiness, as load generators
/// do: a thread per connection would measure the scheduler.
fn load(address: SocketAddr, request: &str, from: Origin) -> f64 {
    let length = answer(&mut connect(address), request).len();
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (stop, answered) = (&stop, &answered);
            let addresses = (0..CONNECTIONS / CLIENTS).map(move |n| match from {
                Origin::One => Ipv4Addr::LOCALHOST,
                Origin::Each => {
                    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 1, 1)) + u32::try_from(client * CONNECTIONS + n).unwrap())
                }
            });
            scope.spawn(move || drive(address, addresses, request.as_bytes(), length, stop, answered));
        }
        std::thread::sleep(ROUND);
        stop.store(true, Ordering::Relaxed);
    });
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let count = answered.into_inner() as f64;
    count / began.elapsed().as_secs_f64()
}

fn drive(
    address: SocketAddr,
    from: impl Iterator<Item = Ipv4Addr>,
    request: &[u8],
    length: usize,
    stop: &AtomicBool,
    answered: &AtomicU64,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let connections = from.map(|from| async move {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind((from, 0).into()).unwrap();
            let mut stream = socket.connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut buffer = vec![0; length];
            while !stop.load(Ordering::Relaxed) {
                stream.write_all(request).await.unwrap();
                stream.read_exact(&mut buffer).await.unwrap();
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
        futures_util::future::join_all(connections).await;
    });
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn tag(address: SocketAddr, request: &str) -> String {
    let head = String::from_utf8_lossy(&answer(&mut connect(address), request)).into_owned();
    let line = head.lines().find(|line| line.starts_with("etag: ")).expect("lists carry a tag");
    line["etag: ".len()..].to_owned()
}

/// The headers that the bare service does not send by itself.
fn headers(address: SocketAddr, request: &str) -> Vec<(String, String)> {
    let whole = String::from_utf8_lossy(&answer(&mut connect(address), request)).into_owned();
    let head = whole.split("\r\n\r\n").next().unwrap();
    let pairs = head.lines().skip(1).map(|line| line.split_once(": ").unwrap());
    let own = pairs.filter(|(name, _)| !["content-length", "content-type", "date"].contains(name));
    own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Status and body.
fn exchange(address: SocketAddr, request: &str) -> (u16, Vec<u8>) {
    let whole = answer(&mut connect(address), request);
    let end = whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let status = std::str::from_utf8(&whole[9..12]).unwrap().parse().unwrap();
    (status, whole[end..].to_vec())
}

/// One whole answer. Every answer to one request is of one length: ids of requests, times and dates are.
fn answer(stream: &mut TcpStream, request: &str) -> Vec<u8> {
    stream.write_all(request.as_bytes()).unwrap();
    let (mut whole, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the server closed the connection");
        whole.extend_from_slice(&buffer[..read]);
        let Some(end) = whole.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&whole[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.trim().parse().unwrap());
        if whole.len() >= end + 4 + length {
            return whole;
        }
    }
}
