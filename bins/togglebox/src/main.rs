//! The open-source server and its command line.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use togglebox_server::{Environment, Server, Settings, commands, install_crypto, stop_signal, telemetry};

/// What a configuration with problems ends with: `EX_USAGE` of `sysexits.h`.
const BAD_CONFIGURATION: u8 = 64;

/// Remote configs, feature flags and experiments, in one process.
#[derive(Debug, Parser)]
#[command(
    name = "togglebox",
    version,
    about,
    after_help = "Settings come from the environment and from togglebox.toml; see docs/CONFIG.md."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve (the default)
    Serve,
    /// Load a data set to look around in, into an empty store
    Demo,
    /// Manage accounts
    #[command(subcommand)]
    Admin(Admin),
    /// Check the configuration
    Check,
    /// Manage the table of DynamoDB
    #[cfg(feature = "dynamodb")]
    #[command(subcommand)]
    Table(Table),
}

#[cfg(feature = "dynamodb")]
#[derive(Debug, Subcommand)]
enum Table {
    /// Make the table that the settings name; check and complete it where it is there
    Create {
        /// Pay by the hour for so many units of reading a second, instead of by request
        #[arg(long, requires = "write_units", value_parser = clap::value_parser!(u32).range(1..))]
        read_units: Option<u32>,
        /// Pay by the hour for so many units of writing a second, instead of by request
        #[arg(long, requires = "read_units", value_parser = clap::value_parser!(u32).range(1..))]
        write_units: Option<u32>,
        /// Do without the recovery to any second of the last 35 days
        #[arg(long)]
        no_recovery: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Admin {
    /// Make an admin
    Create {
        #[command(flatten)]
        account: Account,
        /// For people; the part of the address before the @ without
        #[arg(long)]
        name: Option<String>,
    },
    /// Set the password of an account and end its sessions
    SetPassword(Account),
}

#[derive(Debug, Args)]
struct Account {
    /// The e-mail address
    #[arg(long)]
    email: String,
    /// Read the password from standard input (so that it shows in no list of processes)
    #[arg(long, required = true)]
    password_stdin: bool,
}

fn main() -> ExitCode {
    install_crypto();
    let cli = Cli::parse();
    let settings = match Settings::read(&environment()) {
        Ok(settings) => settings,
        Err(problems) => {
            complain(&problems.to_string());
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    match run(cli.command.unwrap_or(Command::Serve), &settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, settings: &Settings) -> anyhow::Result<()> {
    if !matches!(command, Command::Check) {
        telemetry::start(settings)?;
    }
    let system = togglebox_server::runtime();
    let said = system.block_on(async {
        match command {
            Command::Serve => serve(settings).await.map(|()| String::new()),
            Command::Demo => commands::demo(settings).await,
            Command::Check => Ok(commands::check(settings)),
            Command::Admin(Admin::Create { account, name }) => {
                commands::create_admin(settings, &account.email, name.as_deref(), io::stdin().lock()).await
            }
            #[cfg(feature = "dynamodb")]
            Command::Table(Table::Create { read_units, write_units, no_recovery }) => {
                let request = commands::TableRequest { provisioned: read_units.zip(write_units), recovery: !no_recovery };
                commands::create_table(settings, &request).await
            }
            Command::Admin(Admin::SetPassword(account)) => {
                commands::set_password(settings, &account.email, io::stdin().lock()).await
            }
        }
    })?;
    say(&said)
}

async fn serve(settings: &Settings) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let server = Server::build(settings).await?;
    let address = server.address();
    say(&format!("ToggleBox listens on http://{address}\n\n  curl http://{address}/health\n\nThe API: http://{address}/docs"))?;
    server.run(stop).await
}

/// The one place that reads the process's environment.
#[expect(clippy::disallowed_methods, reason = "settings are read from here, and passed on as values")]
fn environment() -> Environment {
    std::env::vars_os().collect()
}

fn say(text: &str) -> anyhow::Result<()> {
    let text = text.trim_end();
    if text.is_empty() {
        return Ok(());
    }
    writeln!(io::stdout(), "{text}").context("standard output is closed")
}

fn complain(text: &str) {
    // Nobody is left to tell when standard error is closed, too.
    let _ = write!(io::stderr(), "togglebox: {text}");
}
