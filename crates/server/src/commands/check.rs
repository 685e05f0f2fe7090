//! Says what a configuration means.

use std::fmt::Write as _;

use crate::limits;
#[cfg(feature = "cloud")]
use crate::settings::CloudSettings;
use crate::settings::{BusSettings, LimitRules, LimitSettings, LimitStoreSettings, Settings};

/// A summary of a configuration that was read without problems, and what should be otherwise. Asks the store of limits how it is, where
/// there is one outside the process. Shows no secret.
pub async fn check(settings: &Settings) -> String {
    told(settings, summary(settings)).await
}

/// The same, of a service of many workspaces.
#[cfg(feature = "cloud")]
pub async fn check_cloud(settings: &Settings, cloud: &CloudSettings) -> String {
    let mut lines = summary(settings);
    let plans: Vec<_> = cloud.plans.iter().map(|plan| plan.name.as_str()).collect();
    lines.extend([
        ("workspaces", cloud.workspace_url.clone()),
        ("central API", format!("api.{}", cloud.rules.base())),
        ("custom domains", if cloud.rules.allows_custom_domains() { "on" } else { "off" }.to_owned()),
        ("plans", plans.join(", ")),
        ("billing", cloud.billing.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)),
    ]);
    lines.extend(cloud.exports.map(|rule| ("limit of exports", rule.to_string())));
    let money = cloud.money.filter(|_| cloud.billing.is_some());
    lines.extend(money.map(|rule| ("limit of requests about money", rule.to_string())));
    told(settings, lines).await
}

async fn told(settings: &Settings, lines: Vec<(&'static str, String)>) -> String {
    let mut text = String::from("The configuration is in order.\n");
    for (what, value) in lines {
        // Writing to a text does not fail.
        let _ = writeln!(text, "  {what}: {value}");
    }
    for warning in warnings(settings).await {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}

fn summary(settings: &Settings) -> Vec<(&'static str, String)> {
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
    let file = settings.file.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string());
    let mut lines = vec![
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
    ];
    lines.extend(limit_lines(&settings.limits));
    lines
}

fn limit_lines(limits: &LimitSettings) -> Vec<(&'static str, String)> {
    let LimitRules { login, register, password_reset, general, evaluation, key } = &limits.rules;
    let mut lines = vec![("limits", if limits.is_any() { limits.store.to_string() } else { "none".to_owned() })];
    for (what, rule) in [
        ("limit of sign-ins", login),
        ("limit of registrations", register),
        ("limit of password resets", password_reset),
        ("limit of evaluations without credential", evaluation),
        ("limit of other requests without credential", general),
        ("limit of each API key", key),
    ] {
        lines.extend(rule.map(|rule| (what, rule.to_string())));
    }
    lines
}

async fn warnings(settings: &Settings) -> Vec<String> {
    let limits = &settings.limits;
    if !limits.is_any() {
        return Vec::new();
    }
    if matches!(limits.store, LimitStoreSettings::Memory) {
        let several = limits.nodes > 1 || !settings.database.is_embedded() || !matches!(settings.bus, BusSettings::Local);
        let warning = "limits are kept in memory, each node for itself: with several nodes, each lets through as much as all should \
                       together. Set RATE_LIMIT_STORE to a Redis or to dynamodb";
        return several.then(|| warning.to_owned()).into_iter().collect();
    }
    match limits::health(settings).await {
        Ok(health) => health.warnings.iter().map(|warning| format!("the store of limits: {warning}")).collect(),
        Err(error) => vec![format!(
            "the store of limits cannot be asked ({error:#}): until it can, each node limits by itself, and sign-ins, registrations and \
             password resets are refused"
        )],
    }
}
