//! Throughput over HTTP, beside a bare actix-web service that answers a fixed body of the same size.
//!
//! Both run in this process with the same number of workers, and are loaded in turn by the same clients, round after round. What is
//! printed is the median of the ratios, round by round; rates are for orientation, since the clients share the processors. The
//! second ratio is to a bare service that also sends the headers of our answer, so that both put the same bytes on the wire.
//!
//! `cargo bench -p togglebox-server --bench http`

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]

#[path = "support/contents.rs"]
mod contents;
#[path = "support/load.rs"]
mod load;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, web};
use togglebox_core::TenantId;
use togglebox_server::{Node, Settings, install_crypto};

use self::contents::PLACE;
use self::load::{Figures, Requests, answer, connect, get, load, median, text};

const ROUNDS: usize = 7;
const FLAGS: usize = 100;
const HOST: &str = "localhost";

fn main() {
    install_crypto();
    let ours = listen(serve_ours);
    let list = get(HOST, &format!("{PLACE}/flags"), "");
    let tag = tag(ours, &list);
    let cases = [
        ("list of 100 flags", list, 0.7),
        ("evaluation", get(HOST, &contents::evaluation(7), ""), 0.7),
        ("304", get(HOST, &format!("{PLACE}/flags"), &format!("If-None-Match: {tag}\r\n")), 0.9),
    ];
    println!(
        "{:<20} {:>9} {:>12} {:>12} {:>8} {:>13} {:>6} {:>14} {:>14}",
        "case", "bytes", "bare req/s", "ours req/s", "ratio", "same headers", "aim", "bare p99, ms", "ours p99, ms"
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
        let requests = Requests::new(vec![request.clone()], vec![0]);
        let rounds: Vec<[Figures; 3]> =
            (0..ROUNDS).map(|_| [bare, ours, dressed].map(|address| load(address, &requests, |_| Ipv4Addr::LOCALHOST))).collect();
        let rate = |round: &[Figures; 3], which: usize| round[which].per_second();
        let [bare_rate, our_rate] = [0, 1].map(|which| median(rounds.iter().map(|round| rate(round, which))));
        let [bare_p99, our_p99] = [0, 1].map(|which| median(rounds.iter().map(|round| round[which].p99_ms())));
        let [ratio, same_headers] = [0, 2].map(|other| median(rounds.iter().map(|round| rate(round, 1) / rate(round, other))));
        println!(
            "{name:<20} {bytes:>9} {bare_rate:>12.0} {our_rate:>12.0} {ratio:>8.2} {same_headers:>13.2} {aim:>6} \
             {bare_p99:>14.2} {our_p99:>14.2}"
        );
    }
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

fn serve_ours(listener: TcpListener) {
    togglebox_server::runtime().block_on(async move {
        let settings = [("DATABASE_URL", "sqlite::memory:")].into_iter().collect();
        let node = Node::open(&Settings::read(&settings).unwrap()).await.unwrap();
        contents::fill(&node.services(), TenantId::DEFAULT, FLAGS).await;
        let api = Arc::clone(node.api());
        let app = move || App::new().configure(api.routes());
        HttpServer::new(app).workers(workers()).disable_signals().listen(listener).unwrap().run().await.unwrap();
    });
}

fn tag(address: SocketAddr, request: &str) -> String {
    let head = text(&answer(&mut connect(address), request));
    let line = head.lines().find(|line| line.starts_with("etag: ")).expect("lists carry a tag");
    line["etag: ".len()..].to_owned()
}

/// The headers that the bare service does not send by itself.
fn headers(address: SocketAddr, request: &str) -> Vec<(String, String)> {
    let whole = text(&answer(&mut connect(address), request));
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
