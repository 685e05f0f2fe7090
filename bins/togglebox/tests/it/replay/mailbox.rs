//! A mail server that takes everything and keeps it.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::server::PATIENCE;

/// The mails that arrive at [`address`](Self::address).
#[derive(Debug)]
pub(crate) struct Mailbox {
    address: SocketAddr,
    mails: UnboundedReceiver<String>,
}

impl Mailbox {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (send, mails) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(receive(stream, send.clone()));
            }
        });
        Self { address, mails }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next mail, as it was sent, whenever it comes.
    pub(crate) async fn arrived(&mut self) -> Option<String> {
        self.mails.recv().await
    }

    /// The next mail, which should be here soon.
    pub(crate) async fn next(&mut self) -> String {
        timeout(PATIENCE, self.arrived()).await.expect("a mail arrives").expect("the mail server runs")
    }
}

/// RFC 5321, as far as a client that sends a mail and leaves needs it.
async fn receive(stream: TcpStream, mails: UnboundedSender<String>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 mail.test\r\n").await?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer: &[u8] = match line.get(..4).map(str::to_ascii_uppercase).as_deref() {
            Some("QUIT") => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            Some("DATA") => {
                stream.write_all(b"354 go on\r\n").await?;
                let mail = body(&mut stream).await?;
                // Nobody waits for mail any more: the test is over.
                let _ = mails.send(mail);
                b"250 kept\r\n"
            }
            _ => b"250 fine\r\n",
        };
        stream.write_all(answer).await?;
    }
}

async fn body(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut mail = String::new();
    loop {
        let start = mail.len();
        if stream.read_line(&mut mail).await? == 0 || &mail[start..] == ".\r\n" {
            mail.truncate(start);
            return Ok(mail);
        }
    }
}
