//! The command line.

use crate::client::PASSWORD;
use crate::people::{API, sign_in};
use crate::server::Launch;

#[tokio::test]
async fn a_configuration_is_checked_as_a_whole() {
    let checked = Launch::over_sqlite().run(&["check"], "").await;
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success() && said.contains("workspaces: https://{subdomain}.localtest"), "{said}");
    assert!(said.contains("central API: api.localtest") && said.contains("plans: free, pro, enterprise"), "{said}");
    let launch = Launch::over_sqlite().unset("BASE_DOMAIN").set("PORT", "x");
    let refused = launch.run(&["check"], "").await;
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(64));
    assert!(said.contains("BASE_DOMAIN must be set") && said.contains("PORT must be"), "{said}");
}

#[tokio::test]
async fn the_password_of_an_account_is_set_from_the_command_line() {
    let launch = Launch::over_sqlite();
    let made = launch.run(&["admin", "create", "--email", "op@example.com", "--password-stdin"], "Another-Horse-2").await;
    assert!(made.status.success(), "{made:?}");
    let server = launch.start().await;
    assert!(sign_in(&server, "op@example.com", API).await.is_none());
    let set = launch.run(&["admin", "set-password", "--email", "op@example.com", "--password-stdin"], PASSWORD).await;
    assert!(set.status.success(), "{set:?}");
    assert!(sign_in(&server, "op@example.com", API).await.is_some());
}
