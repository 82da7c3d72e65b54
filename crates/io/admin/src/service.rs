//! The gRPC service over a [`Backend`].

use crate::moves::{self, Move};
use crate::proto::admin_server::Admin;
use crate::rate::Rates;
use crate::{
    Backend, accounts, api_clients, audit, configuration, credentials, describe, drain, homing,
    proto, refused, resolve, settings, takeover, view,
};
use futures_util::{Stream, StreamExt};
use muster_cluster::{ControlCommand, ControlOutcome, check_name};
use muster_presence::source::Policy;
use muster_types::NodeId;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tonic::{Request, Response, Status, Streaming};

/// Most users of one page.
const PAGE_MAX: usize = 1_000;

/// The service of one node.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) rates: Arc<Rates>,
    ending: Arc<watch::Sender<bool>>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type Answer<T> = Result<Response<T>, Status>;

impl Service {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            rates: Arc::default(),
            ending: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Ends what would never end by itself: the node is about to.
    pub(crate) fn end(&self) {
        self.ending.send_replace(true);
    }

    /// Becomes true when the node is about to end.
    pub(crate) fn ending(&self) -> watch::Receiver<bool> {
        self.ending.subscribe()
    }

    /// Gets a command decided.
    pub(crate) async fn propose(&self, command: ControlCommand) -> Result<ControlOutcome, Status> {
        audit::about(describe::command(&self.backend.cluster(), &command));
        self.backend
            .propose(command)
            .await
            .map_err(refused::no_outcome)
    }

    /// Gets a command of which nothing is told but that it is done.
    pub(crate) async fn carry_out(&self, command: ControlCommand) -> Answer<proto::Done> {
        match self.propose(command).await? {
            ControlOutcome::Refused(refusal) => {
                Err(refused::status(&self.backend.cluster(), &refusal))
            }
            _ => Ok(Response::new(proto::Done {})),
        }
    }

    pub(crate) async fn move_users(&self, wanted: Move) -> Answer<proto::Done> {
        let command = moves::plan(self.backend.as_ref(), wanted).await?;
        self.carry_out(command).await
    }

    pub(crate) fn node(&self, word: &str) -> Result<NodeId, Status> {
        resolve::node(&self.backend.cluster(), word).map(|node| node.id)
    }
}

#[tonic::async_trait]
impl Admin for Service {
    type WatchStream = Answers<proto::Event>;
    type UsersPutStream = Answers<proto::UsersPutResponse>;
    type NodeDrainStream = Answers<proto::DrainProgress>;

    async fn hello(&self, _: Request<proto::HelloRequest>) -> Answer<proto::HelloResponse> {
        let (state, live) = (self.backend.cluster(), self.backend.live());
        let name = state.node(live.node).map(|node| node.name.clone());
        Ok(Response::new(proto::HelloResponse {
            name: name.unwrap_or_default(),
            node: live.node.0.into(),
            cluster: state.cluster().unwrap_or_default().to_owned(),
            control_quorum: live.control_quorum,
        }))
    }

    async fn cluster_init(
        &self,
        request: Request<proto::ClusterInitRequest>,
    ) -> Answer<proto::ClusterInitResponse> {
        let domains = request.into_inner().domains;
        for domain in &domains {
            resolve::domain(domain)?;
            audit::about(format!("domain {domain}"));
        }
        let (cluster, node) = self
            .backend
            .init(domains)
            .await
            .map_err(Status::failed_precondition)?;
        Ok(Response::new(proto::ClusterInitResponse {
            cluster,
            node: node.0.into(),
        }))
    }

    async fn cluster_join(
        &self,
        request: Request<proto::ClusterJoinRequest>,
    ) -> Answer<proto::ClusterJoinResponse> {
        let token = request.into_inner().token;
        let (cluster, node) = self
            .backend
            .join(token)
            .await
            .map_err(Status::failed_precondition)?;
        Ok(Response::new(proto::ClusterJoinResponse {
            cluster,
            node: node.0.into(),
        }))
    }

    async fn token_create(
        &self,
        request: Request<proto::TokenCreateRequest>,
    ) -> Answer<proto::TokenCreateResponse> {
        credentials::token(self, request.into_inner()).await
    }

    async fn status(&self, _: Request<proto::StatusRequest>) -> Answer<proto::StatusResponse> {
        Ok(Response::new(view::status(
            &self.backend.cluster(),
            &self.backend.live(),
            self.backend.alarms(),
        )))
    }

    async fn watch(&self, _: Request<proto::WatchRequest>) -> Answer<Self::WatchStream> {
        let events = BroadcastStream::new(self.backend.events());
        let events = events.map(|event| match event {
            Ok(event) => Ok(proto::Event {
                at: event.at.to_string(),
                kind: event.kind.label().to_owned(),
                text: event.text,
                fields: event.fields.into_iter().collect(),
                local: event.local,
            }),
            Err(BroadcastStreamRecvError::Lagged(missed)) => Err(Status::data_loss(format!(
                "{missed} events came faster than they were read: watch again"
            ))),
        });
        let ending = Arc::clone(&self.ending);
        let ended = async move { ending.subscribe().wait_for(|ending| *ending).await.is_ok() };
        Ok(Response::new(Box::pin(events.take_until(Box::pin(ended)))))
    }

    async fn operator_certificate(
        &self,
        request: Request<proto::OperatorCertificateRequest>,
    ) -> Answer<proto::OperatorCertificateResponse> {
        credentials::operator(self, request.into_inner().name)
    }

    async fn settings_set(
        &self,
        request: Request<proto::SettingsSetRequest>,
    ) -> Answer<proto::Done> {
        let settings = settings::parse(&request.into_inner().settings);
        let settings = settings.map_err(Status::invalid_argument)?;
        self.carry_out(ControlCommand::SettingsSet(settings)).await
    }

    async fn node_replace(
        &self,
        request: Request<proto::NodeReplaceRequest>,
    ) -> Answer<proto::Done> {
        let request = request.into_inner();
        let old = resolve::holder(&self.backend.cluster(), &request.old)?.id;
        let new = self.node(&request.new)?;
        if self.backend.live().hears(old) {
            return Err(Status::failed_precondition(format!(
                "node {} still runs: stop it first, its place goes to another",
                request.old
            )));
        }
        self.carry_out(ControlCommand::NodeReplace { old, new })
            .await
    }

    async fn node_remove(&self, request: Request<proto::NodeRef>) -> Answer<proto::Done> {
        let node = self.node(&request.into_inner().node)?;
        self.carry_out(ControlCommand::NodeRemove { node }).await
    }

    async fn node_drain(
        &self,
        request: Request<proto::NodeDrainRequest>,
    ) -> Answer<Self::NodeDrainStream> {
        let progress = drain::begin(self, request.into_inner()).await?;
        Ok(Response::new(Box::pin(progress)))
    }

    async fn node_drain_order(
        &self,
        request: Request<proto::NodeDrainOrderRequest>,
    ) -> Answer<proto::DrainProgress> {
        drain::order(self, request.get_ref()).await
    }

    async fn node_takeover(
        &self,
        request: Request<proto::NodeTakeoverRequest>,
    ) -> Answer<proto::NodeTakeoverResponse> {
        let answer = takeover::run(self.backend.as_ref(), request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn group_create(
        &self,
        request: Request<proto::GroupCreateRequest>,
    ) -> Answer<proto::Done> {
        let name = request.into_inner().name;
        check_name(&name).map_err(|why| Status::invalid_argument(why.to_string()))?;
        self.carry_out(ControlCommand::GroupCreate { name }).await
    }

    async fn group_remove(&self, request: Request<proto::GroupRef>) -> Answer<proto::Done> {
        let group = resolve::group(&self.backend.cluster(), &request.into_inner().group)?.id;
        self.carry_out(ControlCommand::GroupRemove { group }).await
    }

    async fn group_add_node(
        &self,
        request: Request<proto::GroupAddNodeRequest>,
    ) -> Answer<proto::Done> {
        let request = request.into_inner();
        let group = resolve::group(&self.backend.cluster(), &request.group)?.id;
        let node = self.node(&request.node)?;
        self.carry_out(ControlCommand::GroupAddNode { group, node })
            .await
    }

    async fn group_enable_ha(&self, request: Request<proto::GroupRef>) -> Answer<proto::Done> {
        let state = self.backend.cluster();
        let group = resolve::group(&state, &request.into_inner().group)?;
        let command = moves::plan_enable(self.backend.as_ref(), group).await?;
        self.carry_out(command).await
    }

    async fn group_disable_ha(&self, request: Request<proto::GroupRef>) -> Answer<proto::Done> {
        let group = resolve::group(&self.backend.cluster(), &request.into_inner().group)?.id;
        self.carry_out(ControlCommand::GroupDisableHa { group })
            .await
    }

    async fn failover(&self, request: Request<proto::NodeRef>) -> Answer<proto::Done> {
        let node = self.node(&request.into_inner().node)?;
        self.move_users(Move::Failover(node)).await
    }

    async fn fallback(&self, request: Request<proto::NodeRef>) -> Answer<proto::Done> {
        let node = self.node(&request.into_inner().node)?;
        self.move_users(Move::Fallback(node)).await
    }

    async fn fallback_order(
        &self,
        request: Request<proto::FallbackOrderRequest>,
    ) -> Answer<proto::Done> {
        homing::order(self, &request.into_inner()).await
    }

    async fn recover(&self, request: Request<proto::GroupRef>) -> Answer<proto::Done> {
        let group = resolve::group(&self.backend.cluster(), &request.into_inner().group)?.id;
        self.move_users(Move::Recover(group)).await
    }

    async fn domain_add(&self, request: Request<proto::DomainRef>) -> Answer<proto::Done> {
        let domain = resolve::domain(&request.into_inner().domain)?;
        self.carry_out(ControlCommand::DomainAdd { domain }).await
    }

    async fn domain_remove(&self, request: Request<proto::DomainRef>) -> Answer<proto::Done> {
        let domain = resolve::domain(&request.into_inner().domain)?;
        self.carry_out(ControlCommand::DomainRemove { domain })
            .await
    }

    async fn users_put(
        &self,
        request: Request<Streaming<proto::UsersPutRequest>>,
    ) -> Answer<Self::UsersPutStream> {
        let by = audit::by(&request);
        let answers = accounts::put(self.clone(), by, request.into_inner());
        Ok(Response::new(Box::pin(answers)))
    }

    async fn user_remove(&self, request: Request<proto::UserRef>) -> Answer<proto::Done> {
        let jid = resolve::user(&request.into_inner().jid)?;
        self.carry_out(ControlCommand::AccountRemove { jid }).await
    }

    async fn user_password(
        &self,
        request: Request<proto::UserPasswordRequest>,
    ) -> Answer<proto::Done> {
        let request = request.into_inner();
        let jid = resolve::user(&request.jid)?;
        let hashed =
            tokio::task::spawn_blocking(move || accounts::verifiers(&request.password)).await;
        let verifiers = hashed
            .map_err(|_| Status::internal("hashing of the password was interrupted"))?
            .map_err(Status::invalid_argument)?;
        self.carry_out(ControlCommand::AccountPassword { jid, verifiers })
            .await
    }

    async fn user_disable(
        &self,
        request: Request<proto::UserDisableRequest>,
    ) -> Answer<proto::Done> {
        let request = request.into_inner();
        let (jid, disabled) = (resolve::user(&request.jid)?, request.disabled);
        self.carry_out(ControlCommand::AccountDisable { jid, disabled })
            .await
    }

    async fn user_policy(&self, request: Request<proto::UserPolicyRequest>) -> Answer<proto::Done> {
        let proto::UserPolicyRequest { jid, policy, on } = request.into_inner();
        let jid = resolve::user(&jid)?;
        let known = Policy::ALL.iter().copied();
        let mut known = known.filter(|known| known.label() == policy);
        let policy = known.next().ok_or_else(|| {
            let labels: Vec<_> = Policy::ALL.iter().map(|known| known.label()).collect();
            let text = format!("{policy:?} is no policy: use {}", labels.join(" or "));
            Status::invalid_argument(text)
        })?;
        self.carry_out(ControlCommand::AccountPolicy { jid, policy, on })
            .await
    }

    async fn user_get(&self, request: Request<proto::UserRef>) -> Answer<proto::User> {
        let jid = resolve::user(&request.into_inner().jid)?;
        let (state, live) = (self.backend.cluster(), self.backend.live());
        resolve::ready(&state)?;
        let account = state
            .account(&jid)
            .ok_or_else(|| Status::not_found(format!("there is no account {jid}")))?;
        Ok(Response::new(view::user(&state, &live, &jid, account)))
    }

    async fn user_list(
        &self,
        request: Request<proto::UserListRequest>,
    ) -> Answer<proto::UserListResponse> {
        let request = request.into_inner();
        let after = match request.after.as_str() {
            "" => None,
            after => Some(resolve::user(after)?),
        };
        let limit = match usize::try_from(request.limit) {
            Ok(0) | Err(_) => PAGE_MAX,
            Ok(limit) => limit.min(PAGE_MAX),
        };
        let (state, live) = (self.backend.cluster(), self.backend.live());
        resolve::ready(&state)?;
        let page = state.accounts_after(after.as_ref()).take(limit);
        let users = page
            .map(|(jid, account)| view::user(&state, &live, jid, account))
            .collect();
        Ok(Response::new(proto::UserListResponse { users }))
    }

    async fn api_client_create(
        &self,
        request: Request<proto::ApiClientCreateRequest>,
    ) -> Answer<proto::ApiClientToken> {
        api_clients::create(self, request).await
    }

    async fn api_client_rotate(
        &self,
        request: Request<proto::ApiClientRef>,
    ) -> Answer<proto::ApiClientToken> {
        api_clients::rotate(self, request.into_inner().name).await
    }

    async fn api_client_remove(
        &self,
        request: Request<proto::ApiClientRef>,
    ) -> Answer<proto::Done> {
        let name = request.into_inner().name;
        self.carry_out(ControlCommand::ApiClientRemove { name })
            .await
    }

    async fn api_client_list(
        &self,
        _: Request<proto::ApiClientListRequest>,
    ) -> Answer<proto::ApiClientListResponse> {
        let clients = api_clients::list(&self.backend.cluster());
        Ok(Response::new(proto::ApiClientListResponse { clients }))
    }

    async fn checkup(&self, _: Request<proto::CheckupRequest>) -> Answer<proto::CheckupResponse> {
        let (state, live) = (self.backend.cluster(), self.backend.live());
        let checks = self.backend.checkup().await;
        Ok(Response::new(view::checkup(&state, &live, &checks)))
    }

    async fn config_check(
        &self,
        _: Request<proto::ConfigCheckRequest>,
    ) -> Answer<proto::ConfigDifference> {
        configuration::check(self).await
    }

    async fn config_apply(
        &self,
        request: Request<proto::ConfigApplyRequest>,
    ) -> Answer<proto::ConfigDifference> {
        configuration::apply(self, request).await
    }

    async fn audit_list(
        &self,
        request: Request<proto::AuditListRequest>,
    ) -> Answer<proto::AuditListResponse> {
        view::audit(self.backend.as_ref(), request.into_inner().most).await
    }

    async fn service_list(
        &self,
        _: Request<proto::ServiceListRequest>,
    ) -> Answer<proto::ServiceListResponse> {
        let (state, live) = (self.backend.cluster(), self.backend.live());
        let services = self.backend.services();
        let services = services
            .iter()
            .map(|one| view::service(&state, &live, one))
            .collect();
        Ok(Response::new(proto::ServiceListResponse { services }))
    }

    async fn replication_list(
        &self,
        _: Request<proto::ReplicationListRequest>,
    ) -> Answer<proto::ReplicationListResponse> {
        resolve::ready(&self.backend.cluster())?;
        let replicas = self.backend.replication().await;
        let state = self.backend.cluster();
        let replicas = replicas
            .iter()
            .map(|one| view::replica(&state, one))
            .collect();
        Ok(Response::new(proto::ReplicationListResponse { replicas }))
    }

    async fn session_list(
        &self,
        _: Request<proto::SessionListRequest>,
    ) -> Answer<proto::SessionListResponse> {
        let node = resolve::name_of(&self.backend.cluster(), self.backend.live().node);
        let sessions = self
            .backend
            .sessions()
            .into_iter()
            .map(|session| proto::Session {
                jid: session.jid,
                node: node.clone(),
                address: session.address,
                tls: session.tls,
                since: session.since.to_string(),
            });
        Ok(Response::new(proto::SessionListResponse {
            sessions: sessions.collect(),
        }))
    }
}

#[cfg(test)]
#[path = "service_test.rs"]
mod service_test;
