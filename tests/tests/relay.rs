//! The link between the two nodes of a pair is down and both reach the witness: their envelopes go by way of it. Three
//! hosts in network namespaces, deployed as `deploy/` says.

mod needs_root {
    use std::time::Duration;

    use anyhow::{Context, Result};
    use muster_testkit::{
        Client, ClientOptions, Ctl, Deployment, Event, Library, Outcome, PATIENCE, Plan, UserFacts,
        never, until,
    };
    use serde_json::json;

    /// How long a lost client is expected back here.
    const GRACE_S: u32 = 5;
    /// The cut lasts several of those.
    const CUT: Duration = Duration::from_secs(3 * GRACE_S as u64);

    const PAIR: [&str; 2] = ["a", "b"];

    /// The users of one node.
    struct Users {
        first: UserFacts,
        second: UserFacts,
    }

    /// Somebody who is watched, and the place from which the watching begins.
    struct Watch<'a> {
        watcher: &'a Client,
        since: usize,
        watched: Vec<String>,
    }

    impl Watch<'_> {
        /// What must not be seen.
        fn odd(&self) -> Option<Event> {
            let left = |e: &Event| {
                let from = |jid: &String| e.is_presence("unavailable", jid);
                self.watched.iter().any(from)
            };
            let seen = self.watcher.since(self.since).into_iter();
            let mut odd = seen.filter(|e| e.is("disconnected") || left(e));
            odd.next()
        }
    }

    fn users_of(cluster: &Deployment, ctl: &Ctl, node: &str) -> Result<Users> {
        let mut users = Vec::new();
        for n in 0..4 {
            if ctl.home_of(&cluster.user(n).jid)? == node {
                users.push(cluster.user(n).clone());
            }
        }
        let mut users = users.into_iter();
        let (first, second) = (users.next(), users.next());
        Ok(Users {
            first: first.context("a node without users")?,
            second: second.context("a node with one user only")?,
        })
    }

    fn log_in(cluster: &Deployment, user: &UserFacts, node: &str) -> Result<Client> {
        let address = cluster.c2s(node)?;
        let mut client =
            cluster.client(user, &ClientOptions::new(Library::Slixmpp, &[&address]))?;
        client.ready(0)?;
        Ok(client)
    }

    /// By way of whom a node reaches the other one of the pair.
    fn via(ctl: &Ctl, other: &str) -> Result<Option<String>> {
        let node = ctl.find("nodes", "name", other)?;
        Ok(node["via"].as_str().map(str::to_owned))
    }

    fn both_reach_each_other(cluster: &Deployment, by_way_of: Option<&str>) -> Result<()> {
        for (node, other) in [("a", "b"), ("b", "a")] {
            let ctl = cluster.ctl(node)?;
            let what = format!("{node} reaches {other} by way of {by_way_of:?}");
            until(&what, PATIENCE, || {
                let there = ctl.find("nodes", "name", other)?;
                let directly = there["reachable"] == true;
                let as_wanted = via(&ctl, other)?.as_deref() == by_way_of;
                Ok((as_wanted && directly == by_way_of.is_none()).then_some(()))
            })?;
        }
        Ok(())
    }

    fn they_chat(one: &mut Client, other: &mut Client, word: &str) -> Result<()> {
        let (here, there) = (one.mark(), other.mark());
        one.chat(other.jid(), word)?;
        other.expect(there, "a message", |e| e.is_message(word))?;
        other.chat(one.jid(), word)?;
        one.expect(here, "an answer", |e| e.is_message(word))?;
        Ok(())
    }

    /// A change of one's presence is seen by the other.
    fn one_is_seen(one: &mut Client, other: &mut Client, show: &str) -> Result<()> {
        let there = other.mark();
        one.tell(json!({"do": "presence", "show": show}))?;
        let from = one.jid().to_owned();
        let seen = |e: &Event| e.is_presence("available", &from) && e.text("show") == show;
        other.expect(there, "a presence", seen)?;
        Ok(())
    }

    #[test]
    fn envelopes_take_the_witness_when_the_link_of_the_pair_is_down() -> Outcome {
        let names = ["alice", "bob", "carol", "dave"];
        let cluster = Deployment::start_with(&Plan {
            users: &names,
            grace_seconds: Some(GRACE_S),
            ..Plan::default()
        })?;
        let ctl = cluster.ctl("w")?;
        let (of_a, of_b) = (
            users_of(&cluster, &ctl, "a")?,
            users_of(&cluster, &ctl, "b")?,
        );
        let mut here = log_in(&cluster, &of_a.first, "a")?;
        let mut there = log_in(&cluster, &of_b.first, "b")?;
        here.befriend(&mut there)?;
        both_reach_each_other(&cluster, None)?;
        let (since_here, since_there) = (here.mark(), there.mark());

        cluster.part("a", "b")?;
        both_reach_each_other(&cluster, Some("w"))?;
        // Whoever comes now, on the node that does not serve them, gets in and meets everybody.
        let mut strange_here = log_in(&cluster, &of_b.second, "a")?;
        let mut strange_there = log_in(&cluster, &of_a.second, "b")?;
        strange_here.befriend(&mut strange_there)?;
        let since_strange = strange_here.mark();
        they_chat(&mut here, &mut there, "the link is down")?;
        they_chat(&mut strange_here, &mut here, "and I am new")?;
        they_chat(&mut strange_there, &mut there, "so am I")?;

        let mut round = 0;
        never("a false unavailable", CUT, || {
            round += 1;
            let show = ["away", "dnd"][round % 2];
            one_is_seen(&mut here, &mut there, show)?;
            one_is_seen(&mut there, &mut here, show)?;
            one_is_seen(&mut strange_there, &mut strange_here, show)?;
            let watches = [
                watch(&here, since_here, &[&there]),
                watch(&there, since_there, &[&here]),
                watch(&strange_here, since_strange, &[&strange_there]),
            ];
            Ok(watches.iter().find_map(Watch::odd))
        })?;
        // Who serves is for elections to say, which know nothing of relays; on a busy machine one may be lost.
        for node in PAIR {
            until("somebody serves", PATIENCE, || ctl.owner_of(node))?;
        }

        for node in PAIR {
            cluster.mend_packets(node)?;
        }
        both_reach_each_other(&cluster, None)?;
        they_chat(&mut here, &mut there, "in contact again")?;
        they_chat(&mut strange_here, &mut strange_there, "we too")?;
        never(
            "a false unavailable",
            Duration::from_secs(2 * u64::from(GRACE_S)),
            || {
                let watches = [
                    watch(&here, since_here, &[&there]),
                    watch(&there, since_there, &[&here]),
                    watch(&strange_here, since_strange, &[&strange_there]),
                ];
                Ok(watches.iter().find_map(Watch::odd))
            },
        )?;
        Ok(())
    }

    fn watch<'a>(watcher: &'a Client, since: usize, watched: &[&Client]) -> Watch<'a> {
        Watch {
            watcher,
            since,
            watched: watched
                .iter()
                .map(|client| client.jid().to_owned())
                .collect(),
        }
    }
}
