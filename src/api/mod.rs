//! Answers the aggregation layer: routes, discovery, values, status, content negotiation.
