//! localstripe: another's stand-in for Stripe, in shapes of years ago. A process of its own, of which nothing but HTTP is used.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// Its own command has no option for the address, and would listen on all; and it would write its state into the system's folder for
/// temporary files.
const LAUNCHER: &str = r#"
import socket
from importlib.metadata import version
from aiohttp import web
from localstripe import resources, server
assert version("localstripe") == "1.15.10", "another version of localstripe"
resources.Store.dump_to_disk = lambda self: None
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
web.run_app(server.app, sock=listener, print=None)
"#;
/// How long it may take to start on a busy machine.
const READY: Duration = Duration::from_mins(1);
const KEY: &str = "sk_test_localstripe";

/// A running one. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Localstripe {
    http: reqwest::Client,
    base: String,
    _process: Child,
    // It would not like it closed.
    _output: BufReader<ChildStdout>,
}

impl Localstripe {
    /// One that sends everything that happens to `hook`, signed with `secret`. `python` has the package.
    pub(crate) async fn start(http: reqwest::Client, python: &str, hook: &str, secret: &str) -> Self {
        let mut command = Command::new(python);
        command.args(["-c", LAUNCHER]).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let (mut line, mut output) = (String::new(), BufReader::new(process.stdout.take().unwrap()));
        let told = tokio::time::timeout(READY, output.read_line(&mut line)).await;
        assert!(told.is_ok_and(|told| told.is_ok_and(|bytes| bytes > 0)), "localstripe does not start with {python}");
        let stripe = Self { http, base: format!("http://127.0.0.1:{}", line.trim()), _process: process, _output: output };
        // Its socket listens once it serves; who comes earlier is refused.
        let body = json!({ "url": hook, "secret": secret }).to_string();
        let register = || stripe.http.post(format!("{}/_config/webhooks/tests", stripe.base)).body(body.clone());
        let began = tokio::time::Instant::now();
        loop {
            match register().header("content-type", "application/json").send().await {
                Ok(answer) => break assert!(answer.status().is_success(), "{}", answer.status()),
                Err(error) => assert!(began.elapsed() < READY, "localstripe does not serve: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stripe
    }

    /// Makes or changes something; `form` is encoded already.
    pub(crate) async fn post(&self, path: &str, form: String) -> Value {
        let request = self.http.post(format!("{}{path}", self.base)).body(form);
        self.answered(request.header("content-type", "application/x-www-form-urlencoded")).await
    }

    /// Ends something.
    pub(crate) async fn delete(&self, path: &str) -> Value {
        self.answered(self.http.delete(format!("{}{path}", self.base))).await
    }

    /// The ids of all events that there are: each was sent, or is about to be.
    pub(crate) async fn events(&self) -> Vec<String> {
        let listed = self.answered(self.http.get(format!("{}/v1/events?limit=100", self.base))).await;
        assert_eq!(listed["has_more"], false, "{listed}");
        listed["data"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }

    async fn answered(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.bearer_auth(KEY).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// A plan for each month, under the id of a price.
    pub(crate) async fn plan(&self, id: &str) {
        self.post("/v1/plans", format!("id={id}&currency=usd&interval=month&amount=2000&product[name]=Pro")).await;
    }

    /// A customer with a means of payment, subscribed to a plan for a tenant. The customer's id, and the subscription's.
    pub(crate) async fn subscribe(&self, plan: &str, tenant: &str, means: Means) -> (String, String) {
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let customer = id(&self.post("/v1/customers", "email=owner@example.com".to_owned()).await);
        let method = id(&self.post("/v1/payment_methods", means.form().to_owned()).await);
        self.post(&format!("/v1/payment_methods/{method}/attach"), format!("customer={customer}")).await;
        let default = format!("invoice_settings[default_payment_method]={method}");
        self.post(&format!("/v1/customers/{customer}"), default).await;
        let form = format!("customer={customer}&items[0][plan]={plan}&metadata[tenant_id]={tenant}");
        let subscription = id(&self.post("/v1/subscriptions", form).await);
        (customer, subscription)
    }
}

/// What somebody pays with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Means {
    /// A card that works.
    Card,
    /// An account that seems to work, and does not half a second later.
    FailingDebit,
}

impl Means {
    const fn form(self) -> &'static str {
        match self {
            Self::Card => "type=card&card[number]=4242424242424242&card[exp_month]=12&card[exp_year]=2030&card[cvc]=123",
            Self::FailingDebit => {
                "type=sepa_debit&sepa_debit[iban]=DE62370400440532013001&billing_details[name]=Owner&billing_details[email]=owner@example.com"
            }
        }
    }
}
