//! What holds for every input of the framer, whoever makes it up: the corpus or the fuzzer.

use muster_stanza::{
    Children, Element, Frame, Framer, FramerLimits, Stanza, StanzaProblem, StreamError,
};

const LIMITS: FramerLimits = FramerLimits {
    element_bytes: 4096,
    depth: 16,
    attributes: 16,
};

/// What came of one input: the frames, and the error it ended with.
pub(crate) type Outcome = (Vec<Frame>, Option<StreamError>);

/// Feeds `input` whole, byte by byte and in uneven chunks, and checks everything that comes out.
pub(crate) fn check(input: &[u8]) -> Outcome {
    let whole = run([input]);
    assert_eq!(run(input.chunks(1)), whole, "byte by byte");
    assert_eq!(run(uneven(input)), whole, "in uneven chunks");
    for frame in &whole.0 {
        if let Frame::Element(element) = frame {
            check_element(element);
        }
    }
    // Alone it may be anything; it must not do harm.
    if let Ok(element) = Element::parse(input) {
        check_element(&element);
    }
    // As content it was never checked, and reads as whatever it is.
    walk(
        Stanza::message(muster_stanza::MessageType::Chat)
            .with_content(input.to_vec())
            .children(),
        false,
    );
    whole
}

fn run<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let (mut framer, mut frames) = (Framer::new(LIMITS), Vec::new());
    for chunk in chunks {
        framer.push(chunk);
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(
            framer.buffered() <= LIMITS.element_bytes,
            "held beyond the limit"
        );
    }
    (frames, None)
}

fn uneven(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = input;
    let mut size = 0;
    std::iter::from_fn(move || {
        size = size % 13 + 3;
        let (chunk, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        (!chunk.is_empty()).then_some(chunk)
    })
}

fn check_element(element: &Element) {
    assert_eq!(
        Element::parse(element.raw()).as_ref(),
        Ok(element),
        "the bytes read back"
    );
    walk(element.children(), true);
    match Stanza::from_element(element) {
        Ok(stanza) => check_stanza(&stanza),
        Err(StanzaProblem::Refused {
            reply: Some(reply), ..
        }) => check_stanza(&reply),
        Err(problem) => assert!(problem.reply().is_none()),
    }
}

fn check_stanza(stanza: &Stanza) {
    let encoded = stanza.encode();
    assert_eq!(encoded.len(), encoded.to_vec().len());
    let element = Element::parse(&encoded.to_vec()).expect("what we write is well-formed");
    // A refusal of an IQ without id is itself one, and cannot be read as a stanza.
    match Stanza::from_element(&element) {
        Ok(read) => assert_eq!(&read, stanza, "what we write reads back"),
        Err(problem) => assert!(stanza.is_iq() && stanza.id.is_none(), "{problem}"),
    }
    walk(stanza.children(), true);
}

/// Reads everything there is to read, without limits on what it may be.
fn walk(children: Children<'_>, checked: bool) {
    let mut todo = vec![(children, 0)];
    while let Some((children, depth)) = todo.pop() {
        for child in children {
            let _ = (child.text(), child.attr("xml:lang"), child.namespace());
            if checked {
                let copy = child.to_element();
                assert_eq!(
                    Element::parse(copy.raw()).as_ref(),
                    Ok(&copy),
                    "copies read back"
                );
                assert!(
                    copy.is(child.name(), child.namespace()),
                    "copies keep their names"
                );
            }
            if depth < LIMITS.depth {
                todo.push((child.children(), depth + 1));
            }
        }
    }
}
