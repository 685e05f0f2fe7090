//! What every server that speaks DynamoDB's protocol answers once it is ready.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PROBE: Duration = Duration::from_secs(2);

/// As much of an answer as is looked at.
const ANSWER_BYTES: u64 = 4_096;

/// Whether `address` lists its tables.
pub(super) fn lists_tables(address: SocketAddr) -> bool {
    // No server for tests checks the signature, but each wants to see the region and the service in one.
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: DynamoDB_20120810.ListTables\r\nX-Amz-Date: 20250101T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/dynamodb/aws4_request, \
         SignedHeaders=host;x-amz-date;x-amz-target, Signature=00\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    let Ok(mut stream) = TcpStream::connect_timeout(&address, PROBE) else { return false };
    let asked = stream.set_read_timeout(Some(PROBE)).is_ok() && stream.write_all(request.as_bytes()).is_ok();
    let mut answer = Vec::new();
    // A server that keeps the connection open in spite of our wish has answered by the time-out.
    let ended = asked.then(|| stream.take(ANSWER_BYTES).read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer);
    ended.is_some() && answer.starts_with("HTTP/1.1 200") && answer.contains("TableNames")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn answering(answer: &'static str) -> bool {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut request = [0; 2_048];
            assert!(stream.read(&mut request).unwrap() > 0);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let ready = lists_tables(address);
        server.join().unwrap();
        ready
    }

    #[test]
    fn only_a_list_of_tables_counts() {
        assert!(answering("HTTP/1.1 200 OK\r\n\r\n{\"TableNames\":[]}"));
        assert!(!answering("HTTP/1.1 500 Internal Server Error\r\n\r\n{\"TableNames\":[]}"));
        assert!(!answering("HTTP/1.1 200 OK\r\n\r\nwelcome"));
        assert!(!answering(""));
    }
}
