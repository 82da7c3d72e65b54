//! The configuration of the node asked: what of its file is not in force yet, and bringing it into force.

use crate::audit;
use crate::proto;
use crate::service::Service;
use tonic::{Request, Response, Status};

/// What a node's configuration file says otherwise than what is in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigDifference {
    /// The file.
    pub file: String,
    /// A mark for this difference: what is applied is what was shown.
    pub digest: String,
    /// The options, by name.
    pub changes: Vec<ConfigChange>,
}

/// One option.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigChange {
    /// Its name, as `limits.grace_seconds`.
    pub option: String,
    /// What is in force; `None` where it is not set.
    pub before: Option<String>,
    /// What the file says; `None` where it says nothing.
    pub after: Option<String>,
    /// Whether it comes into force without a restart.
    pub live: bool,
}

type Answer<T> = Result<Response<T>, Status>;

pub(crate) async fn check(service: &Service) -> Answer<proto::ConfigDifference> {
    let found = service.backend.config_check().await;
    told(service, found)
}

pub(crate) async fn apply(
    service: &Service,
    request: Request<proto::ConfigApplyRequest>,
) -> Answer<proto::ConfigDifference> {
    let by = audit::by(&request);
    let digest = request.into_inner().digest;
    let applied = service.backend.config_apply(digest, by).await;
    if let Ok(difference) = &applied {
        let options = difference
            .changes
            .iter()
            .map(|change| change.option.as_str());
        audit::about(options.collect::<Vec<_>>().join(", "));
    }
    told(service, applied)
}

fn told(
    service: &Service,
    found: Result<ConfigDifference, String>,
) -> Answer<proto::ConfigDifference> {
    let ConfigDifference {
        file,
        digest,
        changes,
    } = found.map_err(Status::failed_precondition)?;
    let change = |change: ConfigChange| proto::ConfigChange {
        option: change.option,
        before: change.before,
        after: change.after,
        live: change.live,
    };
    let (state, live) = (service.backend.cluster(), service.backend.live());
    let members = state.members().map(|node| node.name.clone());
    let node = state.node(live.node).map(|node| node.name.clone());
    Ok(Response::new(proto::ConfigDifference {
        node: node.unwrap_or_default(),
        file,
        digest,
        changes: changes.into_iter().map(change).collect(),
        members: members.collect(),
    }))
}
