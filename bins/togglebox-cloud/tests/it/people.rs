//! People who sign up, and what they are given.

use serde_json::{Value, json};

use crate::client::{Client, PASSWORD};
use crate::server::{Launch, Server};

/// The central host.
pub(crate) const API: &str = "api.localtest";
/// One of the operator's people.
const OPERATOR: &str = "op@example.com";

impl Client {
    /// The same by this host's name.
    pub(crate) fn host(&self, host: &str) -> Self {
        let mut other = self.clone();
        other.host = Some(host.to_owned());
        other
    }
}

/// Somebody in a workspace of theirs.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    /// Signed in there.
    pub(crate) client: Client,
    /// Its id.
    pub(crate) workspace: String,
}

/// Signs somebody up with a workspace of this subdomain.
pub(crate) async fn sign_up(server: &Server, subdomain: &str) -> Owner {
    let central = Client::new(server).host(API);
    let body = json!({
        "name": subdomain, "email": format!("{subdomain}@example.com"), "password": PASSWORD,
        "workspace": { "name": subdomain, "subdomain": subdomain },
    });
    let data = central.post("/api/v1/onboarding/signup", body).await.data(201);
    let token = data["token"].as_str().unwrap();
    Owner { client: central.host(&host(subdomain)).token(token), workspace: data["workspace"]["id"].as_str().unwrap().to_owned() }
}

/// The host of a workspace.
pub(crate) fn host(subdomain: &str) -> String {
    format!("{subdomain}.localtest")
}

/// Signs somebody in at a host; what came of it.
pub(crate) async fn sign_in(server: &Server, email: &str, host: &str) -> Option<Client> {
    let client = Client::new(server).host(host);
    let reply = client.post("/api/v1/auth/login", json!({ "email": email, "password": PASSWORD })).await;
    if reply.status == 401 {
        return None;
    }
    let data = reply.data(200);
    Some(client.token(data["token"].as_str().unwrap()))
}

/// Starts a server with one of the operator's people; a client of theirs.
pub(crate) async fn start_with_operator(launch: &Launch) -> (Server, Client) {
    let made = launch.run(&["admin", "create", "--email", OPERATOR, "--password-stdin"], PASSWORD).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let server = launch.start().await;
    let operator = sign_in(&server, OPERATOR, API).await.unwrap();
    (server, operator)
}

/// Lets somebody join a workspace in a role; a client of theirs there, and their id.
pub(crate) async fn join(admin: &Client, subdomain: &str, name: &str, role: &str) -> (Client, String) {
    let email = format!("{name}@example.com");
    let invited = admin.post("/api/v1/workspace/invitations", json!({ "email": email, "role": role })).await.data(201);
    let body = json!({ "token": invited["token"], "name": name, "password": PASSWORD });
    let joined: Value = admin.anonymous().host(API).post("/api/v1/invitations/join", body).await.data(201);
    let client = admin.host(&host(subdomain)).token(joined["token"].as_str().unwrap());
    (client, joined["user"]["id"].as_str().unwrap().to_owned())
}
