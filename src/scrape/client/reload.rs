//! Files that are looked at again.

use std::{path::PathBuf, time::Duration};

use tokio::{sync::Mutex, time::Instant};

/// Something made from files, made anew when what is in them changes. Contents are compared, not times: a Secret's
/// files change by a swapped symlink, and a file system may keep whole seconds only.
pub(super) struct Reloaded<T> {
    files: Vec<PathBuf>,
    every: Duration,
    state: Mutex<State<T>>,
}

struct State<T> {
    looked: Option<Instant>,
    contents: Vec<Vec<u8>>,
    made: Option<T>,
    /// Why what is in the files now cannot be used.
    error: Option<String>,
}

impl<T: Clone> Reloaded<T> {
    pub(super) fn new(files: Vec<PathBuf>, every: Duration) -> Self {
        let state = State { looked: None, contents: Vec::new(), made: None, error: None };
        Self { files, every, state: Mutex::new(state) }
    }

    /// What `make` made of the files' contents, in their order, when it last could. An error only if it never could:
    /// a half-written file must not stop what works.
    pub(super) async fn current(
        &self,
        make: impl Fn(&[Vec<u8>]) -> Result<T, String> + Send,
    ) -> Result<T, String> {
        let mut state = self.state.lock().await;
        if state.looked.is_none_or(|looked| looked.elapsed() >= self.every) {
            state.looked = Some(Instant::now());
            let result = match self.read().await {
                Ok(contents) if state.made.is_some() && contents == state.contents => Ok(()),
                Ok(contents) => make(&contents).map(|made| {
                    state.contents = contents;
                    state.made = Some(made);
                }),
                Err(error) => Err(error),
            };
            state.note(result);
        }
        let error = || state.error.clone().unwrap_or_default();
        state.made.clone().ok_or_else(error)
    }

    async fn read(&self) -> Result<Vec<Vec<u8>>, String> {
        let mut contents = Vec::with_capacity(self.files.len());
        for file in &self.files {
            let read = tokio::fs::read(file).await;
            contents.push(read.map_err(|error| format!("cannot read {}: {error}", file.display()))?);
        }
        Ok(contents)
    }
}

impl<T> State<T> {
    /// A failure is logged when it begins, not each time.
    fn note(&mut self, result: Result<(), String>) {
        let error = result.err();
        if let Some(error) = error.as_ref().filter(|error| self.error.as_ref() != Some(error)) {
            tracing::warn!(
                error,
                still_used = self.made.is_some(),
                "a credential file of scrapes cannot be used"
            );
        }
        self.error = error;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn current(files: &Reloaded<String>) -> Result<String, String> {
        let make = |contents: &[Vec<u8>]| match contents.concat() {
            bad if bad == b"bad" => Err("it is bad".to_owned()),
            good => Ok(String::from_utf8(good).unwrap()),
        };
        files.current(make).await
    }

    #[tokio::test]
    async fn a_changed_file_is_used_and_a_bad_one_is_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let files = Reloaded::new(vec![file.path().to_owned()], Duration::ZERO);
        for (content, used) in [("one", "one"), ("two", "two"), ("bad", "two"), ("three", "three")] {
            std::fs::write(file.path(), content).unwrap();
            assert_eq!(current(&files).await.as_deref(), Ok(used));
        }
        std::fs::remove_file(file.path()).unwrap();
        assert_eq!(current(&files).await.as_deref(), Ok("three"));
    }

    #[tokio::test]
    async fn a_file_that_never_could_be_used_is_an_error() {
        let files = Reloaded::new(vec!["/does/not/exist".into()], Duration::ZERO);
        assert!(current(&files).await.unwrap_err().starts_with("cannot read /does/not/exist"));
    }

    #[tokio::test]
    async fn within_the_time_files_are_not_looked_at() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let files = Reloaded::new(vec![file.path().to_owned()], Duration::from_secs(3600));
        std::fs::write(file.path(), "one").unwrap();
        current(&files).await.unwrap();
        std::fs::write(file.path(), "two").unwrap();
        assert_eq!(current(&files).await.as_deref(), Ok("one"));
    }
}
