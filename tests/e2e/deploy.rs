//! What users apply.

use crate::harness::ControlPlane;

#[test]
fn the_manifests_apply_twice_admit_the_pod_and_give_the_rights_that_they_should() {
    // A plane of its own: the manifests register the group for a pod in which nothing runs.
    let plane = ControlPlane::start("deploy");
    let said = plane.try_script("deploy/check-manifests.sh").unwrap_or_else(|problem| panic!("{problem}"));
    assert!(said.starts_with("manifests: "), "{said}");
}
