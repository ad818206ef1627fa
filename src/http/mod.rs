//! HTTP as it arrives: the head gate under hyper, bodies with limits, hosts and origins.

pub mod gate;
pub mod site;
