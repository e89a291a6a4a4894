//! Failures on purpose, as a client meets them.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects)] // an overflow in a test is a failed test

mod support;

use std::time::{Duration, Instant};

use inspire_auth_issuer::{Failure, Step};
use serde_json::json;
use support::{Reply, Site};

const TARGET: &str = "/licenses/actions/validate-key";

fn ask(site: &Site) -> Result<Reply, ureq::Error> {
    site.try_send("POST", TARGET, None, &json!({"meta": {"key": "NOBODYS-KEY"}}).to_string())
}

fn is_signed(reply: &Reply) -> bool {
    reply.is_signed("POST", &format!("/v1{TARGET}"), "127.0.0.1")
}

/// Whether the server is its old self again.
fn is_well(site: &Site) -> bool {
    let reply = ask(site).unwrap();
    site.server.script().is_empty() && reply.status == 200 && is_signed(&reply)
}

#[test]
fn answers_that_must_not_be_believed() {
    let site = Site::new();
    for failure in [Failure::BadSignature, Failure::NoSignature, Failure::ChangedBody] {
        site.server.script().push(failure.clone());
        let reply = ask(&site).unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (200, "NOT_FOUND"), "the answer is there, {failure}");
        assert!(!is_signed(&reply), "{failure}");
        assert!(is_well(&site));
    }
    for offset in [-600, 600] {
        site.server.script().push(Failure::Date(offset));
        let reply = ask(&site).unwrap();
        assert!(is_signed(&reply), "by another clock");
        let usual = ask(&site).unwrap();
        assert_ne!(reply.header("date"), usual.header("date"));
    }
}

#[test]
fn answers_of_somebody_in_between() {
    let site = Site::new();
    site.server.script().push("status=503,retry-after=7".parse::<Step>().unwrap());
    site.server.script().push("status=429".parse::<Step>().unwrap());
    site.server.script().push(Failure::Redirect("http://127.0.0.1:1/".into()));
    let seen: Vec<_> = (0..3)
        .map(|_| {
            let reply = ask(&site).unwrap();
            assert!(!is_signed(&reply) && reply.body.is_empty());
            let field = |name| reply.header(name).map(str::to_owned);
            (reply.status, field("retry-after"), field("location"))
        })
        .collect();
    assert_eq!(
        seen,
        [(503, Some("7".to_owned()), None), (429, None, None), (307, None, Some("http://127.0.0.1:1/".to_owned()))]
    );
    assert!(is_well(&site));
}

#[test]
fn connections_that_end() {
    let site = Site::new();
    for failure in [Failure::Drop, Failure::Lose, Failure::TruncatedBody] {
        site.server.script().push(failure.clone());
        assert!(ask(&site).is_err(), "{failure}");
        assert!(is_well(&site), "{failure}");
    }
}

#[test]
fn an_answer_that_is_lost_was_given() {
    let site = Site::new();
    let license = site.license(|_| ());
    let body = json!({"data": {
        "type": "machines",
        "attributes": {"fingerprint": "fp"},
        "relationships": {"license": {"data": {"type": "licenses", "id": license.id}}},
    }})
    .to_string();
    let machines = || site.server.store().machines(&license.id).unwrap().len();
    site.server.script().push(Failure::Drop);
    assert!(site.try_send("POST", "/machines", Some(&license.key), &body).is_err());
    assert_eq!(machines(), 0);
    site.server.script().push(Failure::Lose);
    assert!(site.try_send("POST", "/machines", Some(&license.key), &body).is_err());
    assert_eq!(machines(), 1);
}

#[test]
fn a_delay_is_one_and_only_where_it_was_meant() {
    let site = Site::new();
    site.server.script().push("delay=300ms,times=2,path=validate-key".parse::<Step>().unwrap());
    assert_eq!(site.send("GET", "/ping", None, "").status, 200);
    for _ in 0..2 {
        let begun = Instant::now();
        assert!(is_signed(&ask(&site).unwrap()));
        assert!(begun.elapsed() >= Duration::from_millis(300));
    }
    assert!(is_well(&site));
}
