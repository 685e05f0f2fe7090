use super::*;

fn mailer() -> SmtpMailer {
    SmtpMailer::new(&MailSettings {
        host: "127.0.0.1".to_owned(),
        port: 25,
        tls: false,
        login: None,
        from_email: "noreply@example.com".to_owned(),
        from_name: "Boxes".to_owned(),
    })
    .unwrap()
}

fn letter(id: Option<&str>) -> Letter {
    Letter {
        to: Email::new("ann@example.org").unwrap(),
        subject: "A payment for A & B failed".to_owned(),
        page: Page::of_text("A & B owe <something>.\n\nhttps://pay.test/1"),
        id: id.map(str::to_owned),
        list: Some("billing.example.com".to_owned()),
    }
}

#[tokio::test]
async fn a_mail_is_text_and_html_and_says_that_a_program_sent_it() {
    let sent = String::from_utf8(mailer().message(letter(Some("ab12"))).unwrap().formatted()).unwrap();
    for line in [
        "From: Boxes <noreply@example.com>",
        "To: ann@example.org",
        "Subject: A payment for A & B failed",
        "Message-ID: <ab12@example.com>",
        "Auto-Submitted: auto-generated",
        "List-Id: <billing.example.com>",
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: text/html; charset=utf-8",
        "A & B owe <something>.",
        "<p>A &amp; B owe &lt;something&gt;.</p>",
    ] {
        assert!(sent.lines().any(|found| found.starts_with(line)), "{line} is missing in {sent}");
    }
    let plain = String::from_utf8(mailer().message(letter(None)).unwrap().formatted()).unwrap();
    assert!(!plain.contains("Message-ID"), "the mail server gives it one: {plain}");
}

#[tokio::test]
async fn a_subject_cannot_smuggle_headers() {
    let odd = Letter { subject: "Hello\r\nBcc: eve@example.com".to_owned(), ..letter(None) };
    let sent = String::from_utf8(mailer().message(odd).unwrap().formatted()).unwrap();
    assert!(sent.contains("Subject: Hello  Bcc: eve@example.com\r\n"), "{sent}");
}

/// A mail server that answers so when it is told to whom a mail is.
#[cfg(feature = "cloud")]
async fn answering(answer: &'static str) -> SmtpMailer {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let (reader, mut writer) = socket.split();
        let mut lines = BufReader::new(reader).lines();
        writer.write_all(b"220 here\r\n").await.unwrap();
        while let Some(line) = lines.next_line().await.unwrap_or_default() {
            let said = if line.starts_with("RCPT") { answer } else { "250 well" };
            if writer.write_all(format!("{said}\r\n").as_bytes()).await.is_err() {
                break;
            }
        }
    });
    SmtpMailer::new(&MailSettings {
        host: "127.0.0.1".to_owned(),
        port,
        tls: false,
        login: None,
        from_email: "noreply@example.com".to_owned(),
        from_name: "Boxes".to_owned(),
    })
    .unwrap()
}

#[cfg(feature = "cloud")]
#[tokio::test]
async fn a_mailbox_that_is_not_there_is_told_from_a_server_that_is_busy() {
    for (answer, expected) in
        [("550 no such user", true), ("553 what", true), ("450 later", false), ("552 full", false), ("535 who", false)]
    {
        let error = answering(answer).await.deliver(letter(None)).await.unwrap_err();
        assert_eq!(is_for_nobody(&error), expected, "{answer}");
    }
}
