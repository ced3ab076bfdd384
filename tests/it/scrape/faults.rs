//! What a target can do wrong, each with the message that its owner sees.

use std::{sync::Arc, time::Duration};

use custom_metrics_adapter::{
    scrape::{Health, ScrapeOptions, template::SeriesLimits},
    store::Limits,
};

use super::{
    target::{Behaviour, Target, answer, gzip, status, text},
    world::{World, impatient, options, pod},
};
use crate::support::eventually;

async fn failure(options: ScrapeOptions, behaviour: Behaviour, class: &str) -> String {
    let world = World::start(options);
    let target = Target::start(behaviour).await;
    world.add(pod("web-1", target.address, &[]));
    world.fails("web-1", class).await
}

#[tokio::test]
async fn a_target_that_refuses_fails_by_connect() {
    let world = World::start(options());
    let target = Target::start(Behaviour::Close).await;
    let address = target.address;
    target.stop();
    eventually("the listener is closed", async || tokio::net::TcpStream::connect(address).await.is_err())
        .await;
    world.add(pod("web-1", address, &[]));
    let message = world.fails("web-1", "connect").await;
    assert!(message.starts_with("cannot connect: ") && message.contains("refused"), "{message}");
}

#[tokio::test]
async fn a_target_that_hangs_before_its_headers_times_out() {
    let message = failure(impatient(), Behaviour::Hang(Vec::new()), "timeout").await;
    assert_eq!(message, "timed out after 200ms while waiting for the response");
}

#[tokio::test]
async fn a_target_that_hangs_within_its_headers_times_out() {
    let message = failure(impatient(), Behaviour::Hang(b"HTTP/1.1 200 OK\r\n".to_vec()), "timeout").await;
    assert_eq!(message, "timed out after 200ms while waiting for the response");
}

#[tokio::test]
async fn a_target_that_hangs_in_its_body_times_out() {
    let start = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\na 1\n".to_vec();
    let message = failure(impatient(), Behaviour::Hang(start), "timeout").await;
    assert_eq!(message, "timed out after 200ms while reading the body");
}

#[tokio::test]
async fn a_target_that_drips_times_out_although_something_always_comes() {
    let start = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\na 1\n".to_vec();
    let message = failure(impatient(), Behaviour::Drip(start), "timeout").await;
    assert_eq!(message, "timed out after 200ms while reading the body");
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_read() {
    let world = World::start(options());
    let start = b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n".to_vec();
    let target = Target::start(Behaviour::Flood(start, 100_000_000)).await;
    world.add(pod("web-1", target.address, &[]));
    assert_eq!(world.fails("web-1", "size").await, "the body has more than 16777216 bytes");
    assert!(target.sent() < 16 << 20, "{} bytes were sent", target.sent());
}

#[tokio::test]
async fn a_body_without_a_length_is_read_up_to_the_limit() {
    let limited = ScrapeOptions { body_bytes: 1 << 20, ..options() };
    let world = World::start(limited);
    let target = Target::start(Behaviour::Flood(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), 100_000_000)).await;
    world.add(pod("web-1", target.address, &[]));
    assert_eq!(world.fails("web-1", "size").await, "the body has more than 1048576 bytes");
    assert!(target.sent() < 50_000_000, "{} bytes were sent", target.sent());
}

#[tokio::test]
async fn a_gzip_bomb_is_cut_at_the_limit() {
    let bomb = gzip(&vec![b'#'; 8 << 20]);
    assert!(bomb.len() < 100 << 10);
    let limited = ScrapeOptions { body_bytes: 1 << 20, ..options() };
    let behaviour = Behaviour::Answer(answer("text/plain", &["content-encoding: gzip"], &bomb));
    assert_eq!(failure(limited, behaviour, "size").await, "the body has more than 1048576 bytes");
}

#[tokio::test]
async fn a_small_body_that_unpacks_to_a_large_one_is_read_whole() {
    let large = format!("queue_depth 7\n#{}\n", "x".repeat(2 << 20));
    let packed = gzip(large.as_bytes());
    assert!(packed.len() < 64 << 10);
    let world = World::start(options());
    let target =
        Target::start(Behaviour::Answer(answer("text/plain", &["content-encoding: gzip"], &packed))).await;
    world.add(pod("web-1", target.address, &[]));
    world.reads("web-1", "queue_depth", 7_000).await;
}

#[tokio::test]
async fn truncated_gzip_and_unknown_encodings_fail_by_decode() {
    let mut cut = gzip(b"a 1\n");
    cut.truncate(cut.len() - 4);
    let behaviour = Behaviour::Answer(answer("text/plain", &["content-encoding: gzip"], &cut));
    let message = failure(options(), behaviour, "decode").await;
    assert!(message.starts_with("the gzip body is corrupt or truncated"), "{message}");
    let behaviour = Behaviour::Answer(answer("text/plain", &["content-encoding: br"], b"a 1\n"));
    let message = failure(options(), behaviour, "decode").await;
    assert!(message.starts_with("unknown Content-Encoding \"br\""), "{message}");
}

#[tokio::test]
async fn what_is_no_http_fails_by_protocol() {
    let message =
        failure(options(), Behaviour::Answer(b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec()), "protocol").await;
    assert!(message.starts_with("the response is not whole or not HTTP: "), "{message}");
    failure(options(), Behaviour::Close, "protocol").await;
}

#[tokio::test]
async fn a_body_that_closes_early_is_no_scrape_at_all() {
    let world = World::start(options());
    let target = Target::start(text("a 1\n")).await;
    world.add(pod("web-1", target.address, &[]));
    world.reads("web-1", "a", 1000).await;
    let early = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\na 2\n".to_vec();
    target.set(Behaviour::AnswerAndClose(early));
    world.fails("web-1", "protocol").await;
    assert_eq!(world.read("web-1", "a"), Ok(1000));
}

#[tokio::test]
async fn endless_headers_fail_by_protocol() {
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(1 << 20));
    failure(options(), Behaviour::Hang(endless.into_bytes()), "protocol").await;
}

#[tokio::test]
async fn only_status_200_is_an_exposition() {
    for (line, shown) in [
        ("500 Internal Server Error", "500 Internal Server Error"),
        ("404 Not Found", "404 Not Found"),
        ("204 No Content", "204 No Content"),
        ("206 Partial Content", "206 Partial Content"),
    ] {
        let message = failure(options(), status(line, &[]), "status").await;
        assert_eq!(message, format!("the status is {shown}, not 200"));
    }
}

#[tokio::test]
async fn a_redirect_is_shown_and_not_followed() {
    let world = World::start(options());
    let elsewhere = Target::start(text("a 1\n")).await;
    let location = format!("location: http://{}/metrics", elsewhere.address);
    let target = Target::start(status("302 Found", &[&location])).await;
    world.add(pod("web-1", target.address, &[]));
    let message = world.fails("web-1", "redirect").await;
    assert!(message.contains(&elsewhere.address.to_string()), "{message}");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn pages_that_are_no_exposition_fail_by_parse() {
    for (body, message) in [
        ("<!doctype html><p>hello", "not an exposition: the body looks like HTML or XML"),
        ("{\"status\":\"up\"}", "not an exposition: the body looks like JSON"),
        ("garbage\n\u{1}\n", "no good sample: 2 bad lines"),
    ] {
        let failed = failure(options(), text(body), "parse").await;
        assert!(failed.starts_with(message), "{failed}");
    }
}

#[tokio::test]
async fn a_bad_line_is_shown_and_the_others_count() {
    let world = World::start(options());
    let target = Target::start(text("a 1\nb{ 2\nc 3\n")).await;
    world.add(pod("web-1", target.address, &[]));
    world.reads("web-1", "c", 3000).await;
    let last = world.is("web-1", Health::Up).await.last_scrape.unwrap();
    assert_eq!(last.rejected, 1);
    assert!(last.rejected_lines[0].starts_with("line 2: "), "{last:?}");
    world.add(pod("strict", target.address, &[("custom-metrics-adapter/strict", "true")]));
    assert!(world.fails("strict", "parse").await.starts_with("line 2: "));
}

#[tokio::test]
async fn a_target_over_a_limit_fails_as_a_whole_and_says_which() {
    let limits = SeriesLimits { samples: 2, ..SeriesLimits::default() };
    let limited = ScrapeOptions { series_limits: limits, ..options() };
    let message = failure(limited, text("a 1\nb 1\nc 1\n"), "limit").await;
    assert!(message.starts_with("the body has 3 samples, more than 2; "), "{message}");
}

#[tokio::test]
async fn labels_that_change_with_each_scrape_do_not_pile_up() {
    let world = World::start(options());
    let page = |number: usize| {
        let lines = (0..200).map(|line| format!("a{{request=\"{number}-{line}\"}} 1\n"));
        answer("text/plain", &[], lines.collect::<String>().as_bytes())
    };
    let target = Target::start(Behaviour::Count(Arc::new(page))).await;
    world.add(pod("web-1", target.address, &[]));
    let mut most = 0;
    eventually("sixty scrapes", async || {
        most = most.max(world.scraper.templates().1);
        target.requests().len() >= 60
    })
    .await;
    assert_eq!(world.read("web-1", "a"), Ok(200_000));
    // one template a scrape is about 30 kB; the last one and the one in the making are all there ever are
    assert!(most > 0 && most < 100_000, "{most} bytes");
    assert_eq!(world.scraper.templates().0, 1);
}

#[tokio::test]
async fn loopback_is_not_scraped_unless_allowed() {
    let world = World::start(ScrapeOptions { allow_loopback: false, ..options() });
    let target = Target::start(text("a 1\n")).await;
    world.add(pod("web-1", target.address, &[]));
    let status = world.is("web-1", Health::Refused).await;
    assert_eq!(status.problems, [format!("{} is not scraped: it is a loopback address", target.address)]);
    assert!(target.requests().is_empty());
}

#[tokio::test]
async fn bad_targets_never_harm_the_good_ones() {
    let flood = b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n".to_vec();
    let behaviours = [
        Behaviour::Hang(Vec::new()),
        Behaviour::Hang(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\na".to_vec()),
        Behaviour::Drip(flood.clone()),
        Behaviour::Flood(flood, usize::MAX),
        Behaviour::Close,
        text("<html>"),
    ];
    // fewer permits than targets: a bad one may hold its own for no longer than its timeout
    let options = ScrapeOptions { interval: Duration::from_millis(500), in_flight: 8, ..options() };
    let world = World::start(options);
    let mut bad = Vec::new();
    for (number, behaviour) in behaviours.into_iter().enumerate() {
        let target = Target::start(behaviour).await;
        let impatient = [("prometheus.io/timeout", "100ms")];
        world.add(pod(&format!("bad-{number}"), target.address, &impatient));
        bad.push(target);
    }
    let good = Target::start(text("a 1\n")).await;
    let good_pods = 100 - bad.len();
    for number in 0..good_pods {
        world.add(pod(&format!("good-{number}"), good.address, &[]));
    }
    eventually("the good are up and the bad are not", async || {
        let counts = world.scraper.counts();
        (counts.up, counts.down) == (good_pods, bad.len())
    })
    .await;
    let before = world.scraper.stats().good();
    eventually("they go on", async || world.scraper.stats().good() > before + 2 * good_pods as u64).await;
    let mut failed = world.scraper.targets().into_iter().filter(|status| status.failures > 0);
    assert!(failed.all(|status| status.pod.starts_with("bad-")));
}

/// A body whose series have long labels of their own: few series, many bytes.
fn bulky(seed: usize) -> Behaviour {
    let line = |n: usize| format!("a{{id=\"{seed}-{n}-{}\"}} 1\n", "x".repeat(4_000));
    text(&(0..50).map(line).collect::<String>())
}

#[tokio::test]
async fn many_bytes_in_few_series_are_bounded_and_those_who_came_first_go_on() {
    let limits = Limits { scraped_bytes: 2 << 20, ..Limits::default() };
    let world = World::with_limits(options(), limits);
    let exposed = "# TYPE queue_depth gauge\nqueue_depth 7\n# TYPE jobs_total counter\njobs_total 5\n";
    let good = Target::start(text(exposed)).await;
    world.add(pod("good", good.address, &[]));
    world.reads("good", "queue_depth", 7_000).await;
    let mut bad = Vec::new();
    for seed in 0..10 {
        let target = Target::start(bulky(seed)).await;
        let mut pod = pod(&format!("bulky-{seed}"), target.address, &[]);
        Arc::make_mut(&mut pod.live).created = jiff::Timestamp::from_second(1_000).unwrap();
        world.add(pod);
        bad.push(target);
    }
    let counts = || world.scraper.counts();
    eventually("some fit, some do not", async || {
        counts().unknown == 0 && counts().down > 3 && counts().up > 2
    })
    .await;
    let refused = world.scraper.targets().into_iter().find_map(|status| status.last_scrape?.error).unwrap();
    assert_eq!(refused.class.as_str(), "limit");
    assert!(refused.message.contains("bytes and may hold 2097152"), "{}", refused.message);
    assert!(world.store.budget().held() <= 2 << 20);
    let before = world.scraper.stats().good();
    eventually("scrapes go on", async || world.scraper.stats().good() > before + 20).await;
    world.is("good", Health::Up).await;
    world.reads("good", "jobs_per_second", 0).await;

    (0..10).for_each(|seed| world.remove(&format!("bulky-{seed}")));
    eventually("their bytes are free again", async || world.store.budget().held() < 10_000).await;
}

#[tokio::test]
async fn a_large_body_that_does_not_end_gives_its_place_to_one_that_waits() {
    let options = ScrapeOptions { large_bodies: 1, ..options() };
    let world = World::start(options);
    let start =
        [b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n".to_vec(), vec![b'#'; 300 << 10]].concat();
    let endless = Target::start(Behaviour::Hang(start)).await;
    let patient = [("prometheus.io/interval", "60s"), ("prometheus.io/timeout", "60s")];
    world.add(pod("endless", endless.address, &patient));
    eventually("its place is taken", async || !endless.requests().is_empty()).await;
    let large = Target::start(text(&format!("a 1\n#{}\n", "x".repeat(300 << 10)))).await;
    world.add(pod(
        "large",
        large.address,
        &[("prometheus.io/interval", "30s"), ("prometheus.io/timeout", "30s")],
    ));
    let gave_way = "timed out after 1s while reading a large body that others waited for";
    assert_eq!(world.fails("endless", "timeout").await, gave_way);
    world.is("large", Health::Up).await;
}

#[tokio::test]
async fn large_bodies_that_do_not_end_hold_up_other_large_ones_only() {
    let options = ScrapeOptions { large_bodies: 1, ..impatient() };
    let world = World::start(options);
    let start =
        [b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n".to_vec(), vec![b'#'; 300 << 10]].concat();
    let endless = Target::start(Behaviour::Hang(start)).await;
    let patient = [("prometheus.io/interval", "30s"), ("prometheus.io/timeout", "30s")];
    world.add(pod("endless", endless.address, &patient));
    let large = Target::start(text(&format!("a 1\n#{}\n", "x".repeat(300 << 10)))).await;
    let small = Target::start(text("a 1\n")).await;
    // The first scrape of a long interval may be late.
    eventually("its place is taken", async || !endless.requests().is_empty()).await;
    world.add(pod("large", large.address, &[]));
    world.add(pod("small", small.address, &[]));
    let waits = "while waiting for other large bodies to be read";
    eventually("the large one waits in vain", async || world.fails("large", "timeout").await.contains(waits))
        .await;
    world.is("small", Health::Up).await;
    world.remove("endless");
    world.is("large", Health::Up).await;
}
