//! Arguments, wiring, exit codes: the only place that prints.
