//! Who granted requests come from: one object a key, made once and given out again as long as nothing changes.

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use inspire_auth_core::{Code, keys::Principal as Core};
use napi::{
    Env, Property, PropertyAttributes,
    bindgen_prelude::{ClassInstance, JavaScriptClassExt, JsObjectValue, ToNapiValue},
};
use napi_derive::napi;

use crate::options::channel_name;

/// Who a granted request comes from. A frozen object, and the same one (`===`) for each request with the same key over
/// the same channel, until the key is changed or 65,536 others have come by.
///
/// It says what was true when the request was decided, and is no lasting authority: when it acts ({@link By}), the
/// library finds the key by a hidden reference, never by these members, and judges it again. An object that only looks
/// like one is refused with `INVALID_ARGUMENT`.
///
/// @example
/// const caller = auth.authenticateSync(req.rawHeaders, { channel: 'secure' });
/// console.log(`${caller.name} (${caller.id})`);
#[napi]
pub struct Principal {
    core: Core,
    /// The key's identity, a UUID; `null` when anonymous.
    #[napi(readonly, ts_type = "string | null")]
    pub id: Option<String>,
    /// The key's name; `null` when anonymous.
    #[napi(readonly, ts_type = "string | null")]
    pub name: Option<String>,
    /// The key's revision when the request was decided; 0 when anonymous.
    #[napi(readonly)]
    pub revision: f64,
    /// The channel that the request came through.
    #[napi(readonly, ts_type = "Channel")]
    pub channel: String,
    /// Whether nobody in particular was granted, since the requirement was `Public`.
    #[napi(readonly)]
    pub is_anonymous: bool,
    /// The license reason for which a stricter enforcement would have refused this request; `null` when there is none.
    #[napi(readonly, ts_type = "InspireAuthErrorCode | null")]
    pub warning: Option<String>,
}

impl Principal {
    fn of(core: &Core) -> Self {
        Self {
            core: *core,
            id: (!core.is_anonymous()).then(|| core.id().to_string()),
            name: core.name().map(str::to_owned),
            revision: crate::handle::number(core.revision()),
            channel: channel_name(core.channel()).to_owned(),
            is_anonymous: core.is_anonymous(),
            warning: core.warning().map(|code| code.name().to_owned()),
        }
    }

    pub(crate) const fn core(&self) -> &Core {
        &self.core
    }

    /// A new object. Its members are its own, so that reading one is no call, and it prints as what it is.
    ///
    /// # Errors
    /// When the environment goes down.
    pub(crate) fn object<'e>(core: &Core, env: &'e Env) -> napi::Result<ClassInstance<'e, Self>> {
        fn own(env: &Env, name: &str, value: impl ToNapiValue) -> napi::Result<Property> {
            let property = Property::new().with_utf8_name(name)?.with_napi_value(env, value)?;
            Ok(property.with_property_attributes(PropertyAttributes::Enumerable))
        }
        let this = Self::of(core);
        let members = [
            own(env, "id", this.id.clone())?,
            own(env, "name", this.name.clone())?,
            own(env, "revision", this.revision)?,
            own(env, "channel", this.channel.clone())?,
            own(env, "isAnonymous", this.is_anonymous)?,
            own(env, "warning", this.warning.clone())?,
        ];
        let mut object = this.into_instance(env)?;
        object.define_properties(&members)?;
        object.freeze()?;
        Ok(object)
    }
}

/// Principals that were given out, by small numbers under which JavaScript keeps their objects.
#[derive(Default)]
pub(crate) struct Principals(RefCell<Known>);

#[derive(Default)]
struct Known {
    slots: HashMap<u128, i32, BuildHasherDefault<Random>>,
    cores: Vec<Core>,
}

/// Most principals that are known at a time; then they are made anew.
const MAX_KNOWN: usize = 65_536;

impl Principals {
    /// The number of a principal; as `!number` (which is below 0) when JavaScript has no object for it, or one that has
    /// become untrue.
    pub(crate) fn slot(&self, principal: &Core) -> i32 {
        let known = &mut *self.0.borrow_mut();
        // Two that meet under one key would only be made anew in turns: each is compared whole.
        let key = u128::from_be_bytes(principal.credential().to_bytes())
            ^ u128::from(principal.channel() as u8)
            ^ (u128::from(principal.warning().map_or(0, Code::number)) << 2);
        if let Some(slot) = known.slots.get(&key)
            && let Some(core) = usize::try_from(*slot).ok().and_then(|slot| known.cores.get_mut(slot))
        {
            if core == principal {
                return *slot;
            }
            *core = *principal;
            return !*slot;
        }
        if known.cores.len() >= MAX_KNOWN {
            *known = Known::default();
        }
        let slot = i32::try_from(known.cores.len()).unwrap_or(i32::MAX);
        known.cores.push(*principal);
        known.slots.insert(key, slot);
        !slot
    }

    /// The principal under a number.
    pub(crate) fn get(&self, slot: u32) -> Option<Core> {
        self.0.borrow().cores.get(slot as usize).copied()
    }
}

/// Identities are random already.
#[derive(Default)]
struct Random(u64);

impl Hasher for Random {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, value: u128) {
        // The middle is without the version's and the variant's bits, which are the same in all.
        let [.., high, low] = [value >> 64, value].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(0));
        self.0 = high.rotate_left(32) ^ low;
    }
}
