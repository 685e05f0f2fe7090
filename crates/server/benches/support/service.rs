//! A server in a process of its own, so that what it takes can be told from what its clients take.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[cfg(feature = "cloud")]
use togglebox_server::CloudSettings;
use togglebox_server::{Environment, Server, Settings, telemetry};

/// What this program is told to be one of them.
const COMMAND: &str = "serve";

/// Processor time is told in these (`USER_HZ`, on every Linux).
const TICKS_PER_SECOND: u32 = 100;

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// The open-source server.
    Open,
    /// That of many workspaces.
    #[cfg(feature = "cloud")]
    Cloud,
}

impl Kind {
    const ALL: &[Self] = &[
        Self::Open,
        #[cfg(feature = "cloud")]
        Self::Cloud,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            #[cfg(feature = "cloud")]
            Self::Cloud => "cloud",
        }
    }
}

/// A server that runs until this is dropped.
pub(crate) struct Service {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Service {
    /// Over the store in a file, with these settings and the defaults for all others.
    pub(crate) fn start(kind: Kind, file: &Path, settings: &[(&str, &str)]) -> Self {
        let log = file.with_extension("log");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([COMMAND, kind.as_str()]).env_clear().envs(settings.iter().copied());
        command.env("DATABASE_URL", format!("sqlite:{}", file.display())).env("PORT", "0");
        command.env("JWT_SECRET", "Yq3sVd8Kf1Lz6Xw0Rb5Tn9Hc2Mj7Gp4U");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&log).unwrap());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.trim().parse().unwrap_or_else(|_| panic!("it does not serve: {}", std::fs::read_to_string(&log).unwrap()));
        Self { process, address, log }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it where it is, so that it takes nothing from others, until it is [resumed](Self::resume).
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success(), "{sent}");
    }

    /// The processor time that it has taken.
    pub(crate) fn busy(&self) -> Duration {
        let stat = std::fs::read_to_string(self.proc("stat")).unwrap();
        // The second field is the program's name, and may hold anything; user and system time are the 14th and the 15th.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks: u32 = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u32>().unwrap()).sum();
        Duration::from_secs(1) * ticks / TICKS_PER_SECOND
    }

    /// Its file of this name under `/proc`.
    pub(crate) fn proc(&self, file: &str) -> PathBuf {
        ["/proc", &self.process.id().to_string(), file].iter().collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the log of the server at {}:\n{}", self.address, std::fs::read_to_string(&self.log).unwrap_or_default());
        }
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// What this program is told, without options; `None` when it was to be a server, which it has been then.
pub(crate) fn arguments() -> Option<Vec<String>> {
    togglebox_server::install_crypto();
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    match arguments.as_slice() {
        [command, kind] if command == COMMAND => {
            serve(kind);
            None
        }
        _ => Some(arguments),
    }
}

/// Serves until standard input ends, as it does when whoever started this ends.
#[expect(clippy::disallowed_methods, reason = "this is a program, and reads its settings as one")]
fn serve(kind: &str) {
    let environment: Environment = std::env::vars_os().collect();
    let kind = Kind::ALL.iter().find(|known| known.as_str() == kind).unwrap();
    togglebox_server::runtime().block_on(async {
        let server = match kind {
            Kind::Open => {
                let settings = Settings::read(&environment).unwrap();
                telemetry::start(&settings).unwrap();
                Server::build(&settings).await.unwrap()
            }
            #[cfg(feature = "cloud")]
            Kind::Cloud => {
                let (settings, cloud) = CloudSettings::read(&environment).unwrap();
                telemetry::start(&settings).unwrap();
                Server::build_cloud(&settings, &cloud).await.unwrap()
            }
        };
        println!("{}", server.address());
        let ends = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()).unwrap());
        server.run(async move { drop(ends.await) }).await.unwrap();
    });
}
