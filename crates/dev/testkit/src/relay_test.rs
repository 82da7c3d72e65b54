use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::Relay;

const ONE_WAY: Duration = Duration::from_millis(50);

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Says back what it hears, to each connection in turn.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind(loopback()).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..count]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn ask(stream: &mut TcpStream, text: &[u8]) -> Duration {
    let begun = Instant::now();
    stream.write_all(text).unwrap();
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, text);
    begun.elapsed()
}

#[test]
fn bytes_take_their_time_each_way_and_come_whole_and_in_order() {
    let relay = Relay::start(loopback(), echo(), ONE_WAY).unwrap();
    let mut stream = TcpStream::connect(relay.address()).unwrap();
    // The first answer also waits for what a handshake would take.
    assert!(ask(&mut stream, b"first") >= 2 * ONE_WAY);
    assert!(ask(&mut stream, b"second") >= 2 * ONE_WAY);
    let long: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    assert!(ask(&mut stream, &long) >= 2 * ONE_WAY);
    relay.set_one_way(Duration::ZERO);
    ask(&mut stream, b"what was under way is over");
    let quickest = (0..20).map(|_| ask(&mut stream, b"quick")).min().unwrap();
    assert!(quickest < ONE_WAY, "{quickest:?}");
}

#[test]
fn a_reset_ends_what_stands_and_new_connections_pass() {
    let relay = Relay::start(loopback(), echo(), Duration::ZERO).unwrap();
    let mut stream = TcpStream::connect(relay.address()).unwrap();
    ask(&mut stream, b"hello");
    relay.reset();
    let mut rest = Vec::new();
    assert!(matches!(stream.read_to_end(&mut rest), Ok(0) | Err(_)));
    ask(&mut TcpStream::connect(relay.address()).unwrap(), b"again");
}

#[test]
fn an_end_at_one_side_ends_the_other() {
    let relay = Relay::start(loopback(), echo(), ONE_WAY).unwrap();
    let mut stream = TcpStream::connect(relay.address()).unwrap();
    ask(&mut stream, b"hello");
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}
