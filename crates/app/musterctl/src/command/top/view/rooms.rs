//! Which lines of the screen belong to what.

use ratatui::layout::Rect;

/// Parts of the screen, from top to bottom.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Room {
    Head,
    Nodes,
    Detail,
    Users,
    Rates,
    Alarms,
    Events,
    Foot,
    Keys,
}

/// Where each part is.
#[derive(Debug)]
pub(super) struct Rooms(Vec<(Room, Rect)>);

impl Rooms {
    /// Where one is; it may have no lines.
    pub(super) fn of(&self, room: Room) -> Rect {
        let found = self.0.iter().find(|(one, _)| *one == room);
        found.map_or(Rect::ZERO, |(_, place)| *place)
    }
}

/// Gives each part what it wants, as long as there are lines, in the order of the list; the rest to the
/// events.
pub(super) fn rooms(all: Rect, wanted: &[(Room, u16)]) -> Rooms {
    let mut left = all.height;
    let mut heights = Vec::new();
    for (room, height) in wanted {
        let height = *height.min(&left);
        left -= height;
        heights.push((*room, height));
    }
    for (room, height) in &mut heights {
        if *room == Room::Events {
            *height += left;
        }
    }
    heights.sort_by_key(|(room, _)| *room);
    let mut y = all.y;
    let place = |(room, height): (Room, u16)| {
        let place = Rect { y, height, ..all };
        y += height;
        (room, place)
    };
    Rooms(heights.into_iter().map(place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_get_what_is_left_and_the_last_in_the_list_get_nothing() {
        let wanted = [
            (Room::Keys, 1),
            (Room::Nodes, 5),
            (Room::Head, 2),
            (Room::Events, 3),
            (Room::Rates, 2),
        ];
        let places = |height| {
            let rooms = rooms(Rect::new(0, 0, 80, height), &wanted);
            [
                Room::Head,
                Room::Nodes,
                Room::Rates,
                Room::Events,
                Room::Keys,
            ]
            .map(|room| (rooms.of(room).y, rooms.of(room).height))
        };
        assert_eq!(places(24), [(0, 2), (2, 5), (7, 2), (9, 14), (23, 1)]);
        assert_eq!(places(9), [(0, 2), (2, 5), (7, 0), (7, 1), (8, 1)]);
        assert_eq!(places(4), [(0, 0), (0, 3), (3, 0), (3, 0), (3, 1)]);
    }
}
