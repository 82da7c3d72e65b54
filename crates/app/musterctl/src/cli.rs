//! The command line.

mod api_client;
mod config;
mod drain;
mod presence;
mod top;

pub(crate) use api_client::ApiClient;
pub(crate) use config::Config;
pub(crate) use drain::Drain;
pub(crate) use presence::{Presence, PresenceRules};
pub(crate) use top::Top;

use crate::address::Address;
use crate::failure::EXIT_CODES;
use crate::output::Format;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Administers a Muster cluster.
#[derive(Parser)]
#[command(name = "musterctl", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) target: Target,
    /// How results are printed.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which nodes to ask.
#[derive(Args, Clone)]
pub(crate) struct Target {
    /// A node: unix:PATH or host:port. Several are tried in order; `watch` and `get sessions` ask all.
    #[arg(
        long = "address",
        short = 'a',
        global = true,
        value_name = "ADDRESS",
        env = "MUSTERCTL_ADDRESS",
        value_delimiter = ','
    )]
    pub(crate) addresses: Vec<Address>,
    /// The operator's certificate, PEM; for host:port.
    #[arg(long, global = true, value_name = "FILE", env = "MUSTERCTL_CERT")]
    pub(crate) cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, global = true, value_name = "FILE", env = "MUSTERCTL_KEY")]
    pub(crate) key: Option<PathBuf>,
    /// The cluster's CA, PEM.
    #[arg(long, global = true, value_name = "FILE", env = "MUSTERCTL_CA")]
    pub(crate) ca: Option<PathBuf>,
}

/// The families of commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Makes or joins a cluster.
    #[command(subcommand)]
    Cluster(Cluster),
    /// Join tokens.
    #[command(subcommand)]
    Token(Token),
    /// Certificates for operators.
    #[command(subcommand)]
    Operator(Operator),
    /// Lists objects.
    Get {
        /// What to list.
        kind: Kind,
    },
    /// Shows all that is known of one object.
    Describe {
        /// What kind it is.
        kind: Kind,
        /// Its name, id or address. Without it, all are shown.
        name: Option<String>,
    },
    /// Presence redundancy groups.
    #[command(subcommand)]
    Group(Group),
    /// Nodes.
    #[command(subcommand)]
    Node(Node),
    /// Hosted domains.
    #[command(subcommand)]
    Domain(Domain),
    /// Users.
    #[command(subcommand)]
    User(User),
    /// The configuration files of the nodes.
    #[command(subcommand)]
    Config(Config),
    /// Settings of the whole cluster.
    #[command(subcommand)]
    Settings(Settings),
    /// What is said about users beside what their clients say, and the rules of what wins.
    #[command(subcommand)]
    Presence(Presence),
    /// Programs that publish and read presence over HTTPS with a token.
    #[command(subcommand)]
    ApiClient(ApiClient),
    /// Why a user is shown as it is: the rule that won, and what each source says.
    Explain {
        /// The address, as alice@example.com.
        jid: String,
        /// Also shows what this watcher sees of the user.
        #[arg(long = "as", value_name = "JID")]
        watcher: Option<String>,
        /// Also says it in the words of xmpp, pidf, lync, lync-partitioned, lync-interdomain, openscape or
        /// teams, some with a variant behind a slash.
        #[arg(
            long,
            value_name = "SYSTEM",
            default_value = "",
            hide_default_value = true
        )]
        words_of: String,
    },
    /// Prints events as they happen, until Ctrl-C: what the cluster decides, and the sessions on the
    /// nodes asked. Name every node with --address to see all.
    Watch,
    /// The cluster live on a terminal: nodes, who serves whose users, events, and keys to move users. Name every
    /// node with --address: it goes on when the one that it asks ends.
    Top(Top),
    /// The cluster on one screen, and whether a failure now would be survived.
    Status,
    /// Examines the nodes asked, and says what to do where something is not as it should be: name every node
    /// with --address to see all.
    Doctor,
    /// Who asked the nodes for what, and what came of it: name every node with --address to see all.
    Audit {
        /// How many acts, the newest ones.
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        last: u32,
    },
    /// DNS records by which clients find the cluster, and other servers that they cannot.
    #[command(subcommand)]
    Dns(Dns),
    /// Prints a completion script: `. <(musterctl completions bash)`.
    #[command(alias = "completion")]
    Completions {
        /// For which shell.
        shell: Shell,
    },
    /// Writes the manual pages, one for each command. For who makes packages.
    #[command(hide = true)]
    Man {
        /// The folder; made if it is not there.
        folder: PathBuf,
    },
}

/// Kinds of objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// Nodes of the cluster.
    #[value(alias = "node")]
    Nodes,
    /// Presence redundancy groups.
    #[value(alias = "group")]
    Groups,
    /// Slots: the users homed on one node.
    #[value(alias = "slot")]
    Slots,
    /// Users.
    #[value(alias = "user")]
    Users,
    /// Sessions on the nodes asked: name every node with --address to see all.
    #[value(alias = "session")]
    Sessions,
    /// Hosted domains.
    #[value(alias = "domain")]
    Domains,
    /// Settings.
    #[value(alias = "setting")]
    Settings,
    /// What the nodes asked do their work with: name every node with --address to see all.
    #[value(alias = "service")]
    Services,
    /// How far each copy of each log is behind.
    #[value(alias = "replica")]
    Replication,
}

#[derive(Subcommand)]
pub(crate) enum Cluster {
    /// Makes a cluster of which the node asked is the first.
    Init {
        /// A domain to host from the start; may be repeated.
        #[arg(long = "domain", value_name = "DOMAIN")]
        domains: Vec<String>,
    },
    /// Brings the node asked into the cluster that made TOKEN.
    Join {
        /// The join token; `-` reads it from standard input.
        token: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum Token {
    /// Makes a one-time join token and prints it.
    Create {
        /// What the joining node will be.
        #[arg(long)]
        role: TokenRole,
        /// How long it is good, such as 30m or 2h.
        #[arg(long, default_value = "1h", value_parser = muster_admin::parse_duration)]
        lifetime: Duration,
    },
}

/// Roles of nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum TokenRole {
    /// Hosts users.
    Serving,
    /// Votes and keeps a copy of the data, hosts nobody.
    Witness,
}

#[derive(Subcommand)]
pub(crate) enum Operator {
    /// Makes a certificate for administration from elsewhere.
    Create {
        /// Whose it is; shows in the logs.
        name: String,
        /// The folder for cert.pem, key.pem and ca.pem; made if it is not there.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Whether to wait until a change has taken effect.
#[derive(Args, Clone, Copy)]
pub(crate) struct Wait {
    /// Waits until it is done, with progress on standard error.
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait.
    #[arg(long, default_value = "2m", requires = "wait", value_parser = muster_admin::parse_duration)]
    pub(crate) timeout: Duration,
}

#[derive(Subcommand)]
pub(crate) enum Group {
    /// Makes a group.
    Create {
        /// 1 to 128 letters, digits, _ or -.
        group: String,
    },
    /// Removes an empty group.
    Remove {
        /// The group.
        group: String,
    },
    /// Puts a serving node into a group.
    AddNode {
        /// The group.
        group: String,
        /// The node.
        node: String,
    },
    /// Makes the nodes of a group take over for each other.
    EnableHa {
        /// The group.
        group: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Ends that.
    DisableHa {
        /// The group.
        group: String,
    },
    /// Brings a group out of failed mode: everybody goes home.
    Recover {
        /// The group.
        group: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Moves the users of a node to its peer.
    Failover(Move),
    /// Moves the users of a node home, or decides about the automatic fallback of its group.
    Fallback(Fallback),
}

#[derive(Args)]
pub(crate) struct Move {
    /// The node whose users move.
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

/// Whose users go home, and when.
#[derive(Args)]
pub(crate) struct Fallback {
    #[command(flatten)]
    pub(crate) now: Move,
    /// Nobody of its group goes home by itself until --release.
    #[arg(long, conflicts_with_all = ["release", "cancel", "wait"])]
    pub(crate) hold: bool,
    /// They may go home by themselves again.
    #[arg(long, conflicts_with_all = ["cancel", "wait"])]
    pub(crate) release: bool,
    /// Ends the countdown: the users stay until they are brought home by this command.
    #[arg(long, conflicts_with = "wait")]
    pub(crate) cancel: bool,
}

#[derive(Subcommand)]
pub(crate) enum Node {
    /// Moves the users of a node to its peer.
    Failover(Move),
    /// Moves the users of a node home, or decides about the automatic fallback of its group.
    Fallback(Fallback),
    /// Empties a node before work on it: its users and its leadership go to others first, then its clients, so many
    /// a second, and it takes no new ones until it is started anew or the drain is aborted. The node has to be
    /// among those asked.
    Drain(Drain),
    /// Gives the place of a node that is gone to a new one. No account moves.
    Replace {
        /// The node that is gone.
        old: String,
        /// The new node, in no group.
        new: String,
    },
    /// Removes a node that has no users.
    Remove {
        /// The node.
        node: String,
    },
    /// UNSAFE: in a pair without a witness, makes the node asked serve the users of its dead peer from
    /// the copy it has. What the peer acknowledged last may be lost, and the peer is refused from then on
    /// until its data folder is moved away and it joins anew.
    Takeover(Takeover),
}

#[derive(Args)]
pub(crate) struct Takeover {
    /// The node that is gone for good.
    pub(crate) node: String,
    /// Says that you know what may be lost and that the node does not run.
    #[arg(long = "unsafe")]
    pub(crate) accept_unsafe: bool,
    /// Asks no question; for scripts.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Subcommand)]
pub(crate) enum Domain {
    /// Hosts a domain.
    Add {
        /// The domain.
        domain: String,
    },
    /// Hosts a domain no more. It must have no users.
    Remove {
        /// The domain.
        domain: String,
    },
}

/// Where a password comes from. Without an option it is asked for.
#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct PasswordSource {
    /// Reads it from the first line of FILE; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Makes one and prints it.
    #[arg(long)]
    pub(crate) generate: bool,
}

/// Whether something holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Switch {
    /// It does.
    On,
    /// It does not.
    Off,
}

/// What a rule says about whom a user lets in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum AccessRule {
    /// Requests to see the user are granted.
    Allow,
    /// The user is asked.
    Ask,
    /// Neither sees the other, and nothing gets through; for * only requests are refused.
    Block,
    /// There is no rule any more.
    None,
}

#[derive(Subcommand)]
pub(crate) enum User {
    /// Adds a user.
    Add {
        /// The address, as alice@example.com.
        jid: String,
        /// The home node; without it the assignment mode chooses.
        #[arg(long, value_name = "NODE")]
        home: Option<String>,
        /// The display name.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Removes a user with all data.
    Remove {
        /// The address.
        jid: String,
    },
    /// Sets a user's password.
    SetPassword {
        /// The address.
        jid: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Refuses a user's logins and ends the sessions.
    Disable {
        /// The address.
        jid: String,
    },
    /// Allows them again.
    Enable {
        /// The address.
        jid: String,
    },
    /// Decides that nobody sees a user's presence, and why: sharing-off or not-licensed. The user still sees others.
    Policy {
        /// The address.
        jid: String,
        /// sharing-off or not-licensed.
        policy: String,
        /// Whether it holds from now on.
        switch: Switch,
    },
    /// Shows whom a user lets in, or sets a rule: `user access alice@example.com evil.example block`.
    Access {
        /// The address.
        jid: String,
        /// A contact, a client of it, a domain, or * for everybody else. The most exact rule counts.
        #[arg(requires = "access")]
        whom: Option<String>,
        /// What the rule says.
        access: Option<AccessRule>,
    },
    /// Lists all users.
    List,
    /// Adds users from a CSV file with the header jid,password,home,name. An import cut off can be
    /// run again with --update.
    Import {
        /// The file; `-` is standard input.
        file: PathBuf,
        /// Gives users that exist the row's password and name; without it such a row is an error.
        #[arg(long)]
        update: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum Settings {
    /// Changes settings, all or none: `settings set fallback-delay=10m fallback-auto=on`.
    Set {
        /// Each as name=value; `get settings` lists them.
        #[arg(required = true, value_name = "NAME=VALUE")]
        settings: Vec<String>,
    },
}

#[derive(Subcommand)]
pub(crate) enum Dns {
    /// Prints the records for a zone file.
    Records,
    /// Looks the records up and says what is wrong; exit code 1 if something is.
    Check {
        /// The DNS server to ask, host address and port; without it the host's own.
        #[arg(long, alias = "server", value_name = "IP:PORT")]
        resolver: Option<SocketAddr>,
    },
}
