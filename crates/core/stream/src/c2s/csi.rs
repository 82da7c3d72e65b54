//! XEP-0352: Client State Indication. A client says whether somebody looks at it; what waits then is
//! the business of who sends to it.

use crate::ClientState;
use muster_stanza::{Element, Writer, ns};

/// Announces it to who has logged in (§4.1).
pub(super) fn announce(out: &mut Writer) {
    out.start("csi").attr("xmlns", ns::CSI).end();
}

/// What the client says of itself (§4.2), if it does. Its name is all that counts: nothing is to
/// stand in the element, and as there is no reply nothing is said of what does.
///
/// It may come as soon as the client has logged in, before it has an address too: the state is that
/// of the connection.
pub(super) fn state(element: &Element) -> Option<ClientState> {
    if element.namespace() != ns::CSI {
        return None;
    }
    match element.name() {
        "active" => Some(ClientState::Active),
        "inactive" => Some(ClientState::Inactive),
        _ => None,
    }
}
