//! After a death: is everything that was acknowledged so, was what was announced done or not, and does everybody say the
//! same?

use std::collections::HashMap;

use crate::{
    Outcome,
    board::{QUESTIONS, SLOTS},
    keys::{Answer, INVALID, Key, View, is_granted, spell},
    witness::Row,
};

/// What somebody answered for each key: to its credential, to the one before, and to the one that it would have if what
/// was announced were done.
pub type Answers = [[Answer; QUESTIONS]; SLOTS];

/// Somebody, and what they answered.
pub type Account = (String, Answers);

/// What became of a key's announced change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// None was announced, or the database does not hold it.
    NotDone,
    /// The database holds it.
    Done,
}

/// Compares the database's rows with what was acknowledged, and everybody's answers with the database.
///
/// # Errors
/// The first thing that is not as it must be.
pub fn judge(
    views: &[View],
    rows: &[Row],
    accounts: &[Account],
) -> Result<Vec<Verdict>, Box<dyn std::error::Error + Send + Sync>> {
    let mut rows: HashMap<&str, &Row> = rows.iter().map(|row| (row.name.as_str(), row)).collect();
    let mut verdicts = Vec::with_capacity(views.len());
    for (at, view) in views.iter().enumerate() {
        let verdict = find(view, &mut rows).map_err(|said| format!("key {at}: {said}"))?;
        let right = right_answers(view, verdict);
        for (who, answers) in accounts {
            compare(at, view, who, answers[at], right)?;
        }
        verdicts.push(verdict);
    }
    match rows.keys().next() {
        None => Ok(verdicts),
        Some(name) => Err(format!("the database holds {name}, which was deleted or never made").into()),
    }
}

/// Takes a key's row out of `rows`. What is settled must be there; what was announced must be there whole or not at all.
fn find(view: &View, rows: &mut HashMap<&str, &Row>) -> Result<Verdict, String> {
    let names = [Some(&view.settled), view.announced.as_ref()];
    let found = names.map(|key| key.and_then(|key| rows.get(key.name.as_str()).copied()));
    let [settled, announced] = found;
    let renamed = view.announced.as_ref().is_some_and(|after| after.name != view.settled.name);
    // A rename leaves one of two names, never both and never none.
    let not_done = is_so(&view.settled, settled) && !(renamed && announced.is_some());
    let done = view.announced.as_ref().is_some_and(|after| is_so(after, announced) && !(renamed && settled.is_some()));
    for key in names.into_iter().flatten() {
        rows.remove(key.name.as_str());
    }
    match (not_done, done) {
        (true, false) => Ok(Verdict::NotDone),
        (false, true) => Ok(Verdict::Done),
        _ => Err(format!(
            "the database holds {found:?}; acknowledged was {:?} to revision {}, announced {:?}",
            view.settled.change,
            view.settled.revision,
            view.announced.as_ref().map(|after| after.change)
        )),
    }
}

fn is_so(key: &Key, row: Option<&Row>) -> bool {
    match row {
        None => !key.present,
        Some(row) => {
            key.present
                && row.enabled == key.enabled
                && row.entitled == key.entitled
                && u64::try_from(row.revision) == Ok(key.revision)
        }
    }
}

/// What everybody must answer.
fn right_answers(view: &View, verdict: Verdict) -> [Answer; QUESTIONS] {
    let now = view.settled.answer();
    let Some(after) = &view.announced else { return [now, INVALID, INVALID] };
    let (now, next) = match verdict {
        Verdict::Done => (after.answer_to_former(), after.answer()),
        Verdict::NotDone if after.header == view.settled.header => (now, now),
        Verdict::NotDone => (now, INVALID),
    };
    [now, INVALID, if after.known { next } else { INVALID }]
}

fn compare(at: usize, view: &View, who: &str, answers: [Answer; QUESTIONS], right: [Answer; QUESTIONS]) -> Outcome {
    if answers == right {
        return Ok(());
    }
    let spelled = |answers: [Answer; QUESTIONS]| answers.map(spell).join(" / ");
    let revived = answers.iter().zip(right).any(|(answer, right)| is_granted(*answer) && *answer != right);
    Err(format!(
        "key {at}: {who} differs from the database{}: {}; right is {} (to its credential / the former / the announced \
         one). Acknowledged: {:?}; announced: {:?}",
        if revived { " and grants what it must not" } else { "" },
        spelled(answers),
        spelled(right),
        view.settled.change,
        view.announced.as_ref().map(|after| after.change),
    )
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Change;

    fn key(change: Change, revision: u64) -> Key {
        Key {
            change,
            present: true,
            known: true,
            enabled: true,
            entitled: true,
            revision,
            header: b"Bearer s0.0:secret".to_vec(),
            ..Key::never(0)
        }
    }

    fn row(key: &Key) -> Row {
        Row {
            name: key.name.clone(),
            enabled: key.enabled,
            entitled: key.entitled,
            revision: i64::try_from(key.revision).unwrap(),
        }
    }

    fn settled(settled: Key) -> View {
        View { version: 2, settled, announced: None }
    }

    fn verdict(view: &View, rows: &[Row]) -> Option<Verdict> {
        judge(std::slice::from_ref(view), rows, &[]).ok().map(|verdicts| verdicts[0])
    }

    #[test]
    fn what_was_acknowledged_must_be_there() {
        let now = key(Change::Disable, 4);
        let view = settled(now.clone());
        assert_eq!(verdict(&view, &[row(&now)]), Some(Verdict::NotDone));
        assert_eq!(verdict(&view, &[]), None, "lost");
        assert_eq!(verdict(&view, &[row(&key(Change::Enable, 3))]), None, "an older revision came back");
        assert_eq!(verdict(&view, &[Row { enabled: false, ..row(&now) }]), None, "half done");

        let deleted = settled(Key { present: false, ..now.clone() });
        assert_eq!(verdict(&deleted, &[]), Some(Verdict::NotDone));
        assert_eq!(verdict(&deleted, &[row(&now)]), None, "revived");
        assert_eq!(verdict(&deleted, &[Row { name: "stranger".into(), ..row(&now) }]), None, "never made");
    }

    #[test]
    fn what_was_announced_is_whole_or_absent() {
        let before = key(Change::Create, 1);
        let after = Key { name: "s0.1".into(), ..key(Change::Rename, 2) };
        let view = View { version: 3, settled: before.clone(), announced: Some(after.clone()) };
        assert_eq!(verdict(&view, &[row(&before)]), Some(Verdict::NotDone));
        assert_eq!(verdict(&view, &[row(&after)]), Some(Verdict::Done));
        assert_eq!(verdict(&view, &[row(&before), row(&after)]), None, "both names");
        assert_eq!(verdict(&view, &[]), None, "neither name");
    }

    #[test]
    fn whoever_answers_otherwise_than_the_database_is_found() {
        let before = key(Change::Create, 1);
        let after = Key { enabled: false, ..key(Change::Disable, 2) };
        let view = View { version: 3, settled: before.clone(), announced: Some(after.clone()) };
        let mut right = [[INVALID; QUESTIONS]; SLOTS];
        let judged =
            |answers: Answers, row: Row| judge(std::slice::from_ref(&view), &[row], &[("r".into(), answers)]).is_ok();
        assert!(judged(right, row(&after)), "it was done, and everybody refuses");
        assert!(!judged(right, row(&before)), "it was not done, and somebody refuses");
        right[0] = [1, INVALID, 1];
        assert!(judged(right, row(&before)));
        assert!(!judged(right, row(&after)), "it was done, and somebody grants");
        right[0] = [1, 1, 1];
        assert!(!judged(right, row(&before)), "a former credential is good again");
    }
}
