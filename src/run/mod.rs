//! Carries a plan out: submit once, watch, collect every device's outcome.
