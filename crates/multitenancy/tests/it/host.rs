//! Any bytes as a host.
//!
//! The fuzz test runs for a bounded number of cases, or as long as `TOGGLEBOX_TEST_FUZZ_SECONDS` says (`just fuzz-hosts`).

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use togglebox_multitenancy::host::{self, LONGEST_HOST};
use togglebox_multitenancy::{Host, HostError, HostKey, HostRules, Locating, Named};

/// Cases of the fuzz test where nobody asks for more.
const CASES: u32 = 20_000;

fn rules() -> HostRules {
    HostRules::new("example.com").unwrap().central("localhost").unwrap().central("127.0.0.1").unwrap()
}

/// Bytes from nothing to do with hosts to hosts that differ from good ones in a place or two.
fn hosts() -> impl Strategy<Value = Vec<u8>> {
    let parts = prop_oneof![
        Just("example.com".to_owned()),
        Just("EXAMPLE.com".to_owned()),
        Just("api".to_owned()),
        Just("xn--".to_owned()),
        Just("[::1]".to_owned()),
        Just("127.0.0.1".to_owned()),
        Just(".".to_owned()),
        Just(":".to_owned()),
        Just("-".to_owned()),
        "[a-zA-Z0-9-]{1,70}",
        "[0-9a-fx]{1,6}",
        "\\PC{1,3}",
    ];
    let put_together = prop::collection::vec(parts, 0..8).prop_map(|parts| parts.concat().into_bytes());
    let touched = (put_together.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut bytes, place, byte)| {
        if !bytes.is_empty() {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes
    });
    prop_oneof![
        3 => put_together,
        3 => touched,
        3 => "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?\\.example\\.com\\.?(:[0-9]{0,6})?".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ]
}

/// All that can be said of any bytes.
fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let rules = rules();
    if let Ok(name) = host::normalise(bytes) {
        prop_assert!(name.len() <= LONGEST_HOST && !name.is_empty());
        prop_assert_eq!(&*name, name.to_ascii_lowercase());
        prop_assert_eq!(host::normalise(name.as_bytes()), Ok(name.clone()), "not idempotent");
        prop_assert_eq!(rules.read(name.as_bytes()), rules.read(bytes), "the normal form means something else");
    }
    match rules.read(bytes) {
        Ok(Host::Subdomain(label)) => {
            let whole = format!("{label}.example.com");
            prop_assert_eq!(host::normalise(bytes), Ok(whole.into()), "of another base");
            prop_assert!(is_subdomain_by_the_letter(&label), "{}", label);
            prop_assert_eq!(host::subdomain(label.as_bytes()), Ok(label.clone()));
        }
        Ok(Host::Domain(name)) => {
            prop_assert!(!name.ends_with(".example.com") && name != "example.com" && name.contains('.'));
            prop_assert!(name.parse::<std::net::IpAddr>().is_err());
            prop_assert_eq!(rules.clone().custom_domains(false).read(bytes), Err(HostError::Foreign));
        }
        Ok(Host::Central) => {
            let name = host::normalise(bytes).unwrap();
            prop_assert!(["api.example.com", "localhost", "127.0.0.1"].contains(&&*name));
        }
        Err(_) => {}
    }
    Ok(())
}

/// `[a-z0-9]([a-z0-9-]{1,61}[a-z0-9])` without `--`, said in another way.
fn is_subdomain_by_the_letter(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let lower = |part: &&str| !part.is_empty() && part.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9'));
    (3..=63).contains(&label.chars().count()) && parts.iter().all(lower)
}

proptest! {
    #[test]
    fn every_subdomain_is_found_however_it_is_written(
        label in "[a-z0-9]([a-z0-9]|-[a-z0-9]){1,30}[a-z0-9]",
        upper in any::<bool>(),
        end in "\\.?(:[0-9]{0,4})?",
    ) {
        let host = format!("{label}.example.com{end}");
        let host = if upper { host.to_ascii_uppercase() } else { host };
        prop_assert_eq!(rules().read(host.as_bytes()), Ok(Host::Subdomain(label.as_str().into())));
    }

    /// Whoever could claim what no host reads as would wait for requests in vain.
    #[test]
    fn every_domain_that_can_be_claimed_is_found(text in "[a-z0-9x-]{1,6}(\\.[a-z0-9x-]{1,6}){1,3}|[a-z]{1,3}\\.0x[0-9a-f]{0,3}") {
        if let Ok(domain) = text.parse::<togglebox_multitenancy::DomainName>() {
            prop_assert_eq!(rules().read(domain.as_str().as_bytes()), Ok(Host::Domain(domain.as_str().into())));
        }
    }

    #[test]
    fn nothing_of_another_base_is_a_subdomain(before in "[a-z0-9-]{1,20}", after in "[a-z]{1,8}") {
        for host in [
            format!("{before}-example.com"),
            format!("{before}example.com"),
            format!("{before}.example.com.{after}"),
            format!("{before}.example.com{after}"),
            format!("{before}.example-com"),
            format!("{before}.examplexcom"),
        ] {
            prop_assert!(!matches!(rules().read(host.as_bytes()), Ok(Host::Subdomain(_) | Host::Central)), "{}", host);
        }
    }

    #[test]
    fn a_key_that_is_borrowed_reads_as_the_one_that_is_owned(bytes in hosts()) {
        if let Some(key) = rules().read(&bytes).ok().as_ref().and_then(Host::key) {
            let owned: HostKey = key.to_key();
            prop_assert_eq!(owned.as_ref(), key);
        }
    }

    /// Whatever stands where: a tenant that is found was named by the host, or the host is the central one.
    #[test]
    fn no_request_is_for_whom_its_host_does_not_name(
        host in hosts(), forwarded in prop::collection::vec(hosts(), 0..3), tenant in prop::collection::vec(hosts(), 0..2),
        path in "(/t/[a-zA-Z-]{0,6})?/?[a-z/]{0,6}", proxies in 0_usize..3,
    ) {
        let forwarded: Vec<&[u8]> = forwarded.iter().map(Vec::as_slice).collect();
        let tenant: Vec<&[u8]> = tenant.iter().map(Vec::as_slice).collect();
        let named = Named { host: Some(&host), forwarded_host: &forwarded, tenant: &tenant, path: &path };
        let how = Locating::by_host().behind(proxies).by_header().by_path();
        if let Ok(located) = how.locate(&rules(), &named) {
            let by_host = rules().read(togglebox_multitenancy::locate::forwarded_host(&host, &forwarded, proxies)).unwrap();
            prop_assert!(by_host == Host::Central || by_host == located.host);
            prop_assert!(path.ends_with(located.path) || located.path == "/");
        }
    }
}

#[test]
fn no_bytes_break_the_parser() {
    #[expect(clippy::disallowed_methods, reason = "how long to search is for whoever runs it to say")]
    let seconds = std::env::var("TOGGLEBOX_TEST_FUZZ_SECONDS").ok();
    let limit =
        seconds.map(|text| Duration::from_secs(text.parse().expect("TOGGLEBOX_TEST_FUZZ_SECONDS is a number of seconds")));
    let (began, hosts, mut cases) = (Instant::now(), hosts(), 0_u64);
    // New ones each time where it is a search, the same ones where it is a test.
    let mut runner = if limit.is_some() { TestRunner::default() } else { TestRunner::deterministic() };
    while limit.map_or(cases < u64::from(CASES), |limit| began.elapsed() < limit) {
        let bytes = hosts.new_tree(&mut runner).unwrap().current();
        if let Err(error) = check(&bytes) {
            panic!("{:?}: {error}", String::from_utf8_lossy(&bytes));
        }
        cases += 1;
    }
    println!("{cases} hosts read");
}
