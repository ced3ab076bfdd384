use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    model::{GroupResource, Labels, MetricName, ObjectRef, Presence, Quantity, Sample, Subject, Uid},
    store::{AppendError, Limits, Search},
};

const NOW: Timestamp = Timestamp::constant(1_795_000_000, 123_456_789);

fn subject(name: &str) -> Subject {
    match name.strip_prefix("ns:") {
        Some(namespace) => Subject::external(namespace),
        None => Subject::Object(ObjectRef {
            resource: GroupResource::new("apps", "deployments"),
            namespace: Some("default".into()),
            name: name.into(),
        }),
    }
}

fn write(name: &str, metric: &str, value: &str) -> Write {
    Write {
        subject: subject(name),
        uid: None,
        metric: MetricName::new(metric).unwrap(),
        labels: Labels::default(),
        sample: Sample { value: Quantity::parse(value).unwrap(), timestamp: NOW, window_seconds: None },
        ttl: None,
    }
}

fn labelled(write: Write, label: &str) -> Write {
    Write { labels: Labels::from_pairs([("queue", label)]), ..write }
}

fn removal(name: &str, metric: &str, label: Option<&str>) -> Removal {
    let labels = label.map(|label| Labels::from_pairs([("queue", label)]));
    Removal { subject: subject(name), metric: MetricName::new(metric).unwrap(), labels }
}

/// Everything that a store has, as text.
fn held(store: &Store) -> Vec<String> {
    let found = store.search(&Search { limit: usize::MAX, ..Search::default() }, NOW, &|_| Presence::Unknown);
    let mut held: Vec<String> = found.series.iter().map(|stored| format!("{stored:?}")).collect();
    held.sort();
    held
}

/// An adapter's life: a store and its journal in a folder.
struct Life {
    store: Store,
    journal: Journal,
    restored: Restored,
    end: CancellationToken,
    worker: tokio::task::JoinHandle<()>,
}

impl Life {
    fn begin(folder: &Path) -> Self {
        Self::begin_with(folder, Limits::default(), None, NOW)
    }

    #[expect(clippy::disallowed_methods, reason = "`end` waits for the worker")]
    fn begin_with(folder: &Path, limits: Limits, max_age: Option<SignedDuration>, now: Timestamp) -> Self {
        let store = Store::new(limits);
        let mut file = JournalFile::open(folder).unwrap();
        let restored = restore(&mut file, &store, max_age, now).unwrap();
        let end = CancellationToken::new();
        let (journal, worker) = Journal::file(file, store.clone(), end.clone());
        Self { store, journal, restored, worker: tokio::spawn(worker), end }
    }

    async fn end(self) {
        self.end.cancel();
        self.worker.await.unwrap();
    }
}

#[test]
fn a_record_says_all_that_a_write_says() {
    let whole = Write {
        uid: Some(Uid("0d5e".into())),
        labels: Labels::from_pairs([("a", "1"), ("b", "")]),
        sample: Sample {
            value: Quantity::parse("-123456789n").unwrap(),
            timestamp: Timestamp::new(-5, -7).unwrap(),
            window_seconds: Some(0),
        },
        ttl: Some(SignedDuration::from_millis(1_500)),
        ..write("web", "queue_depth", "1")
    };
    for write in [whole, write("ns:shop", "m", "4Gi"), write("web", "m", "1500m")] {
        let received = record::decode(&record::encode(&write, NOW)).unwrap();
        assert_eq!(received, record::Received { write: write.clone(), at: NOW });
        assert_eq!(received.write.sample.value.to_string(), write.sample.value.to_string());
    }
    assert!(record::decode(b"\xff\xff").is_err());
    assert!(record::decode(b"").is_err(), "no metric");
}

#[tokio::test]
async fn values_of_an_earlier_life_are_served_with_their_moments() {
    let folder = tempfile::tempdir().unwrap();
    let first = Life::begin(folder.path());
    let expiring = Write { ttl: Some(SignedDuration::from_secs(90)), ..write("web", "short", "2") };
    first
        .journal
        .commit(vec![write("web", "long", "1"), expiring, write("ns:shop", "ext", "3")], NOW)
        .await
        .unwrap();
    let before = held(&first.store);
    assert_eq!(before.len(), 3);
    first.end().await;

    let later = NOW + SignedDuration::from_secs(60);
    let second = Life::begin_with(folder.path(), Limits::default(), None, later);
    assert_eq!(held(&second.store), before, "the moment of the receipt and the end are the same");
    assert_eq!(second.restored.values, 3);
    assert_eq!(
        second.restored.resources,
        [GroupResource::namespaces(), GroupResource::new("apps", "deployments")]
    );
    second.end().await;

    let after_the_ttl = NOW + SignedDuration::from_secs(91);
    let third = Life::begin_with(folder.path(), Limits::default(), None, after_the_ttl);
    assert_eq!((third.restored.values, third.restored.expired), (2, 1));
    third.end().await;

    let age = Some(SignedDuration::from_secs(80));
    let fourth = Life::begin_with(folder.path(), Limits::default(), age, after_the_ttl);
    assert_eq!((fourth.restored.values, fourth.restored.too_old), (0, 2));
}

#[tokio::test]
async fn a_removed_value_does_not_come_back_and_its_neighbours_do() {
    let folder = tempfile::tempdir().unwrap();
    let life = Life::begin(folder.path());
    let kept = [write("web", "depth_total", "1"), write("webs", "depth", "2"), write("we", "bdepth", "3")];
    let gone = [
        write("web", "depth", "4"),
        labelled(write("web", "depth", "5"), "a"),
        labelled(write("web", "depth", "6"), "b"),
    ];
    life.journal.commit([&kept[..], &gone[..]].concat(), NOW).await.unwrap();
    assert_eq!(life.journal.remove(removal("web", "depth", Some("a"))).await.unwrap(), 1);
    assert_eq!(held(&life.store).len(), 5);
    assert_eq!(life.journal.remove(removal("web", "depth", None)).await.unwrap(), 2);
    assert_eq!(life.journal.remove(removal("web", "depth", None)).await.unwrap(), 0);
    let before = held(&life.store);
    life.end().await;
    assert_eq!(held(&Life::begin(folder.path()).store), before);
}

#[tokio::test]
async fn a_batch_that_does_not_fit_leaves_nothing_in_the_store_nor_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { series: 2, ..Limits::default() };
    let life = Life::begin_with(folder.path(), limits, None, NOW);
    life.journal.commit(vec![write("web", "a", "1")], NOW).await.unwrap();
    let refused = life.journal.commit(vec![write("web", "b", "2"), write("web", "c", "3")], NOW).await;
    assert!(matches!(refused, Err(CommitError::Append(AppendError::Full { .. }))), "{refused:?}");
    life.journal
        .commit(vec![write("web", "b", "4")], NOW)
        .await
        .expect("the refused batch gave its room back");
    let each = life.journal.commit_each(vec![write("web", "a", "5"), write("web", "z", "6")], NOW).await;
    assert!(matches!(each.as_slice(), [Ok(()), Err(CommitError::Append(_))]), "{each:?}");
    let before = held(&life.store);
    assert_eq!(before.len(), 2);
    life.end().await;
    assert_eq!(held(&Life::begin(folder.path()).store), before);
}

#[tokio::test]
async fn values_that_the_limits_no_longer_hold_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let life = Life::begin(folder.path());
    life.journal.commit(vec![write("a", "m", "1"), write("b", "m", "2")], NOW).await.unwrap();
    life.end().await;
    let limits = Limits { series: 1, ..Limits::default() };
    let next = Life::begin_with(folder.path(), limits, None, NOW);
    assert_eq!((next.restored.values, next.restored.refused), (1, 1));
}

#[tokio::test]
async fn records_of_values_that_the_store_dropped_leave_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(Limits::default());
    let mut file = JournalFile::open(folder.path()).unwrap();
    let writes = [write("web", "a", "1"), write("web", "b", "2")];
    file.change(&[file::Change::Put(&writes, NOW)]).unwrap();
    store.append(vec![writes[1].clone()], NOW).unwrap();
    assert_eq!(file.collect(|write| store.holds(write)).unwrap(), 1);
    assert_eq!(file.collect(|write| store.holds(write)).unwrap(), 0);
    let mut left = Vec::new();
    assert_eq!(file.read(|received| left.push(received.write)).unwrap(), 0);
    assert_eq!(left, [writes[1].clone()]);
}

#[test]
fn a_second_process_is_refused_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let _first = JournalFile::open(folder.path()).unwrap();
    let second = JournalFile::open(folder.path()).err().unwrap();
    assert!(matches!(second, OpenError::InUse { .. }), "{second}");
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = JournalFile::open(folder.path()).unwrap().path().to_owned();
    let whole = std::fs::read(&path).unwrap();
    let cut = [0, 1, 100, 4_096, whole.len() / 2].map(|length| whole[..length].to_vec());
    let foreign = [b"SQLite format 3\0".repeat(1_000), vec![0; 65_536]];
    for content in cut.into_iter().chain(foreign) {
        std::fs::write(&path, &content).unwrap();
        let refused = JournalFile::open(folder.path()).err();
        let length = content.len();
        assert!(matches!(refused, Some(OpenError::Damaged { .. })), "{length} bytes: {refused:?}");
        assert_eq!(std::fs::read(&path).unwrap(), content, "{length} bytes");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = JournalFile::open(&file.path().join("below")).err().unwrap().to_string();
    assert!(refused.contains("below") && refused.contains("mount a volume"), "{refused}");
}

#[test]
fn a_full_disk_is_told_from_a_broken_one() {
    use std::io::{Error, ErrorKind};
    for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
        assert!(matches!(CommitError::of(&redb::Error::Io(Error::from(kind))), CommitError::Full { .. }));
    }
    let broken = CommitError::of(&redb::Error::Io(Error::from(ErrorKind::ReadOnlyFilesystem)));
    assert!(matches!(broken, CommitError::Away { .. }));
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(u8, u8, u8, u16)>),
    Remove(u8, u8, Option<u8>),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let write = (0..3_u8, 0..3_u8, 0..3_u8, any::<u16>());
    let step = prop_oneof![
        6 => prop::collection::vec(write, 1..5).prop_map(Step::Commit),
        2 => (0..3_u8, 0..3_u8, prop::option::of(0..3_u8)).prop_map(|(a, b, c)| Step::Remove(a, b, c)),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..30)
}

fn written((name, metric, label, value): (u8, u8, u8, u16)) -> Write {
    labelled(write(&format!("o{name}"), &format!("m{metric}"), &value.to_string()), &format!("l{label}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// With restarts at any moment, a journal in a file answers as one in memory that never ends.
    #[test]
    fn restarts_change_nothing(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let model = Store::new(Limits::default());
            let memory = Journal::memory(model.clone());
            let mut life = Life::begin(folder.path());
            for step in steps {
                match step {
                    Step::Commit(writes) => {
                        let batch: Vec<Write> = writes.into_iter().map(written).collect();
                        memory.commit(batch.clone(), NOW).await.unwrap();
                        life.journal.commit(batch, NOW).await.unwrap();
                    }
                    Step::Remove(name, metric, label) => {
                        let label = label.map(|label| format!("l{label}"));
                        let removal = removal(&format!("o{name}"), &format!("m{metric}"), label.as_deref());
                        let removed = memory.remove(removal.clone()).await.unwrap();
                        assert_eq!(life.journal.remove(removal).await.unwrap(), removed);
                    }
                    Step::Restart => {
                        life.end().await;
                        life = Life::begin(folder.path());
                    }
                }
                assert_eq!(held(&life.store), held(&model));
            }
            life.end().await;
            assert_eq!(held(&Life::begin(folder.path()).store), held(&model));
        });
    }
}
