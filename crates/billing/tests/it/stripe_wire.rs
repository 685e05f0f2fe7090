//! The client of Stripe over a connection that does what a test says: what is sent, what is sent again, and what is not taken for an answer.

use std::sync::Arc;
use std::time::Duration;

use togglebox_billing::objects::EventKind;
use togglebox_billing::stripe::{StripeOptions, StripeProvider};
use togglebox_billing::{
    BillingProvider, CALL_TIME, CheckoutOptions, EventQuery, NewCheckout, PortalFlow, ProviderError, Told, UsageReport,
};
use togglebox_core::{ManualStopwatch, SeededEntropy, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const KEY: &str = "sk_test_verysecret";
const DATED: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRequest-Id: req_1\r\n";
const DATE_MS: i64 = 784_111_777_000;
const PAGE: &str = r#"{"id":"cs_1","status":"open","payment_status":"unpaid","url":"https://pay.example/verysecret"}"#;
const SUBSCRIPTION: &str = r#"{"id":"sub_1","customer":"cus_1","status":"active","items":{"data":[]}}"#;

/// A server that answers each request as the test says.
struct Line {
    listener: TcpListener,
    base: String,
}

/// A request that waits for what it is answered with. Dropped, it ends its connection.
struct Asked {
    stream: TcpStream,
    head: String,
    body: String,
}

impl Line {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        Self { listener, base }
    }

    async fn next(&self) -> Asked {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        loop {
            if let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
                let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
                let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
                if bytes.len() >= end + 4 + length {
                    return Asked { stream, head, body: String::from_utf8(bytes[end + 4..].to_vec()).unwrap() };
                }
            }
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the client went away");
        }
    }

    /// Answers the next request, and says what it was.
    async fn answer(&self, status: u16, headers: &str, body: &str) -> (String, String) {
        let asked = self.next().await;
        let sent = (asked.head.clone(), asked.body.clone());
        asked.answer(status, headers, body).await;
        sent
    }

    fn options(&self) -> StripeOptions {
        let mut options = StripeOptions::new(KEY.into(), "requests");
        options.api_base.clone_from(&self.base);
        options.first_pause = Duration::ZERO;
        options
    }

    fn provider(&self) -> (StripeProvider, Arc<ManualStopwatch>) {
        provider(&self.options())
    }
}

impl Asked {
    async fn answer(mut self, status: u16, headers: &str, body: &str) {
        let length = body.len();
        let text = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
        // Whoever has read enough may be gone.
        let _ = self.stream.write_all(text.as_bytes()).await;
        let _ = self.stream.shutdown().await;
    }
}

fn provider(options: &StripeOptions) -> (StripeProvider, Arc<ManualStopwatch>) {
    let stopwatch = Arc::new(ManualStopwatch::default());
    let shared = Arc::<ManualStopwatch>::clone(&stopwatch);
    (StripeProvider::new(options, shared, Arc::new(SeededEntropy::new(3))).unwrap(), stopwatch)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn refusal(code: &str) -> String {
    format!(r#"{{"error":{{"type":"invalid_request_error","code":"{code}","message":"no"}}}}"#)
}

fn page() -> NewCheckout {
    NewCheckout {
        key: "signup:1:1".to_owned(),
        reference: "signup_1".into(),
        price: "price_pro".into(),
        usage_price: Some("price_use".into()),
        customer: None,
        email: "owner@example.com".into(),
        metadata: [("signup_id".into(), "signup_1".into())].into(),
        trial_days: Some(14),
        expires_at: Timestamp::from_ms(1_800_003_600_999),
        success_url: "https://app.example/done?session_id={CHECKOUT_SESSION_ID}".into(),
        cancel_url: "https://app.example/plans".into(),
        options: CheckoutOptions::default(),
    }
}

fn pairs(form: &str) -> Vec<(String, String)> {
    form.split('&').map(|pair| pair.split_once('=').unwrap()).map(|(name, value)| (decode(name), decode(value))).collect()
}

/// `application/x-www-form-urlencoded`, as it is specified and not as the client's own library has it.
fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                u8::from_str_radix(&[bytes.next().unwrap(), bytes.next().unwrap()].map(char::from).iter().collect::<String>(), 16)
                    .unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).unwrap()
}

#[tokio::test]
async fn a_request_has_everything_that_is_asked_for() {
    let line = Line::open().await;
    let (provider, _) = line.provider();
    let new = page();
    let (made, (head, body)) = tokio::join!(provider.create_checkout(&new), line.answer(200, DATED, PAGE));
    assert_eq!(&*made.unwrap().id, "cs_1");
    assert!(head.starts_with("POST /v1/checkout/sessions HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "authorization"), Some("Bearer sk_test_verysecret"));
    assert_eq!(header(&head, "stripe-version"), Some(StripeOptions::API_VERSION));
    assert_eq!(header(&head, "idempotency-key"), Some("signup:1:1"));
    assert_eq!(header(&head, "content-type"), Some("application/x-www-form-urlencoded"));
    assert!(header(&head, "user-agent").unwrap().starts_with("togglebox-billing/"));
    let expected = [
        ("mode", "subscription"),
        ("client_reference_id", "signup_1"),
        ("success_url", "https://app.example/done?session_id={CHECKOUT_SESSION_ID}"),
        ("cancel_url", "https://app.example/plans"),
        ("expires_at", "1800003600"),
        ("line_items[0][price]", "price_pro"),
        ("line_items[0][quantity]", "1"),
        ("line_items[1][price]", "price_use"),
        ("customer_email", "owner@example.com"),
        ("metadata[signup_id]", "signup_1"),
        ("subscription_data[metadata][signup_id]", "signup_1"),
        ("subscription_data[trial_period_days]", "14"),
    ];
    assert_eq!(pairs(&body), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn what_an_operator_chose_stands_on_the_page() {
    let line = Line::open().await;
    let (provider, _) = line.provider();
    let mut new = page();
    new.customer = Some("cus_1".into());
    new.options = CheckoutOptions { promotion_codes: true, automatic_tax: true };
    (new.trial_days, new.usage_price) = (Some(0), None);
    let (made, (_, body)) = tokio::join!(provider.create_checkout(&new), line.answer(200, DATED, PAGE));
    made.unwrap();
    let sent = pairs(&body);
    let has = |name: &str, value: &str| sent.contains(&(name.to_owned(), value.to_owned()));
    assert!(has("customer", "cus_1") && has("allow_promotion_codes", "true") && has("automatic_tax[enabled]", "true"));
    assert!(has("customer_update[address]", "auto"), "tax needs an address");
    for absent in ["customer_email", "subscription_data[trial_period_days]", "line_items[1][price]"] {
        assert!(!sent.iter().any(|(name, _)| name == absent), "{absent}");
    }
}

#[tokio::test]
async fn a_request_that_may_go_through_later_is_sent_again_with_its_key() {
    for status in [409, 424, 429, 500, 502, 503, 504] {
        let line = Line::open().await;
        let (provider, _) = line.provider();
        let new = page();
        let script = async {
            let first = line.answer(status, "", &refusal("lock_timeout")).await;
            let second = line.answer(200, DATED, PAGE).await;
            (first, second)
        };
        let (made, (first, second)) = tokio::join!(provider.create_checkout(&new), script);
        assert!(made.is_ok(), "{status}");
        assert_eq!(first, second, "{status}");
    }
}

#[tokio::test]
async fn what_will_not_go_through_later_is_not_sent_again() {
    for status in [400, 401, 402, 403, 404, 405, 422] {
        let line = Line::open().await;
        let (provider, _) = line.provider();
        let refusal = refusal("resource_missing");
        let (found, _) = tokio::join!(provider.checkout("cs_1"), line.answer(status, "", &refusal));
        let error = found.unwrap_err();
        assert!(!error.is_temporary(), "{status}: {error:?}");
        match status {
            401 | 403 => assert!(matches!(error, ProviderError::Unauthorized)),
            402 => assert!(matches!(error, ProviderError::Declined { .. })),
            404 => assert!(matches!(error, ProviderError::Missing(what) if &*what == "cs_1")),
            _ => assert!(matches!(error, ProviderError::Refused { .. })),
        }
    }
}

#[tokio::test]
async fn the_service_has_the_last_word_on_whether_to_send_again() {
    let line = Line::open().await;
    let (provider, _) = line.provider();
    let (found, _) = tokio::join!(provider.checkout("cs_1"), line.answer(500, "Stripe-Should-Retry: false\r\n", "{}"));
    assert!(found.unwrap_err().is_temporary());
    let script = async {
        line.answer(400, "Stripe-Should-Retry: true\r\n", &refusal("odd")).await;
        line.answer(200, DATED, PAGE).await;
    };
    let (found, ()) = tokio::join!(provider.checkout("cs_1"), script);
    found.unwrap();
}

#[tokio::test]
async fn nothing_is_sent_more_often_than_was_said() {
    let line = Line::open().await;
    let options = StripeOptions { tries: 3, ..line.options() };
    let (provider, _) = provider(&options);
    let script = async {
        for _ in 0..3 {
            line.answer(503, "Request-Id: req_7\r\n", "busy").await;
        }
    };
    let (found, ()) = tokio::join!(provider.checkout("cs_1"), script);
    let error = found.unwrap_err();
    assert!(error.is_temporary() && format!("{error:?}").contains("req_7"), "{error:?}");
}

#[tokio::test]
async fn a_broken_connection_is_tried_again() {
    let line = Line::open().await;
    let (provider, _) = line.provider();
    let new = page();
    let script = async {
        let first = line.next().await;
        let head = first.head.clone();
        drop(first);
        // And one that breaks within the answer.
        let mut second = line.next().await;
        second.stream.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{").await.unwrap();
        drop(second);
        (head, line.answer(200, DATED, PAGE).await.0)
    };
    let (made, (first, last)) = tokio::join!(provider.create_checkout(&new), script);
    made.unwrap();
    assert_eq!(first, last, "with the same key");
}

#[tokio::test]
async fn a_try_that_takes_too_long_is_given_up_and_repeated() {
    let line = Line::open().await;
    let options = line.options();
    let (provider, _) = provider(&options);
    let new = page();
    let script = async {
        let first = line.next().await;
        tokio::time::pause();
        tokio::time::advance(options.try_timeout).await;
        tokio::time::resume();
        let head = first.head.clone();
        let again = line.answer(200, DATED, PAGE).await.0;
        (head, again)
    };
    let (made, (first, again)) = tokio::join!(provider.create_checkout(&new), script);
    made.unwrap();
    assert_eq!(first, again);
}

#[tokio::test(start_paused = true)]
async fn a_call_has_an_end_however_patient_it_is() {
    // Nobody accepts, so nothing is answered; time runs by itself.
    let line = Line::open().await;
    let options = StripeOptions { tries: 10, ..line.options() };
    let (provider, _) = provider(&options);
    let began = tokio::time::Instant::now();
    let error = provider.subscription("sub_1").await.unwrap_err();
    assert!(error.is_temporary(), "{error:?}");
    assert!(began.elapsed() <= CALL_TIME + Duration::from_millis(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read() {
    let line = Line::open().await;
    let (provider, _) = line.provider();
    // As it says itself.
    let script = async {
        let mut asked = line.next().await;
        asked.stream.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 8388609\r\n\r\n").await.unwrap();
        asked
    };
    let (found, _kept) = tokio::join!(provider.checkout("cs_1"), script);
    assert!(matches!(found, Err(ProviderError::NotUnderstood(_))), "{found:?}");
    // And without saying so.
    let script = async {
        let mut asked = line.next().await;
        let chunk = vec![b' '; 1 << 20];
        asked.stream.write_all(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        for _ in 0..9 {
            let sent = async {
                asked.stream.write_all(b"100000\r\n").await?;
                asked.stream.write_all(&chunk).await?;
                asked.stream.write_all(b"\r\n").await
            };
            if sent.await.is_err() {
                break;
            }
        }
    };
    let (found, ()) = tokio::join!(provider.checkout("cs_1"), script);
    assert!(matches!(found, Err(ProviderError::NotUnderstood(_))), "{found:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (line, other) = (Line::open().await, Line::open().await);
    let (provider, _) = line.provider();
    for status in [301, 302, 303, 307, 308] {
        let headers = format!("Location: {}/v1/checkout/sessions/cs_1\r\n", other.base);
        let (found, _) = tokio::join!(provider.checkout("cs_1"), line.answer(status, &headers, ""));
        assert!(matches!(found, Err(ProviderError::NotUnderstood(_))), "{found:?}");
    }
    tokio::select! {
        biased;
        _ = other.next() => panic!("the key went somewhere else"),
        () = std::future::ready(()) => {}
    }
}

#[tokio::test]
async fn what_is_no_json_is_no_answer() {
    let line = Line::open().await;
    let (provider, _) = line.provider();
    for body in ["", "<html>", "{", r#"{"id":1}"#, "null"] {
        let (found, _) = tokio::join!(provider.checkout("cs_1"), line.answer(200, DATED, body));
        assert!(matches!(found, Err(ProviderError::NotUnderstood(_))), "{body}: {found:?}");
    }
    // Whoever stands in between may not say that something is gone.
    let (found, _) = tokio::join!(provider.subscription("sub_1"), line.answer(404, "", "not found"));
    assert!(matches!(found, Err(ProviderError::NotUnderstood(_))), "{found:?}");
}

#[tokio::test]
async fn how_recent_an_answer_is_follows_from_its_date_and_from_how_long_it_took() {
    let line = Line::open().await;
    let (provider, stopwatch) = line.provider();
    let script = async {
        let asked = line.next().await;
        stopwatch.advance(Duration::from_millis(1200));
        asked.answer(200, DATED, SUBSCRIPTION).await;
    };
    let (found, ()) = tokio::join!(provider.subscription("sub_1"), script);
    let as_of = found.unwrap().as_of;
    assert_eq!((as_of.lo().as_ms(), as_of.hi().as_ms()), (DATE_MS - 3000, DATE_MS));
    assert_eq!(as_of.told(Timestamp::from_ms(DATE_MS + 1000)), Told::News);
}

#[tokio::test]
async fn of_tries_only_the_one_that_was_answered_counts() {
    let line = Line::open().await;
    let (provider, stopwatch) = line.provider();
    let script = async {
        let asked = line.next().await;
        stopwatch.advance(Duration::from_secs(9));
        asked.answer(503, "", "").await;
        line.answer(200, DATED, SUBSCRIPTION).await;
    };
    let (found, ()) = tokio::join!(provider.subscription("sub_1"), script);
    assert_eq!(found.unwrap().as_of.lo().as_ms(), DATE_MS - 1000);
}

#[tokio::test]
async fn without_a_date_nothing_is_known_of_how_recent_an_answer_is() {
    let line = Line::open().await;
    let (provider, _) = line.provider();
    for headers in ["", "Date: yesterday\r\n", "Date: 784111777\r\n"] {
        let (found, _) = tokio::join!(provider.subscription("sub_1"), line.answer(200, headers, SUBSCRIPTION));
        assert!(matches!(found, Err(ProviderError::NotUnderstood(_))), "{headers}: {found:?}");
    }
    let (found, _) = tokio::join!(provider.checkout("cs_1"), line.answer(200, "", PAGE));
    found.unwrap();
}

#[tokio::test]
async fn ids_are_checked_before_anything_is_sent() {
    let line = Line::open().await;
    let (provider, _) = line.provider();
    for bad in ["", "../events", "cs_1?expand[]=customer", "cs_1/expire", "cs_ä"] {
        assert!(matches!(provider.checkout(bad).await, Err(ProviderError::Missing(_))), "{bad}");
        assert!(matches!(provider.subscription(bad).await, Err(ProviderError::Missing(_))), "{bad}");
    }
}

#[tokio::test]
async fn errors_show_neither_key_nor_address() {
    let line = Line::open().await;
    let options = StripeOptions { tries: 1, ..line.options() };
    drop(line);
    let (provider, _) = provider(&options);
    let error = provider.checkout("cs_test_private").await.unwrap_err();
    let told = format!("{error:?} {error}");
    assert!(error.is_temporary() && !told.contains("verysecret") && !told.contains("cs_test_private"), "{told}");

    let line = Line::open().await;
    let options = StripeOptions { tries: 1, ..line.options() };
    let (provider, _) = self::provider(&options);
    let body = r#"{"error":{"type":"api_error","message":"verysecret"}}"#;
    for status in [400, 402, 404, 500] {
        let (found, _) = tokio::join!(provider.checkout("cs_1"), line.answer(status, "", body));
        let told = format!("{:?} {provider:?}", found.unwrap_err());
        assert!(!told.contains("verysecret"), "{told}");
    }
    let opened = provider.create_portal("cus_1", PortalFlow::PaymentMethod, "https://app.example/");
    let (opened, (_, body)) = tokio::join!(opened, line.answer(200, "", r#"{"url":"https://portal.example/verysecret"}"#));
    assert!(!format!("{opened:?}").contains("verysecret"));
    assert!(pairs(&body).contains(&("flow_data[type]".to_owned(), "payment_method_update".to_owned())));
}

#[tokio::test]
async fn events_are_asked_for_by_name_page_by_page() {
    static ONE: [EventKind; 2] = [EventKind::InvoicePaid, EventKind::CheckoutCompleted];
    let line = Line::open().await;
    let (provider, _) = line.provider();
    let query = EventQuery { since: Timestamp::from_ms(1_800_000_000_999), kinds: &ONE, before: Some("evt_9".into()) };
    let answer = r#"{"object":"list","has_more":true,"data":[{"id":"evt_8"},{"id":"evt_7"}]}"#;
    let (found, (head, _)) = tokio::join!(provider.events(&query), line.answer(200, "", answer));
    let found = found.unwrap();
    assert_eq!((found.items.len(), found.next.as_deref()), (2, Some("evt_7")));
    let query = head.split(' ').nth(1).unwrap().split_once('?').unwrap().1;
    let expected = [
        ("limit", "100"),
        ("created[gte]", "1800000000"),
        ("starting_after", "evt_9"),
        ("types[]", "invoice.paid"),
        ("types[]", "checkout.session.completed"),
    ];
    assert_eq!(pairs(query), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn more_kinds_than_can_be_named_are_picked_out_of_all() {
    static MANY: [EventKind; 21] = [EventKind::InvoicePaid; 21];
    let line = Line::open().await;
    let (provider, _) = line.provider();
    let query = EventQuery { since: Timestamp::EPOCH, kinds: &MANY, before: None };
    let answer = r#"{"has_more":true,"data":[{"id":"evt_2","type":"invoice.paid"},{"id":"evt_1","type":"plan.created"}]}"#;
    let (found, (head, _)) = tokio::join!(provider.events(&query), line.answer(200, "", answer));
    let found = found.unwrap();
    assert!(!head.contains("types"));
    assert_eq!(found.items.len(), 1);
    assert_eq!(found.next.as_deref(), Some("evt_1"), "the next page begins after the last one, wanted or not");
    let none = provider.events(&EventQuery { kinds: &[], ..query }).await.unwrap();
    assert_eq!((none.items.len(), none.next), (0, None));
}

#[tokio::test]
async fn a_list_is_read_to_its_end_and_no_further() {
    let line = Line::open().await;
    let (provider, _) = line.provider();
    let endpoint = |id: &str| format!(r#"{{"id":"{id}","url":"https://x.example","status":"enabled","enabled_events":["*"]}}"#);
    let script = async {
        line.answer(200, "", &format!(r#"{{"has_more":true,"data":[{}]}}"#, endpoint("we_1"))).await;
        line.answer(200, "", &format!(r#"{{"has_more":false,"data":[{}]}}"#, endpoint("we_2"))).await.0
    };
    let (found, second) = tokio::join!(provider.webhook_endpoints(), script);
    assert_eq!(found.unwrap().iter().map(|endpoint| &*endpoint.id).collect::<Vec<_>>(), ["we_1", "we_2"]);
    assert!(second.contains("starting_after=we_1"), "{second}");
    let (found, _) = tokio::join!(provider.webhook_endpoints(), line.answer(200, "", r#"{"has_more":true,"data":[]}"#));
    assert!(matches!(found, Err(ProviderError::NotUnderstood(_))), "{found:?}");
    let endless = format!(r#"{{"has_more":true,"data":[{}]}}"#, endpoint("we_1"));
    let script = async {
        for _ in 0..100 {
            line.answer(200, "", &endless).await;
        }
    };
    let (found, ()) = tokio::join!(provider.webhook_endpoints(), script);
    assert!(matches!(found, Err(ProviderError::NotUnderstood(_))), "{found:?}");
}

#[tokio::test]
async fn usage_that_is_known_already_is_told() {
    let line = Line::open().await;
    let (provider, _) = line.provider();
    let report = UsageReport {
        customer: "cus_1".into(),
        identifier: "u".repeat(120),
        at: Timestamp::from_ms(1_800_000_000_000),
        value: u64::MAX,
    };
    let refusal = refusal("duplicate_meter_event");
    let (told, (head, body)) = tokio::join!(provider.send_usage(&report), line.answer(400, "", &refusal));
    told.unwrap();
    let sent = pairs(&body);
    let value = |name: &str| sent.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    assert_eq!((value("event_name"), value("payload[value]")), (Some("requests"), Some("18446744073709551615")));
    assert_eq!((value("payload[stripe_customer_id]"), value("timestamp")), (Some("cus_1"), Some("1800000000")));
    assert_eq!(value("identifier").unwrap().len(), 64, "at most a hundred characters");
    assert!(header(&head, "idempotency-key").unwrap().starts_with("usage:"));
}
