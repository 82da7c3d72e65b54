//! A gRPC call byte by byte: HTTP/2 (RFC 9113), headers without compression (RFC 7541 §6.2.2), protobuf. No client
//! library that the tests have speaks it.

use anyhow::{Context, Result};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection's first bytes, with a call of `muster.presence.v1.Presence/Publish` that sends these batches.
pub(crate) fn publish(token: &str, batches: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    let headers = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/muster.presence.v1.Presence/Publish"),
        (":authority", "api"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("authorization", &format!("Bearer {token}")),
    ];
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        block.extend(counted(name.as_bytes())?);
        block.extend(counted(value.as_bytes())?);
    }
    bytes.extend(frame(HEADERS, END_HEADERS, 1, &block));
    for (nth, batch) in batches.iter().enumerate() {
        let last = nth + 1 == batches.len();
        let mut message = vec![0];
        message.extend(u32::try_from(batch.len())?.to_be_bytes());
        message.extend(batch);
        bytes.extend(frame(DATA, if last { END_STREAM } else { 0 }, 1, &message));
    }
    Ok(bytes)
}

/// A publication in a batch: a phone is off the hook until a time, in milliseconds since 1970.
pub(crate) fn off_hook(user: &str, until_ms: u64) -> Result<Vec<u8>> {
    let mut span = field(1, b"off-hook")?;
    span.push(4 << 3);
    span.extend(varint(until_ms));
    let publication = [
        field(1, user.as_bytes())?,
        field(2, b"phone/desk")?,
        field(3, &span)?,
    ];
    field(1, &publication.concat())
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let [.., a, b, c] = payload.len().to_be_bytes();
    let mut bytes = vec![a, b, c, kind, flags, 0, 0, 0, stream];
    bytes.extend(payload);
    bytes
}

/// A field of a message that is text, or a message itself.
fn field(number: u8, content: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = vec![number << 3 | 2];
    bytes.extend(counted(content)?);
    Ok(bytes)
}

/// Both formats write a small length so.
fn counted(content: &[u8]) -> Result<Vec<u8>> {
    let length = u8::try_from(content.len()).ok();
    let length = length.filter(|length| *length < 127).context("too long")?;
    let mut bytes = vec![length];
    bytes.extend(content);
    Ok(bytes)
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
    bytes
}
