//! YAML text → valid manifest, with places for every problem.
