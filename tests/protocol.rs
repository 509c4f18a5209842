//! Requests on the wire: limits, errors, pipelines, fuzz.
