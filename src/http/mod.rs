//! HTTP as it arrives: the head gate under hyper, bodies with limits, hosts and origins.

pub mod body;
pub mod gate;
pub mod in_place;
pub mod prefixed;
pub mod site;
