//! What passes between an installation and its vendor.

use std::sync::Arc;

use inspire_auth_core::{
    InspireAuth as Core, Result,
    license::{Deactivation as CoreDeactivation, online::Tick},
};
use napi::{Env, bindgen_prelude::Unknown};
use napi_derive::napi;
use serde::{Deserialize, de::IgnoredAny};
use zeroize::Zeroizing;

use crate::{
    arguments::{bytes, member, object, read, read_or_default, text},
    boundary::{run, start, start_on},
    by::By,
    calls::Call,
    handle::number,
    license::{License, LicenseStatus},
    threads::NETWORK,
    transport::would_block,
};

/// What a deactivation came to. The license is out, whatever it was.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Deactivation {
    /// What is installed now: nothing.
    pub status: LicenseStatus,
    /// What became of this machine's place on the license at the licensing server: the `server` has signed that it is free,
    /// it is `pending` ({@link License.releasePending} tries again), or there was `none`.
    #[napi(ts_type = "'server' | 'pending' | 'none'")]
    pub release: &'static str,
    /// Why it is pending, such as `NETWORK_TIMEOUT`; else `null`.
    #[napi(ts_type = "InspireAuthErrorCode | null")]
    pub problem: Option<&'static str>,
    /// For the vendor: signed by this installation that the license was taken out here, and when; `null` where the license's
    /// file could not be read on this machine.
    pub receipt: Option<String>,
}

impl From<CoreDeactivation> for Deactivation {
    fn from(done: CoreDeactivation) -> Self {
        Self {
            status: done.status.into(),
            release: done.release.as_str(),
            problem: done.problem.map(|problem| problem.code().name()),
            receipt: done.receipt,
        }
    }
}

/// What {@link License.tick} came to.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct LicenseTick {
    /// Unix seconds at which there will be something to do; `null` as long as nothing is activated online.
    pub next: Option<i64>,
    /// What was due and failed, and is tried again, such as `NETWORK_TIMEOUT`; else `null`.
    #[napi(ts_type = "InspireAuthErrorCode | null")]
    pub problem: Option<&'static str>,
}

impl From<Tick> for LicenseTick {
    fn from(tick: Tick) -> Self {
        Self { next: tick.next, problem: tick.problem.map(|problem| problem.code().name()) }
    }
}

/// When, and until when, {@link License.tick} does what is due.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TickOptions {
    /// Unix seconds; not given, the system's clock.
    pub now: Option<i64>,
}

/// The same, and what JavaScript has read of it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SignalledTickOptions {
    now: Option<i64>,
    #[allow(dead_code)]
    signal: Option<IgnoredAny>,
}

/// How the licensing server is waited for.
enum Wait<'v> {
    /// On a thread; a signal may end the call of this number.
    Elsewhere(Unknown<'v>),
    /// Here.
    Here,
}

impl Wait<'_> {
    /// What an argument may have besides `more`, where its `signal` is known to be one.
    fn members<'m>(&self, more: &[&'m str]) -> Vec<&'m str> {
        let signal = matches!(self, Self::Elsewhere(_)).then_some("signal");
        more.iter().copied().chain(signal).collect()
    }
}

impl License {
    /// The library's handle, and the call.
    ///
    /// # Errors
    /// `UNSUPPORTED_OPTION` when this would wait here for what only the event loop can do.
    fn asking(&self, env: &Env, wait: Wait<'_>) -> Result<(Core, Arc<Call>)> {
        let core = self.handle.core()?;
        match wait {
            Wait::Elsewhere(call) => Ok((core, Call::given(env, call)?)),
            Wait::Here if self.handle.needs_the_loop => Err(would_block()),
            Wait::Here => Ok((core, Arc::default())),
        }
    }

    fn activating_online(
        &self,
        env: &Env,
        license_key: Unknown<'_>,
        by: Unknown<'_>,
        wait: Wait<'_>,
    ) -> Result<work!(LicenseStatus)> {
        let key = Zeroizing::new(text(env, license_key, "licenseKey")?);
        let by = By::read_unrevised(env, &by, &wait.members(&[]))?;
        let (core, call) = self.asking(env, wait)?;
        Ok(move || {
            let status = call.run(|cancel| core.license().activate_online_unless(cancel, &key, &by.caller()));
            status.map(LicenseStatus::from)
        })
    }

    fn revalidating(&self, env: &Env, by: Unknown<'_>, wait: Wait<'_>) -> Result<work!(LicenseStatus)> {
        let by = By::read_unrevised(env, &by, &wait.members(&[]))?;
        let (core, call) = self.asking(env, wait)?;
        Ok(move || {
            let status = call.run(|cancel| core.license().revalidate_unless(cancel, &by.caller()));
            status.map(LicenseStatus::from)
        })
    }

    fn deactivating(&self, env: &Env, by: Unknown<'_>, wait: Wait<'_>) -> Result<work!(Deactivation)> {
        let (read_by, members) =
            (By::read_unrevised(env, &by, &wait.members(&["localOnly"]))?, object(env, &by, "by")?);
        let local_only = read::<Option<bool>>(env, member(&members, "localOnly")?, "by.localOnly")?.unwrap_or(false);
        let (core, call) = match wait {
            Wait::Here if local_only => (self.handle.core()?, Arc::default()),
            wait => self.asking(env, wait)?,
        };
        Ok(move || {
            let (license, caller) = (core.license(), read_by.caller());
            let done = if local_only {
                license.deactivate_locally(&caller)
            } else {
                call.run(|cancel| license.deactivate_unless(cancel, &caller))
            };
            done.map(Deactivation::from)
        })
    }

    fn releasing(&self, env: &Env, by: Unknown<'_>, wait: Wait<'_>) -> Result<work!(f64)> {
        let by = By::read_unrevised(env, &by, &wait.members(&[]))?;
        let (core, call) = self.asking(env, wait)?;
        Ok(move || {
            let released = call.run(|cancel| core.license().release_pending(cancel, &by.caller()))?;
            Ok(number(released as u64))
        })
    }

    fn ticking(&self, env: &Env, options: Unknown<'_>, wait: Wait<'_>) -> Result<work!(LicenseTick)> {
        let now = match &wait {
            Wait::Here => read_or_default::<TickOptions>(env, options, "options")?.now,
            Wait::Elsewhere(_) => read_or_default::<SignalledTickOptions>(env, options, "options")?.now,
        };
        let (core, call) = self.asking(env, wait)?;
        Ok(move || call.run(|cancel| core.license().tick(cancel, now)).map(LicenseTick::from))
    }

    fn refreshing(&self, env: &Env, file: Unknown<'_>, by: Unknown<'_>) -> Result<work!(LicenseStatus)> {
        let (core, file) = (self.handle.core()?, bytes(env, file, "file")?);
        let by = By::read_unrevised(env, &by, &[])?;
        Ok(move || core.license().refresh(&file, &by.caller()).map(LicenseStatus::from))
    }

    fn revealing(&self, env: &Env, by: Unknown<'_>) -> Result<work!(String)> {
        let (core, by) = (self.handle.core()?, By::read_unrevised(env, &by, &[])?);
        Ok(move || core.license().reveal_key(&by.caller()).map(|key| key.to_string()))
    }

    fn requesting(&self, env: &Env, by: Unknown<'_>) -> Result<work!(String)> {
        let core = self.handle.core()?;
        let (read_by, members) = (By::read_unrevised(env, &by, &["licenseKey"])?, object(env, &by, "by")?);
        let key = read::<Option<String>>(env, member(&members, "licenseKey")?, "by.licenseKey")?.map(Zeroizing::new);
        Ok(move || core.license().request(key.as_ref().map(|key| key.as_str()), &read_by.caller()))
    }
}

#[napi]
impl License {
    /// Activates this installation: registers this machine for the license at the licensing server
    /// ({@link OpenOptions.server}), and installs the machine file that it issues, in the place of what is installed. A
    /// failure changes nothing, but for a refusal that the server has signed of the license that is installed.
    ///
    /// @param by who activates it; a principal needs {@link OpenOptions.adminRequirement}. `signal` ends the call: the
    /// promise rejects with `CANCELLED`, and what the server answers from then on is dropped
    /// @throws InspireAuthError `PERMISSION_DENIED`; `UNSUPPORTED_OPTION` without a server; `LICENSE_KEY_REQUIRED` for an
    /// empty key; what the server refuses with, its own words in the detail (`LICENSE_UNKNOWN`, `LICENSE_SUSPENDED`,
    /// `LICENSE_EXPIRED`, `MACHINE_LIMIT_REACHED`, `LICENSE_REFUSED`); a `NETWORK_*` or `SERVER_*` code, `CLOCK_SKEW`;
    /// `CANCELLED`; the first check that the issued file fails; `FINGERPRINT_UNAVAILABLE`; a `STORE_*` code;
    /// `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
    /// @example
    /// const auth = open('service.db', { trustedKeys, server: { url: 'https://licensing.example.com/v1' } });
    /// await auth.license.activateOnline(key, { actor: SYSTEM, signal: AbortSignal.timeout(3000) });
    #[napi(
        ts_args_type = "licenseKey: string, by: By & { signal?: AbortSignal }",
        ts_return_type = "Promise<LicenseStatus>"
    )]
    pub fn activate_online<'e>(
        &self,
        env: &'e Env,
        license_key: Unknown<'e>,
        by: Unknown<'e>,
        call: Unknown<'e>,
    ) -> napi::Result<Unknown<'e>> {
        start_on(&NETWORK, env, || self.activating_online(env, license_key, by, Wait::Elsewhere(call)))
    }

    /// {@link License.activateOnline}, blocking for as long as the network takes.
    ///
    /// @throws InspireAuthError as {@link License.activateOnline}, but for `CANCELLED`; `UNSUPPORTED_OPTION` also with
    /// {@link Server.transport}, which the blocked event loop could not run
    #[napi(ts_args_type = "licenseKey: string, by: By")]
    pub fn activate_online_sync(
        &self,
        env: &Env,
        license_key: Unknown<'_>,
        by: Unknown<'_>,
    ) -> napi::Result<LicenseStatus> {
        run(env, || self.activating_online(env, license_key, by, Wait::Here)?())
    }

    /// Asks the licensing server again, and installs the fresh machine file that it issues: only for a license that was
    /// activated online. A failure changes nothing but {@link LicenseStatus.lastAttempt}; a refusal that the server has
    /// signed acts at once.
    ///
    /// @param by as for {@link License.activateOnline}
    /// @throws InspireAuthError `UNLICENSED`; `NOT_AVAILABLE_OFFLINE` for a license that was installed from a file;
    /// `NOT_ACTIVATED` when somebody has taken this machine off the license; `CONFLICT` when the license was taken out, or
    /// changed for another, meanwhile; else as {@link License.activateOnline}
    /// @example
    /// const { leaseExpiresAt } = await auth.license.revalidate({ actor: SYSTEM });
    #[napi(ts_args_type = "by: By & { signal?: AbortSignal }", ts_return_type = "Promise<LicenseStatus>")]
    pub fn revalidate<'e>(&self, env: &'e Env, by: Unknown<'e>, call: Unknown<'e>) -> napi::Result<Unknown<'e>> {
        start_on(&NETWORK, env, || self.revalidating(env, by, Wait::Elsewhere(call)))
    }

    /// {@link License.revalidate}, blocking for as long as the network takes.
    ///
    /// @throws InspireAuthError as {@link License.revalidate}; `UNSUPPORTED_OPTION` also with {@link Server.transport}
    #[napi(ts_args_type = "by: By")]
    pub fn revalidate_sync(&self, env: &Env, by: Unknown<'_>) -> napi::Result<LicenseStatus> {
        run(env, || self.revalidating(env, by, Wait::Here)?())
    }

    /// Takes the license out, and buries its file: it can't be installed here again, only a newer one. What was activated
    /// online is then released at the licensing server; should that fail, it stays noted, and can be tried again.
    ///
    /// @param by who takes it out; a principal needs {@link OpenOptions.adminRequirement}. `localOnly` says nothing to the
    /// server, now or later. `signal` ends the wait for the server: the promise resolves all the same, as soon as the
    /// request that is under way has ended, and the release is pending. Only a signal that is aborted before anything was
    /// done makes it reject with `CANCELLED`
    /// @throws InspireAuthError `PERMISSION_DENIED`, `UNLICENSED` when there is none, a `STORE_*` code,
    /// `AUDIT_UNAVAILABLE` (only with `deny_mutations`); never because of the server
    /// @example
    /// const { release, receipt } = await auth.license.deactivate({ actor: SYSTEM });
    /// if (release !== 'server') await writeFile('receipt.txt', receipt ?? ''); // for the vendor
    #[napi(
        ts_args_type = "by: By & { localOnly?: boolean, signal?: AbortSignal }",
        ts_return_type = "Promise<Deactivation>"
    )]
    pub fn deactivate<'e>(&self, env: &'e Env, by: Unknown<'e>, call: Unknown<'e>) -> napi::Result<Unknown<'e>> {
        start_on(&NETWORK, env, || self.deactivating(env, by, Wait::Elsewhere(call)))
    }

    /// {@link License.deactivate}, blocking for as long as the network takes.
    ///
    /// @throws InspireAuthError as {@link License.deactivate}; `UNSUPPORTED_OPTION` with {@link Server.transport}, unless it
    /// is `localOnly`
    #[napi(ts_args_type = "by: By & { localOnly?: boolean }")]
    pub fn deactivate_sync(&self, env: &Env, by: Unknown<'_>) -> napi::Result<Deactivation> {
        run(env, || self.deactivating(env, by, Wait::Here)?())
    }

    /// Tries again to release the machines that are still to be released at the licensing server. Gives how many were.
    ///
    /// @param by as for {@link License.activateOnline}
    /// @throws InspireAuthError what the first that could not be released failed with: a `NETWORK_*` or `SERVER_*` code,
    /// `CLOCK_SKEW`, `CANCELLED`, `CONFLICT` when the server does not confirm it; `UNSUPPORTED_OPTION` without a server;
    /// `PERMISSION_DENIED`, a `STORE_*` code
    /// @example
    /// await auth.license.releasePending({ actor: SYSTEM }); // 1
    #[napi(ts_args_type = "by: By & { signal?: AbortSignal }", ts_return_type = "Promise<number>")]
    pub fn release_pending<'e>(&self, env: &'e Env, by: Unknown<'e>, call: Unknown<'e>) -> napi::Result<Unknown<'e>> {
        start_on(&NETWORK, env, || self.releasing(env, by, Wait::Elsewhere(call)))
    }

    /// {@link License.releasePending}, blocking for as long as the network takes.
    ///
    /// @throws InspireAuthError as {@link License.releasePending}; `UNSUPPORTED_OPTION` also with {@link Server.transport}
    #[napi(ts_args_type = "by: By")]
    pub fn release_pending_sync(&self, env: &Env, by: Unknown<'_>) -> napi::Result<f64> {
        run(env, || self.releasing(env, by, Wait::Here)?())
    }

    /// Does what is due at the licensing server, as the system: refreshes a lease of which two thirds are over, and releases
    /// what is still to be released. When that fails, it is due again after a minute, then at distances that double up to
    /// six hours. For hosts with a timer of their own; {@link Server.autoRefresh} does it without.
    ///
    /// @param options `now` in Unix seconds; `signal` as for {@link License.activateOnline}
    /// @throws InspireAuthError a `STORE_*` code, `CANCELLED`. What the server was asked in vain is in
    /// {@link LicenseTick.problem}
    /// @example
    /// setInterval(() => auth.license.tick().catch(console.error), 60_000).unref();
    #[napi(
        ts_args_type = "options?: (TickOptions & { signal?: AbortSignal }) | null",
        ts_return_type = "Promise<LicenseTick>"
    )]
    pub fn tick<'e>(&self, env: &'e Env, options: Unknown<'e>, call: Unknown<'e>) -> napi::Result<Unknown<'e>> {
        start_on(&NETWORK, env, || self.ticking(env, options, Wait::Elsewhere(call)))
    }

    /// {@link License.tick}, blocking for as long as the network takes.
    ///
    /// @throws InspireAuthError as {@link License.tick}; `UNSUPPORTED_OPTION` with {@link Server.transport}
    #[napi(ts_args_type = "options?: TickOptions | null")]
    pub fn tick_sync(&self, env: &Env, options: Unknown<'_>) -> napi::Result<LicenseTick> {
        run(env, || self.ticking(env, options, Wait::Here)?())
    }

    /// Installs a newer file of the license that is installed, with the license key that it was installed with. A failure
    /// changes nothing.
    ///
    /// @param file what the `.lic` file holds, at most 256 KiB
    /// @throws InspireAuthError `UNLICENSED`; `CONFLICT` for a file of another license; else as
    /// {@link License.activateOffline}
    /// @example
    /// await auth.license.refresh(await readFile('plant3-2028.lic'), { actor: SYSTEM });
    #[napi(ts_args_type = "file: string | Uint8Array, by: By", ts_return_type = "Promise<LicenseStatus>")]
    pub fn refresh<'e>(&self, env: &'e Env, file: Unknown<'e>, by: Unknown<'e>) -> napi::Result<Unknown<'e>> {
        start(env, || self.refreshing(env, file, by))
    }

    /// {@link License.refresh}, blocking.
    ///
    /// @throws InspireAuthError as {@link License.refresh}
    #[napi(ts_args_type = "file: string | Uint8Array, by: By")]
    pub fn refresh_sync(&self, env: &Env, file: Unknown<'_>, by: Unknown<'_>) -> napi::Result<LicenseStatus> {
        run(env, || self.refreshing(env, file, by)?())
    }

    /// A request for a machine file, for the vendor: this machine's fingerprint, the product, a nonce, and the public key of
    /// this installation, which signs it. Nothing is sent anywhere.
    ///
    /// @param by who asks; a principal needs {@link OpenOptions.adminRequirement}. `licenseKey` is sent along, if it is given
    /// @throws InspireAuthError `FINGERPRINT_UNAVAILABLE`, `PERMISSION_DENIED`, a `STORE_*` code, `AUDIT_UNAVAILABLE` (only
    /// with `deny_mutations`)
    /// @example
    /// await writeFile('plant3.req', await auth.license.request({ actor: SYSTEM, licenseKey: key }));
    #[napi(ts_args_type = "by: By & { licenseKey?: string }", ts_return_type = "Promise<string>")]
    pub fn request<'e>(&self, env: &'e Env, by: Unknown<'e>) -> napi::Result<Unknown<'e>> {
        start(env, || self.requesting(env, by))
    }

    /// {@link License.request}, blocking.
    ///
    /// @throws InspireAuthError as {@link License.request}
    #[napi(ts_args_type = "by: By & { licenseKey?: string }")]
    pub fn request_sync(&self, env: &Env, by: Unknown<'_>) -> napi::Result<String> {
        run(env, || self.requesting(env, by)?())
    }

    /// The license key as it was entered, for an administrator who has to see it: {@link LicenseStatus.key} is masked. Who
    /// saw it is recorded (`license.key_revealed`).
    ///
    /// @param by who asks; a principal needs {@link OpenOptions.adminRequirement}
    /// @throws InspireAuthError `UNLICENSED`, `PERMISSION_DENIED`, a `STORE_*` code, `AUDIT_UNAVAILABLE` (only with
    /// `deny_mutations`)
    /// @example
    /// const key = await auth.license.revealKey({ actor: request.principal });
    #[napi(ts_args_type = "by: By", ts_return_type = "Promise<string>")]
    pub fn reveal_key<'e>(&self, env: &'e Env, by: Unknown<'e>) -> napi::Result<Unknown<'e>> {
        start(env, || self.revealing(env, by))
    }

    /// {@link License.revealKey}, blocking.
    ///
    /// @throws InspireAuthError as {@link License.revealKey}
    #[napi(ts_args_type = "by: By")]
    pub fn reveal_key_sync(&self, env: &Env, by: Unknown<'_>) -> napi::Result<String> {
        run(env, || self.revealing(env, by)?())
    }
}
