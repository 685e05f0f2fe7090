//! `docs/CONFIG.md` says what the table of settings says.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

#[cfg(feature = "cloud")]
use togglebox_server::settings::cloud_reference;
use togglebox_server::settings::{Setting, ignored, reference};

fn page() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         Made from the table of settings; to bring it up to date, run `UPDATE_DOCS=1 cargo test -p togglebox-server --test it`.\n\n\
         Each setting is an environment variable. In the file `togglebox.toml` (or the one that `TOGGLEBOX_CONFIG` names) the same names\n\
         stand in lower case; the environment wins. Empty values count as absent. `togglebox check` says what a configuration means;\n\
         one with problems ends with exit code 64 before a port is taken, and every problem is told.\n\n",
    );
    table(&mut page, reference());
    let ignored: Vec<String> = ignored().iter().map(|name| format!("`{name}`")).collect();
    writeln!(
        page,
        "\nThe original has a table of DynamoDB for each kind of thing; here there is one. Its settings for their names are accepted and\n\
         have no effect, which a warning at the start says: {}.",
        ignored.join(", ")
    )
    .expect("writing to a String cannot fail");
    page
}

fn table(page: &mut String, settings: &[Setting]) {
    page.push_str("| name | without it | what it does |\n| --- | --- | --- |\n");
    for setting in settings {
        let secret = if setting.secret { " Secret: never shown or logged." } else { "" };
        let default = if setting.default.is_empty() { "–" } else { setting.default };
        writeln!(page, "| `{}` | {default} | {}{secret} |", setting.name, setting.about)
            .expect("writing to a String cannot fail");
    }
}

fn expect(file: &str, page: &str, command: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, page).expect("docs can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/{file} is out of date: run UPDATE_DOCS=1 {command}");
}

#[test]
fn the_reference_is_up_to_date() {
    expect("CONFIG.md", &page(), "cargo test -p togglebox-server --test it");
}

#[cfg(feature = "cloud")]
#[test]
fn the_reference_of_the_cloud_is_up_to_date() {
    let mut page = String::from(
        "# Configuration of togglebox-cloud\n\n\
         Made from the table of settings; to bring it up to date, run\n\
         `UPDATE_DOCS=1 cargo test -p togglebox-server --features cloud --test it`.\n\n\
         These settings come beside those of [CONFIG.md](CONFIG.md), which hold for `togglebox-cloud` too, with two differences: reads\n\
         always need an API key or a sign-in, whatever `ENABLE_AUTHENTICATION` says, and a token is good for 15 minutes unless\n\
         `JWT_EXPIRES_IN` says otherwise. `ENABLE_REGISTRATION=false` closes the sign-up as well. `togglebox-cloud check` says what a\n\
         configuration means. What all of it is for: [CLOUD.md](CLOUD.md).\n\n",
    );
    table(&mut page, cloud_reference());
    expect("CLOUD_CONFIG.md", &page, "cargo test -p togglebox-server --features cloud --test it");
}
