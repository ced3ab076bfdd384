//! A certificate of our own, for whoever has no other: a new authority, and a leaf that it issued.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use super::{
    issue::{AUTHORITY, Authority},
    pair::{self, CertificateError, LeafFacts, Pair},
};

/// The names under which the cluster and its operators reach the adapter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceNames {
    /// The Service's name.
    pub service: String,
    /// The Service's namespace.
    pub namespace: String,
}

impl ServiceNames {
    /// What the certificate is for; kube-apiserver checks `SERVICE.NAMESPACE.svc`.
    pub(super) fn all(&self) -> Vec<String> {
        let Self { service, namespace } = self;
        vec![
            service.clone(),
            format!("{service}.{namespace}"),
            format!("{service}.{namespace}.svc"),
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "::1".to_owned(),
        ]
    }

    /// Whether a certificate is for all of them.
    #[must_use]
    pub fn stand_in(&self, leaf: &LeafFacts) -> bool {
        self.all().iter().all(|name| leaf.names.contains(name))
    }
}

/// Makes sure that `directory` has a pair, and gives the paths of chain and key. What is there is kept unless it is
/// our own and does not cover the names or expires within a month.
pub(super) async fn ensure(
    directory: &Path,
    names: &ServiceNames,
    now: Timestamp,
) -> Result<(PathBuf, PathBuf), CertificateError> {
    let (certificate, key) = (directory.join("apiserver.crt"), directory.join("apiserver.key"));
    let usable = match (pair::read(&certificate).await, pair::read(&key).await) {
        (Ok(chain), Ok(private)) => is_usable(&chain, &private, names, now),
        (Err(error), _) | (_, Err(error)) if !is_missing(&error) => return Err(error),
        _ => false,
    };
    if !usable {
        generate(directory, names, now).await?;
    }
    Ok((certificate, key))
}

/// Also true for what cannot be used but is not ours to replace: loading it tells what is wrong with it.
fn is_usable(chain: &[u8], key: &[u8], names: &ServiceNames, now: Timestamp) -> bool {
    match Pair::parse(chain, key) {
        Ok(pair) => !is_ours(&pair.leaf) || (names.stand_in(&pair.leaf) && lasts(&pair.leaf, now)),
        // A crash between the two renames leaves one new and one old file of ours.
        Err(pair::PairProblem::Match(_)) => !chain_is_ours(chain),
        Err(_) => true,
    }
}

fn chain_is_ours(chain: &[u8]) -> bool {
    pair::leaf(chain).is_ok_and(|leaf| is_ours(&leaf))
}

fn is_ours(leaf: &LeafFacts) -> bool {
    leaf.issuer.starts_with(AUTHORITY)
}

fn lasts(leaf: &LeafFacts, now: Timestamp) -> bool {
    leaf.not_after.duration_since(now) > RENEW_BEFORE
}

fn is_missing(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Read { source, .. } if source.kind() == ErrorKind::NotFound)
}

async fn generate(directory: &Path, names: &ServiceNames, now: Timestamp) -> Result<(), CertificateError> {
    let authority = Authority::generate(YEAR, now)?;
    let made = authority.issue(names, YEAR, now)?;
    let failed = |source| CertificateError::Write { path: directory.to_owned(), source };
    tokio::fs::create_dir_all(directory).await.map_err(failed)?;
    write(&directory.join("ca.crt"), &authority.certificate, PUBLIC).await?;
    write(&directory.join("apiserver.key"), &made.key, PRIVATE).await?;
    write(&directory.join("apiserver.crt"), &made.chain, PUBLIC).await?;
    tracing::info!(directory = %directory.display(), "generated a serving certificate");
    Ok(())
}

/// Writes beside the file and renames, so that nobody ever reads half of it or a key that others may read.
async fn write(path: &Path, text: &str, mode: u32) -> Result<(), CertificateError> {
    use tokio::io::AsyncWriteExt;
    let failed = |source| CertificateError::Write { path: path.to_owned(), source };
    let beside = path.with_extension("new");
    // A file left over by a crash would keep its own mode.
    match tokio::fs::remove_file(&beside).await {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut options = tokio::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(&beside).await.map_err(failed)?;
    file.write_all(text.as_bytes()).await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    tokio::fs::rename(&beside, path).await.map_err(failed)
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(30 * 24);
const PUBLIC: u32 = 0o644;
const PRIVATE: u32 = 0o600;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn names() -> ServiceNames {
        ServiceNames { service: "metrics".to_owned(), namespace: "monitoring".to_owned() }
    }

    fn moment(days: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + days * 86_400).unwrap()
    }

    async fn chain_after_ensuring(directory: &Path, names: &ServiceNames, now: Timestamp) -> Vec<u8> {
        let (certificate, _) = ensure(directory, names, now).await.unwrap();
        pair::read(&certificate).await.unwrap()
    }

    #[tokio::test]
    async fn a_missing_pair_is_generated_for_the_names_of_the_service() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("certificates");
        let (certificate, key) = ensure(&directory, &names(), moment(0)).await.unwrap();
        let (chain, private) = (pair::read(&certificate).await.unwrap(), pair::read(&key).await.unwrap());
        let leaf = Pair::parse(&chain, &private).unwrap().leaf;
        let expected =
            ["metrics", "metrics.monitoring", "metrics.monitoring.svc", "localhost", "127.0.0.1", "::1"];
        assert_eq!(leaf.names, expected);
        assert_eq!(leaf.not_after, moment(365));
        let authority = pair::read(&directory.join("ca.crt")).await.unwrap();
        assert!(chain.ends_with(&authority), "the chain is leaf and authority");
        assert_eq!(std::fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_pair_is_reused_until_it_is_about_to_expire() {
        let home = tempfile::tempdir().unwrap();
        let first = chain_after_ensuring(home.path(), &names(), moment(0)).await;
        assert_eq!(chain_after_ensuring(home.path(), &names(), moment(334)).await, first);
        assert_ne!(chain_after_ensuring(home.path(), &names(), moment(336)).await, first);
    }

    #[tokio::test]
    async fn a_pair_that_lacks_a_name_is_generated_again() {
        let home = tempfile::tempdir().unwrap();
        let first = chain_after_ensuring(home.path(), &names(), moment(0)).await;
        let other = ServiceNames { service: "renamed".to_owned(), ..names() };
        assert_ne!(chain_after_ensuring(home.path(), &other, moment(0)).await, first);
    }

    #[tokio::test]
    async fn a_key_that_a_crash_left_without_its_certificate_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let first = chain_after_ensuring(home.path(), &names(), moment(0)).await;
        let stranger = KeyPair::generate().unwrap().serialize_pem();
        std::fs::write(home.path().join("apiserver.key"), stranger).unwrap();
        assert_ne!(chain_after_ensuring(home.path(), &names(), moment(0)).await, first);
    }

    #[tokio::test]
    async fn what_someone_else_put_there_is_never_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let own =
            CertificateParams::new(vec!["elsewhere".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        std::fs::write(home.path().join("apiserver.crt"), &own).unwrap();
        std::fs::write(home.path().join("apiserver.key"), key.serialize_pem()).unwrap();
        assert_eq!(chain_after_ensuring(home.path(), &names(), moment(0)).await, own.as_bytes());
        std::fs::write(home.path().join("apiserver.key"), "garbage").unwrap();
        assert_eq!(chain_after_ensuring(home.path(), &names(), moment(0)).await, own.as_bytes());
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_written_is_named() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = ensure(&file, &names(), moment(0)).await.unwrap_err();
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    }
}
