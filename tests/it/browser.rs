//! The operators' pages as a browser shows them: Chromium lays each out at the width of a desk and of a phone, with
//! scripts off and names that are as long as names get, and nothing reaches out of the page sideways.

pub(crate) mod pages;

use std::{
    fs::{self, File},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::{Html, Response},
    routing::get,
};
use custom_metrics_adapter::admin;
use serde::Deserialize;
use tokio::{net::TcpListener, sync::Mutex, time};

/// What the measuring page found in one frame.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Frame {
    path: String,
    width: u32,
    /// Whether the page's own style was taken: its policy forbids everything else.
    styled: bool,
    heading: String,
    /// Which colours the page knows, and whether the browser wants dark ones.
    ground: String,
    /// Points of each small chart.
    sparks: Vec<usize>,
    /// Whether every chart has a line with a width.
    drawn: bool,
    rows: usize,
    /// Lines of the label that is broken into most.
    label_lines: usize,
    /// How far the content reaches.
    scroll_width: u32,
    client_width: u32,
    /// Elements that end right of the page.
    outside: Vec<String>,
}

#[tokio::test]
async fn every_page_fits_a_desk_and_a_phone_and_needs_no_script() {
    let address = serve().await;
    let (light, dark) = tokio::join!(measured(address, &[]), measured(address, &["--force-dark-mode"]));
    assert_eq!((light.len(), dark.len()), (48, 48), "sixteen pages, three widths");
    for frame in light.iter().chain(&dark) {
        let Frame { path, width, .. } = frame;
        assert!(frame.styled && !frame.heading.is_empty() && frame.rows > 0, "{path} at {width}: {frame:?}");
        let reach = (frame.scroll_width, frame.client_width);
        assert_eq!(reach, (*width, *width), "{path} at {width}: {frame:?}");
        assert!(frame.label_lines <= 1, "{path} at {width}: {frame:?}");
        assert!(frame.outside.is_empty(), "{path} at {width}: {frame:?}");
        assert!(frame.drawn, "{path} at {width}: {frame:?}");
    }
    let wants = |frames: &[Frame], ground: &str| frames.iter().all(|frame| frame.ground == ground);
    assert!(wants(&light, "light dark false") && wants(&dark, "light dark true"), "{:?}", dark[0]);
}

#[tokio::test]
async fn pages_of_many_hpas_targets_and_series_are_bounded_have_their_points_and_filter_without_a_script() {
    let frames = measured(serve().await, &[]).await;
    let frame = |path: &str| frames.iter().find(|frame| frame.path == path).unwrap();
    assert_eq!(frame("/one/hpas").sparks, [180]);
    assert_eq!(frame("/hpas").sparks, [180; 200], "a page of a thousand");
    assert_eq!(frame("/hpas?state=at-max").sparks, [180; 100], "one state of ten");
    let targets = frame("/many/targets");
    assert!(targets.rows <= 1_000 && !targets.sparks.is_empty(), "{} rows", targets.rows);
    assert!(targets.sparks.iter().all(|points| *points == 20), "{:?}", targets.sparks);
    assert_eq!(frame("/many/series?limit=1000").rows, 1_000);
    assert_eq!(
        (frame("/reads").rows, frame("/reads?by=all").rows),
        (500, 1_000),
        "without and with HPAs' own"
    );
    // The document that the paths stand in has escaped them.
    assert_eq!(frame("/many/series?tab=raw&amp;limit=1000").rows, 1_000);
}

/// The pages of a thousand HPAs, below `/one` those of one, and below `/many` those of many targets and series.
async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let measuring =
        Router::new().route("/measure", get(|| async { Html(include_str!("browser/measure.html")) }));
    let pages = admin::router(pages::sources(1000))
        .nest("/one", admin::router(pages::sources(1)))
        .nest("/many", admin::router(pages::many()));
    // A browser asks for all frames at once, and a page may answer that others are being made.
    let pages = pages.layer(middleware::from_fn(one_at_a_time));
    tokio::spawn(axum::serve(listener, measuring.merge(pages)).into_future());
    address
}

async fn one_at_a_time(request: Request, next: Next) -> Response {
    static TURN: Mutex<()> = Mutex::const_new(());
    let _turn = TURN.lock().await;
    next.run(request).await
}

async fn measured(address: SocketAddr, flags: &[&str]) -> Vec<Frame> {
    let document = browse(&format!("http://{address}/measure"), flags).await;
    let (_, measured) = document.split_once("<pre>").unwrap_or_else(|| panic!("not measured: {document}"));
    serde_json::from_str(measured.split("</pre>").next().unwrap()).unwrap()
}

/// The document that Chromium has made of `url` once everything on it is loaded.
async fn browse(url: &str, flags: &[&str]) -> String {
    let profile = tempfile::tempdir().unwrap();
    let output = profile.path().join("document.html");
    let mut command = Command::new("chromium");
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-default-apps", "--no-proxy-server", "--hide-scrollbars"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(flags)
        .args(["--dump-dom", url])
        .stdout(File::create(&output).unwrap())
        .stderr(Stdio::null());
    let started = command.spawn();
    let mut chromium = Browser(started.expect("chromium is there: `make setup` installs Debian's package"));
    let ended = time::timeout(PATIENCE, ended(&mut chromium)).await;
    assert!(ended.expect("chromium ends in time").success());
    fs::read_to_string(output).unwrap()
}

async fn ended(browser: &mut Browser) -> ExitStatus {
    loop {
        if let Some(status) = browser.0.try_wait().unwrap() {
            return status;
        }
        time::sleep(Duration::from_millis(20)).await;
    }
}

/// Ended with the test, however that ends.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        // Fails when it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Two browsers with 48 frames each take half a minute on two free cores.
const PATIENCE: Duration = Duration::from_secs(240);
