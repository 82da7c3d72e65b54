//! A pair without a witness loses a node for good, and an operator takes its users over by force.

mod needs_root {
    use std::time::Duration;

    use anyhow::{Context, Result, ensure};
    use muster_testkit::{Ctl, Deployment, Outcome, PATIENCE, Plan, Raw, UserFacts, never, until};
    use serde_json::Value;

    /// A new node gets a copy first.
    const STEP: Duration = Duration::from_secs(60);
    /// The exit status of a node that must not run (sysexits).
    const EX_CONFIG: i32 = 78;
    /// A ping is answered after what was sent before it was done.
    const PING: &str = "<iq type='get' id='ping.'><ping xmlns='urn:xmpp:ping'/></iq>";

    fn pair() -> Result<Deployment> {
        Deployment::start_with(&Plan {
            users: &["alice", "bob", "carol", "dave"],
            hosts: &["a", "b"],
            ..Plan::default()
        })
    }

    /// Two users of a node.
    fn users_of(cluster: &Deployment, node: &str) -> Result<[UserFacts; 2]> {
        let ctl = cluster.ctl("a")?;
        let mut found = Vec::new();
        for user in (0..4).map(|n| cluster.user(n)) {
            if ctl.home_of(&user.jid)? == node {
                found.push(user.clone());
            }
        }
        found.try_into().ok().context("two users on each node")
    }

    fn log_in(cluster: &Deployment, user: &UserFacts, node: &str) -> Result<Raw> {
        let address = cluster.c2s(node)?;
        let trust = cluster.trust()?;
        until(&format!("{} logs in on {node}", user.jid), PATIENCE, || {
            Ok(Raw::login(&address, &trust, user, "test").ok())
        })
    }

    /// Puts a contact on the roster.
    fn befriend(raw: &mut Raw, contact: &str) -> Result<()> {
        raw.send(format!(
            "<iq type='set' id='set.{contact}'><query xmlns='jabber:iq:roster'>\
             <item jid='{contact}' name='a friend'/></query></iq>"
        ))?;
        let answer = raw.read_until(&format!("set.{contact}"))? + &raw.read_until(">")?;
        ensure!(!answer.contains("error"), "{answer}");
        Ok(())
    }

    /// Whether a contact is on the roster.
    fn knows(raw: &mut Raw, contact: &str) -> Result<bool> {
        raw.send("<iq type='get' id='get.'><query xmlns='jabber:iq:roster'/></iq>")?;
        raw.read_until("get.")?;
        Ok(raw.read_until("</iq>")?.contains(contact))
    }

    fn chat(raw: &mut Raw, to: &UserFacts, body: &str) -> Result<()> {
        raw.send(format!(
            "<message type='chat' to='{}'><body>{body}</body></message>{PING}",
            to.jid
        ))?;
        raw.read_until("ping.").map(drop)
    }

    /// Everything the leaders have is on the other node too.
    fn in_step(ctl: &Ctl) -> Result<()> {
        until("the copies are in step", STEP, || {
            let all = ctl.json(&["get", "replication"])?;
            let states = || {
                all.as_array()
                    .into_iter()
                    .flatten()
                    .map(|one| &one["state"])
            };
            let good = |state: &Value| state == "leads" || state == "in step";
            Ok((states().count() >= 6 && states().all(good)).then_some(()))
        })
    }

    /// Takes over as soon as the lost node has been silent for long enough.
    fn take_over(ctl: &Ctl, lost: &str) -> Result<Value> {
        let mut said = String::new();
        let arguments = ["node", "takeover", lost, "--unsafe", "--yes"];
        until(
            "the node is silent for long enough",
            PATIENCE,
            || match ctl.json(&arguments) {
                Ok(answer) => Ok(Some(answer)),
                Err(error) => {
                    said = format!("{error:#}");
                    ensure!(said.contains("silent for"), "{said}");
                    Ok(None)
                }
            },
        )
        .with_context(|| said.clone())
    }

    /// The node, started with what it had, ends by itself and says why; nobody is served by it meanwhile.
    fn is_refused(cluster: &mut Deployment, node: &str, user: &UserFacts) -> Result<()> {
        let (before, address) = (cluster.log(node)?.len(), cluster.c2s(node)?);
        let trust = cluster.trust()?;
        cluster.restart(node)?;
        let code = until("the old home ends", PATIENCE, || {
            let served = Raw::login(&address, &trust, user, "old").is_ok();
            ensure!(!served, "{node} serves what was given up");
            cluster.ended(node)
        })?;
        let log = cluster.log(node)?[before..].to_owned();
        assert_eq!(code, Some(EX_CONFIG), "{log}");
        for word in ["unsafe takeover", "given up", "data folder", "node replace"] {
            assert!(log.contains(word), "{word}: {log}");
        }
        assert!(
            !log.contains("listening on") || !log.contains("for clients"),
            "{log}"
        );
        assert!(!log.contains(" serving"), "{log}");
        cluster.buried(node)
    }

    /// A node that is alive is not taken over, nor one that has just ended.
    fn is_heard(ctl: &Ctl, lost: &str) -> Result<()> {
        let (_, why) = ctl.refused(&["node", "takeover", lost, "--unsafe", "--yes"])?;
        ensure!(
            why.contains("was heard") && why.contains("stop it"),
            "{why}"
        );
        Ok(())
    }

    /// Nor is one of which nobody has said that it is unsafe, or answered the question.
    fn is_not_asked_for(ctl: &Ctl, lost: &str, peer: &str) -> Result<()> {
        is_heard(ctl, lost)?;
        until("it is not said to be unsafe", PATIENCE, || {
            let (_, why) = ctl.refused(&["node", "takeover", lost, "--yes"])?;
            Ok(why.contains("--unsafe").then_some(()))
        })?;
        let (code, why) = ctl.refused(&["node", "takeover", lost, "--unsafe"])?;
        ensure!(code == Some(2) && why.contains("--yes"), "{why}");
        ensure!(
            why.contains("UNSAFE TAKEOVER") && why.contains("lost"),
            "{why}"
        );
        ensure!(ctl.owner_of(lost)?.as_deref() != Some(peer));
        Ok(())
    }

    fn takeover_of(lost: &str, peer: &str) -> Outcome {
        let mut cluster = pair()?;
        let ctl = cluster.ctl(peer)?;
        let [one, other] = users_of(&cluster, lost)?;
        let [own, _] = users_of(&cluster, peer)?;

        let mut raw = log_in(&cluster, &one, lost)?;
        befriend(&mut raw, "friend@elsewhere.invalid")?;
        drop(raw);
        let mut owns = log_in(&cluster, &own, peer)?;
        owns.send("<presence/>")?;
        until("it is stored, as its user is away", PATIENCE, || {
            chat(&mut owns, &other, "while you were away").map(Some)
        })?;
        in_step(&cluster.ctl(lost)?)?;

        is_heard(&ctl, lost)?;
        cluster.kill(lost)?;
        is_not_asked_for(&ctl, lost, peer)?;
        let answer = take_over(&ctl, lost)?;
        assert_eq!(answer["done"], true, "{answer}");
        assert_eq!(answer["by"], peer, "{answer}");
        assert!(answer["last_log"].as_u64() > Some(0), "{answer}");
        assert_eq!(answer["control"], lost == "a", "{answer}");
        assert!(cluster.log(peer)?.contains("unsafe takeover"));
        let status = ctl.run(&["status"])?;
        assert!(
            status.contains("not protected") && status.contains("has taken over"),
            "{status}"
        );
        served_from(&cluster, peer, &one, &other)?;
        // The peer's own users were never disturbed, and the cluster can be administered.
        owns.send(PING)?;
        owns.read_until("ping.")?;
        ctl.run(&["settings", "set", "fallback-delay=10m"])?;

        // All that is durable.
        cluster.kill(peer)?;
        cluster.restart(peer)?;
        let mut raw = log_in(&cluster, &one, peer)?;
        assert!(knows(&mut raw, "friend@elsewhere.invalid")?);
        assert!(knows(&mut raw, "later@elsewhere.invalid")?);
        drop(raw);

        is_refused(&mut cluster, lost, &one)?;

        // Wiped it is a new node, and gets its place back.
        cluster.join_anew(lost)?;
        ctl.run(&["node", "replace", lost, lost])?;
        until("the users are home", STEP, || {
            Ok((ctl.owner_of(lost)?.as_deref() == Some(lost)).then_some(()))
        })?;
        in_step(&ctl)?;
        let mut raw = log_in(&cluster, &one, lost)?;
        assert!(knows(&mut raw, "later@elsewhere.invalid")?);
        befriend(&mut raw, "again@elsewhere.invalid")?;
        let status = ctl.run(&["status"])?;
        assert!(!status.contains("has taken over"), "{status}");
        assert_eq!(ctl.owner_of(peer)?.as_deref(), Some(peer));
        Ok(())
    }

    /// The lost node's users find what they had on the peer, and go on.
    fn served_from(
        cluster: &Deployment,
        peer: &str,
        one: &UserFacts,
        other: &UserFacts,
    ) -> Result<()> {
        let mut raw = log_in(cluster, one, peer)?;
        assert!(knows(&mut raw, "friend@elsewhere.invalid")?);
        befriend(&mut raw, "later@elsewhere.invalid")?;
        let mut reader = log_in(cluster, other, peer)?;
        reader.send("<presence/>")?;
        reader.read_until("while you were away</body>")?;
        chat(&mut raw, other, "on the other side")?;
        reader.read_until("on the other side</body>").map(drop)
    }

    #[test]
    fn an_operator_takes_over_from_the_node_that_decided_for_the_cluster() -> Outcome {
        takeover_of("a", "b")
    }

    #[test]
    fn an_operator_takes_over_from_the_node_that_decided_nothing() -> Outcome {
        takeover_of("b", "a")
    }

    #[test]
    fn a_node_that_was_taken_for_lost_and_lives_ends_when_the_two_meet_again() -> Outcome {
        let mut cluster = pair()?;
        let ctl = cluster.ctl("b")?;
        let [one, _] = users_of(&cluster, "a")?;
        in_step(&cluster.ctl("a")?)?;
        cluster.cut("a")?;
        take_over(&ctl, "a")?;
        log_in(&cluster, &one, "b")?;
        // This is what is unsafe: it does not know.
        log_in(&cluster, &one, "a")?;
        never(
            "the cut node ends by itself",
            Duration::from_secs(1),
            || cluster.ended("a"),
        )?;
        cluster.heal("a")?;
        let code = until("the old home ends", STEP, || cluster.ended("a"))?;
        assert_eq!(code, Some(EX_CONFIG));
        cluster.buried("a")?;
        assert!(cluster.log("a")?.contains("given up"));
        log_in(&cluster, &one, "b")?;
        Ok(is_refused(&mut cluster, "a", &one)?)
    }

    #[test]
    fn where_a_witness_votes_no_takeover_by_force_is_possible() -> Outcome {
        let mut cluster = Deployment::start(&["alice", "bob"])?;
        cluster.kill("a")?;
        cluster.served_by("a", "b")?;
        let ctl = cluster.ctl("b")?;
        let (_, why) = ctl.refused(&["node", "takeover", "a", "--unsafe", "--yes"])?;
        assert!(
            why.contains("third voter") && why.contains("failover"),
            "{why}"
        );
        Ok(())
    }
}
