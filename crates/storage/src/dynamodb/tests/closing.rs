//! A server that closes connections that requests are on: it has been idle for long enough, or ends.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use super::*;

/// Closes so many connections with a request on them, and answers the request on the next one with `{}`. Says how many bytes came.
fn closing(connections: usize) -> (SocketAddr, JoinHandle<Vec<usize>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let mut came = Vec::new();
        for _ in 0..connections {
            came.push(request(&mut listener.accept().unwrap().0));
        }
        let mut last = listener.accept().unwrap().0;
        came.push(request(&mut last));
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: 2\r\nconnection: close\r\n\r\n";
        last.write_all(format!("{head}{{}}").as_bytes()).unwrap();
        came
    });
    (address, serving)
}

/// Reads a request to its end, which is where its object's is.
fn request(stream: &mut TcpStream) -> usize {
    let (mut read, mut chunk) = (Vec::new(), [0; 4096]);
    while !read.ends_with(b"}") {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(more) => read.extend_from_slice(&chunk[..more]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("{error}"),
        }
    }
    read.len()
}

fn asking(address: SocketAddr) -> DynamoDb {
    DynamoDb::over(Client::from_conf(at(&format!("http://{address}")).build()), TABLE, PATIENCE)
}

#[tokio::test]
async fn a_request_that_was_closed_on_is_made_again() {
    let (address, serving) = closing(2);
    let store = asking(address);
    let found = store.get("test", &mut store.patience(), &crate::dynamodb::key::directory_head(TENANT)).await.unwrap();
    assert_eq!(found, None);
    let came = serving.join().unwrap();
    assert!(came.len() == 3 && came.iter().all(|bytes| *bytes > 0), "{came:?}");
}

#[tokio::test]
async fn the_outcome_of_a_write_that_was_closed_on_is_unknown() {
    let (address, serving) = closing(1);
    let store = asking(address);
    let made = store.commit("test", &mut store.patience(), Vec::new()).await.unwrap();
    assert!(!made, "what stands is to be read again");
    assert!(store.commit("test", &mut store.patience(), Vec::new()).await.unwrap());
    assert_eq!(serving.join().unwrap().len(), 2);
}
