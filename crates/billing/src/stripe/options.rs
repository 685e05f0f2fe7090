//! What the client has to be told.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

/// How Stripe is reached.
#[derive(Clone)]
pub struct StripeOptions {
    /// `sk_test_…`, `sk_live_…`, or the same of a restricted key with `rk_`.
    pub secret_key: SecretString,
    /// Where the API is: [`StripeOptions::API_BASE`] but for tests. Without TLS only on this machine.
    pub api_base: String,
    /// In which shape answers are wanted. The webhook endpoint is to be made with the same one.
    pub api_version: String,
    /// What reports of usage name: the meter's `event_name`.
    pub meter_event_name: String,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long one try may take, connecting included. A try that is given up is repeated with the same key, so nothing is done twice.
    pub try_timeout: Duration,
    /// How often a request is sent at most: 1 to 10 times.
    pub tries: u32,
    /// The pause after the first try; each that follows is twice as long, up to [`StripeOptions::LONGEST_PAUSE`].
    pub first_pause: Duration,
}

/// An option that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct InvalidStripeOption {
    /// Which one: the name of the field.
    pub field: &'static str,
    /// What is wrong with it, to be read after its name. Never shows the value.
    pub problem: &'static str,
}

impl StripeOptions {
    /// Where the API is.
    pub const API_BASE: &str = "https://api.stripe.com";
    /// The shape that this client was written against.
    pub const API_VERSION: &str = "2026-09-30.endive";
    /// No pause between tries is longer than this.
    pub const LONGEST_PAUSE: Duration = Duration::from_secs(4);

    /// With this key, and usage reported under this name; the rest as it usually is.
    pub fn new(secret_key: SecretString, meter_event_name: &str) -> Self {
        Self {
            secret_key,
            api_base: Self::API_BASE.to_owned(),
            api_version: Self::API_VERSION.to_owned(),
            meter_event_name: meter_event_name.to_owned(),
            connect_timeout: Duration::from_secs(5),
            try_timeout: Duration::from_secs(15),
            tries: 5,
            first_pause: Duration::from_millis(500),
        }
    }

    /// Whether the key is one for real money.
    pub fn livemode(&self) -> bool {
        ["sk_live_", "rk_live_"].iter().any(|prefix| self.secret_key.expose_secret().starts_with(prefix))
    }

    /// Everything that is wrong with them.
    pub fn problems(&self) -> Vec<InvalidStripeOption> {
        const MOMENT: &str = "must be between a millisecond and a minute";
        let mut problems = Vec::new();
        let mut check = |good: bool, field, problem| {
            if !good {
                problems.push(InvalidStripeOption { field, problem });
            }
        };
        let key = self.secret_key.expose_secret();
        let rest = ["sk_test_", "sk_live_", "rk_test_", "rk_live_"].iter().find_map(|prefix| key.strip_prefix(prefix));
        check(
            rest.is_some_and(|rest| !rest.is_empty()),
            "secret_key",
            "must begin with sk_test_, sk_live_, rk_test_ or rk_live_",
        );
        check(visible(key), "secret_key", "must have no spaces or line ends in it");
        check(
            base(&self.api_base).is_some(),
            "api_base",
            "must be https://host, or http:// of this machine, without path or credentials",
        );
        check(visible(&self.api_version), "api_version", "must be a version such as 2026-09-30.endive");
        let name = &self.meter_event_name;
        check(!name.trim().is_empty() && name.len() <= 100, "meter_event_name", "must have 1 to 100 characters");
        let is_moment = |time| (Duration::from_millis(1)..=Duration::from_mins(1)).contains(&time);
        check(is_moment(self.connect_timeout), "connect_timeout", MOMENT);
        check(is_moment(self.try_timeout), "try_timeout", MOMENT);
        check((1..=10).contains(&self.tries), "tries", "must be between 1 and 10");
        check(self.first_pause <= Self::LONGEST_PAUSE, "first_pause", "must be at most four seconds");
        problems
    }
}

/// Neither the key nor an address, which somebody may have put a password into.
impl fmt::Debug for StripeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("StripeOptions");
        shown.field("livemode", &self.livemode()).field("api_version", &self.api_version);
        shown.field("meter_event_name", &self.meter_event_name).finish_non_exhaustive()
    }
}

fn visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The address to which paths are appended, and whether it is reached with TLS; `None` when it is not one.
pub(super) fn base(text: &str) -> Option<(String, bool)> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    let tls = match url.scheme() {
        "https" => true,
        "http" if is_this_machine(host) => false,
        _ => return None,
    };
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let bare = bare && url.username().is_empty() && url.password().is_none();
    bare.then(|| (url.as_str().trim_end_matches('/').to_owned(), tls))
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(key: &str) -> StripeOptions {
        StripeOptions::new(key.into(), "requests")
    }

    fn fields(options: &StripeOptions) -> Vec<&'static str> {
        options.problems().into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn a_key_tells_whether_it_is_about_real_money() {
        for (key, livemode) in [("sk_test_1", false), ("rk_test_1", false), ("sk_live_1", true), ("rk_live_1", true)] {
            assert_eq!(options(key).livemode(), livemode, "{key}");
            assert_eq!(fields(&options(key)), [""; 0], "{key}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_all_at_once() {
        for key in ["", "sk_test_", "pk_test_1", "whsec_1", "SK_TEST_1", "sk_test_1 ", "sk_test_1\n"] {
            assert!(fields(&options(key)).contains(&"secret_key"), "{key:?}");
        }
        let mut all = options("pk_test_1");
        all.api_base = "http://api.stripe.com".to_owned();
        all.api_version = "a b".to_owned();
        all.meter_event_name = String::new();
        (all.connect_timeout, all.try_timeout, all.tries) = (Duration::ZERO, Duration::from_hours(1), 0);
        all.first_pause = Duration::from_secs(5);
        let expected = [
            "secret_key",
            "api_base",
            "api_version",
            "meter_event_name",
            "connect_timeout",
            "try_timeout",
            "tries",
            "first_pause",
        ];
        assert_eq!(fields(&all), expected);
        assert!(all.problems()[0].to_string().starts_with("secret_key must begin with"));
    }

    #[test]
    fn without_tls_only_this_machine_is_asked() {
        let good = [
            "https://api.stripe.com",
            "https://stripe.example/",
            "http://127.0.0.1:12111",
            "http://[::1]:1",
            "http://localhost:8",
        ];
        for text in good {
            assert!(base(text).is_some(), "{text}");
        }
        assert_eq!(base("https://api.stripe.com/").unwrap(), ("https://api.stripe.com".to_owned(), true));
        let bad = [
            "",
            "api.stripe.com",
            "http://api.stripe.com",
            "http://10.0.0.1",
            "http://127.0.0.1.example.com",
            "https://user:pass@api.stripe.com",
            "https://api.stripe.com/v1",
            "https://api.stripe.com?x=1",
            "ftp://localhost",
        ];
        for text in bad {
            assert_eq!(base(text), None, "{text}");
        }
    }
}
