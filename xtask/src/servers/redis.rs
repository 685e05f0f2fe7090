//! Redis, in memory only.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result};

use super::{Start, Starting, free_port};
use crate::packages;
use crate::process::Launch;
use crate::project::Project;

pub(super) const ADDRESS: &str = "TOGGLEBOX_TEST_REDIS";
pub(super) const SERVER: &str = "TOGGLEBOX_TEST_REDIS_SERVER";

const READY: Duration = Duration::from_secs(30);
const PROBE: Duration = Duration::from_secs(1);

pub(super) fn prepare(_: &Project, scratch: &Path) -> Result<Start> {
    let program = program(scratch)?;
    let scratch = scratch.to_owned();
    // An absolute path: it is entered before anything else is opened.
    let home = scratch.join("redis");
    fs::create_dir(&home)?;
    Ok(Box::new(move || {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut command = Command::new(&program);
        command.args(["--bind", "127.0.0.1", "--port"]).arg(address.port().to_string());
        command.args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir"]).arg(&home);
        let process = Launch::new("redis-server", command).log(scratch.join("redis.log")).start()?;
        let variables = vec![(ADDRESS, format!("redis://{address}").into()), (SERVER, program.clone().into_os_string())];
        Ok(Starting { process, beside: Vec::new(), ready: Box::new(move || answers(address)), limit: READY, variables })
    }))
}

/// The server's program: the one that the environment names, the path's, or a package's.
pub(super) fn program(scratch: &Path) -> Result<PathBuf> {
    if let Some(program) = env::var_os(SERVER) {
        return Ok(program.into());
    }
    if let Some(program) = packages::program("redis-server") {
        return Ok(program);
    }
    packages::install("redis-server", &["redis-server", "redis-tools"], scratch)?;
    packages::program("redis-server").context("the package redis-server has brought no program of that name")
}

/// Whether a Redis that is done with loading answers there.
fn answers(address: SocketAddr) -> bool {
    answer(address, "PING", 7).is_some_and(|answer| answer == "+PONG\r\n")
}

/// The beginning of the answer to a command without arguments, up to so many bytes; `None` when there is none.
pub(super) fn answer(address: SocketAddr, command: &str, bytes: usize) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, PROBE).ok()?;
    stream.set_read_timeout(Some(PROBE)).ok()?;
    stream.write_all(command.as_bytes()).ok()?;
    stream.write_all(b"\r\n").ok()?;
    let mut answer = vec![0; bytes];
    // What has come by the first piece is enough to tell.
    let read = stream.read(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer[..read]).into_owned())
}
