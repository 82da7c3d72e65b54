//! XEP-0050: Ad-Hoc Commands, as far as all commands with one form are alike. The form holds all there is to say, so
//! nothing is kept between the two steps, and a program may send it at once.

use muster_stanza::{ElementRef, ErrorDetail, StanzaCondition, StanzaError, Writer, ns};

/// What a client wants of a command (§2, §3.4).
#[derive(Debug)]
pub enum Step<'a> {
    /// The form to fill in.
    Offer,
    /// What it says in this form.
    Submit(ElementRef<'a>),
    /// Nothing any more.
    Cancel,
}

/// Reads a step of a command with one form.
///
/// # Errors
/// What is wrong with it (§4.4, table 5).
pub fn step<'a>(command: &ElementRef<'a>) -> Result<Step<'a>, StanzaError> {
    let action = command.attr("action");
    match (
        action.as_deref().unwrap_or("execute"),
        command.child("x", ns::DATA),
    ) {
        ("cancel", _) => Ok(Step::Cancel),
        ("execute", None) => Ok(Step::Offer),
        ("execute" | "complete", Some(form)) => Ok(Step::Submit(form)),
        ("complete" | "next" | "prev", _) => Err(refusal(
            ErrorDetail::BadAction,
            "This command has one form.",
        )),
        (_, _) => Err(refusal(
            ErrorDetail::MalformedAction,
            "There is no such action.",
        )),
    }
}

/// What is wrong with a step.
pub fn refusal(why: ErrorDetail, text: &str) -> StanzaError {
    StanzaError::new(StanzaCondition::BadRequest)
        .with_text(text)
        .with_detail(why)
}

/// An answer of this command, filled by `fill`.
pub fn answer(node: &str, status: &str, fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::new();
    out.start("command").attr("xmlns", ns::COMMANDS);
    // There is one form, so any session is the same.
    out.attr("node", node).attr("sessionid", node);
    out.attr("status", status);
    fill(&mut out);
    out.end().finish()
}

/// The answer to [`Step::Cancel`].
pub fn canceled(node: &str) -> Vec<u8> {
    answer(node, "canceled", |_| ())
}

/// The answer to a form that was taken, with a word for people.
pub fn completed(node: &str, text: &str) -> Vec<u8> {
    answer(node, "completed", |out| {
        out.start("note").attr("type", "info").text(text).end();
    })
}

/// The answer to [`Step::Offer`]: a form (XEP-0004) whose fields `fill` writes.
pub fn offer(node: &str, title: &str, fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    answer(node, "executing", |out| {
        out.start("actions").attr("execute", "complete");
        out.start("complete").end().end();
        out.start("x").attr("xmlns", ns::DATA).attr("type", "form");
        out.leaf("title", title);
        fill(out);
        out.end();
    })
}

/// Begins a field; its options may follow, and then its end.
pub fn field(out: &mut Writer, name: &str, kind: &str, label: &str, value: &str) {
    out.start("field").attr("var", name).attr("type", kind);
    out.attr("label", label).leaf("value", value);
}

/// One option of a field.
pub fn option(out: &mut Writer, value: &str, label: &str) {
    out.start("option").attr("label", label);
    out.leaf("value", value).end();
}

/// What a form says in a field.
pub fn value(form: &ElementRef<'_>, name: &str) -> Option<String> {
    let field = |field: &ElementRef<'_>| field.attr("var").as_deref() == Some(name);
    let field = form.children().find(field)?;
    Some(field.child("value", ns::DATA)?.text())
}
