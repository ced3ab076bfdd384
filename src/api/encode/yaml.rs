//! YAML as `sigs.k8s.io/yaml` prints it: the JSON document with its keys sorted.

use serde::Serialize;

use super::EncodeError;

pub(super) fn encode(document: &impl Serialize) -> Result<Vec<u8>, EncodeError> {
    // Through a `Value`, whose maps are sorted. YAML is for people; it need not be fast.
    let sorted = serde_json::to_value(document)?;
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    Ok(serde_saphyr::to_string_with_options(&sorted, options)?.into_bytes())
}
