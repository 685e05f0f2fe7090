//! aiosmtpd: accepts every mail and files it in a maildir.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::{Start, Starting, free_port};
use crate::process::Launch;
use crate::project::Project;
use crate::python::{self, Requirements};

pub(super) const ADDRESS: &str = "TOGGLEBOX_TEST_SMTP";
pub(super) const MAILDIR: &str = "TOGGLEBOX_TEST_SMTP_MAILDIR";

const REQUIREMENTS: Requirements = Requirements { name: "aiosmtpd", text: include_str!("../../python/aiosmtpd.txt") };
const READY: Duration = Duration::from_secs(30);
const PROBE: Duration = Duration::from_secs(1);

pub(super) fn prepare(project: &Project, scratch: &Path) -> Result<Start> {
    let bin = python::environment(project, REQUIREMENTS)?;
    let (maildir, log) = (scratch.join("smtp-maildir"), scratch.join("smtp.log"));
    Ok(Box::new(move || {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut command = Command::new(bin.join("python"));
        command.args(["-m", "aiosmtpd", "--nosetuid", "--listen"]).arg(address.to_string());
        command.args(["--class", "aiosmtpd.handlers.Mailbox"]).arg(&maildir);
        let process = Launch::new("aiosmtpd", command).log(&log).start()?;
        let variables = vec![(ADDRESS, address.to_string().into()), (MAILDIR, maildir.clone().into_os_string())];
        Ok(Starting { process, beside: Vec::new(), ready: Box::new(move || greets(address)), limit: READY, variables })
    }))
}

/// Whether the server opens the conversation with code 220 (RFC 5321, 4.2.2).
fn greets(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, PROBE) else { return false };
    let mut code = [0; 3];
    stream.set_read_timeout(Some(PROBE)).is_ok() && stream.read_exact(&mut code).is_ok() && &code == b"220"
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn says(greeting: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || listener.accept().unwrap().0.write_all(greeting).unwrap());
        address
    }

    #[test]
    fn only_a_mail_server_counts_as_ready() {
        assert!(greets(says(b"220 sink ESMTP\r\n")));
        assert!(!greets(says(b"HTTP/1.1 400 Bad Request\r\n")));
        assert!(!greets(says(b"")));
    }

    #[test]
    fn a_closed_port_is_not_ready() {
        let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        assert!(!greets(address));
    }
}
