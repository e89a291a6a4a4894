//! What a file of vectors is made of, and a short way to say it.

use serde_json::{Map, Value, json};

use super::{Refusal, secrets::Fixed};

/// A file of vectors.
pub(super) struct File {
    pub name: &'static str,
    /// Each flag that a test may carry, with the bug that it names.
    pub notes: &'static [(&'static str, &'static str)],
    pub groups: Vec<Group>,
}

/// Tests with something in common. Its ids begin at `first_id`; a new test goes to the end, so that ids never change.
pub(super) struct Group {
    pub first_id: usize,
    pub note: &'static str,
    pub tests: Vec<Test>,
}

/// One vector.
pub(super) struct Test {
    pub comment: String,
    pub flags: &'static [&'static str],
    pub steps: Steps,
}

impl Group {
    pub(super) const fn new(first_id: usize, note: &'static str) -> Self {
        Self { first_id, note, tests: Vec::new() }
    }

    /// Adds a test, whose steps `tell` says.
    pub(super) fn test(
        &mut self,
        comment: impl Into<String>,
        flags: &'static [&'static str],
        tell: impl FnOnce(&mut Steps),
    ) {
        let mut steps = Steps::default();
        tell(&mut steps);
        self.tests.push(Test { comment: comment.into(), flags, steps });
    }
}

/// The steps of a test: requests, and what each answer must hold. The handle is bound to `h`.
#[derive(Default)]
pub(super) struct Steps(pub Vec<(Value, Value)>);

impl Steps {
    /// Any request. `op` and `handle` are put in unless they are there.
    pub(super) fn ask(&mut self, op: &str, arguments: Value, expect: Value) -> &mut Self {
        let mut request = json!({"op": op});
        if !matches!(op, "version" | "errors" | "open" | "license.inspect" | "license.inspect_key" | "routes.parse") {
            merge(&mut request, &json!({"handle": "${h}"}));
        }
        merge(&mut request, &arguments);
        self.0.push((request, expect));
        self
    }

    /// As [`Steps::ask`], where only the result matters.
    pub(super) fn expect(&mut self, op: &str, arguments: Value, result: &str) -> &mut Self {
        self.ask(op, arguments, json!({"result": result}))
    }

    /// Opens a store in memory with the cheapest hash; `options` are added or replace.
    pub(super) fn open(&mut self, options: Value) -> &mut Self {
        self.open_as("h", options)
    }

    /// As [`Steps::open`], with the handle bound to another name.
    pub(super) fn open_as(&mut self, name: &str, options: Value) -> &mut Self {
        let mut arguments = json!({"store": ":memory:", "trusted_keys": [], "hash": {"m": 64, "t": 1, "p": 1}});
        merge(&mut arguments, &options);
        self.ask("open", arguments, json!({"result": "OK", "handle": {"$bind": name}}))
    }

    /// Creates a key and binds it to its name, with `-` and `.` as `_`.
    pub(super) fn create(&mut self, name: &str, levels: &[&str], more: Value) -> &mut Self {
        let mut arguments = json!({"name": name, "levels": levels});
        merge(&mut arguments, &more);
        self.ask("keys.create", arguments, json!({"result": "OK", "key": {"$bind": variable(name)}}))
    }

    /// Imports a key whose secret is fixed, as random: no budget of failures gets in the way.
    pub(super) fn import(&mut self, key: &Fixed, levels: &[&str], more: Value) -> &mut Self {
        let mut arguments = json!({
            "name": key.name, "format": "phc", "hash": key.phc, "strength": "random", "levels": levels,
            "require_secure": false,
        });
        merge(&mut arguments, &more);
        self.ask("keys.import", arguments, json!({"result": "OK", "record": {"name": key.name, "origin": "imported"}}))
    }

    /// Checks the key that [`Steps::create`] bound over a secure channel, and expects a grant.
    pub(super) fn granted(&mut self, name: &str, more: Value) -> &mut Self {
        let expect = json!({"result": "OK", "http": 200, "challenge": null, "principal": {"name": name}});
        self.check(&format!("{name}:${{{}}}", variable(name)), more, expect)
    }

    /// As [`Steps::granted`], expecting a refusal.
    pub(super) fn refused(&mut self, name: &str, more: Value, refusal: Refusal) -> &mut Self {
        self.check(&format!("{name}:${{{}}}", variable(name)), more, refused(refusal))
    }

    /// Checks `name:key` over a secure channel.
    pub(super) fn check(&mut self, credential: &str, more: Value, expect: Value) -> &mut Self {
        let mut arguments =
            json!({"headers": [["Authorization", format!("Bearer {credential}")]], "channel": "secure"});
        merge(&mut arguments, &more);
        self.ask("authenticate", arguments, expect)
    }

    /// Authenticates and binds the principal, as `actor_<name>`, for an `actor`.
    pub(super) fn sign_in(&mut self, name: &str) -> &mut Self {
        let actor = format!("actor_{}", variable(name));
        let expect = json!({"result": "OK", "principal": {"name": name, "handle": {"$bind": actor}}});
        self.check(&format!("{name}:${{{}}}", variable(name)), json!({}), expect)
    }
}

/// The name of a variable for a key of this name.
pub(super) fn variable(name: &str) -> String {
    name.replace(['-', '.'], "_")
}

/// The answer of a check that refuses.
pub(super) fn refused(refusal: Refusal) -> Value {
    json!({"result": refusal.0, "http": refusal.1, "challenge": refusal.2, "principal": null})
}

/// Puts the members of `more` into `value`, replacing equal names; `"$absent"` takes a member away.
pub(super) fn merge(value: &mut Value, more: &Value) {
    let members = more.as_object().cloned().unwrap_or_else(Map::new);
    for (name, member) in members {
        if member == json!("$absent") {
            if let Some(map) = value.as_object_mut() {
                map.remove(&name);
            }
        } else if let Some(map) = value.as_object_mut() {
            map.insert(name, member);
        }
    }
}
