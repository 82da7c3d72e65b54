//! Whom a user lets in, for operators and programs.

use crate::audit;
use crate::presence::{something_else, unanswered};
use crate::proto::presence as proto;
use crate::resolve;
use crate::service::Service;
use muster_envelope::{Answer, Question};
use muster_roster::{Access, AccessList, Whom};
use muster_slot::Refusal;
use tonic::Status;

/// Most rules of one request.
const RULES_MAX: usize = 20;

pub(crate) async fn ask(
    service: &Service,
    request: proto::AccessRequest,
) -> Result<proto::AccessResponse, Status> {
    let state = service.backend.cluster();
    resolve::ready(&state)?;
    let user = resolve::user(&request.user)?;
    let set = read(request.set).map_err(Status::invalid_argument)?;
    audit::about(user.as_str());
    let nobody = || Status::not_found(format!("there is no user {user}"));
    let slot = state.account_slot(&user).ok_or_else(nobody)?;
    let question = Question::Access {
        user: user.clone(),
        set,
    };
    match service.backend.ask(slot, question).await {
        Ok(Answer::Access(list)) => Ok(shown(&list)),
        Ok(Answer::AccessRefused(Refusal::Forgotten)) => Err(Status::unavailable(
            "nobody knows whether the rules are set: look, and set them again",
        )),
        Ok(Answer::AccessRefused(why)) => Err(Status::resource_exhausted(why.to_string())),
        Ok(Answer::NoAccount) => Err(nobody()),
        Ok(_) => Err(something_else()),
        Err(failure) => Err(unanswered(failure)),
    }
}

fn read(rules: Vec<proto::AccessRule>) -> Result<Vec<(Whom, Option<Access>)>, String> {
    if rules.len() > RULES_MAX {
        let count = rules.len();
        return Err(format!("{count} rules at once, the limit is {RULES_MAX}"));
    }
    let rule = |rule: proto::AccessRule| {
        let whom: Whom = rule.whom.parse().map_err(|why| format!("{why}"))?;
        let access = match rule.access.as_str() {
            "" => None,
            word => Some(access(word)?),
        };
        Ok((whom, access))
    };
    rules.into_iter().map(rule).collect()
}

fn access(word: &str) -> Result<Access, String> {
    let known = Access::ALL.into_iter().find(|one| one.label() == word);
    known.ok_or_else(|| format!("{word:?} is none: use allow, ask or block"))
}

fn shown(list: &AccessList) -> proto::AccessResponse {
    let rule = |(whom, access): (&Whom, Access)| proto::AccessRule {
        whom: whom.to_string(),
        access: access.label().to_owned(),
    };
    proto::AccessResponse {
        rules: list.rules().map(rule).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(whom: &str, access: &str) -> proto::AccessRule {
        proto::AccessRule {
            whom: whom.to_owned(),
            access: access.to_owned(),
        }
    }

    #[test]
    fn rules_are_read_and_what_is_none_is_named() {
        let read_one = |whom, access| read(vec![rule(whom, access)]);
        let rules = read_one("*", "allow").unwrap();
        assert_eq!(rules, [(Whom::Everybody, Some(Access::Allow))]);
        assert_eq!(read_one("evil.example", "").unwrap()[0].1, None);
        for (whom, access, part) in [
            ("@", "allow", "neither an address"),
            ("a@example.com", "deny", "use allow, ask or block"),
        ] {
            let why = read_one(whom, access).unwrap_err();
            assert!(why.contains(part), "{whom} {access}: {why}");
        }
        let many = vec![rule("a@example.com", "ask"); RULES_MAX + 1];
        assert!(read(many).unwrap_err().contains("the limit is 20"));
    }
}
