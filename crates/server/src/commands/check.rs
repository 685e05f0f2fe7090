//! Says what a configuration means.

use std::fmt::Write as _;

use crate::settings::Settings;

/// A summary of a configuration that was read without problems. Shows no secret.
pub fn check(settings: &Settings) -> String {
    let on = |on: bool| if on { "on" } else { "off" };
    let secret = match (&settings.tokens.secret, settings.database.file()) {
        (Some(_), _) => "given".to_owned(),
        (None, Some(path)) => format!("kept in {}", crate::secrets::file_of(path).display()),
        (None, None) => "made anew at each start".to_owned(),
    };
    let mail = settings.mail.as_ref().map_or_else(|| "none".to_owned(), |mail| format!("{}:{}", mail.host, mail.port));
    let retention = settings
        .audit_retention
        .map_or_else(|| "kept for ever".to_owned(), |kept| format!("removed after {} days", kept.as_secs() / 86_400));
    let mut text = String::from("The configuration is in order.\n");
    let file = settings.file.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string());
    for (what, value) in [
        ("file", file),
        ("address", settings.address.to_string()),
        ("database", settings.database.to_string()),
        ("change notices", settings.bus.to_string()),
        ("audit records", retention),
        ("authentication of reads", on(settings.api.authentication).to_owned()),
        ("registration", on(settings.registration).to_owned()),
        ("token secret", secret),
        ("mail server", mail),
        ("security headers", on(settings.api.security_headers).to_owned()),
        ("compression", on(settings.api.compression).to_owned()),
        ("log filter", settings.log_filter.clone()),
    ] {
        writeln!(text, "  {what}: {value}").expect("writing to a String cannot fail");
    }
    text
}
