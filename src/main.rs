//! The process: configuration, logs, the adapter, an exit code.

use std::process::ExitCode;

use custom_metrics_adapter::{app::App, config::Config, shutdown::Signals, telemetry};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
#[expect(clippy::print_stderr, reason = "the one line of a start that failed, before there are logs")]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("custom-metrics-adapter: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> anyhow::Result<ExitCode> {
    let config = Config::load()?;
    let _telemetry = telemetry::init(&config.log)?;
    let token = CancellationToken::new();
    let signals = Signals::install()?;
    let app = async { App::bind(config, token.clone()).await?.run().await };
    tokio::select! {
        ended = app => ended.map(|()| ExitCode::SUCCESS),
        () = signals.cancel(token.clone()) => Ok(ExitCode::from(130)),
    }
}
