//! Everything that is told, in the order in which it is told.

use std::time::Duration;

use super::{
    Metrics,
    text::{Kind, Text},
};
use crate::{auth::InspireAuth, keys::PoolStats, license::Status};

/// What is as it is at this moment.
pub(crate) struct Now {
    pub(crate) keys: usize,
    pub(crate) generation: u64,
    /// Whether checks read the revocation page (1), or ask the database each time (0); nothing where there is none.
    pub(crate) page: Option<bool>,
    /// How long ago it was last shown that the store has nothing newer; nothing where it is asked at each check.
    pub(crate) unheard: Option<Duration>,
    pub(crate) pool: PoolStats,
    pub(crate) hash_memory_limit: u64,
    pub(crate) license: Status,
}

impl InspireAuth {
    /// Counters and gauges of this process, in the OpenMetrics text format (1.0.0), ending with `# EOF`.
    ///
    /// Holds no name of a key, no secret and no license key. Costs microseconds; the host serves it, with the content
    /// type `application/openmetrics-text; version=1.0.0; charset=utf-8`. Counters begin at zero in each process.
    ///
    /// `docs/audit.md` says what each of them means.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        // Where the store can't be asked, what was known last is still better than nothing.
        let _ = self.inner.refresh();
        let now = Now {
            keys: self.inner.index.len(),
            generation: self.inner.index.generation(),
            page: self.inner.store.page_in_use(),
            unheard: self.inner.store.following().map(|following| following.unheard_for),
            pool: self.inner.pool.get().stats(),
            hash_memory_limit: self.inner.config.max_hash_memory,
            license: self.inner.license.status(crate::clock::resolve(None)),
        };
        self.inner.metrics.text(&now)
    }
}

impl Metrics {
    pub(crate) fn text(&self, now: &Now) -> String {
        let mut text = Text::new();
        self.counters(&mut text, now);
        store(&mut text, now);
        hashing(&mut text, now);
        license(&mut text, &now.license);
        text.finish()
    }

    fn counters(&self, text: &mut Text, now: &Now) {
        let mut family =
            text.family("inspire_apikey_verifications", Kind::Counter, "Requests that were decided, by the answer.");
        for (code, count) in self.verifications() {
            family.sample(&[("result", code.name())], count);
        }
        let mut family =
            text.family("inspire_mutations", Kind::Counter, "Changes that this process made, by the audit event.");
        for (event, count) in self.mutations() {
            family.sample(&[("event", event)], count);
        }
        let help = "Slow hashes that were computed.";
        text.single("inspire_hash_runs", Kind::Counter, help, now.pool.runs);
        let help = "Requests for a slow hash that were refused because there was no room.";
        text.single("inspire_hash_busy", Kind::Counter, help, now.pool.busy);
        let (dropped, failures) = self.audit();
        let help = "Audit events that were dropped instead of written.";
        text.single("inspire_audit_dropped", Kind::Counter, help, dropped);
        let help = "Failures to write the audit file.";
        text.single("inspire_audit_failures", Kind::Counter, help, failures);
    }
}

fn store(text: &mut Text, now: &Now) {
    text.single("inspire_keys", Kind::Gauge, "API keys in the store.", now.keys);
    let help = "The generation of the store that checks decide by.";
    text.single("inspire_store_generation", Kind::Gauge, help, now.generation);
    let help = "Whether checks read the revocation page (1) or ask the database each time (0).";
    let mut page = text.family("inspire_store_page", Kind::Gauge, help);
    // The family is told of even where there is nothing to say, so that what is told does not depend on the store.
    if let Some(in_use) = now.page {
        page.sample(&[], u8::from(in_use));
    }
    let help = "How long ago it was last shown that the database has nothing newer; infinite when that is not known.";
    let mut family = text.family("inspire_store_unheard_seconds", Kind::Gauge, help);
    if let Some(unheard) = now.unheard {
        let is_known = unheard != Duration::MAX;
        family.sample(&[], if is_known { format!("{:.3}", unheard.as_secs_f64()) } else { "+Inf".to_owned() });
    }
}

fn hashing(text: &mut Text, now: &Now) {
    let pool = &now.pool;
    let help = "Memory that slow hashes take now, and what they have left for the next ones.";
    let held = pool.bytes.saturating_add(pool.spare_bytes);
    text.single("inspire_hash_memory_bytes", Kind::Gauge, help, held);
    let help = "The most memory that slow hashes have taken.";
    text.single("inspire_hash_memory_peak_bytes", Kind::Gauge, help, pool.peak_bytes);
    let help = "The most memory that slow hashes may take.";
    text.single("inspire_hash_memory_limit_bytes", Kind::Gauge, help, now.hash_memory_limit);
    text.single("inspire_hash_queue", Kind::Gauge, "Slow hashes that wait for room.", pool.queued);
    text.single("inspire_hash_running", Kind::Gauge, "Slow hashes that are being computed.", pool.running);
}

fn license(text: &mut Text, status: &Status) {
    let mode = status.mode.map_or("none", |mode| mode.as_str());
    text.family("inspire_license", Kind::Info, "The license, as its status page has it.")
        .sample(&[("mode", mode), ("state", status.state.as_str())], 1);
    for (name, help, at) in [
        ("inspire_license_expiry_timestamp_seconds", "When the license ends; absent when never.", status.expires_at),
        (
            "inspire_license_lease_expiry_timestamp_seconds",
            "When the installed license file ends; absent when never.",
            status.lease_expires_at,
        ),
        (
            "inspire_license_last_validated_timestamp_seconds",
            "When the license was last installed or validated.",
            status.last_validated_at,
        ),
    ] {
        if let Some(at) = at {
            text.single(name, Kind::Gauge, help, at);
        }
    }
    let mut family = text.family("inspire_license_limit", Kind::Gauge, "What the license allows; -1 is unlimited.");
    for (name, limit) in &status.limits {
        family.sample(&[("limit", name)], limit);
    }
}
