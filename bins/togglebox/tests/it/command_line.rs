//! The program as operators call it.

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use serde_json::json;

use crate::client::{ADMIN, Client, PASSWORD, sign_in};
use crate::server::Launch;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}

#[tokio::test]
async fn it_tells_its_version() {
    let told = Launch::over_sqlite().run(&["--version"], "").await;
    assert!(told.status.success());
    assert_eq!(String::from_utf8_lossy(&told.stdout), format!("togglebox {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn a_good_configuration_is_summed_up_without_its_secrets() {
    let secret = "an-entirely-made-up-0123456789-value-Zq7";
    let launch = Launch::over_sqlite().set("JWT_SECRET", secret).set("ENABLE_AUTHENTICATION", "true");
    let told = launch.run(&["check"], "").await;
    assert!(told.status.success(), "{}", said(&told));
    assert!(said(&told).contains("authentication of reads: on"), "{}", said(&told));
    assert!(!said(&told).contains(secret));
    assert!(!launch.database().exists(), "checking makes nothing");
}

#[tokio::test]
async fn every_problem_is_told_at_once_before_a_port_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let problems = [
        ("JWT_SECRET", "Qv7-xyz"),
        ("ENABLE_AUTHENTICATION", "maybe"),
        ("JWT_EXPIRES_IN", "3600"),
        ("CORS_ORIGIN", "example.com"),
        ("SMTP_USER", "ann"),
        ("LOG_FORMAT", "loud"),
        ("WORKERS", "0"),
    ];
    // A port that is taken would be the first thing to fail if it were tried.
    let launch = Launch::over_sqlite().set_all(&problems).set("PORT", taken.local_addr().unwrap().port().to_string());
    for command in [&[][..], &["serve"], &["check"], &["demo"], &["admin", "create", "--email", ADMIN, "--password-stdin"]] {
        let told = launch.run(command, PASSWORD).await;
        assert_eq!(told.status.code(), Some(64), "{command:?}: {}", said(&told));
        let text = String::from_utf8_lossy(&told.stderr);
        for (name, value) in problems {
            assert!(text.contains(name), "{command:?} does not name {name}: {text}");
            assert!(value.len() < 4 || !text.contains(&format!(" {value}")), "{command:?} shows the value of {name}: {text}");
        }
        assert!(told.stdout.is_empty());
    }
    assert!(!launch.database().exists());
}

#[tokio::test]
async fn a_variable_that_is_no_text_is_a_problem_where_it_is_ours() {
    let garbled = || OsString::from_vec(b"garbled\xff".to_vec());
    let launch = Launch::over_sqlite().set("LESSOPEN", garbled());
    let told = launch.run(&["check"], "").await;
    assert!(told.status.success(), "{}", said(&told));
    let told = launch.set("JWT_SECRET", garbled()).set("APP_URL", garbled()).set("PORT", "x").run(&["check"], "").await;
    assert_eq!(told.status.code(), Some(64), "{}", said(&told));
    for problem in ["JWT_SECRET is not UTF-8 text", "APP_URL is not UTF-8 text", "PORT must be"] {
        assert!(said(&told).contains(problem), "{problem}: {}", said(&told));
    }
    assert!(!said(&told).contains("garbled") && !said(&told).contains("LESSOPEN"), "{}", said(&told));
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_plain_failure() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let told = Launch::over_sqlite().set("PORT", taken.local_addr().unwrap().port().to_string()).run(&[], "").await;
    assert_eq!(told.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&told.stderr).contains("cannot listen on"), "{}", said(&told));
}

#[tokio::test]
async fn with_nothing_set_it_makes_its_files_where_it_stands_for_its_owner_only() {
    let launch = Launch::over_sqlite().unset("DATABASE_URL");
    let server = launch.start().await;
    let folder = launch.folder();
    for name in ["togglebox.db", "togglebox.db.secret"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
    let log = server.log();
    assert!(log.contains("JWT_SECRET is not set") && log.contains("togglebox.db.secret"), "{log}");
    let secret = fs::read_to_string(folder.join("togglebox.db.secret")).unwrap();
    assert!(secret.trim().len() >= 32 && !log.contains(secret.trim()));

    let client = Client::new(&server);
    client.post("/api/v1/auth/register", json!({ "name": "Ann", "email": ADMIN, "password": PASSWORD })).await.expect(201);
    let session = client.token(&sign_in(&client, ADMIN, PASSWORD).await);
    let ended = server.stop().await;
    assert!(ended.status.success() && ended.output.contains("curl http://127.0.0.1:"), "{}", ended.output);

    let server = launch.start().await;
    assert!(!server.log().contains("JWT_SECRET is not set: made"), "it was made once");
    session.at(&server).get("/api/v1/users/me").await.expect(200);
    assert!(server.stop().await.status.success());

    // As an earlier version named it, and as a careless copy leaves it.
    fs::rename(folder.join("togglebox.db.secret"), folder.join("togglebox.secret")).unwrap();
    fs::set_permissions(folder.join("togglebox.secret"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(folder.join("togglebox.toml"), "log_format = \"json\"\n").unwrap();
    fs::set_permissions(folder.join("togglebox.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    let server = launch.start().await;
    session.at(&server).get("/api/v1/users/me").await.expect(200);
    assert!(!folder.join("togglebox.db.secret").exists(), "the secret is not replaced");
    let log = server.log();
    for warning in [
        "togglebox.secret is open to others than its owner (mode 644)",
        "togglebox.toml is open to others than its owner (mode 640)",
    ] {
        assert!(log.contains(warning), "{warning}: {log}");
    }
}

#[tokio::test]
async fn admins_are_made_before_the_first_start_and_while_it_runs() {
    let launch = Launch::over_sqlite();
    let create = async |email: &str, password: &str| {
        launch.run(&["admin", "create", "--email", email, "--name", "Ann", "--password-stdin"], password).await
    };
    let made = create(ADMIN, &format!("{PASSWORD}\n")).await;
    assert!(made.status.success(), "{}", said(&made));
    let server = launch.start().await;
    let client = Client::new(&server);
    let made = create("second@example.com", PASSWORD).await;
    assert!(made.status.success(), "{}", said(&made));
    for email in [ADMIN, "second@example.com"] {
        let session = client.token(&sign_in(&client, email, PASSWORD).await);
        let data = session.get("/api/v1/users/me").await.data(200);
        assert_eq!([&data["role"], &data["name"]], ["admin", "Ann"]);
    }

    for (email, password, expected) in [
        (ADMIN, PASSWORD, "there is an account for"),
        ("third@example.com", "weak", "password"),
        ("no address", PASSWORD, "email"),
        ("third@example.com", "", "password is empty"),
    ] {
        let refused = create(email, password).await;
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
        assert!(said(&refused).contains(expected), "{expected}: {}", said(&refused));
        assert!(password.is_empty() || !said(&refused).contains(&format!("{password}\n")), "it shows the password");
    }
    let missing = launch.run(&["admin", "create", "--email", "third@example.com"], PASSWORD).await;
    assert_eq!(missing.status.code(), Some(2), "{}", said(&missing));
}

#[tokio::test]
async fn a_password_that_an_operator_sets_ends_the_sessions_of_a_running_server() {
    let launch = Launch::over_sqlite();
    launch.run(&["admin", "create", "--email", ADMIN, "--password-stdin"], PASSWORD).await;
    let server = launch.start().await;
    let client = Client::new(&server);
    let session = client.token(&sign_in(&client, ADMIN, PASSWORD).await);
    session.get("/api/v1/users/me").await.expect(200);
    let set = launch.run(&["admin", "set-password", "--email", ADMIN, "--password-stdin"], "Another-Horse-2").await;
    assert!(set.status.success(), "{}", said(&set));
    crate::server::eventually("the old session is over", async || session.get("/api/v1/users/me").await.status == 401).await;
    sign_in(&client, ADMIN, "Another-Horse-2").await;
    let unknown = launch.run(&["admin", "set-password", "--email", "no@example.com", "--password-stdin"], PASSWORD).await;
    assert_eq!(unknown.status.code(), Some(1));
}

#[tokio::test]
async fn the_demo_loads_into_an_empty_store_and_its_credentials_work() {
    let launch = Launch::over_sqlite();
    let loaded = launch.run(&["demo"], "").await;
    assert!(loaded.status.success(), "{}", said(&loaded));
    let text = String::from_utf8(loaded.stdout).unwrap();
    let told = |label: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_else(|| panic!("no {label} in {text}"));
        line.trim().to_owned()
    };
    let server = launch.set("ENABLE_AUTHENTICATION", "true").start().await;
    let client = Client::new(&server);
    let admin = client.token(&sign_in(&client, &told("Sign in as"), &told("Password")).await);
    let key = client.key(&told("API key"));
    let platforms = admin.get("/api/v1/platforms").await.data(200);
    assert_eq!(platforms.as_array().map(Vec::len), Some(3));
    let shop = "/api/v1/platforms/ecommerce/environments/development";
    for path in ["configs", "flags", "experiments"] {
        let data = key.get(&format!("{shop}/{path}")).await.data(200);
        let filled = data.as_array().is_some_and(|list| !list.is_empty()) || data.as_object().is_some_and(|map| !map.is_empty());
        assert!(filled, "{path}: {data}");
    }
    let again = server.launch().run(&["demo"], "").await;
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("platforms already"), "{}", said(&again));
}

#[tokio::test]
async fn behind_an_edge_it_leaves_to_the_edge_what_the_edge_does_and_says_so() {
    for (name, edge) in [
        ("NETLIFY", "Netlify"),
        ("VERCEL", "Vercel"),
        ("CF_PAGES", "Cloudflare Pages"),
        ("AWS_LAMBDA_FUNCTION_NAME", "AWS Lambda"),
    ] {
        let server = Launch::over_sqlite().set(name, "1").start().await;
        let log = server.log();
        assert!(log.contains(&format!("Behind {edge}: security headers off, compression off")), "{log}");
        let reply = Client::new(&server).get("/health").await;
        assert_eq!(reply.header("content-security-policy"), None);
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    let server = Launch::over_sqlite().set_all(&[("NETLIFY", "1"), ("SECURITY_HEADERS", "on")]).start().await;
    assert!(server.log().contains("Behind Netlify: security headers on, compression off"), "{}", server.log());
    assert!(Client::new(&server).get("/health").await.header("content-security-policy").is_some());
    let server = Launch::over_sqlite().start().await;
    assert!(server.log().contains("security headers on, compression on"), "{}", server.log());
}
