//! Which requests and scrapes become traces, decided before there is a span: at one in a hundred the other
//! ninety-nine pay for a look at a header and one random number.
//!
//! The SDK would sample too, but only once a span with all its attributes is there to ask about. So the configured
//! sampler is asked here, before the macro makes one, and the SDK keeps whatever comes through. A filter of one layer
//! would not do: a span that every layer's own filter has refused is made all the same, for nobody.

use std::cell::Cell;

use opentelemetry::{
    Context,
    trace::{SpanId, SpanKind, TraceContextExt, TraceId},
};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample};
use tracing::{Metadata, Subscriber, subscriber::Interest};
use tracing_subscriber::{Layer, layer::Context as LayerContext};

use super::traces::TracesError;

/// A layer that lets a span of ours through only if its trace is sampled, for all layers alike. Inside a sampled span
/// every span of ours passes; elsewhere only an edge may begin a trace, or go on with the caller's.
#[derive(Clone, Debug)]
pub(super) struct Sampling(pub(super) Sampler);

impl Sampling {
    /// What `OTEL_TRACES_SAMPLER` and its argument ask for, by default what the caller decided, and everything that no
    /// caller has decided on (the defaults of the OpenTelemetry specification).
    pub(super) fn of(environment: &impl Fn(&str) -> Option<String>) -> Result<Self, TracesError> {
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        let ratio = || set(ARGUMENT).map_or(Ok(1.0), |text| ratio(&text));
        let sampler = match set(SAMPLER).as_deref() {
            None | Some("parentbased_always_on") => parent_based(Sampler::AlwaysOn),
            Some("parentbased_always_off") => parent_based(Sampler::AlwaysOff),
            Some("parentbased_traceidratio") => parent_based(Sampler::TraceIdRatioBased(ratio()?)),
            Some("always_on") => Sampler::AlwaysOn,
            Some("always_off") => Sampler::AlwaysOff,
            Some("traceidratio") => Sampler::TraceIdRatioBased(ratio()?),
            Some(other) => return Err(TracesError::unsupported(SAMPLER, other, SAMPLERS)),
        };
        Ok(Self(sampler))
    }

    /// Whether a request of this caller is traced. Asked before its span is, which then comes through.
    pub(super) fn begins(&self, caller: Option<&Context>) -> bool {
        match caller.map(|caller| (caller, caller.span().span_context().trace_id())) {
            Some((_, TraceId::INVALID)) | None => self.draws(),
            Some((caller, id)) => self.keeps(Some(caller), id),
        }
    }

    fn samples(&self, metadata: &Metadata<'_>) -> bool {
        Context::map_current(|context| {
            let span = context.span();
            match span.span_context() {
                caller if caller.is_valid() && !caller.is_remote() => caller.is_sampled(),
                _ if !EDGES.contains(&metadata.name()) => false,
                caller => (!caller.is_valid() && DRAWN.get().is_some()) || self.begins(Some(context)),
            }
        })
    }

    /// Begins a trace, or not. The id on which that was decided has to be the trace's, so that whoever samples by
    /// the id after us decides the same.
    fn draws(&self) -> bool {
        let id = RandomIdGenerator::default().new_trace_id();
        let keeps = self.keeps(None, id);
        if keeps {
            DRAWN.set(Some(id));
        }
        keeps
    }

    fn keeps(&self, parent: Option<&Context>, id: TraceId) -> bool {
        let result = self.0.should_sample(parent, id, "", &SpanKind::Internal, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }
}

impl<S: Subscriber> Layer<S> for Sampling {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match metadata.is_span() {
            true if is_ours(metadata) => Interest::sometimes(),
            true => Interest::never(),
            false => Interest::always(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: LayerContext<'_, S>) -> bool {
        !metadata.is_span() || (is_ours(metadata) && self.samples(metadata))
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= tracing::Level::INFO && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
}

/// Gives a trace the id that was drawn for it.
#[derive(Debug, Default)]
pub(super) struct DrawnIds(RandomIdGenerator);

impl IdGenerator for DrawnIds {
    fn new_trace_id(&self) -> TraceId {
        DRAWN.take().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

thread_local! {
    /// From the decision to the start of the span, which follow each other on one thread.
    static DRAWN: Cell<Option<TraceId>> = const { Cell::new(None) };
}

fn parent_based(root: Sampler) -> Sampler {
    Sampler::ParentBased(Box::new(root))
}

fn ratio(text: &str) -> Result<f64, TracesError> {
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| TracesError::unsupported(ARGUMENT, text, "a number from 0 to 1 is"))
}

/// The spans that are not inside others.
const EDGES: [&str; 2] = ["request", "scrape"];

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
const SAMPLERS: &str = "always_on, always_off, traceidratio, and these with parentbased_ before them are";

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};

    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<String, String> {
        let environment = |name: &str| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        let sampling = Sampling::of(&environment);
        sampling.map(|sampling| format!("{:?}", sampling.0)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_sampler_is_the_environments() {
        for (sampler, argument, wanted) in [
            ("", "", "ParentBased(AlwaysOn)"),
            ("", "0.5", "ParentBased(AlwaysOn)"),
            ("always_off", "", "AlwaysOff"),
            ("traceidratio", "0.25", "TraceIdRatioBased(0.25)"),
            ("parentbased_traceidratio", "", "ParentBased(TraceIdRatioBased(1.0))"),
            ("parentbased_always_off", "", "ParentBased(AlwaysOff)"),
        ] {
            assert_eq!(of(&[(SAMPLER, sampler), (ARGUMENT, argument)]).as_deref(), Ok(wanted), "{sampler}");
        }
    }

    #[test]
    fn a_sampler_that_cannot_be_followed_is_named() {
        let error = of(&[(SAMPLER, "xray")]).unwrap_err();
        assert!(error.starts_with("OTEL_TRACES_SAMPLER=\"xray\" is not supported"), "{error}");
        for argument in ["1 %", "1.5", "-0.1", "NaN"] {
            let error = of(&[(SAMPLER, "traceidratio"), (ARGUMENT, argument)]).unwrap_err();
            assert!(error.starts_with("OTEL_TRACES_SAMPLER_ARG="), "{error}");
        }
    }

    fn caller(flags: TraceFlags) -> Context {
        let (trace, span) = (TraceId::from(7), SpanId::from(7));
        let caller = SpanContext::new(trace, span, flags, true, TraceState::default());
        Context::new().with_remote_span_context(caller)
    }

    #[test]
    fn a_traces_id_is_the_one_that_was_drawn() {
        let sampling = Sampling(Sampler::TraceIdRatioBased(0.25));
        let ids = DrawnIds::default();
        let begun: Vec<TraceId> = (0..400).filter(|_| sampling.draws()).map(|_| ids.new_trace_id()).collect();
        assert!((40..200).contains(&begun.len()), "{} of 400 at one in four", begun.len());
        assert!(begun.iter().all(|id| sampling.keeps(None, *id)), "sampled again, it is the same");
    }

    #[test]
    fn a_callers_decision_is_followed_if_the_sampler_asks_for_it() {
        let (yes, no) = (caller(TraceFlags::SAMPLED), caller(TraceFlags::default()));
        let follows = Sampling(parent_based(Sampler::AlwaysOff));
        let own = Sampling(Sampler::AlwaysOn);
        let asked = |sampling: &Sampling, context: &Context| {
            sampling.keeps(Some(context), context.span().span_context().trace_id())
        };
        assert!(asked(&follows, &yes) && !asked(&follows, &no));
        assert!(asked(&own, &yes) && asked(&own, &no));
    }
}
