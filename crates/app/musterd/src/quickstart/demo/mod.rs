//! `musterd quickstart --demo`: users talk while their node is killed, round after round.
//!
//! ```text
//! client (one task per user, over direct TLS) --News--> scene --> picture (terminal) or lines
//! cluster (looks at the nodes)               --News--> ^
//! mod (the script)  --Orders--> client;  kills and starts nodes by `processes`
//! ```

mod client;
mod cluster;
mod picture;
mod place;
mod scene;
mod screen;
mod wire;

use super::files::{Layout, NodeLayout, Port};
use super::processes::Processes;
use super::{Options, cluster as forming};
use anyhow::{Context, bail};
use client::{Account, Client, News, Orders, read_mail};
pub(super) use place::Place;
use scene::{Person, Round, Scene};
use screen::Screen;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout};

/// The users that take part: the first of the quickstart's, of whom the last two are away.
pub(super) const PEOPLE: u32 = 6;
const AWAY: usize = 2;
/// What clients have told and was not looked at; more makes them wait.
const NEWS: usize = 256;
/// How often the picture is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// Time to see how things are before they change.
const LOOK: Duration = Duration::from_millis(2500);
/// How long anything may take before the demo gives up: what does not happen by then is lost.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long clients may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(3);

const INTRODUCTION: &str = "\
Nodes a and b serve the users, w only votes. When a node dies, the other one
takes over its users by itself. This demo kills nodes (kill -9) while users talk
and watches as their clients do: how long nobody answers, whether anybody seems
to leave, and whether a message is lost.
";

/// Runs all rounds on a cluster that stands.
pub(super) async fn run(
    options: &Options,
    layout: &Layout,
    processes: &mut Processes,
) -> anyhow::Result<()> {
    let mut show = Show::begin(options, layout, processes).await?;
    show.screen.say(INTRODUCTION)?;
    show.gather().await?;
    let (mut wrong, mut slowest) = (0, Duration::ZERO);
    for (number, victim) in (1..=options.rounds).zip(["a", "b"].into_iter().cycle()) {
        let verdict = show.round(number, victim).await?;
        wrong += u32::from(!verdict.good);
        slowest = slowest.max(verdict.silence);
    }
    show.leave().await?;
    let rounds = options.rounds;
    if wrong > 0 {
        bail!("in {wrong} of {rounds} rounds something was lost, or somebody seemed to leave");
    }
    show.screen.say(&format!(
        "Done: a node killed {rounds} times, nothing lost, nobody seemed to leave.\n      The longest \
         silence was {:.2} s.",
        slowest.as_secs_f64()
    ))?;
    Ok(())
}

/// How a round ended.
struct Verdict {
    good: bool,
    /// Until the last client was back.
    silence: Duration,
}

/// The demo while it runs. Dropped, it ends its clients and leaves the terminal as it was.
struct Show<'a> {
    layout: &'a Layout,
    processes: &'a mut Processes,
    log: &'a str,
    scene: Scene,
    screen: Screen,
    frames: Interval,
    accounts: Vec<Account>,
    orders: watch::Sender<Orders>,
    news: mpsc::Receiver<News>,
    /// For those who begin later.
    tell: mpsc::Sender<News>,
    clients: JoinSet<()>,
    others: JoinSet<()>,
}

impl<'a> Show<'a> {
    async fn begin(
        options: &'a Options,
        layout: &'a Layout,
        processes: &'a mut Processes,
    ) -> anyhow::Result<Self> {
        let connector = wire::connector(&layout.ca_file)?;
        let homes = forming::homes(layout, processes).await?;
        let serving = || layout.nodes.iter().filter(|node| !node.witness);
        let (mut people, mut accounts) = (Vec::new(), Vec::new());
        for user in layout.users.present() {
            let Some(home) = homes.get(&user.jid) else {
                continue;
            };
            let (mut doors, other): (Vec<_>, Vec<_>) = serving()
                .map(|node| (node.name, node.address(Port::C2sTls)))
                .partition(|(name, _)| name == home);
            doors.extend(other);
            let who = accounts.len();
            accounts.push(Account {
                who,
                jid: user.jid.clone(),
                password: user.password.clone(),
                doors,
                connector: connector.clone(),
            });
            let away = who + AWAY >= PEOPLE as usize;
            people.push(Person::new(user.jid.clone(), home.clone(), away));
            if accounts.len() == PEOPLE as usize {
                break;
            }
        }
        let (tell, news) = mpsc::channel(NEWS);
        let mut others = JoinSet::new();
        others.spawn(cluster::watch(sockets(layout), tell.clone()));
        let mut frames = interval(FRAME);
        frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            layout,
            processes,
            log: &options.log,
            scene: Scene::new(&layout.nodes, people, options.rounds),
            screen: Screen::new(),
            frames,
            accounts,
            orders: watch::Sender::default(),
            news,
            tell,
            clients: JoinSet::new(),
            others,
        })
    }

    /// Everybody is at home and online, and sees everybody else.
    async fn gather(&mut self) -> anyhow::Result<()> {
        for who in 0..self.accounts.len() {
            if self.scene.people[who].away {
                // What an earlier demo in this folder has left there is none of ours.
                self.read_mail_of(who).await?;
            }
        }
        for node in ["a", "b"] {
            self.come_home(node).await?;
        }
        "Users log in, each at its own node, and everybody sees everybody."
            .clone_into(&mut self.scene.now);
        let clients: Vec<_> = self.scene.clients().map(|one| one.jid.clone()).collect();
        for (account, jid) in self.accounts.iter().zip(&clients) {
            let contacts = clients.iter().filter(|one| *one != jid).cloned().collect();
            let orders = self.orders.subscribe();
            let client = Client::new(account.clone(), contacts, self.tell.clone(), orders);
            self.clients.spawn(client.live());
        }
        let ready = |scene: &Scene| scene.all_connected() && scene.all_seen();
        self.until("everybody sees everybody", PATIENCE, ready)
            .await
    }

    async fn round(&mut self, number: u32, victim: &'static str) -> anyhow::Result<Verdict> {
        self.scene.round = Round::new(number);
        let peer = if victim == "a" { "b" } else { "a" };
        let absent = self.absent(victim)?;
        let reader = self.scene.people[absent].name.clone();
        self.scene.now = format!(
            "Both nodes serve their users. All write to {reader}, who is away: {victim} keeps that."
        );
        let write_to = self.accounts[absent].jid.clone();
        self.order(number, write_to);
        self.pause(LOOK).await?;

        self.scene.now = format!("Node {victim} is killed. Now {peer} has to serve its users too.");
        let at = Instant::now();
        self.processes.kill_one(victim)?;
        self.scene.kill(victim, at);
        let back = |scene: &Scene| scene.all_connected() && scene.all_served();
        self.until("all clients are back", PATIENCE, back).await?;
        let (first, last) = self.scene.takeover().context("nobody was served by it")?;
        self.scene.now = format!(
            "Node {peer} serves everybody. The clients of {victim} came back by themselves."
        );
        self.pause(LOOK).await?;

        self.scene.now =
            format!("Node {victim} starts again, catches up, and gets its users back.");
        self.restart(victim)?;
        self.come_home(victim).await?;
        self.order(number, String::new());
        self.pause(FRAME).await?;
        self.until("all messages are answered", PATIENCE, Scene::is_quiet)
            .await?;
        self.scene.now = format!("{reader} comes back and reads what waited.");
        self.read_mail_of(absent).await?;
        self.pause(LOOK).await?;
        self.judge(victim, peer, (first, last))
    }

    /// The result, as a line that stays.
    fn judge(
        &mut self,
        victim: &str,
        peer: &str,
        (first, last): (Duration, Duration),
    ) -> anyhow::Result<Verdict> {
        let scene = &self.scene;
        let (safe, lost) = (scene.acknowledged().len(), scene.unread());
        let wrong = scene.round.false_unavailable;
        self.screen.say(&format!(
            "Round {}: {victim} killed, {peer} answered its users after {:.2} s, all were back in \
             {:.2} s.\n         {safe} messages acknowledged, {lost} lost; {wrong} times \
             somebody seemed to leave.",
            scene.round.number,
            first.as_secs_f64(),
            last.as_secs_f64(),
        ))?;
        Ok(Verdict {
            good: lost == 0 && wrong == 0,
            silence: last,
        })
    }

    /// The one who is away and whose home is this node.
    fn absent(&self, home: &str) -> anyhow::Result<usize> {
        let people = &self.scene.people;
        let absent = people.iter().position(|one| one.away && one.home == home);
        absent.with_context(|| {
            format!("none of those who are away has node {home} as home: choose another --dir")
        })
    }

    fn order(&self, round: u32, write_to: String) {
        let leave = false;
        self.orders.send_replace(Orders {
            round,
            write_to,
            leave,
        });
    }

    fn restart(&mut self, name: &str) -> anyhow::Result<()> {
        let node = self.layout.nodes.iter().find(|node| node.name == name);
        let node: &NodeLayout = node.context("there is no such node")?;
        self.processes.start(node, self.log)?;
        self.layout.write_description(self.processes)?;
        self.scene.restart(name);
        Ok(())
    }

    /// Waits until the users of a node are at home, and asks for it as long as they are not.
    async fn come_home(&mut self, node: &'static str) -> anyhow::Result<()> {
        let asking = cluster::bring_home(sockets(self.layout), node);
        let asking = self.others.spawn(asking);
        let home = self.until("all users are at home", PATIENCE, Scene::all_home);
        let home = home.await;
        asking.abort();
        home
    }

    async fn read_mail_of(&mut self, who: usize) -> anyhow::Result<()> {
        let expected: BTreeSet<_> = self.scene.acknowledged().clone();
        let account = self.accounts[who].clone();
        self.others
            .spawn(read_mail(account, expected, self.tell.clone()));
        self.scene.round.has_read = false;
        let read = |scene: &Scene| scene.round.has_read;
        self.until("the messages are read", PATIENCE, read).await
    }

    /// Goes on showing until something holds.
    async fn until(
        &mut self,
        what: &str,
        within: Duration,
        holds: impl Fn(&Scene) -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        while !holds(&self.scene) {
            tokio::select! {
                Some(news) = self.news.recv() => self.scene.hear(news),
                _ = self.frames.tick() => self.screen.show(&self.scene)?,
                () = sleep_until(deadline) => bail!(
                    "waited {} s in vain until {what}{}",
                    within.as_secs(),
                    self.scene.refusal()
                ),
            }
        }
        Ok(self.screen.show(&self.scene)?)
    }

    /// Goes on showing for a while.
    async fn pause(&mut self, time: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        self.until("time passes", 2 * time, |_| Instant::now() >= end)
            .await
    }

    /// Everybody logs out.
    async fn leave(&mut self) -> anyhow::Result<()> {
        self.orders.send_modify(|orders| orders.leave = true);
        let goodbye = async {
            loop {
                tokio::select! {
                    ended = self.clients.join_next() => if ended.is_none() { return },
                    _ = self.news.recv() => {}
                }
            }
        };
        timeout(GOODBYE, goodbye)
            .await
            .context("not every client could log out")
    }
}

fn sockets(layout: &Layout) -> Vec<PathBuf> {
    layout.nodes.iter().map(NodeLayout::socket).collect()
}
