//! HTTP as it arrives: the head gate under hyper, hosts and origins, names of
//! fields. Knows nobody else; bodies on
//! their way through are `exchange::body`.

pub mod gate;
pub mod in_place;
pub mod names;
pub mod prefixed;
pub mod redirect;
pub mod site;
pub mod sites;
