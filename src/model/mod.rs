//! The vocabulary that every other module speaks: quantities, selectors, labels, objects, samples.
//! It imports nothing of ours and knows no HTTP, no Kubernetes client and no clock.

mod duration;
mod field_selector;
mod fold;
mod labels;
mod matcher;
mod metric;
mod metric_selector;
mod object;
mod options;
mod quantity;
mod sample;
mod selector;
mod subject;
mod tenant;

pub use duration::parse_duration;
pub use field_selector::{FieldSelector, FieldTerm};
pub use fold::{Fold, Over};
pub use labels::{BrokenRules, LabelError, LabelSource, Labels};
pub use matcher::{Matcher, MatcherError, anchored};
pub use metric::{MetricName, MetricNameError};
pub use metric_selector::{MetricSelector, MetricSelectorError};
pub use object::{GroupResource, LiveObject, ObjectRef, Presence, ResourceType, Scope, Uid};
pub use options::{OptionError, Options};
pub use quantity::{Format, Quantity, QuantityError};
pub use sample::{ExternalValue, MetricValue, Sample};
pub use selector::{
    EchoedExpression, EchoedSelector, ExpressionSpec, Operator, Requirement, Selector, SelectorError,
    SelectorFault, SelectorOperator, SelectorSpec,
};
pub use subject::Subject;
pub use tenant::Tenant;
