//! Emptying the node asked: its users' slots first, by the log, then its clients, by itself.

use crate::moves::Move;
use crate::service::Service;
use crate::{audit, proto, resolve};
use futures_util::{Stream, StreamExt, stream};
use muster_cluster::{HaState, Node};
use std::time::Duration;
use tokio::sync::watch;
use tonic::{Response, Status};

/// How many clients a second are sent away when nothing else is asked.
const PER_SECOND: u32 = 500;
/// More than any node takes.
const PER_SECOND_MAX: u32 = 100_000;
/// Between two lines of progress.
const TELLING: Duration = Duration::from_millis(200);

/// Where a drain is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DrainStage {
    /// There is none.
    #[default]
    Off,
    /// The users' slots go to the peer.
    HandingOver,
    /// Clients are sent away.
    Moving,
    /// The node is empty.
    Drained,
}

impl DrainStage {
    /// The words in the API.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::HandingOver => "handing over",
            Self::Moving => "moving clients",
            Self::Drained => "drained",
        }
    }
}

/// How far a drain is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DrainInfo {
    /// Where it is.
    pub stage: DrainStage,
    /// How many clients are still there.
    pub left: usize,
    /// How many have gone since it began.
    pub gone: usize,
    /// How many a second are sent away.
    pub per_second: u32,
    /// Whether none is now.
    pub paused: bool,
}

impl DrainInfo {
    /// Whether the node is being emptied, or is empty.
    pub const fn is_on(&self) -> bool {
        !matches!(self.stage, DrainStage::Off)
    }
}

/// What an operator wants of a drain that goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DrainOrder {
    /// Nobody is sent away for now.
    Pause,
    /// On with it.
    Resume,
    /// Clients are taken again.
    Abort,
}

/// Begins, and tells how far it is until it is done or over.
pub(crate) async fn begin(
    service: &Service,
    request: proto::NodeDrainRequest,
) -> Result<impl Stream<Item = Result<proto::DrainProgress, Status>> + Send + 'static, Status> {
    audit::about(&request.node);
    let node = this_node(service, &request.node)?;
    let per_second = match request.per_second {
        0 => PER_SECOND,
        given if given > PER_SECOND_MAX => {
            let text = format!("{given} clients a second: at most {PER_SECOND_MAX}");
            return Err(Status::invalid_argument(text));
        }
        given => given,
    };
    let state = service.backend.cluster();
    let at_home = state
        .slot_of_home(node.id)
        .is_some_and(|slot| slot.desired == node.id);
    if !at_home && node.ha.state == HaState::FailedOver {
        // They were to go home by themselves.
        service.move_users(Move::Cancel(node.id)).await?;
    }
    if at_home {
        service.move_users(Move::Failover(node.id)).await?;
    }
    let told = service.backend.drain(per_second);
    let told = told.ok_or_else(|| Status::unavailable("this node is starting: try again"))?;
    Ok(progress(told))
}

fn progress(
    told: watch::Receiver<DrainInfo>,
) -> impl Stream<Item = Result<proto::DrainProgress, Status>> + Send + 'static {
    let first = (told, true);
    stream::unfold(Some(first), |going| async move {
        let (mut told, first) = going?;
        if !first {
            tokio::time::sleep(TELLING).await;
            // The sender lives as long as the node.
            told.changed().await.ok()?;
        }
        let info = *told.borrow_and_update();
        let goes_on = !matches!(info.stage, DrainStage::Off | DrainStage::Drained);
        Some((Ok(shown(&info)), goes_on.then_some((told, false))))
    })
    .boxed()
}

/// Pauses, goes on with, or ends a drain. Ended, the users go home too, if they can.
pub(crate) async fn order(
    service: &Service,
    request: &proto::NodeDrainOrderRequest,
) -> Result<Response<proto::DrainProgress>, Status> {
    let order = match request.order() {
        proto::DrainOrder::Pause => DrainOrder::Pause,
        proto::DrainOrder::Resume => DrainOrder::Resume,
        proto::DrainOrder::Abort => DrainOrder::Abort,
        proto::DrainOrder::Unspecified => {
            return Err(Status::invalid_argument("pause, resume or abort?"));
        }
    };
    audit::about(format!("{}: {order:?}", request.node));
    let node = this_node(service, &request.node)?;
    let info = service.backend.drain_order(order).ok_or_else(|| {
        Status::failed_precondition(format!("node {} is not being drained", node.name))
    })?;
    let state = service.backend.cluster();
    let away = state
        .slot_of_home(node.id)
        .is_some_and(muster_cluster::Slot::is_failed_over);
    let mut progress = shown(&info);
    if order == DrainOrder::Abort && away {
        progress.words = match service.move_users(Move::Fallback(node.id)).await {
            Ok(_) => "its users go home".to_owned(),
            Err(refused) => format!("its users stay at the peer: {}", refused.message()),
        };
    }
    Ok(Response::new(progress))
}

/// Only a node itself knows its clients.
fn this_node(service: &Service, word: &str) -> Result<Node, Status> {
    let (state, live) = (service.backend.cluster(), service.backend.live());
    resolve::ready(&state)?;
    let node = resolve::node(&state, word)?.clone();
    if node.id == live.node {
        return Ok(node);
    }
    let here = resolve::name_of(&state, live.node);
    Err(Status::failed_precondition(format!(
        "a node empties itself, and this is {here}: ask {} by its own address",
        node.name
    )))
}

fn shown(info: &DrainInfo) -> proto::DrainProgress {
    proto::DrainProgress {
        stage: info.stage.label().to_owned(),
        left: u32::try_from(info.left).unwrap_or(u32::MAX),
        gone: u32::try_from(info.gone).unwrap_or(u32::MAX),
        per_second: info.per_second,
        paused: info.paused,
        words: String::new(),
    }
}
