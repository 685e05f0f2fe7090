//! ministack: a second, independent server of DynamoDB's protocol, so that no adapter is written to the habits of one; and one of SQS's.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::{Start, Starting, dynamodb, free_port};
use crate::process::Launch;
use crate::project::Project;
use crate::python::{self, Requirements};

pub(super) const ADDRESS: &str = "TOGGLEBOX_TEST_MINISTACK";

const REQUIREMENTS: Requirements = Requirements { name: "ministack", text: include_str!("../../python/ministack.txt") };
const READY: Duration = Duration::from_mins(1);

pub(super) fn prepare(project: &Project, scratch: &Path) -> Result<Start> {
    let bin = python::environment(project, REQUIREMENTS)?;
    let scratch = scratch.to_owned();
    // It keeps what it writes below its home.
    let home = scratch.join("ministack");
    fs::create_dir(&home)?;
    Ok(Box::new(move || {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut command = Command::new(bin.join("ministack"));
        command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", address.port().to_string());
        command.env("SERVICES", "dynamodb,sqs").env("IOT_MTLS_ENABLED", "0");
        command.env("HOME", &home).env("TMPDIR", &home).current_dir(&home);
        let process = Launch::new("ministack", command).log(scratch.join("ministack.log")).start()?;
        let variables = vec![(ADDRESS, format!("http://{address}").into())];
        Ok(Starting {
            process,
            beside: Vec::new(),
            ready: Box::new(move || dynamodb::lists_tables(address)),
            limit: READY,
            variables,
        })
    }))
}
