//! Do reads wait for writes? 10,000 pods with ten written values each; 200 readers list one metric of the 100 pods
//! that a selector selects, again and again, while 50 writers write.
//!
//! Three conditions take turns, so that a slow moment of the machine meets all of them:
//! - `quiet`: nobody writes;
//! - `elsewhere`: the writers write to another store, which costs the same CPU time and shares no lock;
//! - `here`: they write to the store that is read, every second value to the very pods that are read.
//!
//! So `here / elsewhere` is what reads lose by waiting for writes, and `here / quiet` all that they lose. Each answer
//! is checked; an error ends the bench.
//!
//! Then without writers: alone, and while [1,000 HPAs](watched) are looked at and a page of them is open.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench"
)]

#[path = "../../tests/it/support/kube_api.rs"]
mod kube_api;

mod door;
mod idle;
mod load;
mod watched;
mod world;

use std::time::Duration;

use load::{Load, Round};
use watched::{HPAS, Watched};
use world::World;

const CONDITIONS: [&str; 3] = ["quiet", "elsewhere", "here"];

fn main() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let world = World::start().await;
        println!("{}", world.describe());
        compare("in process", &world.in_process()).await;
        let loopback = world.over_loopback().await;
        compare("TLS and HTTP/2 over loopback", &loopback).await;
        let watched = Watched::start(&world).await;
        beside("in process", &world.in_process(), &watched).await;
        beside("TLS and HTTP/2 over loopback", &loopback, &watched).await;
    });
}

async fn compare(title: &str, load: &Load) {
    load.run(WARM_UP, None).await;
    let mut rounds = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        let writers = [None, Some(&load.elsewhere), Some(&load.here)];
        for (rounds, writers) in rounds.iter_mut().zip(writers) {
            rounds.push(load.run(LENGTH, writers).await);
        }
    }
    println!("\n{title}: {ROUNDS} rounds of {} s each\n", LENGTH.as_secs());
    println!("| writers | reads/s | p50 | p99 | longest | writes/s |\n|---|---|---|---|---|---|");
    for (condition, rounds) in CONDITIONS.iter().zip(&rounds) {
        println!("| {condition} {}", Round::together(rounds).row());
    }
    let [quiet, elsewhere, here] = &rounds;
    println!("\n| ratio, median of rounds | reads/s | p50 | p99 |\n|---|---|---|---|");
    println!("| here / elsewhere {}", ratios(here, elsewhere));
    println!("| here / quiet {}", ratios(here, quiet));
}

/// Reads alone, and beside the look at every HPA and a page of them.
async fn beside(title: &str, load: &Load, watched: &Watched) {
    load.run(WARM_UP, None).await;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(load.run(LONGER, None).await);
        let work = watched.work();
        beside.push(load.run(LONGER, None).await);
        work.end().await;
    }
    println!("\n{title}, {HPAS} HPAs: {ROUNDS} rounds of {} s each\n", LONGER.as_secs());
    println!("| HPAs | reads/s | p50 | p99 | longest | writes/s |\n|---|---|---|---|---|---|");
    println!("| not looked at {}", Round::together(&alone).row());
    println!("| looked at, and a page open {}", Round::together(&beside).row());
    println!("\n| ratio, median of rounds | reads/s | p50 | p99 |\n|---|---|---|---|");
    println!("| looked at / not {}", ratios(&beside, &alone));
}

fn ratios(of: &[Round], to: &[Round]) -> String {
    let ratio = |figure: fn(&Round) -> f64| {
        let mut ratios: Vec<f64> = of.iter().zip(to).map(|(of, to)| figure(of) / figure(to)).collect();
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    };
    let reads = ratio(Round::reads_per_second);
    let [p50, p99] = [ratio(|round| round.quantile(0.5)), ratio(|round| round.quantile(0.99))];
    format!("| {reads:.3} | {p50:.2} | {p99:.2} |")
}

const ROUNDS: usize = 5;
const LENGTH: Duration = Duration::from_secs(3);
/// Two looks at the HPAs and two pages.
const LONGER: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_secs(2);
