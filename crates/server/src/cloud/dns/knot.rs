//! Knot DNS as a process of its own, for tests. Those of the program `togglebox-cloud` use it too.

use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// What `cargo xtask test` tells where the program is.
const PROGRAM: &str = "TOGGLEBOX_TEST_KNOT";
/// How long a start may take: far more than it does.
const PATIENCE: Duration = Duration::from_secs(30);
const PROBE: Duration = Duration::from_millis(200);

/// A zone's name and its records, a line each: `_togglebox.flags TXT "text"`. `None`: the server is to have it, and cannot read it, so
/// that it answers SERVFAIL.
pub(crate) type Zone<'a> = (&'a str, Option<&'a str>);

/// An authoritative name server over UDP and TCP, on one loopback port that stays the same. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Knot {
    program: String,
    port: u16,
    child: Option<Child>,
    folder: TempDir,
}

impl Knot {
    /// One that serves these zones, and refuses to say anything of others; `None` where the test is to be skipped.
    pub(crate) fn serving(zones: &[Zone<'_>]) -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().expect("a folder for the zones");
        let mut knot = Self { program, port: free_port(), child: None, folder };
        knot.serve(zones);
        Some(knot)
    }

    /// Where it answers.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Serves these zones from now on, in place of those before.
    pub(crate) fn serve(&mut self, zones: &[Zone<'_>]) {
        self.kill();
        let folder = self.folder.path();
        let mut config = configuration(folder, self.port);
        for (zone, records) in zones {
            // Writing to a String cannot fail.
            let _ = writeln!(config, "  - domain: {zone}");
            let file = folder.join(format!("{zone}.zone"));
            match records {
                Some(records) => {
                    // A line that began with a space would go on about the name of the line before.
                    let records = records.lines().map(|line| format!("{}\n", line.trim_start()));
                    fs::write(file, records.fold(head(zone), |text, line| text + &line)).expect("a file for the zone");
                }
                None if file.exists() => fs::remove_file(file).expect("the file goes away"),
                None => {}
            }
        }
        fs::write(folder.join("knot.conf"), config).expect("a file for the configuration");
        let log = File::options().create(true).append(true).open(folder.join("log")).expect("a file for the log");
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(folder.join("knot.conf")).current_dir(folder);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("one more handle")).stderr(log);
        let child = self.child.insert(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")));
        let sound: Vec<_> = zones.iter().filter(|(_, records)| records.is_some()).map(|(zone, _)| *zone).collect();
        let began = Instant::now();
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        while !sound.iter().all(|zone| answers(server, zone)) {
            let goes_on = matches!(child.try_wait(), Ok(None)) && began.elapsed() < PATIENCE;
            let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(goes_on, "the name server does not get ready; its log:\n{}", log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child may be killed");
            child.wait().expect("its end");
        }
    }
}

impl Drop for Knot {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn program() -> Option<String> {
    let program = env::var_os(PROGRAM).map(|program| program.into_string().expect("text"));
    if program.is_none() {
        assert!(env::var_os("CI").is_none(), "{PROGRAM} is not set: run the tests with cargo xtask test");
        eprintln!("skipped: {PROGRAM} is not set; run the tests with cargo xtask test");
    }
    program
}

/// All files are in `folder`, and nothing but the zones is kept.
fn configuration(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "server:\n  listen: 127.0.0.1@{port}\n  rundir: {folder}\n  pidfile: pid\n  \
         udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
         database:\n  storage: {folder}\n\
         log:\n  - target: stderr\n    any: info\n\
         template:\n  - id: default\n    storage: {folder}\n    zonefile-load: whole\n    zonefile-sync: -1\n    journal-content: none\n\
         zone:\n"
    )
}

/// What a zone begins with.
fn head(zone: &str) -> String {
    format!("$ORIGIN {zone}.\n$TTL 1\n@ SOA ns.{zone}. admin.{zone}. 1 60 60 60 1\n@ NS ns.{zone}.\nns A 127.0.0.1\n")
}

/// Whether the zone's own record is to be had there (RFC 1035 §4.1): with authority, and without an error.
fn answers(server: SocketAddr, zone: &str) -> bool {
    // Number 7; a question without wishes; one of them.
    let mut query = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in zone.split('.') {
        query.push(u8::try_from(label.len()).expect("a short label"));
        query.extend_from_slice(label.as_bytes());
    }
    // The root; SOA; IN. Four bits of zeros in the answer are no error.
    query.extend_from_slice(&[0, 0, 6, 0, 1]);
    let ask = || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(PROBE))?;
        socket.connect(server)?;
        socket.send(&query)?;
        let mut answer = [0; 512];
        socket
            .recv(&mut answer)
            .map(|bytes| bytes > 12 && answer[1] == 7 && answer[2] & 4 != 0 && answer[3].trailing_zeros() >= 4)
    };
    ask().unwrap_or(false)
}

/// A loopback port that nobody listens on now, neither for TCP nor for UDP.
pub(crate) fn free_port() -> u16 {
    let free = || {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).ok()?.port();
        UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).ok().map(|_| port)
    };
    std::iter::repeat_with(free).flatten().next().expect("a free port")
}
