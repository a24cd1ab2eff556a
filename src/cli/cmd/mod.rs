//! One file per command; each only wires.
