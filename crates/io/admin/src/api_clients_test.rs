use super::*;
use crate::fake::Fake;
use tonic::Code;

fn request(name: &str) -> proto::ApiClientCreateRequest {
    proto::ApiClientCreateRequest {
        name: name.to_owned(),
        scopes: vec!["publish".to_owned(), "read".to_owned()],
        domains: vec!["Example.com".to_owned()],
        per_second: 0,
        lifetime_seconds: 0,
    }
}

#[tokio::test]
async fn a_token_is_shown_once_and_only_its_hash_is_kept() {
    let service = Service::new(Fake::pair());
    let made = create(&service, Request::new(request("crm"))).await;
    let first = made.unwrap().into_inner().token;
    let state = service.backend.cluster();
    let (name, client) = state.api_client_of(&token::hash(&first).unwrap()).unwrap();
    assert_eq!((name, client.per_second), ("crm", 2_000));
    assert_eq!(client.domains, BTreeSet::from(["example.com".to_owned()]));
    let listed = list(&state);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].scopes.len(), 5);
    assert!(!format!("{listed:?} {state:?}").contains(&first[7..]));

    let second = rotate(&service, "crm".to_owned()).await;
    let second = second.unwrap().into_inner().token;
    let state = service.backend.cluster();
    assert!(state.api_client_of(&token::hash(&first).unwrap()).is_none());
    assert!(
        state
            .api_client_of(&token::hash(&second).unwrap())
            .is_some()
    );
    let again = create(&service, Request::new(request("crm"))).await;
    assert_eq!(again.unwrap_err().code(), Code::AlreadyExists);
    let nobody = rotate(&service, "nobody".to_owned()).await;
    assert_eq!(nobody.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_client_that_could_do_nothing_or_too_much_is_not_made() {
    let service = Service::new(Fake::pair());
    let good = request("crm");
    for (bad, part) in [
        (
            proto::ApiClientCreateRequest {
                scopes: Vec::new(),
                ..good.clone()
            },
            "without a scope",
        ),
        (
            proto::ApiClientCreateRequest {
                scopes: vec!["write".to_owned()],
                ..good.clone()
            },
            "\"write\" is no scope: use publish, read",
        ),
        (
            proto::ApiClientCreateRequest {
                domains: Vec::new(),
                ..good.clone()
            },
            "without a domain",
        ),
        (
            proto::ApiClientCreateRequest {
                domains: vec!["elsewhere.example".to_owned()],
                ..good.clone()
            },
            "not hosted",
        ),
        (
            proto::ApiClientCreateRequest {
                per_second: 2_001,
                ..good.clone()
            },
            "the most is 2000",
        ),
        (
            proto::ApiClientCreateRequest {
                name: "two words".to_owned(),
                ..good
            },
            "no valid name",
        ),
    ] {
        let why = create(&service, Request::new(bad)).await.unwrap_err();
        assert!(why.message().contains(part), "{part}: {why}");
    }
}
