//! Cuts whole elements out of a byte stream and refuses what RFC 6120 §11 forbids.
//!
//! ```text
//!   Start --(BOM, XML declaration, <stream:stream …>)--> Open --(</stream:stream>)--> Closed
//!     ^                                                   |
//!     +------------------- restart() ---------------------+
//! ```
//!
//! The driver pushes what it reads and takes frames until there is none. White space between
//! stanzas keeps the connection alive and is dropped. After an error the framer is dead.

use crate::header::{self, Root};
use crate::scanner::{Around, Scanner, too};
use crate::scope::Scope;
use crate::tag::is_space;
use crate::{Element, StreamCondition, StreamError, StreamHeader, check, element, ns};
use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memmem};

/// Bounds of what one stream may send; beyond them is `policy-violation`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FramerLimits {
    /// Bytes of one element, as received. Bounds what the framer holds, but for what one `push`
    /// brings.
    pub element_bytes: usize,
    /// How deep elements may nest, the stanza itself being 1.
    pub depth: usize,
    /// Attributes of one element, namespace declarations included; also the prefixes in force at
    /// one place.
    pub attributes: usize,
}

/// What a stream is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// The stream begins. RFC 6120 §4.7.
    Open(StreamHeader),
    /// A stanza, or an element of the negotiation.
    Element(Element),
    /// `</stream:stream>`. RFC 6120 §4.4.
    Close,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Before the stream header; whether a byte order mark and an XML declaration may still come.
    Start { mark: bool, declaration: bool },
    /// Between stanzas or within one.
    Open,
    /// After the end of the stream; whatever comes is dropped.
    Closed,
}

const START: Phase = Phase::Start {
    mark: true,
    declaration: true,
};
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
const DECLARATION_BEGIN: &[u8] = b"<?xml";

/// Cuts a byte stream into frames.
#[derive(Debug)]
pub struct Framer {
    /// What was not handed out; begins with the frame at hand.
    buffer: BytesMut,
    limits: FramerLimits,
    phase: Phase,
    scanner: Scanner,
    /// How much of an XML declaration or of the last end tag was searched for its end.
    searched: usize,
    root: Root,
    dead: Option<StreamError>,
}

impl Framer {
    /// A framer that waits for a stream header.
    pub fn new(limits: FramerLimits) -> Self {
        Self {
            buffer: BytesMut::new(),
            limits,
            phase: START,
            scanner: Scanner::default(),
            searched: 0,
            root: Root::default(),
            dead: None,
        }
    }

    /// Takes bytes from the socket. Take all frames before pushing more: that is what bounds the
    /// bytes held.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.dead.is_none() && self.phase != Phase::Closed {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next whole frame, `None` when more bytes are needed.
    ///
    /// # Errors
    /// The stream error to end the stream with; from then on the same one again.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, StreamError> {
        if let Some(error) = &self.dead {
            return Err(error.clone());
        }
        let frame = match self.phase {
            Phase::Start { .. } => self.header(),
            Phase::Open => self.element(),
            Phase::Closed => Ok(None),
        };
        match &frame {
            Ok(_) if self.phase == Phase::Closed => self.release(),
            Ok(_) => {}
            Err(error) => {
                self.dead = Some(error.clone());
                self.release();
            }
        }
        frame
    }

    /// A new stream begins on the same connection, after SASL; unread bytes belong to it. After
    /// STARTTLS make a new framer instead: what came unprotected must not be read as protected
    /// (RFC 6120 §5.4.3.3).
    pub fn restart(&mut self) {
        self.phase = START;
        self.scanner.clear();
        self.searched = 0;
        self.root = Root::default();
    }

    /// Changes the limit of bytes of one element, also for one that has begun.
    pub const fn set_element_bytes(&mut self, bytes: usize) {
        self.limits.element_bytes = bytes;
    }

    /// Bytes held. Once [`next_frame`](Self::next_frame) has answered `None` they are those of an
    /// unfinished frame: 0 means that no stanza has begun.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Lets the memory go; an idle stream holds none.
    fn release(&mut self) {
        self.buffer = BytesMut::new();
        self.scanner.release();
    }

    /// Drops white space in front. False when there is nothing else.
    fn skip_white(&mut self) -> bool {
        let white = self
            .buffer
            .iter()
            .take_while(|byte| is_space(**byte))
            .count();
        self.buffer.advance(white);
        if self.buffer.is_empty() {
            self.release();
        }
        !self.buffer.is_empty()
    }

    /// Waits for more of the frame, if it may be longer.
    fn wait(&self) -> Result<Option<Frame>, StreamError> {
        if self.buffer.len() > self.limits.element_bytes {
            return Err(too(format!(
                "an element of more than {} bytes",
                self.limits.element_bytes
            )));
        }
        Ok(None)
    }

    fn header(&mut self) -> Result<Option<Frame>, StreamError> {
        while let Phase::Start { mark, declaration } = self.phase {
            if mark {
                if self.buffer.len() < BYTE_ORDER_MARK.len()
                    && BYTE_ORDER_MARK.starts_with(&self.buffer)
                {
                    return Ok(None);
                }
                if self.buffer.starts_with(BYTE_ORDER_MARK) {
                    self.buffer.advance(BYTE_ORDER_MARK.len());
                }
                self.phase = Phase::Start {
                    mark: false,
                    declaration,
                };
            }
            if !self.skip_white() {
                return Ok(None);
            }
            match *window(&self.buffer, self.limits) {
                [b'<'] | [] => return self.wait(),
                [b'<', b'?', ..] if declaration => match self.declaration()? {
                    Some(end) => {
                        self.buffer.advance(end);
                        self.phase = Phase::Start {
                            mark: false,
                            declaration: false,
                        };
                    }
                    None => return self.wait(),
                },
                [b'<', b'?' | b'!', ..] => {
                    return Err(StreamError::new(StreamCondition::RestrictedXml));
                }
                [b'<', b'/', ..] => return Err(check::malformed()),
                [b'<', ..] => break,
                [..] => return Err(check::malformed()),
            }
        }
        self.open()
    }

    /// Checks an XML declaration and answers its length.
    fn declaration(&mut self) -> Result<Option<usize>, StreamError> {
        let window = window(&self.buffer, self.limits);
        let begin = &window[..window.len().min(DECLARATION_BEGIN.len())];
        if !DECLARATION_BEGIN.starts_with(begin) {
            return Err(StreamError::new(StreamCondition::RestrictedXml));
        }
        match window.get(DECLARATION_BEGIN.len()) {
            None => return Ok(None),
            Some(byte) if is_space(*byte) => {}
            Some(_) => return Err(StreamError::new(StreamCondition::RestrictedXml)),
        }
        let Some(found) = memmem::find(&window[self.searched..], b"?>") else {
            self.searched = window.len() - 1;
            return Ok(None);
        };
        let end = std::mem::take(&mut self.searched) + found + 2;
        check::xml_declaration(&window[..end])?;
        Ok(Some(end))
    }

    /// Reads the start tag of the stream.
    fn open(&mut self) -> Result<Option<Frame>, StreamError> {
        let limits = self.limits;
        let window = window(&self.buffer, limits);
        let around = Around {
            declarations: &[],
            limits,
        };
        let Some(end) = self.scanner.scan_start_tag(window, around)? else {
            return self.wait();
        };
        self.scanner.clear();
        let (root, header) = header::read(&self.buffer.split_to(end))?;
        self.root = root;
        self.phase = Phase::Open;
        Ok(Some(Frame::Open(header)))
    }

    fn element(&mut self) -> Result<Option<Frame>, StreamError> {
        if !self.skip_white() {
            return Ok(None);
        }
        let limits = self.limits;
        let window = window(&self.buffer, limits);
        match *window {
            [b'<', b'/', ..] => return self.close(),
            [b'<', ..] | [] => {}
            [..] => return Err(StreamError::new(StreamCondition::BadFormat)),
        }
        let around = Around {
            declarations: &self.root.declarations,
            limits,
        };
        let Some(end) = self.scanner.scan(window, around)? else {
            return self.wait();
        };
        let raw = self.buffer.split_to(end).freeze();
        let raw = if self.scanner.inherits() || self.root.content_namespace != ns::CLIENT {
            self.complete(&raw)
        } else {
            raw
        };
        self.scanner.clear();
        if self.buffer.is_empty() {
            self.release();
        }
        Ok(Some(Frame::Element(Element::from_checked(raw))))
    }

    /// Writes what the element inherits from the header into its start tag.
    fn complete(&self, raw: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(raw.len() + 64);
        let scope = Scope::of_stream(self.root.content_namespace, &self.root.declarations);
        scope.write_complete(&mut out, element::text(raw));
        out.into()
    }

    fn close(&mut self) -> Result<Option<Frame>, StreamError> {
        let window = window(&self.buffer, self.limits);
        let Some(found) = memchr(b'>', &window[self.searched..]) else {
            self.searched = window.len();
            return self.wait();
        };
        let end = std::mem::take(&mut self.searched) + found;
        check::end_tag(&window[..=end], self.root.name.as_bytes())?;
        self.phase = Phase::Closed;
        Ok(Some(Frame::Close))
    }
}

/// As much of the buffer as one frame may have.
fn window(buffer: &[u8], limits: FramerLimits) -> &[u8] {
    &buffer[..buffer.len().min(limits.element_bytes)]
}

/// Bounds of [`Element::parse`]: wider than any stream's, so that what a framer let through, with
/// its inherited declarations written in, is read again.
const PARSE_LIMITS: FramerLimits = FramerLimits {
    element_bytes: usize::MAX,
    depth: 1024,
    attributes: 1024,
};

/// Reads exactly one element with nothing around it but white space.
pub(crate) fn parse_one(bytes: &[u8]) -> Result<Element, StreamError> {
    let white = bytes.iter().take_while(|byte| is_space(**byte)).count();
    let bytes = &bytes[white..];
    if !bytes.starts_with(b"<") {
        return Err(StreamError::new(StreamCondition::BadFormat));
    }
    let around = Around {
        declarations: &[],
        limits: PARSE_LIMITS,
    };
    let end = Scanner::default()
        .scan(bytes, around)?
        .ok_or_else(check::malformed)?;
    if bytes[end..].iter().any(|byte| !is_space(*byte)) {
        return Err(StreamError::new(StreamCondition::BadFormat));
    }
    Ok(Element::from_checked(Bytes::copy_from_slice(&bytes[..end])))
}
