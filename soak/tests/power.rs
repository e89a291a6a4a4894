//! A short form of the sweep `power`, and that it bites.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking, and says how far it came"
)]

use std::ops::ControlFlow;

use inspire_auth_soak::power::{Cut, Weakness, cut_power};

/// How many images were looked at, and those that were wrong.
fn sweep(seeds: std::ops::Range<u64>, points: usize, weakness: Weakness, enough: usize) -> (usize, Vec<String>) {
    let (mut images, mut wrong) = (0, Vec::new());
    for seed in seeds {
        cut_power(seed, points, weakness, &mut |cut: Cut| {
            images += 1;
            if let Err((damage, _)) = &cut.found {
                wrong.push(format!(
                    "script {seed}, after call {}, {:?}, {:?}: {damage}",
                    cut.at, cut.unsynced, cut.page
                ));
            }
            if wrong.len() < enough { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .unwrap();
    }
    (images, wrong)
}

fn nothing_is_lost(seed: u64) {
    let (images, wrong) = sweep(seed..seed + 1, 30, Weakness::None, 5);
    assert!(images > 60, "only {images} images");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_power_cut_loses_nothing_acknowledged_and_revives_no_key() {
    nothing_is_lost(1);
}

/// A script that is long enough for SQLite to begin its log anew.
#[test]
fn nor_does_one_after_a_long_time_without_an_end() {
    nothing_is_lost(2);
}

#[test]
fn it_bites_where_syncs_are_left_out_or_do_nothing() {
    for weakness in [Weakness::SyncsSeldom, Weakness::NeverSyncs, Weakness::DiskLies] {
        let (images, wrong) = sweep(0..3, 10, weakness, 1);
        println!("{weakness:?}: the first of {images} images: {wrong:?}");
        assert!(!wrong.is_empty(), "{weakness:?} went unnoticed in {images} images");
    }
}
