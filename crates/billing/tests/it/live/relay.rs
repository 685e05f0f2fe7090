//! What stands between our client and Stripe: it counts requests, lets no more through than a run may make, and keeps what was exchanged.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use togglebox_billing::stripe::StripeOptions;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::Target;

/// What goes on to Stripe of a request's headers.
const ASKED: [&str; 5] = ["authorization", "stripe-version", "idempotency-key", "content-type", "user-agent"];
/// What comes back of an answer's.
const ANSWERED: [&str; 6] =
    ["content-type", "date", "request-id", "stripe-should-retry", "idempotent-replayed", "stripe-version"];
/// What is kept of both.
const KEPT: [&str; 4] = ["idempotency-key", "idempotent-replayed", "stripe-should-retry", "stripe-version"];

/// A request, and what was answered.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) method: String,
    pub(super) path: String,
    /// The query, or the form in the body.
    pub(super) form: Vec<(String, String)>,
    pub(super) asked: Vec<(String, String)>,
    pub(super) status: u16,
    pub(super) answered: Vec<(String, String)>,
    pub(super) body: Value,
}

#[derive(Debug)]
struct Book {
    requests: usize,
    most: usize,
    exchanges: Vec<Exchange>,
}

/// Between our client and Stripe. It stops when it is dropped.
#[derive(Debug)]
pub(super) struct Relay {
    target: Target,
    address: SocketAddr,
    http: reqwest::Client,
    book: Mutex<Book>,
    server: Mutex<Option<AbortHandle>>,
}

impl Relay {
    /// Listens on this machine only; lets so many requests through.
    pub(super) async fn open(target: &Target, most: usize) -> Result<Arc<Self>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let relay = Arc::new(Self {
            target: target.clone(),
            address: listener.local_addr()?,
            http: reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?,
            book: Mutex::new(Book { requests: 0, most, exchanges: Vec::new() }),
            server: Mutex::default(),
        });
        // It must not keep itself alive.
        let weak = Arc::downgrade(&relay);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let weak = Weak::clone(&weak);
                tokio::spawn(async move {
                    let service = service_fn(|request| {
                        let relay = weak.upgrade();
                        async move {
                            Ok::<_, Infallible>(match relay {
                                Some(relay) => relay.serve(request).await,
                                None => plain(StatusCode::SERVICE_UNAVAILABLE, Bytes::new()),
                            })
                        }
                    });
                    // An error is a client that went away.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        *relay.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(serving.abort_handle());
        Ok(relay)
    }

    /// What takes the place of `https://api.stripe.com`.
    pub(super) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// So many were let through.
    pub(super) fn requests(&self) -> usize {
        self.book().requests
    }

    /// In the order in which they were answered.
    pub(super) fn exchanges(&self) -> Vec<Exchange> {
        self.book().exchanges.clone()
    }

    /// A request that our client has no call for. What is not answered with success is an error with Stripe's own words.
    pub(super) async fn ask(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Result<Value> {
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let (query, body) = if method == Method::POST { (None, encoded) } else { (Some(encoded), String::new()) };
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Bearer {}", self.target.key.expose_secret()).parse()?);
        headers.insert("stripe-version", StripeOptions::API_VERSION.parse()?);
        if method == Method::POST {
            headers.insert("content-type", "application/x-www-form-urlencoded".parse()?);
        }
        let asked = format!("{method} {path}");
        let (status, _, body) = self.pass(method, path, query.as_deref(), &headers, body.into()).await?;
        let value: Value = serde_json::from_slice(&body).with_context(|| format!("{asked} is answered with no JSON"))?;
        ensure!(status.is_success(), "{asked}: {status}, {}", value["error"]["message"].as_str().unwrap_or("without a message"));
        Ok(value)
    }

    async fn serve(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return plain(StatusCode::BAD_REQUEST, Bytes::new()) };
        let (path, query) = (head.uri.path().to_owned(), head.uri.query().map(ToOwned::to_owned));
        match self.pass(head.method, &path, query.as_deref(), &head.headers, body.to_bytes()).await {
            Ok((status, headers, body)) => {
                let mut response = plain(status, body);
                *response.headers_mut() = headers;
                response
            }
            // To our client it is as if Stripe had not answered.
            Err(_) => plain(StatusCode::BAD_GATEWAY, Bytes::new()),
        }
    }

    async fn pass(
        &self,
        method: Method,
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<(StatusCode, HeaderMap, Bytes)> {
        if !self.is_let_through(&method) {
            let said =
                json!({"error": {"type": "invalid_request_error", "code": "budget", "message": "the run has made its requests"}});
            return Ok((StatusCode::BAD_REQUEST, HeaderMap::new(), said.to_string().into()));
        }
        let query = query.filter(|query| !query.is_empty());
        let url = format!("{}{path}{}", self.target.base, query.map(|query| format!("?{query}")).unwrap_or_default());
        let asked = only(headers, &ASKED);
        let answer = self.http.request(method.clone(), url).headers(asked.clone()).body(body.clone()).send().await;
        let answer = answer.map_err(reqwest::Error::without_url)?;
        let (status, answered) = (answer.status(), only(answer.headers(), &ANSWERED));
        let answer = answer.bytes().await.map_err(reqwest::Error::without_url)?;
        let form = query.map_or_else(|| body.as_ref(), str::as_bytes);
        let exchange = Exchange {
            method: method.to_string(),
            path: path.to_owned(),
            form: form_urlencoded::parse(form).into_owned().collect(),
            asked: kept(&asked),
            status: status.as_u16(),
            answered: kept(&answered),
            body: serde_json::from_slice(&answer).unwrap_or_default(),
        };
        self.book().exchanges.push(exchange);
        Ok((status, answered, answer))
    }

    /// The last request is for clearing up.
    fn is_let_through(&self, method: &Method) -> bool {
        let mut book = self.book();
        let most = if method == Method::DELETE { book.most } else { book.most - 1 };
        let has_more = book.requests < most;
        book.requests += usize::from(has_more);
        has_more
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(server) = self.server.lock().unwrap_or_else(PoisonError::into_inner).take() {
            server.abort();
        }
    }
}

fn plain(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}

fn only(headers: &HeaderMap, names: &[&'static str]) -> HeaderMap {
    names.iter().filter_map(|name| Some((hyper::header::HeaderName::from_static(name), headers.get(*name)?.clone()))).collect()
}

fn kept(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |name: &&str| Some(((*name).to_owned(), headers.get(*name)?.to_str().ok()?.to_owned()));
    KEPT.iter().filter_map(text).collect()
}
