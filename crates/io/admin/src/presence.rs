//! The presence service over a [`Backend`](crate::Backend): publications, explanations, whom users let in,
//! rules.

use crate::audit;
use crate::explain::explain;
use crate::proto::presence as proto;
use crate::proto::presence::presence_server::Presence;
use crate::publish::{Publisher, publish};
use crate::service::Service;
use crate::{AskFailure, access, refused, resolve};
use futures_util::{Stream, StreamExt};
use muster_cluster::{ControlCommand, ControlOutcome};
use muster_presence::rules::{Rules, SHIPPED_TEXT};
use std::pin::Pin;
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

#[tonic::async_trait]
impl Presence for Service {
    type PublishStream = Pin<Box<dyn Stream<Item = Result<proto::PublishResponse, Status>> + Send>>;

    async fn publish(
        &self,
        request: Request<Streaming<proto::PublishRequest>>,
    ) -> Result<Response<Self::PublishStream>, Status> {
        let caller = audit::by(&request);
        let service = self.clone();
        let batches = request.into_inner();
        let answers = batches.then(move |batch| {
            let (service, caller) = (service.clone(), caller.clone());
            async move {
                let batch = batch?;
                let work = publish(&service, Publisher::Operator(&caller), batch);
                let backend = Arc::clone(&service.backend);
                audit::each(backend, (caller.clone(), "Publish"), work).await
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn explain(
        &self,
        request: Request<proto::ExplainRequest>,
    ) -> Result<Response<proto::ExplainResponse>, Status> {
        explain(self, request.into_inner()).await.map(Response::new)
    }

    async fn access(
        &self,
        request: Request<proto::AccessRequest>,
    ) -> Result<Response<proto::AccessResponse>, Status> {
        access::ask(self, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn rules_get(
        &self,
        _: Request<proto::RulesGetRequest>,
    ) -> Result<Response<proto::Rules>, Status> {
        let state = self.backend.cluster();
        resolve::ready(&state)?;
        let rules = state.presence_rules();
        Ok(Response::new(proto::Rules {
            text: rules.text().unwrap_or(SHIPPED_TEXT).to_owned(),
            shipped: rules.text().is_none(),
            problem: rules.problem().unwrap_or_default().to_owned(),
        }))
    }

    async fn rules_set(
        &self,
        request: Request<proto::RulesSetRequest>,
    ) -> Result<Response<proto::RulesSetResponse>, Status> {
        let text = request.into_inner().text;
        let text = Some(text).filter(|text| !text.trim().is_empty());
        if let Some(text) = &text {
            Rules::read(text).map_err(|why| Status::invalid_argument(why.to_string()))?;
        }
        match self
            .propose(ControlCommand::PresenceRulesSet { text })
            .await?
        {
            ControlOutcome::Refused(refusal) => {
                Err(refused::status(&self.backend.cluster(), &refusal))
            }
            _ => Ok(Response::new(proto::RulesSetResponse {})),
        }
    }
}

pub(crate) fn something_else() -> Status {
    Status::internal("the owner answered something else")
}

pub(crate) fn unanswered(failure: AskFailure) -> Status {
    match failure {
        AskFailure::NoOwner => Status::unavailable(failure.to_string()),
        AskFailure::Busy => Status::resource_exhausted(failure.to_string()),
    }
}

#[cfg(test)]
#[path = "presence_test.rs"]
mod presence_test;
