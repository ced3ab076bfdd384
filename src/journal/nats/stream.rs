//! The stream: made where there is none, else as it has to be.

use std::time::Duration;

use async_nats::jetstream::{
    Context, ErrorCode,
    context::GetStreamErrorKind,
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream},
};

use super::NatsOptions;
use crate::journal::{OpenError, record::FORMAT};

/// Why the stream cannot be used now, or ever.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    /// No server answers, or it has no leader.
    #[error("{0}")]
    Away(String),
    /// Somebody has to change it.
    #[error(transparent)]
    Unfit(#[from] OpenError),
}

/// The stream, made where there is none.
pub(super) async fn ensure(context: &Context, options: &NatsOptions) -> Result<Stream, StreamError> {
    let stream = match context.get_stream(&options.stream).await {
        Ok(stream) => stream,
        Err(error) if is_missing(&error.kind()) => {
            let made = context.create_stream(wanted(options)).await;
            let made = made.map_err(|error| StreamError::Away(error.to_string()))?;
            tracing::info!(
                stream = options.stream,
                replicas = options.replicas,
                "the journal's stream is made"
            );
            made
        }
        Err(error) => return Err(StreamError::Away(error.to_string())),
    };
    let found = &stream.cached_info().config;
    match difference(&wanted(options), found, options) {
        None => Ok(stream),
        Some(difference) => Err(OpenError::Stream { stream: options.stream.clone(), difference }.into()),
    }
}

fn is_missing(error: &GetStreamErrorKind) -> bool {
    matches!(error, GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

fn wanted(options: &NatsOptions) -> Config {
    Config {
        name: options.stream.clone(),
        description: Some("Written values of custom-metrics-adapter: the newest of each series".to_owned()),
        subjects: vec![format!("{}.>", options.stream)],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: options.replicas,
        max_messages_per_subject: 1,
        // A fuse, and no limit: the servers do not let values be overwritten either when it is reached.
        max_messages: i64::try_from(options.max_series.saturating_mul(3).saturating_add(30_000))
            .unwrap_or(i64::MAX),
        max_bytes: -1,
        max_consumers: -1,
        max_message_size: 64 * 1024,
        discard: DiscardPolicy::New,
        duplicate_window: Duration::from_millis(100),
        allow_message_ttl: true,
        allow_atomic_publish: true,
        metadata: [(FORMAT_KEY.to_owned(), FORMAT.to_string())].into(),
        ..Config::default()
    }
}

/// The first setting that would lose a value, or a batch its wholeness.
fn difference(wanted: &Config, found: &Config, options: &NatsOptions) -> Option<String> {
    let setting = |name, wanted: String, found: String| {
        (wanted != found).then(|| format!("{name} is {found} and has to be {wanted}"))
    };
    let format =
        |config: &Config| config.metadata.get(FORMAT_KEY).cloned().unwrap_or_else(|| "not set".to_owned());
    let too_few = (found.num_replicas < options.replicas).then(|| {
        format!("num_replicas is {} and has to be at least {}", found.num_replicas, options.replicas)
    });
    too_few
        .or(setting("subjects", wanted.subjects.join(","), found.subjects.join(",")))
        .or(setting("storage", format!("{:?}", wanted.storage), format!("{:?}", found.storage)))
        .or(setting("discard", format!("{:?}", wanted.discard), format!("{:?}", found.discard)))
        .or(setting("max_age", format!("{:?}", wanted.max_age), format!("{:?}", found.max_age)))
        .or(setting("max_msgs_per_subject", "1".to_owned(), found.max_messages_per_subject.to_string()))
        .or(setting("allow_msg_ttl", "true".to_owned(), found.allow_message_ttl.to_string()))
        .or(setting("allow_atomic", "true".to_owned(), found.allow_atomic_publish.to_string()))
        .or(setting(FORMAT_KEY, format(wanted), format(found)))
}

/// Of the stream's metadata.
const FORMAT_KEY: &str = "custom-metrics-adapter.format";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_could_lose_a_value_is_refused_with_the_setting() {
        let options = NatsOptions { stream: "values".to_owned(), replicas: 3, ..NatsOptions::default() };
        let change = |change: fn(&mut Config)| {
            let mut found = wanted(&options);
            change(&mut found);
            difference(&wanted(&options), &found, &options).unwrap_or_default()
        };
        assert_eq!(change(|_| {}), "");
        assert_eq!(change(|found| found.num_replicas = 5), "", "more are no fewer");
        assert_eq!(change(|found| found.max_messages = 7), "", "an operator's own fuse");
        let refused = [
            change(|found| found.num_replicas = 1),
            change(|found| found.max_age = Duration::from_secs(60)),
            change(|found| found.discard = DiscardPolicy::Old),
            change(|found| found.max_messages_per_subject = -1),
            change(|found| found.allow_atomic_publish = false),
            change(|found| found.metadata.clear()),
        ];
        let said = [
            "num_replicas is 1 and has to be at least 3",
            "max_age is 60s and has to be 0ns",
            "discard is Old and has to be New",
            "max_msgs_per_subject is -1 and has to be 1",
            "allow_atomic is false and has to be true",
            "custom-metrics-adapter.format is not set and has to be 1",
        ];
        assert_eq!(refused, said);
    }
}
