//! The state that the recordings start from, and the server that has it.

use serde_json::{Map, Value, json};

use super::mailbox::Mailbox;
use super::recording::Recording;
use crate::server::{Launch, Server};

/// What the original's seed script gives the admin.
pub(crate) const ADMIN: [&str; 2] = ["admin@togglebox.com", "Parola123!"];

pub(crate) const JWT_SECRET: &str = "qM7vXc2Lk9ZtRw4PbN8sHd3FgJ6yTu1E";
pub(crate) const API_KEY_SECRET: &str = "Wd5Rn8Kp2Vx7Zc3Lq9Tb4Hm6Ys1Gf0Ju";

/// The environment that the seed script fills and the recordings look at.
const SEEDED: &str = "/platforms/web/environments/staging";

/// What a server is told about its surroundings.
pub(crate) fn launch(mailbox: &Mailbox) -> Launch {
    Launch::new()
        .set("JWT_SECRET", JWT_SECRET)
        .set("API_KEY_SECRET", API_KEY_SECRET)
        .set("SMTP_HOST", "127.0.0.1")
        .set("SMTP_PORT", mailbox.address().port().to_string())
        .set("SMTP_TLS", "none")
        .set("LOG_LEVEL", "warn")
}

/// `launch` with the settings of a recorded server.
pub(crate) fn configured(launch: &Launch, server: &Value, closed_port: u16) -> Launch {
    let launch = launch
        .clone()
        .set("NODE_ENV", server["NODE_ENV"].as_str().unwrap())
        .set("ENABLE_AUTHENTICATION", server["ENABLE_AUTHENTICATION"].to_string());
    match server["smtp"].as_str() {
        None => launch,
        Some("refused") => launch.set("SMTP_PORT", closed_port.to_string()),
        Some(other) => panic!("nobody knows what a mail server that is {other} does"),
    }
}

/// Makes the admin, by the command that operators use.
pub(crate) async fn make_admin(launch: &Launch) {
    let [email, password] = ADMIN;
    let arguments = ["admin", "create", "--email", email, "--name", "ToggleBox Admin", "--password-stdin"];
    let output = launch.run(&arguments, &format!("{password}\n")).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Makes what the recorded answers show to have been there, through the API. Gives the text of the key that stands for the seeded one.
///
/// The seeded key has the permission `*`, which is none; the new one gets the least that there is.
pub(crate) async fn fill(server: &Server, recording: &Recording) -> String {
    togglebox_server::install_crypto();
    let client = reqwest::Client::new();
    let [email, password] = ADMIN;
    let login = json!({ "email": email, "password": password });
    let seeding = Seeding { client, server, token: String::new() };
    let token = seeding.post("/auth/login", login).await["token"].as_str().unwrap().to_owned();
    let seeding = Seeding { token, ..seeding };
    for platform in recording.listed("plat.list.seed") {
        seeding.post("/internal/platforms", kept(&platform, &["name", "description"])).await;
    }
    seeding.post("/internal/platforms/web/environments", json!({ "environment": "staging" })).await;
    let theme = json!({ "parameterKey": "theme", "valueType": "string", "defaultValue": "light" });
    seeding.post(&format!("/internal{SEEDED}/configs"), theme).await;
    for flag in recording.listed("flag.list.seed") {
        seeding.post(&format!("/internal{SEEDED}/flags"), flag.into()).await;
    }
    for experiment in recording.listed("exp.list.seed") {
        let start = format!("/internal{SEEDED}/experiments/{}/start", experiment["experimentKey"].as_str().unwrap());
        let running = experiment["status"] == "running";
        seeding.post(&format!("/internal{SEEDED}/experiments"), experiment.into()).await;
        if running {
            seeding.post(&start, json!({ "startedBy": email })).await;
        }
    }
    let key = json!({ "name": "Seed API Key", "permissions": ["config:read"] });
    seeding.post("/api-keys", key).await["key"].as_str().unwrap().to_owned()
}

fn kept(record: &Map<String, Value>, names: &[&str]) -> Value {
    record.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(name, value)| (name.clone(), value.clone())).collect()
}

struct Seeding<'a> {
    client: reqwest::Client,
    server: &'a Server,
    token: String,
}

impl Seeding<'_> {
    /// The `data` of the answer.
    async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.client.post(self.server.url(&format!("/api/v1{path}"))).bearer_auth(&self.token).json(&body);
        let response = request.send().await.unwrap();
        let status = response.status();
        let answer: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{path} {body}: {status} {answer}");
        answer["data"].clone()
    }
}
