//! The presence API for programs: its listeners, with the certificates of the domains.

use crate::backend::NodeBackend;
use crate::config::Config;
use crate::node::Node;
use crate::run::wait_for;
use anyhow::Context;
use muster_admin::{Api, ApiListener, Secure, Secured};
use std::io;
use std::sync::Arc;
use tokio::sync::watch;

/// Opens what the configuration names.
pub(crate) async fn start(
    config: &Config,
    node: &Node,
    backend: &Arc<NodeBackend>,
    ended: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    // A witness has no certificates, and its configuration no listener.
    let Some(clients) = node.clients.clone() else {
        return Ok(());
    };
    let secure: Secure = Arc::new(move |stream| {
        let clients = Arc::clone(&clients);
        Box::pin(async move {
            stream.set_nodelay(true)?;
            let secured = clients.tls.accept_http(stream).await;
            let secured = secured.map_err(io::Error::other)?;
            Ok(Secured {
                http2: secured.speaks_http2(),
                stream: Box::new(secured),
            })
        })
    });
    let api = Api::new(Arc::clone(backend) as _);
    for address in &config.api.listen {
        let listener = ApiListener::bind(*address).await.context("api.listen")?;
        let address = listener.address().unwrap_or(*address);
        tracing::info!("listening on {address} for programs, HTTPS");
        tokio::spawn(listener.serve(api.clone(), Arc::clone(&secure), wait_for(ended)));
    }
    Ok(())
}
