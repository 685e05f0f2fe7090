//! What a real name server says, as those see it who verify domains.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use togglebox_multitenancy::DomainClaim;

use super::knot::{Knot, free_port};
use super::*;

const ZONE: &str = "acme.test";

/// Asks this server, which is near.
fn asking(server: SocketAddr) -> Dns {
    Dns::with_patience(Some(server), Duration::from_millis(300)).unwrap()
}

/// What is found at a name under [`ZONE`], in alphabetical order.
async fn found(dns: &Dns, label: &str) -> Vec<String> {
    let mut records = dns.txt(&format!("{}{label}.{ZONE}", DomainClaim::PREFIX)).await.unwrap();
    records.sort_unstable();
    records
}

#[tokio::test]
async fn records_are_read_as_texts() {
    let records = r#"
        _togglebox.one TXT "togglebox-verification=0123"
        _togglebox.parts TXT "togglebox-" "verification" "=0123"
        _togglebox.many TXT "v=spf1 -all"
        _togglebox.many TXT "togglebox-verification=0123"
        _togglebox.many TXT "togglebox-verification=4567"
        _togglebox.empty TXT ""
        _togglebox.odd TXT "a\"b\\c; d"
        _togglebox.bytes TXT "\255\254"
        _togglebox.bytes TXT "\195\164"
        _togglebox.UPPER TXT "togglebox-verification=0123"
        _togglebox.address A 192.0.2.1
        *.wild TXT "togglebox-verification=0123"
    "#;
    let Some(knot) = Knot::serving(&[(ZONE, Some(records))]) else { return };
    let dns = asking(knot.address());
    let shown = ["togglebox-verification=0123"];
    assert_eq!(found(&dns, "one").await, shown);
    assert_eq!(found(&dns, "parts").await, shown, "the parts of a record are one text");
    assert_eq!(found(&dns, "many").await, ["togglebox-verification=0123", "togglebox-verification=4567", "v=spf1 -all"]);
    assert_eq!(found(&dns, "empty").await, [""]);
    assert_eq!(found(&dns, "odd").await, [r#"a"b\c; d"#]);
    assert_eq!(found(&dns, "bytes").await, ["ä"], "what is no text is nothing that is looked for");
    assert_eq!(found(&dns, "upper").await, shown, "names are the same in upper and lower case");
    assert_eq!(found(&dns, "wild").await, shown, "the star stands for our prefix too");
    // A name that is there without such records, and one that is not there.
    assert_eq!(found(&dns, "address").await, [""; 0]);
    assert_eq!(found(&dns, "none").await, [""; 0]);
    // A dot at the end changes nothing.
    assert_eq!(dns.txt(&format!("_togglebox.one.{ZONE}.")).await.unwrap(), shown);
}

#[tokio::test]
async fn other_names_are_followed() {
    let records = r#"
        _togglebox.near CNAME _shown
        _togglebox.chain CNAME _togglebox.near
        _togglebox.far CNAME _togglebox.globex.test.
        _togglebox.nothing CNAME _nothing
        _togglebox.bare CNAME ns
        _shown TXT "togglebox-verification=0123"
    "#;
    let elsewhere = r#"_togglebox TXT "togglebox-verification=4567""#;
    let Some(knot) = Knot::serving(&[(ZONE, Some(records)), ("globex.test", Some(elsewhere))]) else { return };
    let dns = asking(knot.address());
    assert_eq!(found(&dns, "near").await, ["togglebox-verification=0123"]);
    assert_eq!(found(&dns, "chain").await, ["togglebox-verification=0123"]);
    assert_eq!(found(&dns, "far").await, ["togglebox-verification=4567"], "also into another zone");
    assert_eq!(found(&dns, "nothing").await, [""; 0]);
    assert_eq!(found(&dns, "bare").await, [""; 0]);
}

#[tokio::test]
async fn what_does_not_fit_into_a_datagram_is_asked_for_again() {
    let long = (0..40).map(|n| format!("_togglebox.long TXT \"{n:02}{}\" \"{}\"\n", "a".repeat(200), "b".repeat(255)));
    let Some(knot) = Knot::serving(&[(ZONE, Some(&long.collect::<String>()))]) else { return };
    let texts = found(&asking(knot.address()), "long").await;
    let wanted: Vec<_> = (0..40).map(|n| format!("{n:02}{}{}", "a".repeat(200), "b".repeat(255))).collect();
    assert_eq!(texts, wanted, "none of them is missing, and none is cut");
}

#[tokio::test]
async fn what_was_said_before_is_not_remembered() {
    let Some(mut knot) = Knot::serving(&[(ZONE, Some(""))]) else { return };
    let dns = asking(knot.address());
    assert_eq!(found(&dns, "late").await, [""; 0]);
    for text in ["one", "other"] {
        knot.serve(&[(ZONE, Some(&format!("$TTL 3600\n_togglebox.late TXT {text}")))]);
        assert_eq!(found(&dns, "late").await, [text]);
    }
    knot.serve(&[(ZONE, Some(""))]);
    assert_eq!(found(&dns, "late").await, [""; 0]);
}

#[tokio::test]
async fn a_server_that_cannot_say_is_not_one_that_says_no() {
    let records = "_togglebox.broken CNAME _togglebox.broken.test.\n_togglebox.far CNAME _togglebox.nowhere.example.\n\
                   _togglebox.round CNAME _togglebox.about\n_togglebox.about CNAME _togglebox.round\n\
                   elsewhere NS ns.globex.test.";
    let Some(mut knot) = Knot::serving(&[(ZONE, Some(records)), ("broken.test", None)]) else { return };
    let dns = asking(knot.address());
    for name in ["broken.test", "nowhere.example", "broken.acme.test", "far.acme.test", "elsewhere.acme.test"] {
        let said = dns.txt(&format!("{}{name}", DomainClaim::PREFIX)).await;
        assert!(said.is_err(), "{name}: {said:?}");
    }
    // That is how the domain is: names that lead to each other lead nowhere.
    assert_eq!(found(&dns, "round").await, [""; 0]);
    knot.kill();
    dns.txt("_togglebox.acme.test").await.unwrap_err();
}

#[tokio::test]
async fn a_server_that_is_silent_or_not_there_is_waited_for_in_bounds() {
    let patience = Duration::from_millis(300);
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = silent.local_addr().unwrap();
    // Takes connections, and says nothing there either; where another program has the port, they are refused.
    let _silent_too = TcpListener::bind(address);
    for address in [address, SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()))] {
        let began = std::time::Instant::now();
        asking(address).txt("_togglebox.acme.test").await.unwrap_err();
        // Some more for a machine that is busy.
        assert!(began.elapsed() < 2 * patience + Duration::from_secs(2), "{:?}", began.elapsed());
    }
    assert!(silent.recv(&mut [0; 512]).is_ok(), "it was asked");
}
