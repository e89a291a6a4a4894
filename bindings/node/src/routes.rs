//! Route tables.

use std::{ptr, rc::Rc};

use inspire_auth_core::{
    Code, Error, Result,
    keys::Channel,
    routes::{Explanation as CoreExplanation, Routes as Core, Rule},
};
use napi::{
    Env, JsValue, ValueType,
    bindgen_prelude::{Function, JsObjectValue, Object, Unknown},
};
use napi_derive::napi;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    arguments::{bytes, invalid, read_or_default, text},
    boundary::run,
    environment::Environment,
    raw::{header_bytes, instance},
};

/// A table that says what guards each path and method of a service, compiled by {@link Routes.parse}. Good for every
/// handle of its thread.
///
/// The longest prefix of whole segments decides, and denies every method that it does not list; a path outside the table
/// is denied. Paths are compared as they were received, and never rewritten: one that could be read in two ways (`//`,
/// `..`, `%2F`, `%61` for `a`, `;`, ...) is refused with `PATH_NOT_CANONICAL`.
///
/// @example
/// const routes = Routes.parse(await readFile('routes.json'));
/// const terms = { channel: 'secure', routes, method: req.method, path: req.url };
/// const caller = await auth.authenticate(req.rawHeaders, terms);
#[napi]
pub struct Routes {
    core: Core,
    /// The address of each rule, in ascending order, and its place in the table.
    places: Vec<(usize, u32)>,
    /// The numbers of the rules' requirements, in the order of the table.
    slots: Vec<u32>,
    here: Rc<Environment>,
}

/// What guards one prefix of a table, for some methods.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct RouteRule {
    /// Whole segments of a path, such as `/data/api/v1`.
    pub prefix: String,
    /// As written in the table; `*` is every one that no other rule of the prefix lists.
    pub methods: Vec<String>,
    /// What the caller must hold, such as `any(Authenticated/Ops/Read)`.
    pub require: String,
    /// What the license must hold as well; `null` for nothing.
    pub entitlement: Option<String>,
}

impl RouteRule {
    fn of(rule: &Rule) -> Self {
        Self {
            prefix: rule.prefix().to_owned(),
            methods: rule.methods().map(str::to_owned).collect(),
            require: rule.requirement().spec().to_string(),
            entitlement: rule.entitlement().map(str::to_owned),
        }
    }
}

/// What a request would get, and why. For administrators, never for the caller of a service.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Explanation {
    /// Whether it would be granted.
    pub allowed: bool,
    /// `OK`, or the code with which it would be refused.
    #[napi(ts_type = "InspireAuthErrorCode | 'OK'")]
    pub code: &'static str,
    /// The rule that decides; `null` when the path or the method found none.
    pub rule: Option<RouteRule>,
    /// The levels for want of which it is refused, sorted by bytes.
    pub missing: Vec<String>,
    /// A sentence that says why.
    pub reason: String,
}

impl Explanation {
    /// # Errors
    /// `INTERNAL` when its rule is none of the table's.
    pub(crate) fn of(routes: &Routes, found: CoreExplanation) -> Result<Self> {
        let rule = found.rule.map(|(prefix, methods)| {
            let is_it = |rule: &&Rule| rule.prefix() == prefix && rule.methods().eq(methods.iter().map(String::as_str));
            routes.core.rules().find(is_it).map(RouteRule::of).ok_or_else(|| Error::new(Code::Internal))
        });
        Ok(Self {
            allowed: found.code == Code::Ok,
            code: found.code.name(),
            rule: rule.transpose()?,
            missing: found.missing,
            reason: found.reason,
        })
    }
}

#[napi]
impl Routes {
    /// Compiles a table.
    ///
    /// @param table JSON as text or bytes, or what such a text says. `methods` lists at least one; `["*"]` is every one
    /// that no other rule of the prefix lists. A prefix has no trailing slash. With `ignore_case` ASCII letters of either
    /// case are the same, for services whose own router has it so (Express does, unless it is told otherwise); with
    /// `ignore_suffix` `/users.json` is what `/users` is (Connect ends a mount at a dot)
    /// @throws InspireAuthError `INVALID_ARGUMENT`, whose detail says which route, and what is wrong; `INVALID_LEVEL`
    /// @example
    /// const routes = Routes.parse({ routes: [{ prefix: '/', methods: ['GET'], require: { any: ['Authenticated'] } }] });
    #[napi(factory, ts_args_type = "table: string | Uint8Array | RouteTable")]
    pub fn parse(env: &Env, table: Unknown<'_>) -> napi::Result<Self> {
        run(env, || {
            let table = json(env, table)?;
            let core = Core::parse(std::str::from_utf8(&table).map_err(|_| invalid("table is no UTF-8"))?)?;
            let here = Environment::of(env)?;
            let mut places: Vec<_> = core.rules().map(address).zip(0_u32..).collect();
            places.sort_unstable();
            let slots = {
                let mut requirements = here.requirements.borrow_mut();
                core.rules().map(|rule| requirements.insert(rule.requirement().clone())).collect()
            };
            Ok(Self { core, places, slots, here })
        })
    }

    /// The rules, in the order of the table.
    #[napi(getter)]
    pub fn rules(&self) -> Vec<RouteRule> {
        self.core.rules().map(RouteRule::of).collect()
    }

    /// Whether paths are compared without regard to ASCII case.
    #[napi(getter)]
    pub fn ignores_case(&self) -> bool {
        self.core.ignores_case()
    }

    /// Whether what follows a dot in a segment of a path is left out of account.
    #[napi(getter)]
    pub fn ignores_suffix(&self) -> bool {
        self.core.ignores_suffix()
    }

    /// The numbers under which the warm check finds the requirements of the rules.
    #[napi(skip_typescript)]
    pub fn slots(&self) -> Vec<u32> {
        self.slots.clone()
    }
}

impl Routes {
    pub(crate) const fn core(&self) -> &Core {
        &self.core
    }

    /// The place of a rule in the table.
    ///
    /// # Errors
    /// `INTERNAL` when it is a rule of another table.
    pub(crate) fn place(&self, rule: &Rule) -> Result<u32> {
        let found = self.places.binary_search_by_key(&address(rule), |(address, _)| *address);
        let place = found.ok().and_then(|at| self.places.get(at)).map(|(_, place)| *place);
        place.ok_or_else(|| Error::new(Code::Internal))
    }
}

impl Drop for Routes {
    fn drop(&mut self) {
        let mut requirements = self.here.requirements.borrow_mut();
        for slot in &self.slots {
            requirements.remove(*slot);
        }
    }
}

/// The JSON of a table: as it is written, or of an object. JavaScript itself makes that: what nests without an end, or
/// turns in a circle, ends there.
fn json(env: &Env, table: Unknown<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let is_object = matches!(table.get_type(), Ok(ValueType::Object)) && !table.is_typedarray().unwrap_or(true);
    if !is_object {
        return bytes(env, table, "table");
    }
    let written = env.get_global().and_then(|global| {
        let json = global.get_named_property_unchecked::<Object<'_>>("JSON")?;
        let stringify = json.get_named_property_unchecked::<Function<'_, Unknown<'_>, Unknown<'_>>>("stringify")?;
        stringify.call(table)
    });
    match written {
        Ok(text) if matches!(text.get_type(), Ok(ValueType::String)) => bytes(env, text, "table"),
        _ => Err(invalid("table is no JSON")),
    }
}

fn address(rule: &Rule) -> usize {
    ptr::from_ref(rule).addr()
}

/// The method and the path of a request. One UTF-16 unit of a path is one byte, as in `req.url`; a unit above U+00FF was
/// never a byte, and becomes one that no path may hold.
pub(crate) struct Target {
    pub(crate) method: String,
    pub(crate) path: Vec<u8>,
}

impl Target {
    /// # Errors
    /// `INVALID_ARGUMENT` when one of the two is no string.
    pub(crate) fn read(env: &Env, method: Unknown<'_>, path: &Unknown<'_>) -> Result<Self> {
        let path = header_bytes(path).ok_or_else(|| invalid("path is not a string"))?;
        Ok(Self { method: text(env, method, "method")?, path })
    }
}

/// The table that a value is.
///
/// # Errors
/// `INVALID_ARGUMENT` for anything else.
pub(crate) fn with_table<T>(value: &Unknown<'_>, body: impl FnOnce(&Routes) -> Result<T>) -> Result<T> {
    match instance::<Routes>(value) {
        Some(routes) => body(&routes),
        None => Err(invalid("routes is not what Routes.parse gave")),
    }
}

/// `{channel, now}`, of a request that is not made.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Supposed {
    channel: Option<String>,
    pub(crate) now: Option<i64>,
}

impl Supposed {
    /// # Errors
    /// `INVALID_ARGUMENT`.
    pub(crate) fn read(env: &Env, options: Unknown<'_>) -> Result<Self> {
        read_or_default(env, options, "options")
    }

    /// # Errors
    /// `INVALID_ARGUMENT`.
    pub(crate) fn channel(&self) -> Result<Channel> {
        match self.channel.as_deref() {
            None | Some("plain") => Ok(Channel::Plain),
            Some("secure") => Ok(Channel::Secure),
            Some("local") => Ok(Channel::Local),
            Some(_) => Err(invalid("options.channel is none of 'plain', 'secure' and 'local'")),
        }
    }
}
