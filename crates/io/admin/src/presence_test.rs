use super::*;
use crate::fake::Fake;
use tonic::Code;

#[tokio::test]
async fn a_rule_table_is_checked_before_it_is_in_force_and_the_shipped_one_can_come_back() {
    let service = Service::new(Fake::pair());
    let set = async |text: &str| {
        let text = text.to_owned();
        service
            .rules_set(Request::new(proto::RulesSetRequest { text }))
            .await
    };
    let get = async || {
        let rules = service
            .rules_get(Request::new(proto::RulesGetRequest {}))
            .await;
        let rules = rules.unwrap().into_inner();
        (rules.shipped, rules.text)
    };
    assert_eq!(get().await, (true, SHIPPED_TEXT.to_owned()));
    let wrong = set("[[state]]\nname = 'x'\n").await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    assert!(wrong.message().contains("0 rules"), "{wrong}");
    let own = SHIPPED_TEXT.replace("On the phone", "In a call");
    set(&own).await.unwrap();
    assert_eq!(get().await, (false, own));
    set("").await.unwrap();
    assert!(get().await.0);
}
