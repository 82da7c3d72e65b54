//! `user`.

use super::password::Password;
use super::{get, import};
use crate::ask::ask;
use crate::cli::{AccessRule, PasswordSource, Switch, User};
use crate::connect::{Client, Connector};
use crate::failure::Failure;
use crate::objects;
use crate::output::{Answer, Format};
use crate::table::Column;
use muster_admin::proto::presence as proto;
use muster_admin::proto::{
    UserDisableRequest, UserPasswordRequest, UserPolicyRequest, UserRef, UserRow, UsersPutRequest,
};
use serde_json::json;

const ACCESS: &[Column] = &[("WHOM", "whom"), ("ACCESS", "access")];

pub(super) async fn run(
    connector: &Connector,
    command: User,
    format: Format,
) -> Result<Answer, Failure> {
    match command {
        User::Add {
            jid,
            home,
            name,
            password,
        } => {
            let password = Password::from(&password)?;
            let row = UserRow {
                jid: jid.clone(),
                password: password.text.clone(),
                home: home.unwrap_or_default(),
                name: name.unwrap_or_default(),
            };
            add(&mut connector.client().await?, row).await?;
            Ok(shown(format!("{jid} is added"), &jid, &password))
        }
        User::Remove { jid } => {
            ask(connector
                .client()
                .await?
                .user_remove(UserRef { jid: jid.clone() }))
            .await?;
            Ok(Answer::done(format!("{jid} is removed")))
        }
        User::SetPassword { jid, password } => set_password(connector, jid, &password).await,
        User::Disable { jid } => disable(connector, jid, true).await,
        User::Enable { jid } => disable(connector, jid, false).await,
        User::Policy {
            jid,
            policy,
            switch,
        } => {
            let on = switch == Switch::On;
            let verb = if on { "holds" } else { "does not hold" };
            let text = format!("{policy} {verb} for {jid}");
            let request = UserPolicyRequest { jid, policy, on };
            ask(connector.client().await?.user_policy(request)).await?;
            Ok(Answer::done(text))
        }
        User::Access { jid, whom, access } => lets_in(connector, jid, whom.zip(access)).await,
        User::List => {
            let users = get::users(&mut connector.client().await?).await?;
            Ok(Answer::list(objects::USER, users))
        }
        User::Import { file, update } => {
            import::run(connector.client().await?, &file, update, format).await
        }
    }
}

/// Whom a user lets in, after a rule is set.
async fn lets_in(
    connector: &Connector,
    user: String,
    rule: Option<(String, AccessRule)>,
) -> Result<Answer, Failure> {
    let set = rule.map(|(whom, access)| proto::AccessRule {
        whom,
        access: word(access).to_owned(),
    });
    let set = set.into_iter().collect();
    let request = proto::AccessRequest { user, set };
    let answer = ask(connector.presence().await?.access(request)).await?;
    let rules = answer.rules.iter();
    let rules = rules.map(|rule| json!({ "whom": rule.whom, "access": rule.access }));
    Ok(Answer::list(ACCESS, rules.collect()))
}

/// As the protocol has it.
const fn word(access: AccessRule) -> &'static str {
    match access {
        AccessRule::Allow => "allow",
        AccessRule::Ask => "ask",
        AccessRule::Block => "block",
        AccessRule::None => "",
    }
}

async fn add(client: &mut Client, row: UserRow) -> Result<(), Failure> {
    let batch = UsersPutRequest {
        rows: vec![row],
        update: false,
    };
    let mut answers = ask(client.users_put(tokio_stream::once(batch))).await?;
    let answer = answers.message().await?;
    match answer.map(|answer| answer.errors.into_iter().next()) {
        Some(None) => Ok(()),
        Some(Some(error)) => Err(Failure::Refused(error.reason)),
        None => Err(Failure::Unknown(
            "the node ended without an answer".to_owned(),
        )),
    }
}

async fn set_password(
    connector: &Connector,
    jid: String,
    source: &PasswordSource,
) -> Result<Answer, Failure> {
    let password = Password::from(source)?;
    let request = UserPasswordRequest {
        jid: jid.clone(),
        password: password.text.clone(),
    };
    ask(connector.client().await?.user_password(request)).await?;
    Ok(shown(
        format!("the password of {jid} is set"),
        &jid,
        &password,
    ))
}

async fn disable(connector: &Connector, jid: String, disabled: bool) -> Result<Answer, Failure> {
    let request = UserDisableRequest {
        jid: jid.clone(),
        disabled,
    };
    ask(connector.client().await?.user_disable(request)).await?;
    let what = if disabled {
        "disabled: logins are refused"
    } else {
        "enabled"
    };
    Ok(Answer::done(format!("{jid} is {what}")))
}

/// What was done, with the password if nobody knows it yet.
fn shown(text: String, jid: &str, password: &Password) -> Answer {
    if !password.generated {
        return Answer::done(text);
    }
    let value = json!({ "done": text, "jid": jid, "password": password.text });
    Answer::new(format!("{text}\npassword: {}", password.text), value)
}
