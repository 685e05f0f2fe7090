//! The mails that people got.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use super::mailbox::Mailbox;

/// A mail, undone of its encoding for transport.
#[derive(Clone, Debug)]
pub(super) struct Mail {
    /// What makes it the same mail when it is sent again.
    pub(super) id: String,
    pub(super) to: String,
    pub(super) subject: String,
    /// All of it.
    pub(super) text: String,
}

impl Mail {
    fn read(sent: &str) -> Self {
        let text = sent.replace("=\r\n", "").replace("=3D", "=");
        let header = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim().to_owned()
        };
        Self { id: header("Message-ID:"), to: header("To:"), subject: header("Subject:"), text: text.clone() }
    }
}

/// A mail server that takes everything.
#[derive(Clone, Debug)]
pub(super) struct Post {
    address: SocketAddr,
    mails: Arc<Mutex<Vec<Mail>>>,
}

impl Post {
    pub(super) async fn open() -> Self {
        let mut mailbox = Mailbox::open().await;
        let post = Self { address: mailbox.address(), mails: Arc::default() };
        let mails = Arc::clone(&post.mails);
        tokio::spawn(async move {
            while let Some(mail) = mailbox.arrived().await {
                mails.lock().unwrap().push(Mail::read(&mail));
            }
        });
        post
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came to somebody with these words in its subject, each mail once however often it was sent.
    pub(super) fn to(&self, email: &str, subject: &str) -> Vec<Mail> {
        let mut found: Vec<Mail> = Vec::new();
        for mail in self.mails.lock().unwrap().iter() {
            let is_new = found.iter().all(|known| known.id != mail.id);
            if is_new && mail.to == email && mail.subject.contains(subject) {
                found.push(mail.clone());
            }
        }
        found
    }
}
