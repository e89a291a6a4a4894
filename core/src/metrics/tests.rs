//! The text as a scraper reads it.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Metrics,
    gauges::Now,
    parse::{Family, parse},
};
use crate::{
    Code, HashParameters, InspireAuth, Options, StoreLocation, TABLE,
    keys::{Caller, Channel, NewKey, PoolStats, Presented, Request, Requirement},
    license::{Mode, State, Status},
};

fn status() -> Status {
    Status {
        state: State::Active,
        reason: None,
        name: None,
        key: Some("********5678".to_owned()),
        mode: Some(Mode::Offline),
        expires_at: Some(1_900_000_000),
        lease_expires_at: None,
        last_validated_at: Some(1_800_000_000),
        last_attempt: None,
        limits: BTreeMap::from([("MAX_DISPLAYS".to_owned(), 25), ("ODD \"\\\n}".to_owned(), -1)]),
        entitlements: Vec::new(),
        warnings: Vec::new(),
    }
}

fn now() -> Now {
    let pool = PoolStats { running: 1, queued: 2, bytes: 3, spare_bytes: 7, peak_bytes: 14, runs: 5, busy: 6 };
    Now {
        keys: 7,
        generation: 8,
        page: Some(true),
        unheard: Some(Duration::from_millis(2_500)),
        pool,
        hash_memory_limit: 9,
        license: status(),
    }
}

fn sample(families: &BTreeMap<String, Family>, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels: Vec<_> = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    families.get(name).unwrap_or_else(|| panic!("{name} is not there")).samples.get(&labels).copied()
}

#[test]
fn every_family_is_there_once_with_its_value() {
    let metrics = Metrics::new();
    metrics.granted();
    metrics.granted();
    metrics.denied(Code::InvalidCredential, true);
    metrics.denied(Code::AuditUnavailable, true);
    metrics.mutated("key.created");
    metrics.mutated("no such change");
    metrics.audit_dropped(3);
    metrics.audit_failed();
    let text = metrics.text(&now());
    let families = parse(&text).unwrap();
    type Expected<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], f64);
    let expected: &[Expected<'_>] = &[
        ("inspire_apikey_verifications", "counter", &[("result", "OK")], 2.0),
        ("inspire_apikey_verifications", "counter", &[("result", "INVALID_CREDENTIAL")], 1.0),
        ("inspire_apikey_verifications", "counter", &[("result", "AUDIT_UNAVAILABLE")], 1.0),
        ("inspire_audit_dropped", "counter", &[], 3.0),
        ("inspire_audit_failures", "counter", &[], 1.0),
        ("inspire_hash_busy", "counter", &[], 6.0),
        ("inspire_hash_memory_bytes", "gauge", &[], 10.0),
        ("inspire_hash_memory_limit_bytes", "gauge", &[], 9.0),
        ("inspire_hash_memory_peak_bytes", "gauge", &[], 14.0),
        ("inspire_hash_queue", "gauge", &[], 2.0),
        ("inspire_hash_running", "gauge", &[], 1.0),
        ("inspire_hash_runs", "counter", &[], 5.0),
        ("inspire_keys", "gauge", &[], 7.0),
        ("inspire_license", "info", &[("mode", "offline"), ("state", "active")], 1.0),
        ("inspire_license_expiry_timestamp_seconds", "gauge", &[], 1_900_000_000.0),
        ("inspire_license_last_validated_timestamp_seconds", "gauge", &[], 1_800_000_000.0),
        ("inspire_license_limit", "gauge", &[("limit", "MAX_DISPLAYS")], 25.0),
        ("inspire_license_limit", "gauge", &[("limit", "ODD \"\\\n}")], -1.0),
        ("inspire_mutations", "counter", &[("event", "key.created")], 1.0),
        ("inspire_mutations", "counter", &[("event", "key.deleted")], 0.0),
        ("inspire_store_generation", "gauge", &[], 8.0),
        ("inspire_store_page", "gauge", &[], 1.0),
        ("inspire_store_unheard_seconds", "gauge", &[], 2.5),
    ];
    for (name, kind, labels, value) in expected {
        assert_eq!(sample(&families, name, labels), Some(*value), "{name}");
        assert_eq!(families[*name].kind, *kind, "{name}");
    }
    let mut names: Vec<&str> = expected.iter().map(|(name, ..)| *name).collect();
    names.dedup();
    assert_eq!(families.keys().map(String::as_str).collect::<Vec<_>>(), names);
    assert!(text.contains("# UNIT inspire_hash_memory_peak_bytes bytes\n"));
    assert!(text.contains("# UNIT inspire_license_expiry_timestamp_seconds seconds\n"));
    assert!(!text.contains("# UNIT inspire_keys"));
}

#[test]
fn every_code_has_a_counter_of_its_own() {
    let metrics = Metrics::new();
    for entry in TABLE.iter().skip(1) {
        for _ in 0..entry.number {
            metrics.denied(entry.code, true);
        }
    }
    let counted = metrics.verifications();
    for (entry, (code, count)) in TABLE.iter().zip(counted) {
        assert_eq!((entry.code, u64::from(entry.number)), (code, count));
    }
}

#[test]
fn a_host_sees_its_own_figures_and_no_names() {
    let mut options = Options::new(StoreLocation::Memory);
    options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
    let auth = InspireAuth::open(options).unwrap();
    let created = auth.keys().create(&NewKey::named("secret-project"), &Caller::system()).unwrap();
    let value = format!("Bearer {}", created.credential().as_str());
    let any = Requirement::compile(&"Authenticated".parse().unwrap()).unwrap();
    let mut request = Request::new(Presented::Authorization(value.as_bytes()), &any);
    request.channel = Channel::Secure;
    for _ in 0..5 {
        auth.authenticate(&request).unwrap();
    }
    let text = auth.metrics_text();
    let families = parse(&text).unwrap();
    assert_eq!(sample(&families, "inspire_apikey_verifications", &[("result", "OK")]), Some(5.0));
    assert_eq!(sample(&families, "inspire_keys", &[]), Some(1.0));
    // One for the store, one for the key.
    assert_eq!(sample(&families, "inspire_store_generation", &[]), Some(2.0));
    assert_eq!(sample(&families, "inspire_hash_memory_limit_bytes", &[]), Some(f64::from(64 << 20)));
    // One to make it, one to see it for the first time.
    assert_eq!(sample(&families, "inspire_hash_runs", &[]), Some(2.0));
    // The first may still hold its permit when the second begins.
    assert!(sample(&families, "inspire_hash_memory_peak_bytes", &[]).is_some_and(|peak| peak >= 65536.0));
    assert_eq!(sample(&families, "inspire_license", &[("mode", "none"), ("state", "unlicensed")]), Some(1.0));
    assert_eq!(sample(&families, "inspire_store_page", &[]), None, "a store in memory has no page");
    assert_eq!(sample(&families, "inspire_store_unheard_seconds", &[]), None, "nor anything to hear of");
    assert!(!families.contains_key("inspire_license_expiry_timestamp_seconds"), "it never expires");
    assert!(!text.contains("secret-project") && !text.contains(created.key.as_str()));
}

#[test]
fn the_reader_is_strict() {
    for wrong in [
        "",
        "# TYPE a gauge\na 1\n",
        "# TYPE a counter\na 1\n# EOF\n",
        "# TYPE a gauge\na 1\na 1\n# EOF\n",
        "# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\n# EOF\n",
        "# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n",
        "# TYPE a gauge\na 1\n# HELP a too late\n# EOF\n",
        "# TYPE a gauge\na{x=\"\\q\"} 1\n# EOF\n",
        "# TYPE a gauge\na{x=\"1\",x=\"2\"} 1\n# EOF\n",
        "# TYPE a gauge\na{x=\"1\"}1\n# EOF\n",
        "# TYPE a counter\na_total -1\n# EOF\n",
        "# TYPE a gauge\na one\n# EOF\n",
        "a 1\n# EOF\n",
        "# EOF\n\n",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
