//! The embedded hub and its fleet behind `--local`.
