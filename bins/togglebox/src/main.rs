//! The open-source server and its command line.

use std::io;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use togglebox_server::commands::Import;
use togglebox_server::console::{complain, say, say_aside};
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
    /// Write everything that the store holds to a file
    Export {
        /// The new file; packed if its name ends in .gz. - is standard output
        #[cfg_attr(feature = "dynamodb", arg(long, value_name = "FILE", required_unless_present = "check"))]
        #[cfg_attr(not(feature = "dynamodb"), arg(long, value_name = "FILE", required = true))]
        to: Option<String>,
        /// The store, when it is not the configured one: as `DATABASE_URL`
        #[arg(long, value_name = "URL")]
        from_url: Option<String>,
        #[cfg(feature = "dynamodb")]
        #[command(flatten)]
        original: OldTables,
    },
    /// Fill an empty store from a file that `export` wrote; goes on where an earlier call stopped
    Import {
        /// The file; unpacked if its name ends in .gz. - is standard input
        #[arg(long, value_name = "FILE")]
        from: String,
        /// Only look whether the file is whole and sound
        #[arg(long)]
        check: bool,
        /// The store, when it is not the configured one: as `DATABASE_URL`
        #[arg(long, value_name = "URL")]
        to_url: Option<String>,
    },
}

impl Command {
    /// The store that is named in the place of the configured one.
    fn url(&self) -> Option<&str> {
        match self {
            Self::Export { from_url: url, .. } | Self::Import { to_url: url, .. } => url.as_deref(),
            _ => None,
        }
    }
}

/// The tables that the original keeps in DynamoDB, in the place of a store.
#[cfg(feature = "dynamodb")]
#[derive(Debug, Args)]
struct OldTables {
    /// Take it from the tables that the original ToggleBox keeps in DynamoDB
    #[arg(long, conflicts_with = "from_url")]
    from_original: bool,
    /// What the names of those tables begin with, when it is not `TABLE_PREFIX`
    #[arg(long, value_name = "PREFIX", requires = "from_original")]
    table_prefix: Option<String>,
    /// The whole name of one of them, as users=NAME
    #[arg(long = "table", value_name = "TABLE=NAME", requires = "from_original")]
    tables: Vec<commands::OriginalTableName>,
    /// Go on without what cannot be taken from them
    #[arg(long, requires = "from_original")]
    leave_behind: bool,
    /// Only look what can be taken from them; write nothing
    #[arg(long, requires = "from_original")]
    check: bool,
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
    let mut environment = environment();
    if let Some(url) = cli.command.as_ref().and_then(Command::url) {
        environment.set_database_url(url);
    }
    let settings = match Settings::read(&environment) {
        Ok(settings) => settings,
        Err(problems) => {
            complain("togglebox", &problems.to_string());
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    match run(cli.command.unwrap_or(Command::Serve), &settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain("togglebox", &format!("{error:#}\n"));
            commands::exit_code(&error).map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

fn run(command: Command, settings: &Settings) -> anyhow::Result<()> {
    if !matches!(command, Command::Check) {
        telemetry::start(settings)?;
    }
    // Where the records go, nothing else may.
    let say = if matches!(&command, Command::Export { to, .. } if to.as_deref() == Some("-")) { say_aside } else { say };
    let system = togglebox_server::runtime();
    let said = system.block_on(async {
        match command {
            Command::Serve => serve(settings).await.map(|()| String::new()),
            Command::Demo => commands::demo(settings).await,
            Command::Check => Ok(commands::check(settings).await),
            #[cfg(feature = "dynamodb")]
            Command::Export { to, original, .. } if original.from_original => {
                let OldTables { table_prefix, tables, leave_behind, check, .. } = original;
                let to = if check { None } else { to.as_deref() };
                let export = commands::OriginalExport { to, prefix: table_prefix.as_deref(), tables: &tables, leave_behind };
                commands::export_original(settings, export).await
            }
            Command::Export { to, .. } => commands::export(settings, &to.context("--to is missing")?).await,
            Command::Import { from, check, .. } => commands::import(settings, Import { from: &from, check }).await,
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
