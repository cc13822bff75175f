//! What the page is told, as JSON. Every text in it was made fit for a text node.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::super::desk::Desk;
use super::super::session::Decision;
use super::Said;
use crate::core::verdict::Difference;
use crate::report::page::difference::{self, pieces};
use crate::report::page::escape::shown;
use crate::snapshot::Change;

/// How many equal rows stand around a change. The page folds them, and unfolds them on a click.
const CONTEXT: usize = 1_000;

/// All that waits, and how far the review is.
pub(super) fn state(desk: &Desk, project: &str) -> Value {
    let all: Vec<usize> = (0..desk.session.pending.len()).collect();
    let mut value = moved(desk, &all);
    value["version"] = 1.into();
    value["project"] = shown(project).into();
    value
}

/// How these stand now, and how far the review is.
pub(super) fn moved(desk: &Desk, ids: &[usize]) -> Value {
    let session = &desk.session;
    let mut groups: HashMap<&Change, usize> = HashMap::new();
    for pending in &session.pending {
        let number = groups.len() + 1;
        groups.entry(&pending.change).or_insert(number);
    }
    let items: Vec<Value> = ids.iter().map(|id| row(desk, *id, groups[&session.pending[*id].change])).collect();
    json!({
        "items": items,
        "steps": session.steps(),
        "counts": {
            "all": session.pending.len(),
            "accepted": session.count(Some(Decision::Accept)),
            "rejected": session.count(Some(Decision::Reject)),
            "skipped": session.count(Some(Decision::Skip)),
            "waiting": session.waiting(),
        },
    })
}

/// One of them, as the list shows it.
fn row(desk: &Desk, id: usize, group: usize) -> Value {
    let session = &desk.session;
    let pending = &session.pending[id];
    let info = &pending.info;
    json!({
        "id": id,
        "revision": session.revision(id),
        "prompt": shown(&info.prompt),
        "case": shown(&info.case),
        "model": shown(&info.model),
        "kind": pending.change.kind.name(),
        "group": group,
        "change": shown(&pending.change.signature),
        "failing": info.failing,
        "needs_reason": desk.needs_reason(&[id]),
        "decision": session.decision(id).map(|decision| match decision {
            Decision::Accept => "accept",
            Decision::Reject => "reject",
            Decision::Skip => "skip",
        }),
        "gone": session.is_gone(id),
    })
}

/// One of them as a whole.
pub(super) fn item(desk: &Desk, id: usize, messages: Option<&[Said]>) -> Value {
    let pending = &desk.session.pending[id];
    let info = &pending.info;
    let messages: Option<Vec<Value>> = messages.map(|messages| {
        messages.iter().map(|(role, text)| json!({ "role": role, "text": difference::text(text) })).collect()
    });
    let differs = pending.accepted.as_ref().map(|accepted| {
        let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok_and(|value| !value.is_string());
        let (old, new) = (accepted.body().to_owned(), pending.new.body().to_owned());
        let json = info.compare == "json" && is_json(&old) && is_json(&new);
        difference::difference(&Difference { what: "answer".into(), old, new, json }, CONTEXT)
    });
    json!({
        "id": id,
        "revision": desk.session.revision(id),
        "row": moved(desk, &[id])["items"][0].take(),
        "version": shown(&info.version),
        "digest": shown(&info.digest),
        "path": shown(pending.path.as_str()),
        "finish": shown(&info.finish),
        "fails": info.fails.iter().map(|what| pieces(what, false)).collect::<Vec<_>>(),
        "messages": messages,
        "accepted": pending.accepted.as_ref().map(|accepted| difference::text(accepted.body())),
        "accepted_reason": pending.accepted_reason().map(|reason| shown(&reason)),
        "new": difference::text(pending.new.body()),
        "difference": differs,
    })
}
