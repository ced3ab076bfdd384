//! Push in: routes, request bodies, errors.
