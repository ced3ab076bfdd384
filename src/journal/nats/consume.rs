//! Records of the stream from a place on, by a consumer that its server forgets when nobody asks.

use std::time::Duration;

use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, pull},
    stream::Stream,
};

/// The records from `start` on, as they come; the error is the servers' words.
pub(super) async fn from(stream: &Stream, start: u64) -> Result<pull::Stream, String> {
    // With a name, the right to make it can be given for this stream alone.
    let name = format!("replica-{}", uuid::Uuid::new_v4().simple());
    let config = pull::Config {
        name: Some(name),
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: start },
        ack_policy: AckPolicy::None,
        inactive_threshold: INACTIVE,
        num_replicas: 1,
        memory_storage: true,
        ..pull::Config::default()
    };
    let consumer = stream.create_consumer(config).await.map_err(|error| error.to_string())?;
    let messages = consumer.stream().max_messages_per_batch(CHUNK).heartbeat(HEARTBEAT).expires(EXPIRES);
    messages.messages().await.map_err(|error| error.to_string())
}

/// Records that are asked for, and applied, in one go.
pub(super) const CHUNK: usize = 1_000;

/// Two of them missed end the consumer.
const HEARTBEAT: Duration = Duration::from_secs(1);
const EXPIRES: Duration = Duration::from_secs(30);

/// After which a server forgets a consumer that nobody asks.
const INACTIVE: Duration = Duration::from_secs(30);
