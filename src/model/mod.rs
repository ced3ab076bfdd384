//! The vocabulary that every other module speaks: quantities, selectors, labels, objects, samples.
//! It imports nothing of ours and knows no HTTP, no Kubernetes client and no clock.

mod field_selector;
mod labels;
mod metric;
mod object;
mod quantity;
mod sample;
mod selector;
mod subject;
mod tenant;

pub use field_selector::{FieldSelector, FieldTerm};
pub use labels::{BrokenRules, LabelError, LabelSource, Labels};
pub use metric::{MetricName, MetricNameError};
pub use object::{GroupResource, LiveObject, ObjectRef, Presence, ResourceType, Scope, Uid};
pub use quantity::{Format, Quantity, QuantityError};
pub use sample::{ExternalValue, MetricValue, Sample};
pub use selector::{
    EchoedExpression, EchoedSelector, Operator, Requirement, Selector, SelectorError, SelectorFault,
    SelectorOperator,
};
pub use subject::Subject;
pub use tenant::Tenant;
