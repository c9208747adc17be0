//! Policy for background work of a node, such as deliveries and alarms: which piece starts next, and when.

pub mod pace;
pub mod turns;
