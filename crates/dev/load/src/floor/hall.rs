//! Who is there, and whose frames go to whom.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;
use std::task::Waker;

use bytes::BytesMut;

use crate::words::{attr, between, number};

/// What waits to be written to one client.
#[derive(Default)]
pub(crate) struct Seat {
    pub(crate) out: RefCell<BytesMut>,
    pub(crate) waker: RefCell<Option<Waker>>,
}

impl Seat {
    /// Adds to what goes out with the next write.
    pub(crate) fn push(&self, parts: &[&[u8]]) {
        let mut out = self.out.borrow_mut();
        for part in parts {
            out.extend_from_slice(part);
        }
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// One account: where its client sits and what it said last.
#[derive(Default)]
struct Account {
    seat: Option<Rc<Seat>>,
    full: String,
    /// The inside of its presence; `None` before the first.
    says: Option<Vec<u8>>,
}

/// All accounts, by number.
pub(crate) struct Hall {
    accounts: RefCell<Vec<Account>>,
    users: usize,
    contacts: usize,
    domain: String,
}

impl Hall {
    /// Nobody is there.
    pub(crate) fn new(users: usize, contacts: usize, domain: &str) -> Self {
        Self {
            accounts: RefCell::new((0..users).map(|_| Account::default()).collect()),
            users,
            contacts,
            domain: domain.to_owned(),
        }
    }

    /// Lets a client take the seat of its account; answers the account's number and the full JID.
    pub(crate) fn take_seat(
        &self,
        name: &str,
        resource: &str,
        seat: &Rc<Seat>,
    ) -> Option<(usize, String)> {
        let user = number(name.as_bytes())?.checked_sub(1)?;
        let mut accounts = self.accounts.borrow_mut();
        let account = accounts.get_mut(user)?;
        let full = format!("{name}@{}/{resource}", self.domain);
        *account = Account {
            seat: Some(Rc::clone(seat)),
            full: full.clone(),
            says: None,
        };
        Some((user, full))
    }

    /// Frees the seat, if it is still this client's.
    pub(crate) fn leave(&self, user: usize, seat: &Rc<Seat>) {
        let mut accounts = self.accounts.borrow_mut();
        let mine = |held: &Rc<Seat>| Rc::ptr_eq(held, seat);
        if accounts[user].seat.as_ref().is_some_and(mine) {
            accounts[user] = Account::default();
        }
    }

    /// The items of a user's roster.
    pub(crate) fn roster(&self, user: usize) -> String {
        let accounts = self.accounts.borrow();
        let full = &accounts[user].full;
        let local = full.split('@').next().unwrap_or_default();
        let prefix = local.trim_end_matches(|c: char| c.is_ascii_digit());
        let mut items = String::new();
        for other in self.contacts_of(user) {
            let (domain, other) = (&self.domain, other + 1);
            // Writing to a text does not fail.
            write!(
                items,
                "<item jid='{prefix}{other}@{domain}' subscription='both'/>"
            )
            .ok();
        }
        items
    }

    /// A presence: to all contacts who are there, and the first time theirs to the sender.
    pub(crate) fn presence(&self, user: usize, element: &[u8]) {
        let inside = between(element, b"<presence>", b"</presence>").unwrap_or_default();
        let mut accounts = self.accounts.borrow_mut();
        let first = accounts[user].says.replace(inside.to_vec()).is_none();
        let sender = &accounts[user];
        let mut head = Vec::with_capacity(80);
        head.extend_from_slice(b"<presence from='");
        head.extend_from_slice(sender.full.as_bytes());
        head.extend_from_slice(b"' to='");
        for other in self.contacts_of(user) {
            let contact = &accounts[other];
            let (Some(seat), Some(says)) = (&contact.seat, &contact.says) else {
                continue;
            };
            seat.push(&[
                &head,
                contact.full.as_bytes(),
                b"'>",
                inside,
                b"</presence>",
            ]);
            if let (true, Some(own)) = (first, &sender.seat) {
                own.push(&[
                    b"<presence from='",
                    contact.full.as_bytes(),
                    b"'>",
                    says,
                    b"</presence>",
                ]);
            }
        }
    }

    /// A message to an account.
    pub(crate) fn message(&self, user: usize, element: &[u8]) {
        let accounts = self.accounts.borrow();
        let to = attr(element, "to").and_then(|to| to.split(|b| *b == b'@').next());
        let to = to.and_then(number).and_then(|to| to.checked_sub(1));
        let seat = to.and_then(|to| accounts.get(to)?.seat.as_ref());
        if let (Some(seat), Some(rest)) = (seat, element.strip_prefix(b"<message")) {
            seat.push(&[
                b"<message from='",
                accounts[user].full.as_bytes(),
                b"'",
                rest,
            ]);
        }
    }

    /// The nearest ones in the ring.
    fn contacts_of(&self, user: usize) -> impl Iterator<Item = usize> + use<> {
        let (users, half) = (self.users, self.contacts / 2);
        (1..=half).flat_map(move |d| [(user + d) % users, (user + users - d) % users])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sit(hall: &Hall, name: &str) -> (usize, Rc<Seat>) {
        let seat = Rc::new(Seat::default());
        let (user, _) = hall.take_seat(name, "r", &seat).unwrap();
        (user, seat)
    }

    fn written(seat: &Seat) -> String {
        String::from_utf8(seat.out.borrow_mut().split().to_vec()).unwrap()
    }

    #[test]
    fn presence_goes_to_the_contacts_who_are_there() {
        let hall = Hall::new(5, 2, "b");
        let ((one, first), (two, second), (_, far)) =
            (sit(&hall, "u1"), sit(&hall, "u2"), sit(&hall, "u3"));
        hall.presence(one, b"<presence/>");
        assert_eq!(written(&first) + &written(&second), "");
        hall.presence(two, b"<presence><status>7</status></presence>");
        let seen = "<presence from='u2@b/r' to='u1@b/r'><status>7</status></presence>";
        assert_eq!(written(&first), seen);
        assert_eq!(written(&second), "<presence from='u1@b/r'></presence>");
        assert_eq!(written(&far), "");
        assert_eq!(
            hall.roster(one),
            "<item jid='u2@b' subscription='both'/><item jid='u5@b' subscription='both'/>"
        );
        hall.leave(two, &first);
        hall.message(one, b"<message to='u2@b' id='1'><body>x</body></message>");
        let got = "<message from='u1@b/r' to='u2@b' id='1'><body>x</body></message>";
        assert_eq!(written(&second), got);
        hall.leave(two, &second);
        hall.message(one, b"<message to='u2@b' id='1'><body>x</body></message>");
        assert_eq!(written(&second), "");
    }

    #[test]
    fn who_has_no_account_gets_no_seat() {
        let hall = Hall::new(1, 0, "b");
        let seat = Rc::new(Seat::default());
        assert!(hall.take_seat("u0", "r", &seat).is_none());
        assert!(hall.take_seat("u2", "r", &seat).is_none());
        assert!(hall.take_seat("u", "r", &seat).is_none());
    }
}
