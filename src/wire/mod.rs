//! What bytes travel on, on either side: sockets, TLS over them, how both are set.
//!
//! Not here: who connects or listens (`upstream::dial`, `listener`), and whose certificates count.

mod crypto;
mod stream;
mod tcp;

pub use crypto::provider;
pub use stream::{Socket, Stream};
pub use tcp::tune;
