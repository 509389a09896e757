//! Each documented rule, as a test of its own. A test reads as what is told to a tree, and what it commands then.

mod auto_shutdown;
mod calls;
mod intensity;
mod nested;
mod own;
mod restarts;
mod starting;
mod stopping;
