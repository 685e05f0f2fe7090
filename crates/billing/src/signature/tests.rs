use super::*;

const A_BODY: &[u8] = br#"{"id":"evt_test_webhook","object":"event"}"#;
const A_TIME: i64 = 1_492_774_577;
const BY_OLD: &str = "b2f9b10da9728a9017c3b0069bf9c8b69cfb9e64f7c9ef50e321db1ae5a3787c";
const BY_NEW: &str = "7dee5bc5927378c7842a407b6c5a43b274e95f8b31517013b12d05315a96d335";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_ms(seconds * 1000)
}

fn verifier(secrets: &[&str]) -> Verifier {
    let secrets = secrets.iter().map(|secret| WebhookSecret::new(secret).unwrap()).collect();
    Verifier::new(secrets, Verifier::TOLERANCE).unwrap()
}

#[test]
fn the_known_vectors_are_accepted() {
    let c_body = "{\"id\":\"evt_2\",\"name\":\"Zoë ☃\"}\n".as_bytes();
    let vectors: [(&str, i64, &[u8], &str); 4] = [
        ("whsec_old", A_TIME, A_BODY, BY_OLD),
        ("whsec_new", A_TIME, A_BODY, BY_NEW),
        ("whsec_test_secret", 1_700_000_000, c_body, "fd3045412b510536230bde379f580d39d7925cf8a9c4e59da1827d7e7a84663d"),
        ("whsec_test_secret", 1_700_000_000, b"", "316b9ab98c15bfa039d243f3196acee619cf29749a91a634e6a8154e2f7b6727"),
    ];
    for (secret, seconds, body, signature) in vectors {
        let header = format!("t={seconds},v1={signature}");
        assert_eq!(verifier(&[secret]).verify(&header, body, at(seconds)), Ok(()), "{secret}");
        assert_eq!(verifier(&["other"]).verify(&header, body, at(seconds)), Err(BadSignature::Mismatch));
        assert_eq!(verifier(&[secret]).verify(&header, b"{}", at(seconds)), Err(BadSignature::Mismatch));
    }
}

#[test]
fn every_edge_case_is_as_documented() {
    let old = |header: String, now: i64| verifier(&["whsec_old"]).verify(&header, A_BODY, at(now));
    let ok = |header: String| assert_eq!(old(header, A_TIME), Ok(()));
    ok(format!("t={A_TIME},v1={BY_NEW},v1={BY_OLD}"));
    ok(format!("t={A_TIME},v1={BY_OLD},v1={BY_NEW}"));
    ok(format!("v1={BY_OLD},t={A_TIME}"));
    ok(format!("t={A_TIME},nonsense,v1={BY_OLD},v0=x,k=v=w"));
    ok(format!("t=0{A_TIME},v1={BY_OLD}"));
    let bad = |header: String, why| assert_eq!(old(header.clone(), A_TIME), Err(why), "{header}");
    bad(format!("t={A_TIME},v0={BY_OLD}"), BadSignature::NoSignature);
    bad(format!("t={A_TIME},v1={}", BY_OLD.to_uppercase()), BadSignature::Mismatch);
    bad(format!("t={A_TIME}, v1={BY_OLD}"), BadSignature::NoSignature);
    bad(format!("t={A_TIME},v1= {BY_OLD}"), BadSignature::Mismatch);
    bad(format!("t={A_TIME},t={A_TIME},v1={BY_OLD}"), BadSignature::NoTime);
    bad(format!("t={A_TIME},t=1,v1={BY_OLD}"), BadSignature::NoTime);
    bad(format!("t=+{A_TIME},v1={BY_OLD}"), BadSignature::NoTime);
    bad(format!("t=,v1={BY_OLD}"), BadSignature::NoTime);
    bad(format!("t=99999999999999999999,v1={BY_OLD}"), BadSignature::NoTime);
    bad(format!("v1={BY_OLD}"), BadSignature::NoTime);
    bad(format!("t={A_TIME},v1={}", &BY_OLD[..63]), BadSignature::Mismatch);
    bad(format!("t={A_TIME},v1="), BadSignature::Mismatch);
    bad(String::new(), BadSignature::NoTime);
    let header = || format!("t={A_TIME},v1={BY_OLD}");
    assert_eq!(old(header(), A_TIME + 300), Ok(()));
    assert_eq!(old(header(), A_TIME - 300), Ok(()));
    assert_eq!(old(header(), A_TIME + 301), Err(BadSignature::TooFar));
    assert_eq!(old(header(), A_TIME - 10_000), Err(BadSignature::TooFar));
}

#[test]
fn while_a_secret_is_exchanged_both_are_good_and_then_only_the_new_one() {
    let (by_old, by_new) = (format!("t={A_TIME},v1={BY_OLD}"), format!("t={A_TIME},v1={BY_NEW}"));
    let both = verifier(&["whsec_new", "whsec_old"]);
    assert_eq!(both.verify(&by_old, A_BODY, at(A_TIME)), Ok(()));
    assert_eq!(both.verify(&by_new, A_BODY, at(A_TIME)), Ok(()));
    assert_eq!(verifier(&["whsec_new"]).verify(&by_old, A_BODY, at(A_TIME)), Err(BadSignature::Mismatch));
}

#[test]
fn a_verifier_that_refuses_everything_or_nothing_cannot_be_made() {
    let secret = || vec![WebhookSecret::new("whsec_x").unwrap()];
    assert_eq!(Verifier::new(Vec::new(), Verifier::TOLERANCE).unwrap_err(), InvalidVerifier::NoSecret);
    assert_eq!(Verifier::new(secret(), Duration::ZERO).unwrap_err(), InvalidVerifier::Tolerance);
    assert_eq!(Verifier::new(secret(), Duration::from_hours(25)).unwrap_err(), InvalidVerifier::Tolerance);
    assert!(WebhookSecret::new("").is_none());
}

#[test]
fn nothing_shows_a_secret() {
    assert_eq!(format!("{:?}", WebhookSecret::new("whsec_verysecret").unwrap()), "WebhookSecret(…)");
    assert!(!format!("{:?}", verifier(&["whsec_verysecret"])).contains("very"));
}
