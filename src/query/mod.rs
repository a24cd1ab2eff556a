//! The twin query language: one parser and evaluator for validation and for the hub.
