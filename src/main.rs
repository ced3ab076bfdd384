//! The process: configuration, logs, the adapter, an exit code.

use std::{process::ExitCode, time::Duration};

use custom_metrics_adapter::{
    app::{self, App},
    config::{Config, command::Command},
    runtime,
    shutdown::Signals,
    telemetry,
};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stderr, reason = "the one line of a start that failed, before there are logs")]
fn main() -> ExitCode {
    let ended = runtime::build().map_err(anyhow::Error::from).and_then(|runtime| {
        let ended = runtime.block_on(run());
        // A name that is being looked up would hold the end up.
        runtime.shutdown_timeout(STRAGGLERS);
        ended
    });
    ended.unwrap_or_else(|error| {
        eprintln!("custom-metrics-adapter: {error:#}");
        ExitCode::from(2)
    })
}

async fn run() -> anyhow::Result<ExitCode> {
    if let Some(command) = Command::of_process() {
        return Ok(ExitCode::from(app::command::run(command).await?));
    }
    let config = Config::load()?;
    let _telemetry = telemetry::init(&config.log)?;
    let token = CancellationToken::new();
    let signals = Signals::install()?;
    tokio::select! {
        ended = serve(config, token.clone()) => ended.map(|()| ExitCode::SUCCESS),
        () = signals.cancel(token.clone()) => Ok(ExitCode::from(130)),
    }
}

/// Starts, serves and drains. A signal ends the start too.
async fn serve(config: Config, token: CancellationToken) -> anyhow::Result<()> {
    match token.run_until_cancelled(App::bind(config, token.clone())).await {
        Some(app) => app?.run().await,
        None => {
            tracing::info!("shut down before the start was complete");
            Ok(())
        }
    }
}

/// How long blocking work may go on after the end.
const STRAGGLERS: Duration = Duration::from_millis(500);
