//! The adapter's own CA on a real control plane: verified by default, and replaced while it is read from.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::harness::{API, Adapter, ControlPlane, Namespace, SOON, eventually};

const SECRET: &str = "--namespace custom-metrics get secret custom-metrics-adapter-serving-cert --output";
const REGISTERED: [&str; 3] =
    ["v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io", "v1beta1.external.metrics.k8s.io"];

/// A CA that comes is known for half a minute before it issues, and steps are made each twenty seconds.
const A_ROTATION: Duration = Duration::from_secs(120);

#[test]
fn ca_and_pair_are_replaced_under_read_load_and_no_read_fails() {
    let plane = ControlPlane::start("ca");
    let adapter = Adapter::start(&plane, "shared", &[]);
    plane.adapter_script(&["register", "shared"]);
    let namespace = Namespace::create(&plane, "ca");
    namespace.pod("web", "web");
    adapter.write(&namespace.pod_metric("web", "load"), "7");
    for name in REGISTERED {
        let spec = plane.kubectl(&format!("get apiservice {name} --output jsonpath={{.spec}}"));
        assert!(spec.contains("caBundle") && !spec.contains("insecureSkipTLSVerify"), "{spec}");
    }

    let path = format!("{API}{}", namespace.pod_metric("web", "load"));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| reads(&plane, &path, &is_over));
        let [authority, pair] = ["ca", "tls"].map(|name| kept(&plane, name));
        rotate(&plane, "ca");
        eventually("another CA issues", A_ROTATION, || {
            let changed = kept(&plane, "tls") != pair && !kept(&plane, "ca").starts_with(&authority);
            if changed { Ok(()) } else { Err(adapter.log_from(0)) }
        });
        let pair = kept(&plane, "tls");
        rotate(&plane, "pair");
        eventually("there is another pair", SOON, || {
            if kept(&plane, "tls") == pair { Err(adapter.log_from(0)) } else { Ok(()) }
        });
        let shown = adapter.log_lines(&["serving with a new certificate"]).len();
        assert_eq!(shown, 2, "both were shown");
        is_over.store(true, Ordering::Relaxed);
        let (reads, failed) = reader.join().expect("it reads to the end");
        assert!(failed.is_empty(), "{} of {reads} reads failed: {failed:#?}", failed.len());
        assert!(reads > 100, "{reads} reads");
    });
}

#[test]
fn a_ca_bundle_that_somebody_takes_away_is_there_again() {
    let plane = ControlPlane::start("ca-bundle");
    let _adapter = Adapter::start(&plane, "shared", &[]);
    let skip = r#"[{"op":"remove","path":"/spec/caBundle"},{"op":"add","path":"/spec/insecureSkipTLSVerify","value":true}]"#;
    plane.kubectl(&format!("patch apiservice {} --type json --patch {skip}", REGISTERED[0]));
    eventually("it is verified again", SOON, || {
        let spec = plane.kubectl(&format!("get apiservice {} --output jsonpath={{.spec}}", REGISTERED[0]));
        let is_verified = spec.contains("caBundle") && !spec.contains("insecureSkipTLSVerify");
        if is_verified { Ok(()) } else { Err(spec) }
    });
}

/// How many reads by way of kube-apiserver there were, and those that failed.
fn reads(plane: &ControlPlane, path: &str, is_over: &AtomicBool) -> (usize, Vec<String>) {
    let (mut reads, mut failed) = (0, Vec::new());
    while !is_over.load(Ordering::Relaxed) {
        let answer = plane.curl(&[], path);
        reads += 1;
        if answer.status != 200 {
            failed.push(format!("{answer:?}"));
        }
    }
    (reads, failed)
}

/// What the Secret has under `NAME.crt`, encoded; the padding of the last certificate does not count.
fn kept(plane: &ControlPlane, name: &str) -> String {
    let encoded = plane.kubectl(&format!("{SECRET} jsonpath={{.data.{name}\\.crt}}"));
    encoded.get(..encoded.len().saturating_sub(8)).unwrap_or_default().to_owned()
}

fn rotate(plane: &ControlPlane, what: &str) {
    let annotate = "--namespace custom-metrics annotate secret custom-metrics-adapter-serving-cert";
    plane.kubectl(&format!("{annotate} custom-metrics-adapter/rotate={what}"));
}
