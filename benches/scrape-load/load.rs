//! Both ends of a scrape under load, each a process of its own so that the kernel can tell what it costs.
//!
//! `serve PORT SERIES` answers `GET` on every address of the machine with a page that moves each second;
//! `scrape PORT TARGETS INTERVAL [gzip]` scrapes that many pods at 127.1.0.0/16 with the adapter's own scraper and
//! store, and tells once a second on its output how it goes. `compare.sh` runs both, and Prometheus beside them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench that cannot go on says so by panicking"
)]

mod page;
mod scrape;
mod serve;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() {
    // As in the adapter without traces: as long as there is no subscriber at all, spans are offered to `log`.
    tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::new()).unwrap();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["serve", port, series] => serve::run(port.parse().unwrap(), series.parse().unwrap()).await,
        ["scrape", port, targets, interval, rest @ ..] => {
            let gzip = rest.contains(&"gzip");
            scrape::run(port.parse().unwrap(), targets.parse().unwrap(), interval, gzip).await;
        }
        _ => {
            println!("usage: scrape-load serve PORT SERIES | scrape PORT TARGETS INTERVAL [gzip]");
        }
    }
}
