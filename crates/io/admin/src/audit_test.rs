use super::*;
use crate::fake::Fake;
use tonic::codegen::http::{Request, Response};
use tower::{ServiceExt, service_fn};

fn request(call: &str) -> Request<()> {
    let mut request = Request::new(());
    let path = format!("/muster.admin.v1.Admin/{call}");
    *request.uri_mut() = path.parse().unwrap();
    let caller = Caller::Operator("ops".to_owned());
    request.extensions_mut().insert(caller);
    request
}

async fn acts(fake: &Fake) -> Vec<(String, String, String)> {
    let acts = fake.acts(10).await.unwrap();
    let told = acts.into_iter().map(|act| {
        assert_eq!(act.by, "operator \"ops\"");
        (act.call, act.about, act.outcome)
    });
    told.collect()
}

type Answered = Result<Response<()>, std::convert::Infallible>;

async fn serve(request: Request<()>) -> Answered {
    about("alice@example.com");
    about("x".repeat(2 * ABOUT_BYTES_MAX));
    Ok(if request.uri().path().ends_with("UserDisable") {
        Status::not_found("there is no account").into_http::<()>()
    } else {
        Response::new(())
    })
}

#[tokio::test]
async fn every_act_is_kept_with_who_what_and_the_outcome_and_reads_are_not() {
    let fake = Fake::pair();
    let service = Trail(Arc::clone(&fake) as _).layer(service_fn(serve));
    for call in ["UserRemove", "UserDisable", "Status", "UsersPut"] {
        service.clone().oneshot(request(call)).await.unwrap();
    }
    let kept = acts(&fake).await;
    let told: Vec<_> = kept
        .iter()
        .map(|(call, _, outcome)| (call.as_str(), outcome.as_str()))
        .collect();
    assert_eq!(
        told,
        [("UserRemove", "ok"), ("UserDisable", "there is no account")]
    );
    assert!(kept[0].1.starts_with("alice@example.com; xxx"));
    assert_eq!(kept[0].1.len(), ABOUT_BYTES_MAX);
}

async fn never(_: Request<()>) -> Answered {
    std::future::pending().await
}

#[tokio::test]
async fn an_act_whose_caller_goes_away_is_kept_too_and_so_is_each_batch_of_a_stream() {
    let fake = Fake::pair();
    let service = Trail(Arc::clone(&fake) as _).layer(service_fn(never));
    let mut call = Box::pin(service.oneshot(request("NodeRemove")));
    assert!(futures_util::poll!(&mut call).is_pending());
    drop(call);
    tokio::task::yield_now().await;

    let by = || ("operator \"ops\"".to_owned(), "UsersPut");
    let batch = async {
        about("bob@example.com");
        Ok(3)
    };
    let backend = || Arc::clone(&fake) as Arc<dyn Backend>;
    assert_eq!(each(backend(), by(), batch).await.unwrap(), 3);
    let refused = async { Err::<(), _>(Status::invalid_argument("too many rows")) };
    assert!(each(backend(), by(), refused).await.is_err());
    let kept = acts(&fake).await;
    let outcomes: Vec<_> = kept.iter().map(|(.., outcome)| outcome.as_str()).collect();
    let gone = "unknown: the caller went away before it was over";
    assert_eq!(outcomes, [gone, "ok", "too many rows"]);
    assert_eq!(kept[1].1, "bob@example.com");
}
