//! The same for programs that speak gRPC (`muster.presence.v1`): publications in batches, and what a user is.

use super::Api;
use super::client::Caller;
use super::standing::{Standing, Turn};
use super::streams::Place;
use super::user::of_caller;
use crate::explain::explain;
use crate::proto::presence as proto;
use crate::proto::presence::presence_server::{Presence, PresenceServer, SERVICE_NAME};
use crate::publish::{Publisher, publish};
use axum::Router;
use axum::body::Body;
use axum::middleware::{Next, from_fn};
use futures_util::stream::{self, Stream};
use muster_cluster::Scope;
use std::pin::Pin;
use std::time::Duration;
use tonic::service::interceptor::{InterceptedService, Interceptor};
use tonic::{Request, Response, Status, Streaming};

/// Bytes of a batch: 500 publications of 2 KiB.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Bytes of every other request: two addresses and a word.
const REQUEST_BYTES_MAX: usize = 4_096;
/// How long such a request and its answer may take.
const REQUEST_TIME: Duration = Duration::from_secs(10);

impl Api {
    /// What is served over HTTP/2, without which there is no gRPC.
    pub(super) fn routes_with_grpc(self) -> Router {
        let grpc = self.grpc(REQUEST_TIME);
        self.routes().merge(grpc)
    }

    /// Only the batches may be large, and come for as long as their program likes.
    fn grpc(&self, request_time: Duration) -> Router {
        let others = Router::new().route_service(
            &format!("/{SERVICE_NAME}/{{call}}"),
            self.programs(REQUEST_BYTES_MAX),
        );
        let others = others.layer(from_fn(move |request, next| {
            in_time(request_time, request, next)
        }));
        let publish = format!("/{SERVICE_NAME}/Publish");
        others.route_service(&publish, self.programs(BATCH_BYTES_MAX))
    }

    /// The service, with messages of so many bytes.
    fn programs(
        &self,
        bytes_max: usize,
    ) -> InterceptedService<PresenceServer<Programs>, impl Interceptor + Clone + use<>> {
        let gate = self.clone();
        let service = PresenceServer::new(Programs(self.clone()));
        let service = service.max_decoding_message_size(bytes_max);
        InterceptedService::new(service, move |request: Request<()>| let_in(&gate, request))
    }
}

/// Lets a call take only so long.
async fn in_time(
    limit: Duration,
    request: axum::extract::Request,
    next: Next,
) -> axum::response::Response {
    let answer = tokio::time::timeout(limit, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        let seconds = limit.as_secs();
        let why = format!("the call took more than {seconds} s: try it again");
        Status::deadline_exceeded(why).into_http::<Body>()
    })
}

/// Lets a call through before anything but its head is read, or says why not.
fn let_in(api: &Api, mut request: Request<()>) -> Result<Request<()>, Status> {
    let caller = Caller::let_in(api, request.metadata().as_ref(), request.extensions())?;
    request.extensions_mut().insert(caller);
    Ok(request)
}

fn caller_of<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Status::internal("a call without a caller"))
}

/// What programs may ask, and what only operators may.
struct Programs(Api);

#[tonic::async_trait]
impl Presence for Programs {
    type PublishStream = Pin<Box<dyn Stream<Item = Result<proto::PublishResponse, Status>> + Send>>;

    async fn publish(
        &self,
        request: Request<Streaming<proto::PublishRequest>>,
    ) -> Result<Response<Self::PublishStream>, Status> {
        let caller = caller_of(&request)?;
        caller.may_publish_something()?;
        let batches = Batches {
            _place: self.0.streams.take(&caller.name)?,
            standing: Standing::new(&self.0, caller),
            batches: request.into_inner(),
            api: self.0.clone(),
            over: false,
        };
        let answers = stream::unfold(batches, |mut batches| async {
            let answer = batches.next().await?;
            Some((answer, batches))
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn explain(
        &self,
        request: Request<proto::ExplainRequest>,
    ) -> Result<Response<proto::ExplainResponse>, Status> {
        let caller = caller_of(&request)?;
        let request = request.into_inner();
        of_caller(&caller, &request.user)?;
        caller.may(Scope::Read)?;
        if !request.watcher.is_empty() {
            return for_operators("what a watcher sees", "musterctl explain JID --as WATCHER");
        }
        explain(&self.0.service, request).await.map(Response::new)
    }

    async fn access(
        &self,
        _: Request<proto::AccessRequest>,
    ) -> Result<Response<proto::AccessResponse>, Status> {
        for_operators("whom a user lets in", "musterctl user access JID")
    }

    async fn rules_get(
        &self,
        _: Request<proto::RulesGetRequest>,
    ) -> Result<Response<proto::Rules>, Status> {
        for_operators("the rule table", "musterctl presence rules show")
    }

    async fn rules_set(
        &self,
        _: Request<proto::RulesSetRequest>,
    ) -> Result<Response<proto::RulesSetResponse>, Status> {
        for_operators("the rule table", "musterctl presence rules set FILE")
    }
}

fn for_operators<T>(what: &str, command: &str) -> Result<T, Status> {
    Err(Status::permission_denied(format!(
        "{what} is for operators, on the admin listeners, and no token opens it: use `{command}`"
    )))
}

/// A stream of batches, which are answered in order.
struct Batches {
    api: Api,
    standing: Standing,
    batches: Streaming<proto::PublishRequest>,
    over: bool,
    _place: Place,
}

impl Batches {
    /// The answer to the next batch; `None` behind the last.
    async fn next(&mut self) -> Option<Result<proto::PublishResponse, Status>> {
        if self.over {
            return None;
        }
        let answer = match self.wait().await {
            Ok(Some(batch)) => {
                let by = Publisher::Program(self.standing.caller());
                publish(&self.api.service, by, batch).await
            }
            Ok(None) => return None,
            Err(why) => Err(why),
        };
        self.over = answer.is_err();
        Some(answer)
    }

    /// Waits for a batch. Whether the stream may go on is asked before what it brings.
    async fn wait(&mut self) -> Result<Option<proto::PublishRequest>, Status> {
        loop {
            let turn = tokio::select! {
                biased;
                turn = self.standing.turn() => turn,
                batch = self.batches.message() => return batch,
            };
            match turn {
                Turn::Ending => {
                    let why = "this node ends: go on at another one";
                    return Err(Status::unavailable(why));
                }
                Turn::Over(why) => return Err(Status::unauthenticated(why)),
                Turn::Changed(_) => {}
            }
        }
    }
}

#[cfg(test)]
#[path = "grpc_test.rs"]
pub(super) mod grpc_test;
