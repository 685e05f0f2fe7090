//! The server of many workspaces and its command line.

use std::io;
use std::process::ExitCode;

use clap::{ArgGroup, Args, Parser, Subcommand};
use togglebox_server::console::{complain, say, say_aside};
use togglebox_server::{CloudSettings, Environment, Server, Settings, commands, install_crypto, stop_signal, telemetry};

/// What a configuration with problems ends with: `EX_USAGE` of `sysexits.h`.
const BAD_CONFIGURATION: u8 = 64;

/// Remote configs, feature flags and experiments for many workspaces.
#[derive(Debug, Parser)]
#[command(
    name = "togglebox-cloud",
    version,
    about,
    after_help = "Settings come from the environment and from togglebox.toml; see docs/CLOUD.md."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve (the default)
    Serve,
    /// Manage accounts
    #[command(subcommand)]
    Admin(Admin),
    /// Look after workspaces
    #[command(subcommand)]
    Workspace(Workspace),
    /// Check the configuration
    Check,
    /// Look after what is set up at Stripe
    #[command(subcommand)]
    Stripe(Stripe),
    /// Manage the table of DynamoDB
    #[cfg(feature = "dynamodb")]
    #[command(subcommand)]
    Table(Table),
}

#[derive(Debug, Subcommand)]
enum Admin {
    /// Make one of the operator's people
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

#[derive(Debug, Subcommand)]
enum Workspace {
    /// Count what there is of one, by kind; ends with 0 where there is nothing, with 75 where there is something
    Left {
        /// Its id
        id: String,
    },
    /// Write what one has to a file that `togglebox import` takes, as its admins are handed it out
    Export {
        /// Its id
        id: String,
        /// The new file; - is standard output. A name that ends in .gz packs it. Without: SUBDOMAIN-DAY.jsonl
        #[arg(long, value_name = "FILE", visible_alias = "out")]
        to: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum Stripe {
    /// Ask Stripe whether key, prices, meter and webhook endpoint are as they must be; ends with 1 where one is not, and says what to do
    Check,
    /// Try again what was given up after many attempts
    #[command(group(ArgGroup::new("which").required(true)))]
    Requeue {
        /// The id of an event, as evt_…
        #[arg(value_name = "EVENT", group = "which")]
        event: Option<String>,
        /// All of it
        #[arg(long, group = "which")]
        all_dead: bool,
    },
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

#[cfg(feature = "dynamodb")]
#[derive(Debug, Subcommand)]
enum Table {
    /// Make the table that the settings name; check and complete it where it is there
    Create {
        /// Do without the recovery to any second of the last 35 days
        #[arg(long)]
        no_recovery: bool,
    },
}

fn main() -> ExitCode {
    install_crypto();
    let cli = Cli::parse();
    let (settings, cloud) = match CloudSettings::read(&environment()) {
        Ok(settings) => settings,
        Err(problems) => {
            complain("togglebox-cloud", &problems.to_string());
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    match run(cli.command.unwrap_or(Command::Serve), &settings, &cloud) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain("togglebox-cloud", &format!("{error:#}\n"));
            commands::exit_code(&error).map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

fn run(command: Command, settings: &Settings, cloud: &CloudSettings) -> anyhow::Result<()> {
    if !matches!(command, Command::Check) {
        telemetry::start(settings)?;
    }
    // Where the records go, nothing else may.
    let to_output = |to: &Option<String>| to.as_deref() == Some("-");
    let say = if matches!(&command, Command::Workspace(Workspace::Export { to, .. }) if to_output(to)) { say_aside } else { say };
    let system = togglebox_server::runtime();
    let said = system.block_on(async {
        match command {
            Command::Serve => serve(settings, cloud).await.map(|()| String::new()),
            Command::Check => Ok(commands::check_cloud(settings, cloud).await),
            Command::Admin(Admin::Create { account, name }) => {
                commands::create_operator(settings, cloud, &account.email, name.as_deref(), io::stdin().lock()).await
            }
            Command::Admin(Admin::SetPassword(account)) => {
                commands::set_central_password(settings, cloud, &account.email, io::stdin().lock()).await
            }
            Command::Workspace(Workspace::Left { id }) => commands::workspace_left(settings, cloud, &id).await,
            Command::Workspace(Workspace::Export { id, to }) => {
                commands::workspace_export(settings, cloud, &id, to.as_deref()).await
            }
            Command::Stripe(Stripe::Check) => commands::stripe_check(cloud).await,
            Command::Stripe(Stripe::Requeue { event, .. }) => {
                let which = event.map_or(commands::Requeue::AllDead, commands::Requeue::One);
                commands::stripe_requeue(settings, cloud, &which).await
            }
            #[cfg(feature = "dynamodb")]
            Command::Table(Table::Create { no_recovery }) => {
                let request = commands::TableRequest { provisioned: None, recovery: !no_recovery };
                commands::create_table(settings, &request).await
            }
        }
    })?;
    say(&said)
}

async fn serve(settings: &Settings, cloud: &CloudSettings) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let server = Server::build_cloud(settings, cloud).await?;
    let (address, base) = (server.address(), cloud.rules.base());
    say(&format!(
        "ToggleBox listens on http://{address}\n\n  curl -H 'Host: api.{base}' http://{address}/health\n\n\
         The central API: api.{base}; workspaces: <subdomain>.{base}"
    ))?;
    server.run(stop).await
}

/// The one place that reads the process's environment.
#[expect(clippy::disallowed_methods, reason = "settings are read from here, and passed on as values")]
fn environment() -> Environment {
    std::env::vars_os().collect()
}
